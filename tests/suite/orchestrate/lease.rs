//! Two processes: one leads, the other takes over when it is killed, stopped or held up. And a Redis that goes and comes.

use std::time::{Duration, Instant};

use http::StatusCode;

use crate::orchestrate::{Orchestrator, node, stands, toggle, write};
use crate::programs::tell;
use crate::world::{Redis, fetch};

/// How long a lease is held without being extended, and what a busy machine takes besides.
const TERM: Duration = Duration::from_secs(8);
/// How often one that stands by looks for itself, likewise: less than the lease.
const LOOKS: Duration = Duration::from_secs(4);

/// One that leads, and one that stands by.
async fn pair(redis: &Redis) -> (Orchestrator, Orchestrator) {
    let leader = Orchestrator::start(redis).await;
    leader.becomes("leader").await;
    let standby = Orchestrator::start(redis).await;
    standby.becomes("standby").await;
    (leader, standby)
}

#[tokio::test]
async fn the_other_one_takes_over_when_the_leader_is_killed() {
    let redis = Redis::start().await;
    let a = node("a").await;
    write(&redis, "a", &a);
    let (leader, standby) = pair(&redis).await;
    stands(&redis, "a", "UP").await;
    let start = Instant::now();
    let _ = leader.program.end("KILL").await;
    standby.becomes("leader").await;
    tell(&format!("the leader of the control plane killed: another one leads after {:.1?}", start.elapsed()));
    assert!(start.elapsed() < TERM, "{:?}", start.elapsed());
    toggle(&a).await;
    stands(&redis, "a", "DOWN").await;
}

#[tokio::test]
async fn one_that_is_told_to_stop_gives_the_lease_back() {
    let redis = Redis::start().await;
    let (leader, standby) = pair(&redis).await;
    let start = Instant::now();
    let (status, said) = leader.program.end("TERM").await;
    assert!(status.success(), "{said}");
    standby.becomes("leader").await;
    assert!(start.elapsed() < LOOKS, "{:?}", start.elapsed());
    let (status, said) = standby.program.end("TERM").await;
    assert!(status.success(), "{said}");
    assert_eq!(redis.cli(&["exists", "orchestrator"]), "0");
}

#[tokio::test]
async fn a_redis_that_goes_and_comes_is_survived() {
    let mut redis = Redis::start().await;
    let a = node("a").await;
    write(&redis, "a", &a);
    let one = Orchestrator::start(&redis).await;
    stands(&redis, "a", "UP").await;
    redis.stop().await;
    one.becomes("lost").await;
    let health = fetch(one.address, "/health").await;
    assert_eq!((health.status, &health.json()["status"]), (StatusCode::SERVICE_UNAVAILABLE, &"degraded".into()));
    for refused in [fetch(one.address, "/backends").await, one.register(r#"{"url":"127.0.0.1:9"}"#).await] {
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(refused.headers["content-type"], "application/problem+json");
    }
    toggle(&a).await;
    redis.start_again(&[]).await;
    one.becomes("leader").await;
    stands(&redis, "a", "DOWN").await;
}

#[tokio::test]
async fn one_starts_before_its_redis() {
    let mut redis = Redis::start().await;
    redis.stop().await;
    let one = Orchestrator::start(&redis).await;
    one.becomes("lost").await;
    redis.start_again(&[]).await;
    one.becomes("leader").await;
}

/// The lease can be had, and what is to be checked cannot be read.
#[tokio::test]
async fn a_registry_that_cannot_be_read_is_asked_less_and_less_often() {
    let redis = Redis::start().await;
    redis.cli(&["set", "backends", "no set"]);
    let one = Orchestrator::start(&redis).await;
    one.becomes("lost").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let (_, said) = one.program.end("TERM").await;
    let losses = said.matches("the registry is lost").count();
    assert!((1..12).contains(&losses), "{losses} times within 3 s, with pauses that double");
}
