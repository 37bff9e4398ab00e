//! Endpoints come and go by Redis, and Redis itself does, while clients ask without a pause: none of them notices, and the
//! change is in the traffic at once.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use leverframe::demo::Node;
use leverframe::model::EndpointName;
use serde_json::Value;

use crate::programs::tell;
use crate::world::{Load, Plan, Process, Redis, Setup, eventually};

/// How long all goes on before something happens, and after it.
const CALM: Duration = Duration::from_secs(1);

/// From a message to the change of the routing.
const BAR: Duration = Duration::from_millis(100);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_in_redis_is_followed_under_load_and_through_its_restart() {
    let mut redis = Redis::start().await;
    let mut nodes = Vec::new();
    for number in 1..=7 {
        let name = EndpointName::new(&format!("node-{number}")).expect("a name");
        nodes.push(Node::start(([127, 0, 0, 1], 0).into(), name).await.expect("a node"));
    }
    let register = |redis: &Redis, node: &Node| {
        let key = format!("backend:{}", node.name());
        redis.cli(&["hset", &key, "url", &format!("http://{}", node.address()), "status", "UP"]);
        redis.cli(&["sadd", "backends", node.name().as_str()]);
        publish(redis, node, "UP");
    };
    nodes[..3].iter().for_each(|node| register(&redis, node));
    let lines = format!("[cluster.web.discovery.redis]\nurl = \"{}\"\nresync = \"1s\"\n", redis.url());
    let setup = Setup::new().workers(2).origins(0).endpoints(Vec::new()).cluster_lines(&lines);
    let process = setup.clone().spawn(&[]).await;
    let other = setup.spawn(&[]).await;
    process.ready(3).await;

    let plan = Plan { clients: 8, every: Duration::from_millis(10), path: "/" };
    let load = Load::start(process.address(), plan);
    tokio::time::sleep(CALM).await;
    let mut times = Vec::new();
    for node in &nodes[3..] {
        let told = SystemTime::now();
        register(&redis, node);
        times.push(until(&process, node, "joined", told).await);
    }
    process.ready(7).await;
    for node in &nodes[2..] {
        redis.cli(&["hset", &format!("backend:{}", node.name()), "status", "DOWN"]);
        let told = SystemTime::now();
        publish(&redis, node, "DOWN");
        times.push(until(&process, node, "state", told).await);
    }
    process.ready(2).await;
    redis.stop().await;
    tokio::time::sleep(CALM).await;
    redis.start_again(&[]).await;
    for node in &nodes[2..5] {
        redis.cli(&["hset", &format!("backend:{}", node.name()), "status", "UP"]);
        // Nobody is told: it is found out.
    }
    process.ready(5).await;
    other.ready(5).await;
    tokio::time::sleep(CALM).await;
    let requests = load.flawless().await;
    times.sort();
    let slowest = times.last().copied().unwrap_or_default();
    tell(&format!(
        "redis: all of {requests} requests answered while 4 joined, 5 went down, Redis was restarted and 3 came up; from \
         message to routing change: median {:?}, slowest {slowest:?} of {}",
        times[times.len() / 2],
        times.len(),
    ));
    // One that is late may be so because this machine does ten other things; that most are is our doing.
    assert!(times[times.len() / 2] < BAR, "{times:?}");
}

fn publish(redis: &Redis, node: &Node, status: &str) {
    let message = format!("{{\"backend_id\":\"{}\",\"status\":\"{status}\"}}", node.name());
    redis.cli(&["publish", "backend_changes", &message]);
}

/// How long after a moment the change of a node was at work.
async fn until(process: &Process, node: &Node, kind: &str, told: SystemTime) -> Duration {
    let began = Timestamp::try_from(told).expect("a time");
    let is_it = |event: &Value| {
        let at: Timestamp = event["at"].as_str()?.parse().ok()?;
        let same = event["endpoint"] == node.name().as_str() && event["kind"] == kind && at >= began;
        same.then_some(at)
    };
    let look = || async { process.api("/api/events?limit=1000").await["events"].as_array()?.iter().find_map(is_it) };
    let at = eventually("the event", look).await;
    (at - began).try_into().unwrap_or_default()
}
