//! Files that are refused. Each is dropped in over a version that serves, and that version goes on as if nothing had been.

use serde_json::Value;

use crate::world::{Setup, World, embedded, guest, saboteur, wat};

/// Drops a file in over a good version and sees to it that it is refused, for a reason that names all of these words.
async fn is_refused(bytes: &[u8], named: &[&str]) -> World {
    let world = Setup::new().start().await;
    assert_eq!(world.nodes(4).await, "1231");
    let before = world.plugin("round-robin").await["versions"].clone();
    assert_eq!(before[0]["origin"], "embedded");

    let plugin = world.refused("round_robin", bytes).await;
    let reason = plugin["refused"]["reason"].as_str().expect("a reason");
    for name in named {
        assert!(reason.contains(name), "`{name}` is not in the reason: {reason}");
    }
    assert!(!reason.to_lowercase().contains("backtrace"), "addresses tell nobody anything: {reason}");
    assert_eq!(plugin["state"], "refused");
    let origin = plugin["refused"]["origin"].as_str().expect("an origin");
    assert_eq!(origin, world.plugin_file("round_robin").display().to_string());
    assert_eq!(plugin["versions"].as_array().map(Vec::len), Some(1), "{plugin:#}");
    assert_eq!(plugin["versions"][0]["hash"], before[0]["hash"]);
    assert_eq!(plugin["versions"][0]["state"], "serving");

    // The very instance that served before: it knows whose turn it is.
    assert_eq!(world.nodes(4).await, "2312");
    let metrics = world.metrics().await;
    for counter in ["traps", "deadlines", "bad_answers", "fallbacks"] {
        assert_eq!(metrics.plugin("round-robin", counter), 0, "{counter}");
    }
    assert_eq!((metrics.endpoint_failures(), metrics.endpoint_requests()), (0, 8));
    world
}

/// A component that exports one empty interface, and imports another when it is told to.
fn hollow(export: &str, import: Option<&str>) -> Vec<u8> {
    let import = import.map(|import| format!("(import {import:?} (instance))")).unwrap_or_default();
    wat(&format!("(component {import} (instance $empty) (export {export:?} (instance $empty)))"))
}

const STRATEGY: &str = "leverframe:plugin/strategy@0.1.0";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_wasm() {
    is_refused(b"#!/bin/sh\necho no plugin\n", &["not WebAssembly", "\\0asm"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_file() {
    is_refused(b"", &["not WebAssembly"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_truncated_file() {
    let whole = embedded("maglev");
    is_refused(&whole[..whole.len() / 2], &["not a sound component", "out of bounds"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_core_module() {
    is_refused(&wat("(module)"), &["core module", "wasm32-wasip2"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_of_an_unrelated_world() {
    let export = "wasi:http/incoming-handler@0.2.0";
    is_refused(&hollow(export, None), &["not a Leverframe plugin", export, STRATEGY]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_health_policy() {
    is_refused(&embedded("threshold"), &["health policy", "routing strategy"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_version_of_the_contract() {
    let old = "leverframe:plugin/strategy@0.0.9";
    is_refused(&hollow(old, None), &[old, STRATEGY]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_right_name_on_the_wrong_shape() {
    is_refused(&hollow(STRATEGY, None), &["does not fit the contract", "describe"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forbidden_import() {
    let sockets = "wasi:sockets/tcp@0.2.6";
    is_refused(&hollow(STRATEGY, Some(sockets)), &[sockets, "no network"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trap_in_configure() {
    let bytes = saboteur(r#"{"fault": "panic", "when": "configure"}"#);
    is_refused(&bytes, &["failed in `configure`", "trap", "sabotage on purpose"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endless_loop_in_configure() {
    let bytes = saboteur(r#"{"fault": "loop", "when": "configure"}"#);
    is_refused(&bytes, &["failed in `configure`", "no answer within 100000 µs"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_growth_in_configure() {
    let bytes = saboteur(r#"{"fault": "grow", "when": "configure"}"#);
    is_refused(&bytes, &["failed in `configure`", "memory allocation"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_configuration_that_it_does_not_want() {
    is_refused(&saboteur(r#"{"fault": "refuse-config"}"#), &["refused its configuration", "not to my liking"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trap_in_the_dry_run() {
    let bytes = saboteur(r#"{"fault": "panic", "in_trial": true}"#);
    is_refused(&bytes, &["failed in `pick`", "sabotage on purpose"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_in_the_dry_run_that_is_no_candidate() {
    let bytes = saboteur(r#"{"fault": "no-candidate", "in_trial": true}"#);
    is_refused(&bytes, &["failed in `pick`", "no candidate"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trap_over_the_candidates_of_one_worker() {
    let bytes = saboteur(r#"{"fault": "panic", "when": "candidates"}"#);
    is_refused(&bytes, &["candidates", "sabotage on purpose"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trap_while_it_takes_over_the_state() {
    let bytes = saboteur(r#"{"fault": "panic", "when": "import"}"#);
    is_refused(&bytes, &["state of the version before", "sabotage on purpose"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_beyond_the_limit() {
    let world = Setup::new().more("[plugins.override.big]\nfile_bytes = \"64KiB\"").start().await;
    let bytes = guest("saboteur");
    let plugin = world.refused("big", &bytes).await;
    let reason = plugin["refused"]["reason"].as_str().expect("a reason");
    for name in [&bytes.len().to_string(), "65536", "plugins.limits.file_bytes"] {
        assert!(reason.contains(name), "`{name}` is not in the reason: {reason}");
    }
    assert_eq!(plugin["versions"], Value::Array(Vec::new()));
    assert_eq!(world.nodes(3).await, "123");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_file_that_was_there_at_start_says_so() {
    let setup = Setup::new().plugin("mine", b"no plugin".as_slice()).strategy("mine");
    let error = setup.try_start().await.err().expect("it cannot start").to_string();
    for name in ["cluster.web.strategy", "mine", "not WebAssembly"] {
        assert!(error.contains(name), "`{name}` is not in the error: {error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_better_file_is_taken_and_the_refusal_forgotten() {
    let world = is_refused(b"no plugin", &[]).await;
    let plugin = world.swap_in("round_robin", &crate::world::salted(&embedded("round-robin"), "better")).await;
    assert_eq!((&plugin["state"], &plugin["refused"]), (&"loaded".into(), &Value::Null));
    assert_eq!(world.nodes(3).await, "312");
}
