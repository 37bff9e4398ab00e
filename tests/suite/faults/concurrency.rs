//! Two thousand requests that take long, all at once, through a strategy in WebAssembly.

use std::time::Duration;

use super::origin::Origin;
use crate::programs::tell;
use crate::world::{Load, Plan, Process, Seen, Setup, eventually, percentile};

const CLIENTS: usize = 2_000;
/// Each client has a request under way at any time.
const PLAN: Plan = Plan { clients: CLIENTS, every: Duration::ZERO, path: "/process?ms=2000" };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_slow_requests_at_once_are_all_answered() {
    let mut origins = Vec::new();
    for number in 1..=4 {
        origins.push(Origin::start(&format!("node-{number}")).await);
    }
    let endpoints = origins.iter().map(Origin::address).collect();
    let setup = Setup::new().workers(2).strategy("least-connections").endpoints(endpoints);
    let process = setup.spawn(&[]).await;
    let load = Load::start(process.address(), PLAN);
    let all = || async { (in_flight(&process).await == CLIENTS as u64).then_some(()) };
    eventually("all requests are under way at once", all).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    let samples = load.finish().await;
    let bad: Vec<_> = samples.iter().filter(|sample| sample.seen != Seen::Answer).take(3).collect();
    tell(&format!(
        "{} slow requests, {CLIENTS} at a time; p50 {:.1?}, p99 {:.1?}",
        samples.len(),
        percentile(&samples, 50.0),
        percentile(&samples, 99.0)
    ));
    assert!(bad.is_empty(), "{bad:?}");
}

async fn in_flight(process: &Process) -> u64 {
    let clusters = process.api("/api/clusters").await;
    let endpoints = clusters["clusters"][0]["endpoints"].as_array().expect("endpoints").iter();
    endpoints.filter_map(|endpoint| endpoint["in_flight"].as_u64()).sum()
}
