//! The count is held: whatever becomes of a node, of the driver or of the proxy itself, there are as many sound nodes as
//! were asked for, clients notice nothing, and nothing is left lying around.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::crew::{Crew, all_end, patiently, scaled, signal};
use crate::programs::tell;
use crate::world::{Setup, eventually, fetch, holds};

/// What a replacement may take by the settings of `scaled`: a check interval and the delay.
const BAR: Duration = Duration::from_secs(3);
/// What it may take when it is first to be found out, by checks that take their time to fail, and what goes has to end
/// first: twice as long as it does where nothing else is at work, and less than a node has that must be ended by force.
const FOUND_OUT: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_killed_is_replaced_in_time_and_no_client_notices() {
    let crew = Crew::start(scaled(3, ""), 3).await;
    let load = crew.load();
    let mut times = Vec::new();
    for name in ["web-2", "web-1", "web-3"] {
        let (before, newest) = (crew.nodes()[name], crew.newest().await);
        signal(before, "KILL");
        let took = replaced(&crew, name, newest).await;
        assert_ne!(crew.nodes()[name], before);
        assert_eq!(crew.events("node-ended", newest).await[0]["endpoint"], name);
        times.push(took);
    }
    let requests = load.flawless().await;
    tell(&format!("kill -9 of a managed node: all of {requests} requests answered; count back after {times:?}"));
    assert!(times.iter().all(|took| *took < BAR), "{times:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_answers_its_checks_badly_is_replaced_and_no_client_notices() {
    let crew = Crew::start(scaled(3, ""), 3).await;
    let load = crew.load();
    let (before, newest) = (crew.nodes(), crew.newest().await);
    fetch(crew.address("web-2").await, "/toggle-health").await;
    let took = replaced(&crew, "web-2", newest).await;
    let requests = load.flawless().await;
    let now = crew.nodes();
    assert_ne!(now["web-2"], before["web-2"]);
    assert_eq!((now["web-1"], now["web-3"]), (before["web-1"], before["web-3"]));
    assert_eq!(crew.events("node-replaced", newest).await.len(), 1);
    assert!(took < FOUND_OUT, "{took:?}");
    tell(&format!("a managed node that is unhealthy: all of {requests} requests answered; count back after {took:?}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_hangs_is_replaced_and_no_client_notices() {
    let crew = Crew::start(scaled(3, ""), 3).await;
    let load = crew.load();
    let (before, newest) = (crew.nodes(), crew.newest().await);
    signal(before["web-2"], "STOP");
    let took = replaced(&crew, "web-2", newest).await;
    let requests = load.flawless().await;
    let now = crew.nodes();
    assert_ne!(now["web-2"], before["web-2"]);
    assert_eq!((now["web-1"], now["web-3"]), (before["web-1"], before["web-3"]));
    assert!(took < FOUND_OUT, "{took:?}");
    tell(&format!("a managed node that hangs: all of {requests} requests answered; count back after {took:?}"));
}

/// Waits until a node of that name has been started anew and all are sound again; tells how long that took.
async fn replaced(crew: &Crew, name: &str, newest: u64) -> Duration {
    let start = Instant::now();
    patiently(&format!("another {name}"), || async {
        crew.events("node-started", newest).await.iter().any(|event| event["endpoint"] == name).then_some(())
    })
    .await;
    crew.settles(3).await;
    start.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_count_goes_up_and_down_under_load() {
    let crew = Crew::start(scaled(3, "cooldown = \"5s\""), 3).await;
    let load = crew.load();
    let began = Instant::now();
    crew.scale_to(7).await;
    // At once, it is too soon for another count; the same one is no change.
    let refused = crew.scale(json!({ "count": 2 })).await;
    assert_eq!(refused.status, 429, "{}", refused.text());
    let wait: u64 = refused.headers["retry-after"].to_str().expect("text").parse().expect("whole seconds");
    assert!((1..=5).contains(&wait), "{wait}");
    crew.scale_to(7).await;
    crew.settles(7).await;
    let up = began.elapsed();
    assert_eq!(crew.nodes().len(), 7);

    let (began, _) = patiently("the cooldown is over", || async {
        let began = Instant::now();
        let reply = crew.scale(json!({ "count": 2 })).await;
        assert!([200, 429].contains(&reply.status.as_u16()), "{}", reply.text());
        (reply.status == 200).then_some(began)
    })
    .await;
    crew.settles(2).await;
    let down = began.elapsed();
    let requests = load.flawless().await;
    assert_eq!(crew.nodes().into_keys().collect::<Vec<_>>(), ["web-1", "web-2"]);
    tell(&format!("scaled under {requests} requests, all answered: 3 to 7 in {up:?}, 7 to 2 in {down:?}"));
}

#[tokio::test]
async fn one_more_and_one_fewer_within_the_bounds() {
    let crew = Crew::start(scaled(1, "least = 1\nmost = 2\ncooldown = \"1ms\""), 1).await;
    let desired = |reply: &Value| reply["desired"].as_u64();
    let more = crew.scale(json!({ "action": "add" })).await;
    assert_eq!((more.status.as_u16(), desired(&more.json())), (200, Some(2)));
    crew.settles(2).await;
    for beyond in [json!({ "action": "add" }), json!({ "count": 3 }), json!({ "count": 0 })] {
        let reply = crew.scale(beyond.clone()).await;
        assert_eq!(reply.status, 422, "{beyond}: {}", reply.text());
        assert!(reply.json()["detail"].as_str().is_some_and(|detail| detail.contains("there m")), "{}", reply.text());
    }
    for wrong in [json!({}), json!({ "count": 1, "action": "add" }), json!({ "count": -1 }), json!({ "action": "x" })] {
        assert_eq!(crew.scale(wrong.clone()).await.status, 400, "{wrong}");
    }
    assert_eq!(crew.scale(json!({ "cluster": "other", "count": 1 })).await.status, 404);
    assert_eq!(desired(&crew.status().await), Some(2));
    assert_eq!(crew.scale(json!({ "cluster": "web", "action": "remove" })).await.status, 200);
    crew.settles(1).await;
    assert_eq!(crew.scale(json!({ "action": "remove" })).await.status, 422);
    assert_eq!(crew.nodes().into_keys().collect::<Vec<_>>(), ["web-1"]);
}

#[tokio::test]
async fn what_was_asked_for_outlasts_a_restart() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let state = folder.path().join("state");
    let environment = [("LEVERFRAME_STATE", state.to_str().expect("UTF-8"))];
    let settings = |count| scaled(count, "cooldown = \"1ms\"");

    let mut crew = Crew(settings(2).spawn(&environment).await);
    crew.settles(2).await;
    crew.scale_to(3).await;
    crew.0.signal("TERM");
    assert!(crew.0.ended().await.success());

    let mut crew = Crew(settings(2).spawn(&environment).await);
    assert_eq!(crew.status().await["desired"], 3);
    crew.settles(3).await;
    // An edit of the file goes before what was asked for; one of something else does not.
    let edit = |from: &str, to: &str| {
        let file = crew.0.path("leverframe.toml");
        let text = std::fs::read_to_string(&file).expect("the configuration");
        assert!(text.contains(from), "{text}");
        std::fs::write(&file, text.replace(from, to)).expect("the configuration");
    };
    edit("count = 2", "count = 1");
    crew.settles(1).await;
    crew.scale_to(2).await;
    edit("replace_after = \"1s\"", "replace_after = \"1100ms\"");
    let look = || async { (crew.0.api("/api/config").await["generation"] == 3).then_some(()) };
    eventually("the second edit is at work", look).await;
    assert_eq!(crew.status().await["desired"], 2);
    // Not even one that is killed has forgotten it.
    crew.0.signal("KILL");
    assert!(!crew.0.ended().await.success());
    let mut crew = Crew(settings(1).spawn(&environment).await);
    assert_eq!(crew.status().await["desired"], 2);
    crew.0.signal("TERM");
    crew.0.ended().await;

    // An edit while nothing runs counts as well.
    let crew = Crew(settings(3).spawn(&environment).await);
    assert_eq!(crew.status().await["desired"], 3);
}

#[tokio::test]
async fn a_broken_state_file_is_put_aside_and_said_so() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("web.json");
    std::fs::write(&file, "{\"count\": 2, \"na").expect("a file");
    let state = folder.path().to_str().expect("UTF-8");
    let crew = Crew(scaled(2, "cooldown = \"1ms\"").spawn(&[("LEVERFRAME_STATE", state)]).await);
    crew.settles(2).await;
    let status = crew.status().await;
    let trouble = status["error"].as_str().unwrap_or_else(|| panic!("no trouble in {status}"));
    assert!(trouble.contains("broken") && trouble.contains("web.json.broken"), "{trouble}");
    assert_eq!(std::fs::read_to_string(folder.path().join("web.json.broken")).expect("it"), "{\"count\": 2, \"na");
    let warned = |line: &Value| line["level"] == "WARN" && line.to_string().contains("web.json.broken");
    crew.0.logged("the broken file", warned).await;
    // What is asked for from now on is kept, and with that all is well.
    crew.scale_to(1).await;
    assert_eq!(crew.status().await["error"], Value::Null);
    assert!(std::fs::read_to_string(&file).expect("a new one").contains("web-1"));
}

#[tokio::test]
async fn no_node_outlives_the_proxy() {
    for (name, is_orderly) in [("TERM", true), ("INT", true), ("KILL", false)] {
        let mut crew = Crew::start(scaled(3, ""), 3).await;
        let nodes = crew.nodes();
        assert_eq!(nodes.len(), 3, "{nodes:?}");
        // One that is stopped does not outlive it, either.
        signal(nodes["web-3"], "STOP");
        let began = Instant::now();
        crew.0.signal(name);
        assert_eq!(crew.0.ended().await.success(), is_orderly);
        let ended = began.elapsed();
        all_end(&nodes).await;
        tell(&format!(
            "{name}: the proxy ended in {ended:?}, its 3 nodes, one of them stopped, in {:?}",
            began.elapsed()
        ));
    }
}

#[tokio::test]
async fn what_is_under_way_at_the_end_is_answered_first() {
    let mut crew = Crew::start(scaled(2, ""), 2).await;
    let (nodes, address) = (crew.nodes(), crew.0.address());
    let slow = tokio::spawn(async move { fetch(address, "/process?ms=900").await });
    let is_under_way = || async {
        let clusters = crew.0.api("/api/clusters").await;
        clusters["clusters"][0]["endpoints"].as_array()?.iter().any(|node| node["in_flight"] == 1).then_some(())
    };
    eventually("the request is at a node", is_under_way).await;
    crew.0.signal("TERM");
    assert_eq!(slow.await.expect("it does not panic").status, 200);
    assert!(crew.0.ended().await.success());
    all_end(&nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_of_another_kind_take_over_and_no_client_notices() {
    let crew = Crew::start(scaled(3, "process = { average_delay = \"1ms\" }"), 3).await;
    let load = crew.load();
    let before = crew.nodes();
    let file = crew.0.path("leverframe.toml");
    let text = std::fs::read_to_string(&file).expect("the configuration");
    std::fs::write(&file, text.replace("\"1ms\"", "\"2ms\"")).expect("the configuration");
    let (_, took) = patiently("only new ones run", || async {
        let now = crew.nodes();
        (now.len() == 3 && now.values().all(|id| !before.values().any(|old| old == id))).then_some(())
    })
    .await;
    crew.settles(3).await;
    let requests = load.flawless().await;
    tell(&format!("nodes of another kind: in place after {took:?}; all of {requests} requests answered"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_is_not_there_takes_nothing_down() {
    let lines = r#"
[cluster.web.scaling]
count = 3
driver = "docker"

[cluster.web.scaling.docker]
engine = "unix:///nowhere/docker.sock"
image = "nothing"
port = 8080
"#;
    let crew = Crew(Setup::new().workers(2).origins(1).cluster_lines(lines).spawn(&[]).await);
    let load = crew.load();
    let told = |status: &Value| status["error"].as_str().is_some_and(|error| error.contains("/nowhere/docker.sock"));
    eventually("the reason is said", || async { told(&crew.status().await).then_some(()) }).await;
    // An operator's word is taken; it is carried out when that can be done.
    crew.scale_to(2).await;
    holds("the fixed endpoint serves", Duration::from_secs(3), || async {
        let status = crew.status().await;
        crew.0.get("/").await.node() == "node-1"
            && told(&status)
            && status["nodes"].as_array().is_none_or(Vec::is_empty)
    })
    .await;
    load.flawless().await;
    let warnings = crew.0.log().iter().filter(|line| line.to_string().contains("cannot be listed")).count();
    assert_eq!(warnings, 1, "{:#?}", crew.0.log());
    assert_eq!(crew.events("node-start-failed", 0).await.len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_cannot_start_are_tried_with_pauses_and_take_nothing_down() {
    let take = || async { TcpListener::bind("127.0.0.1:65535").ok() };
    let taken = eventually("the last port is free", take).await;
    let lines = "[cluster.web.scaling]\ncount = 1\nmost = 1\nprocess = { base_port = 65535 }\n";
    let crew = Crew(Setup::new().workers(2).origins(1).cluster_lines(lines).spawn(&[]).await);
    let load = crew.load();
    // The pauses are 1 s, 2 s, 4 s: the third try ends the second.
    let tried = || async { Some(crew.events("node-start-failed", 0).await).filter(|tries| tries.len() >= 3) };
    let began = Instant::now();
    let (tries, _) = patiently("a third try", tried).await;
    assert_eq!(tries.len(), 3, "they do not follow closely: {tries:?}");
    let at = |nth: usize| tries[nth]["at"].as_str().and_then(|at| at.parse::<jiff::Timestamp>().ok()).expect("a time");
    let pauses = [at(1) - at(0), at(2) - at(1)].map(|pause| Duration::try_from(pause).expect("later"));
    assert!(pauses[0] >= Duration::from_millis(900) && pauses[1] >= Duration::from_millis(1900), "{pauses:?}");
    let status = crew.status().await;
    assert_eq!(status["nodes"][0]["state"], "failed", "{status}");
    assert!(status["nodes"][0]["error"].as_str().is_some_and(|error| error.contains("no port from 65535")), "{status}");
    assert_eq!(crew.0.get("/").await.node(), "node-1");
    // With the obstacle goes the trouble.
    drop(taken);
    patiently("the node runs", || async { (crew.status().await["nodes"][0]["state"] == "running").then_some(()) })
        .await;
    let requests = load.flawless().await;
    let pauses = (pauses, began.elapsed());
    tell(&format!(
        "a node that could not start: tries after {:?}, there after {:?}; {requests} requests",
        pauses.0, pauses.1
    ));
}
