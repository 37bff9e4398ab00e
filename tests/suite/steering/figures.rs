//! The figures that show whether a cluster is well.

use http::{Method, StatusCode};

use super::{endpoint, state};
use crate::world::{Setup, World, eventually, send};

const CLUSTER: &str = r#"
health.check = { path = "/health", interval = "50ms" }
capacity = { in_flight = 1, queue = 1, queue_timeout = "50ms" }
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_tried_again_checked_judged_and_kept_waiting_is_counted() {
    let world = Setup::new().origins(2).cluster_lines(CLUSTER).start().await;
    state(&world, "node-1", "HEALTHY").await;
    state(&world, "node-2", "HEALTHY").await;
    fail(&world, "errors&percent=100&status=503").await;
    let mut client = world.connect().await;
    for _ in 0..12 {
        assert_eq!(client.get("/").await.status, StatusCode::OK);
    }
    state(&world, "node-1", "FAILED").await;
    let mut slow = world.connect().await;
    let slow = tokio::spawn(async move { slow.get("/process?ms=400").await.status });
    let busy = || async { (endpoint(&world, "node-2").await["in_flight"] == 1).then_some(()) };
    eventually("a request is under way", busy).await;
    let refused = client.get("/").await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers["retry-after"], "1", "{}", refused.text());
    assert_eq!(slow.await.expect("the client"), StatusCode::OK);

    let metrics = world.metrics().await;
    let counted = |name: &str, labels: &[(&str, &str)]| metrics.sum(name, labels);
    assert!(counted("leverframe_retries", &[("reason", "status")]) >= 5);
    assert_eq!(counted("leverframe_retries", &[("reason", "hedge")]), 0);
    assert_eq!(counted("leverframe_queue_refusals", &[("cluster", "web")]), 1);
    assert_eq!(counted("leverframe_retry_budget_exhausted", &[]), 0);
    assert!(counted("leverframe_checks", &[("endpoint", "node-1"), ("result", "ok")]) > 0);
    assert!(counted("leverframe_policy_judgements", &[("plugin", "threshold")]) > 0);
    assert_eq!(counted("leverframe_policy_fallbacks", &[]), 0);
    assert_eq!(counted("leverframe_endpoint_state", &[("endpoint", "node-1"), ("state", "FAILED")]), 1);
    assert_eq!(counted("leverframe_cluster_ready", &[("cluster", "web")]), 1);
    assert_eq!(counted("leverframe_cluster_panic", &[("cluster", "web")]), 0);
    let page = world.api("/metrics?format=json").await;
    for histogram in
        ["leverframe_queue_time_seconds", "leverframe_check_time_seconds", "leverframe_policy_time_seconds"]
    {
        let samples = page[histogram]["samples"].as_array().expect("samples").iter();
        let count: u64 = samples.filter_map(|sample| sample["value"]["count"].as_u64()).sum();
        assert!(count > 0, "{histogram}: {}", page[histogram]);
    }
}

async fn fail(world: &World, fault: &str) {
    send(world.origins()[0].address(), Method::POST, &format!("/fault?kind={fault}"), "").await;
}
