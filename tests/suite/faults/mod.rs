//! Origins fail in every way that origins do, under constant load. For each way: what clients saw of it, how long until
//! the endpoint was out of the traffic, how long until it was back, and how much more the origins had to do because of
//! retries. The origins are processes of their own; one of three fails, or two, and in the end all of them.

mod concurrency;
mod latency;
mod origin;
mod report;
mod scene;

use std::time::{Duration, Instant};

use report::{Expected, Report};
use scene::Scene;

/// How long an origin fails.
const FAULT: Duration = Duration::from_secs(3);

/// One after the other, so that none is measured while another burdens the machine.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_is_borne() {
    Report::head();
    let mut faults = Vec::new();
    faults.push(killed().await);
    faults.push(two_killed().await);
    faults.push(stopped().await);
    for fault in ["refuse", "hang", "reset", "errors&percent=50&status=503"] {
        faults.push(told(fault).await);
    }
    faults.push(slowed().await);
    faults.push(flapping().await);
    faults.push(all_down().await);
    let failed: Vec<_> = faults.iter().flat_map(Report::complaints).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

async fn killed() -> Report {
    let mut scene = Scene::start("").await;
    scene.begin("kill -9").await;
    scene.origins[0].kill();
    scene.pass(FAULT).await;
    scene.origins[0].run().await;
    scene.end(Expected::Nothing).await
}

/// One healthy endpoint remains.
async fn two_killed() -> Report {
    let mut scene = Scene::start("").await;
    scene.begin("kill -9 of two").await;
    scene.origins[..2].iter_mut().for_each(origin::Origin::kill);
    scene.pass(FAULT).await;
    scene.origins[0].run().await;
    scene.origins[1].run().await;
    scene.end(Expected::Nothing).await
}

async fn stopped() -> Report {
    let mut scene = Scene::start("").await;
    scene.begin("SIGSTOP").await;
    scene.origins[0].signal("STOP");
    scene.pass(FAULT).await;
    scene.origins[0].signal("CONT");
    scene.end(Expected::Nothing).await
}

async fn told(fault: &'static str) -> Report {
    let mut scene = Scene::start("").await;
    scene.begin(fault.split('&').next().unwrap_or(fault)).await;
    scene.origins[0].fail(&format!("{fault}&for_ms={}", FAULT.as_millis())).await;
    scene.pass(FAULT).await;
    scene.origins[0].is_up().await;
    // What has been answered in part cannot be taken back; what has not, is.
    scene.end(if fault == "reset" { Expected::PartialOnly } else { Expected::Nothing }).await
}

/// Ten times slower than the others: nothing fails, so it is the distribution that gives it away.
async fn slowed() -> Report {
    let outlier = "{ plugin = \"outlier\", config = { minimum_requests = 20, base_ejection_ms = 1000 } }";
    let mut scene = Scene::start(&format!("window = \"1s\"\npolicies = [\"threshold\", {outlier}]")).await;
    scene.path = "/process?ms=10";
    scene.begin("10 times slower").await;
    scene.origins[0].fail(&format!("slow&ms=90&for_ms={}", FAULT.as_millis())).await;
    scene.pass(FAULT).await;
    scene.end(Expected::Nothing).await
}

/// Away and back, faster than any check can follow.
async fn flapping() -> Report {
    let mut scene = Scene::start("").await;
    scene.begin("flapping").await;
    for _ in 0..6 {
        scene.origins[0].fail("refuse&for_ms=250").await;
        scene.pass(Duration::from_millis(400)).await;
        scene.origins[0].is_up().await;
    }
    scene.end(Expected::Nothing).await
}

/// With nobody left requests fail; what counts is that they stop failing when the first is back.
async fn all_down() -> Report {
    let mut scene = Scene::start("").await;
    scene.begin("all down, then back").await;
    scene.origins.iter_mut().for_each(origin::Origin::kill);
    scene.pass(FAULT).await;
    scene.origins[0].run().await;
    let first_back = Instant::now();
    scene.pass(FAULT).await;
    scene.origins[1].run().await;
    scene.origins[2].run().await;
    scene.end(Expected::AnythingUntil(first_back + report::SERVES_WITHIN)).await
}
