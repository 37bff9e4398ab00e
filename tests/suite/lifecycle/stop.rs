//! The end: what is under way has its time and no more, operators see what goes on, and a second signal ends it all.

use std::time::{Duration, Instant};

use http::StatusCode;

use crate::world::{Process, Setup, eventually, fetch};

/// As `Setup` has it.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);

/// A process with a request at its endpoint that takes longer than a shutdown may.
async fn busy() -> (Process, tokio::task::JoinHandle<()>) {
    let process = Setup::new().origins(1).spawn(&[]).await;
    let address = process.address();
    let slow = tokio::spawn(async move { drop(fetch(address, "/process?ms=9000").await) });
    let look = || async {
        let clusters = process.api("/api/clusters").await;
        (clusters["clusters"][0]["endpoints"][0]["in_flight"] == 1).then_some(())
    };
    eventually("the request is at the endpoint", look).await;
    (process, slow)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_it_drains_it_says_so_and_it_ends_in_time() {
    let (mut process, slow) = busy().await;
    assert_eq!(fetch(process.admin(), "/health").await.status, StatusCode::OK);
    let start = Instant::now();
    process.signal("TERM");
    let look = || async {
        let reply = fetch(process.admin(), "/health").await;
        let drains = reply.json()["status"] == "draining";
        assert_eq!(reply.status == StatusCode::SERVICE_UNAVAILABLE, drains, "{}", reply.text());
        drains.then_some(())
    };
    eventually("it says that it drains", look).await;
    assert!(process.ended().await.success());
    assert!(start.elapsed() >= SHUTDOWN_TIMEOUT, "the request had its time");
    assert!(slow.await.is_err(), "and no more than that");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_it_at_once() {
    let (mut process, slow) = busy().await;
    let start = Instant::now();
    process.signal("TERM");
    let stops = |line: &serde_json::Value| line["message"].as_str().is_some_and(|text| text.starts_with("stopping"));
    process.logged("the first signal", stops).await;
    process.signal("TERM");
    process.ended().await;
    assert!(start.elapsed() < SHUTDOWN_TIMEOUT, "{:?}", start.elapsed());
    assert!(slow.await.is_err());
}
