//! The Docker Engine under load: containers are added, replaced and stopped, and the engine itself is restarted, before a
//! proxy that runs beside it. No request fails, and what the engine says is in the routing at once.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::images;
use crate::programs::tell;
use crate::world::{Engine, Load, NETWORK, Plan, Process, Setup, eventually};

/// From what the engine says to the change of the routing.
const BAR: Duration = Duration::from_millis(100);

const PLAN: Plan = Plan { clients: 8, every: Duration::from_millis(20), path: "/" };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_engine_says_is_routed_at_once_and_its_restart_is_not_noticed() {
    let mut engine = Engine::start().await;
    images::leverframe(&engine).await;
    for number in 1..=3 {
        run(&engine, number).await;
    }
    let lines = format!("[cluster.web.discovery.docker]\nengine = \"{}\"\nport = 8080\n", engine.host());
    let check = "[cluster.web.health.check]\npath = \"/health\"\ninterval = \"1s\"\n";
    let setup = Setup::new().workers(2).origins(0).endpoints(Vec::new()).cluster_lines(&format!("{lines}{check}"));
    let proxy = setup.spawn(&[]).await;
    proxy.ready(3).await;

    let load = Load::start(proxy.address(), PLAN);
    let began = Timestamp::now();
    // A rolling update: each makes way for another.
    for number in 4..=6 {
        run(&engine, number).await;
        proxy.ready(4).await;
        engine.docker(&["stop", &name(number - 3)]).await;
        proxy.ready(3).await;
    }
    let mut delays = delays(&engine, &proxy, began).await;
    engine.stop().await;
    is_lost(&proxy, true).await;
    engine.resume().await;
    is_lost(&proxy, false).await;
    // The engine has forgotten what it told.
    let back = Timestamp::now();
    engine.docker(&["stop", &name(4)]).await;
    proxy.ready(2).await;
    run(&engine, 7).await;
    proxy.ready(3).await;
    let requests = load.flawless().await;

    delays.extend(self::delays(&engine, &proxy, back).await);
    delays.sort();
    tell(&format!(
        "docker: all of {requests} requests answered while 3 were replaced, the engine was restarted, one was stopped and one \
         joined; from the engine's event to the routing change: median {:.1?}, slowest {:.1?} of {}",
        delays[delays.len() / 2],
        delays[delays.len() - 1],
        delays.len(),
    ));
    assert!(delays[delays.len() / 2] < BAR, "{delays:?}");
}

async fn run(engine: &Engine, number: usize) {
    let (name, label) = (name(number), "app=db-backend");
    let container = ["run", "--detach", "--name", &name, "--label", label, "--network", NETWORK, "leverframe:latest"];
    engine.docker(&[&container[..], &["node", "--address", "0.0.0.0:8080", "--name", &name]].concat()).await;
}

fn name(number: usize) -> String {
    format!("node-{number}")
}

/// Waits until the proxy has lost sight of the engine, or has it back.
async fn is_lost(proxy: &Process, lost: bool) {
    let look = || async {
        let clusters = proxy.api("/api/clusters").await;
        (clusters["clusters"][0]["sources"][0]["lost"].is_null() != lost).then_some(())
    };
    eventually(&format!("sight is lost: {lost}"), look).await;
}

/// For every container that started or was told to stop since a moment: how long the proxy needed.
async fn delays(engine: &Engine, proxy: &Process, since: Timestamp) -> Vec<Duration> {
    let told = proxy.api("/api/events?limit=1000").await;
    let told: Vec<&Value> = told["events"].as_array().expect("events").iter().collect();
    let until = (Timestamp::now().as_second() + 1).to_string();
    let format = "{{.TimeNano}} {{.Action}} {{index .Actor.Attributes \"name\"}}";
    let args = ["events", "--since", &since.to_string(), "--until", &until, "--format", format];
    let listed = engine.docker(&args).await;
    let mut delays = Vec::new();
    for line in listed.lines() {
        let [nanos, action @ ("start" | "kill"), name] = line.split(' ').collect::<Vec<_>>()[..] else { continue };
        let is_it = |event: &&&Value| match action {
            "start" => event["kind"] == "joined",
            _ => event["kind"] == "state" && event["to"] == "DRAINING",
        };
        let at = Timestamp::from_nanosecond(nanos.parse().expect("nanoseconds")).expect("a time");
        let of = told.iter().filter(|event| event["endpoint"] == name);
        let after = of.filter(is_it).filter_map(|event| event["at"].as_str()?.parse::<Timestamp>().ok());
        let routed = after.filter(|routed| *routed >= at).min();
        let routed = routed.unwrap_or_else(|| panic!("{action} of {name} was never routed: {told:#?}"));
        delays.push((routed - at).try_into().expect("later"));
    }
    delays
}
