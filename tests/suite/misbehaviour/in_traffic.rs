//! Faults that strike while traffic flows. The client notices none of them.

use std::time::Duration;

use http::StatusCode;
use serde_json::Value;

use crate::world::{Metrics, Setup, World, guest};

const PLUGIN: &str = "saboteur";
/// Sound picks before the fault.
const SOUND: u64 = 3;
/// The longest that one request may take. The deadline of a pick is 2 ms; the rest is what a busy machine may add, and
/// still less than the second that one of the faults would like to sleep.
const BOUND: Duration = Duration::from_millis(800);

/// What came of a fault.
struct Outcome {
    world: World,
    metrics: Metrics,
    last_error: String,
}

impl Outcome {
    /// The faults were of this kind, and of no other.
    fn counts(&self, kind: &str) -> &Self {
        for counter in ["traps", "deadlines", "bad_answers"] {
            let count = self.metrics.plugin(PLUGIN, counter);
            assert_eq!(count > 0, counter == kind, "{counter}: {count}, {}", self.last_error);
        }
        self
    }

    fn says(&self, words: &str) {
        assert!(self.last_error.contains(words), "`{words}` is not in the last error: {}", self.last_error);
    }
}

/// Sends traffic over a saboteur until it has struck and has been noticed.
async fn strike(fault: &str, requests: usize) -> Outcome {
    let config = format!("{{ {fault}, after = {SOUND} }}");
    let world = Setup::new().plugin(PLUGIN, guest(PLUGIN)).configured(PLUGIN, &config).start().await;
    let mut client = world.connect().await;
    for _ in 0..requests {
        let reply = client.get("/").await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
        assert!(reply.took < BOUND, "took {:?}", reply.took);
    }
    let noticed = |plugin: &Value| plugin["versions"][0]["last_error"].is_object();
    let plugin = world.plugin_when(PLUGIN, "its fault is noticed", noticed).await;
    assert_eq!((&plugin["state"], &plugin["refused"]), (&"loaded".into(), &Value::Null), "it is kept: {plugin:#}");
    let metrics = world.metrics().await;
    assert_eq!((metrics.endpoint_failures(), metrics.endpoint_requests()), (0, requests as u64));
    assert_eq!(metrics.sum("leverframe_responses", &[("cluster", "web"), ("status", "2xx")]), requests as u64);
    let last_error = plugin["versions"][0]["last_error"]["reason"].as_str().expect("a reason").to_owned();
    Outcome { world, metrics, last_error }
}

/// The faults of a pick: the host decides in its place, and the API counts what the metrics count.
async fn strike_in_pick(fault: &str, kind: &str, words: &str) {
    let outcome = strike(&format!("fault = {fault:?}"), 8).await;
    outcome.counts(kind).says(words);
    let metrics = &outcome.metrics;
    let faults = metrics.plugin(PLUGIN, kind);
    let (picks, fallbacks) = (metrics.plugin(PLUGIN, "picks"), metrics.plugin(PLUGIN, "fallbacks"));
    assert!(fallbacks >= faults, "{faults} faults, {fallbacks} fallbacks");
    // Every request was decided once: by a sound pick, or by the host.
    assert_eq!(picks - faults + fallbacks, 8, "{picks} picks, {faults} faults, {fallbacks} fallbacks");
    let plugin = outcome.world.plugin(PLUGIN).await;
    for (counter, count) in [(kind, faults), ("picks", picks), ("fallbacks", fallbacks)] {
        assert_eq!(plugin["versions"][0][counter], count, "{counter}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trap_in_pick() {
    strike_in_pick("panic", "traps", "sabotage on purpose").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endless_loop_in_pick() {
    strike_in_pick("loop", "deadlines", "no answer within 2000 µs").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_growth_in_pick() {
    strike_in_pick("grow", "traps", "memory allocation").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recursion_without_an_end() {
    strike_in_pick("overflow", "traps", "trap").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_no_candidate() {
    strike_in_pick("no-candidate", "bad_answers", "which is no candidate").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_header_that_is_none() {
    strike_in_pick("bad-header", "bad_answers", "a response header that is no header").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_header_that_would_cut_the_response_short() {
    strike_in_pick("framing-header", "bad_answers", "content-length").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rejection_with_a_status_that_is_none() {
    strike_in_pick("bad-status", "bad_answers", "status 99").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rejection_with_success() {
    strike_in_pick("reject-with-success", "bad_answers", "status 200").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exit() {
    strike_in_pick("exit", "traps", "exit").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sleep() {
    strike_in_pick("sleep", "traps", "trap").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leak() {
    // A mebibyte a call, and 16 of them are the limit.
    let outcome = strike("fault = \"leak\"", 30).await;
    outcome.counts("traps").says("memory allocation");
    assert!(outcome.metrics.plugin(PLUGIN, "picks") > 10, "it served until then");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trap_when_it_is_told_an_outcome() {
    strike("fault = \"panic\", when = \"outcome\"", 8).await.counts("traps").says("sabotage on purpose");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trap_over_new_candidates() {
    strike("fault = \"panic\", when = \"candidates\"", 8).await.counts("traps").says("sabotage on purpose");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rejection_by_the_rules_is_no_fault() {
    let world = Setup::new().plugin(PLUGIN, guest(PLUGIN)).configured(PLUGIN, "{ fault = \"reject\" }").start().await;
    let reply = world.get("/").await;
    assert_eq!(reply.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(reply.headers["content-type"], "application/problem+json");
    assert!(reply.text().contains("sabotage by refusal"), "{}", reply.text());
    let metrics = world.metrics().await;
    let counts =
        ["rejections", "traps", "deadlines", "bad_answers", "fallbacks"].map(|name| metrics.plugin(PLUGIN, name));
    assert_eq!(counts, [1, 0, 0, 0, 0]);
    assert_eq!(metrics.endpoint_requests(), 0);
}
