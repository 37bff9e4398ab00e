//! One endpoint of four is twenty times slower: what clients feel of it, by the strategy that chooses.

use std::time::Duration;

use super::origin::Origin;
use crate::programs::tell;
use crate::world::{Load, Plan, Sample, Seen, Setup, percentile};

/// Long enough that a request costs more waiting than work, also on a busy machine.
const PLAN: Plan = Plan { clients: 16, every: Duration::from_millis(20), path: "/process?ms=10" };
const RUN: Duration = Duration::from_secs(6);
/// So much longer does the slow one take: 200 ms instead of 10.
const SLOWER: &str = "slow&ms=190";
/// In this time the strategy has met everybody; what it learns that way is not measured.
const WARM_UP: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_endpoint_is_hardly_felt_with_p2c_ewma() {
    let mut origins = Vec::new();
    for number in 1..=4 {
        origins.push(Origin::start(&format!("node-{number}")).await);
    }
    let healthy = p99(&origins, "p2c-ewma").await;
    origins[0].fail(SLOWER).await;
    let round_robin = p99(&origins, "round-robin").await;
    let p2c = p99(&origins, "p2c-ewma").await;
    let times = |slow: Duration| slow.as_secs_f64() / healthy.as_secs_f64();
    tell(&format!(
        "one of four 20 times slower, p99: all well {healthy:.1?}; p2c-ewma {p2c:.1?} ({:.2} times), round-robin \
         {round_robin:.1?} ({:.2} times)",
        times(p2c),
        times(round_robin)
    ));
    assert!(times(p2c) <= 2.0, "{:.2} times", times(p2c));
    assert!(times(round_robin) > 2.0, "nothing was slow: the figures say nothing");
}

async fn p99(origins: &[Origin], strategy: &str) -> Duration {
    let endpoints = origins.iter().map(Origin::address).collect();
    let process = Setup::new().strategy(strategy).endpoints(endpoints).spawn(&[]).await;
    let load = Load::start(process.address(), PLAN);
    tokio::time::sleep(WARM_UP + RUN).await;
    let samples = load.finish().await;
    let begin = samples.first().expect("requests").sent + WARM_UP;
    let measured: Vec<Sample> = samples.into_iter().filter(|sample| sample.sent >= begin).collect();
    assert!(measured.iter().all(|sample| sample.seen == Seen::Answer));
    percentile(&measured, 99.0)
}
