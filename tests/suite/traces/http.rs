//! The spans of HTTP requests.

use ::http::{Method, StatusCode};
use bytes::Bytes;

use super::collector::{Collector, Origin, digits, fact, failed};
use crate::world::{Reply, Setup, World, eventually, guest};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

async fn ask(world: &World, path: &str, headers: &[(&str, &str)]) -> Reply {
    world.connect().await.send(Method::GET, path, headers, Bytes::new()).await
}

fn world(origin: &Origin, more: &str) -> Setup {
    Setup::new().endpoints(vec![origin.address]).more(more)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_with_a_retry_is_told_span_by_span() {
    let (collector, bad, good) = (
        Collector::start().await,
        Origin::start(StatusCode::SERVICE_UNAVAILABLE).await,
        Origin::start(StatusCode::OK).await,
    );
    let world = Setup::new()
        .endpoints(vec![bad.address, good.address])
        .cluster_lines("retry = { attempts = 2, statuses = [503] }")
        .more(&collector.lines(1.0))
        .start()
        .await;
    // One of two in turn begins with the bad one.
    for path in ["/a?token=secret", "/b?token=secret"] {
        assert_eq!(ask(&world, path, &[]).await.status, StatusCode::OK);
    }
    let both = [collector.trace("/a").await, collector.trace("/b").await];
    let trace = both.iter().find(|trace| trace.named("attempt").len() == 2).expect("one was sent twice");
    let root = &trace.root;
    let said = |key: &str| fact(root, key).unwrap_or_default();
    assert_eq!((root.name.as_str(), said("http.request.method")), ("GET", "GET".into()));
    assert_eq!((said("http.response.status_code"), said("leverframe.listener")), ("200".into(), "main".into()));
    assert_eq!((said("leverframe.cluster"), said("server.address")), ("web".into(), "127.0.0.1".into()));
    assert!(root.parent_span_id.is_empty() && !failed(root));
    let [first, second] = trace.named("attempt")[..] else { panic!("two attempts") };
    assert_eq!((first.kind, failed(first), failed(second)), (3, true, false));
    assert_eq!(fact(first, "error.type").as_deref(), Some("503"));
    assert_eq!(
        (fact(first, "leverframe.attempt"), fact(second, "leverframe.attempt")),
        (Some("1".into()), Some("2".into()))
    );
    assert_eq!(fact(second, "leverframe.retry.reason").as_deref(), Some("status"));
    assert_eq!(fact(second, "server.port"), Some(good.address.port().to_string()));
    assert_eq!(
        fact(second, "leverframe.connection.reused").as_deref().map(|is| is == "true" || is == "false"),
        Some(true)
    );
    let picks = trace.named("pick");
    assert_eq!((picks.len(), trace.len()), (2, 5));
    assert_eq!(fact(picks[0], "leverframe.plugin").as_deref(), Some("round-robin"));
    assert_eq!(fact(picks[0], "leverframe.reason").as_deref(), Some("chosen"));
    assert_eq!(fact(picks[1], "leverframe.endpoint").as_deref(), Some("node-2"));
    // Each origin is told the attempt that it was asked in.
    let told = |origin: &Origin| -> Vec<String> {
        let all = origin.asked();
        all.iter().map(|headers| headers["traceparent"].to_str().expect("text").to_owned()).collect()
    };
    let wanted = |span: &[u8]| format!("00-{}-{}-01", digits(&root.trace_id), digits(span));
    assert!(told(&bad).contains(&wanted(&first.span_id)) && told(&good).contains(&wanted(&second.span_id)));
    assert!(collector.services().iter().all(|name| name == "edge"));
    assert!(!format!("{:?}", collector.spans()).contains("secret"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trace_that_comes_in_goes_on() {
    let (collector, origin) = (Collector::start().await, Origin::start(StatusCode::OK).await);
    let world = world(&origin, &collector.lines(0.0)).start().await;
    let incoming = format!("00-{TRACE}-{PARENT}-01");
    ask(&world, "/in", &[("traceparent", &incoming), ("tracestate", "a=1,b=2")]).await;
    let trace = collector.trace("/in").await;
    assert_eq!((digits(&trace.root.trace_id), digits(&trace.root.parent_span_id)), (TRACE.into(), PARENT.into()));
    assert_eq!(trace.root.trace_state, "a=1,b=2");
    let attempt = trace.named("attempt")[0];
    assert_eq!(origin.said("traceparent"), Some(format!("00-{TRACE}-{}-01", digits(&attempt.span_id))));
    assert_eq!(origin.said("tracestate").as_deref(), Some("a=1,b=2"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_sampled_is_passed_on_so_and_what_is_broken_is_not() {
    for (sent, seen) in [
        (format!("00-{TRACE}-{PARENT}-00"), Some(format!("00-{TRACE}-{PARENT}-00"))),
        (format!("00-{TRACE}-{PARENT}"), None),
    ] {
        let (collector, origin) = (Collector::start().await, Origin::start(StatusCode::OK).await);
        // All of the rest would be.
        let share = if seen.is_some() { 1.0 } else { 0.0 };
        let world = world(&origin, &collector.lines(share)).start().await;
        ask(&world, "/x", &[("traceparent", &sent), ("tracestate", "a=1")]).await;
        assert_eq!((origin.said("traceparent"), origin.said("tracestate").is_some()), (seen.clone(), seen.is_some()));
        assert!(collector.spans().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_traces_off_headers_pass_as_they_are() {
    let origin = Origin::start(StatusCode::OK).await;
    let world = world(&origin, "").start().await;
    ask(&world, "/x", &[("traceparent", "not one"), ("tracestate", "=")]).await;
    assert_eq!(
        (origin.said("traceparent").as_deref(), origin.said("tracestate").as_deref()),
        (Some("not one"), Some("="))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fallback_says_why() {
    let collector = Collector::start().await;
    let world = Setup::new()
        .plugin("saboteur", guest("saboteur"))
        .configured("saboteur", "{ fault = \"panic\" }")
        .more(&collector.lines(1.0))
        .start()
        .await;
    assert_eq!(world.get("/trap").await.status, StatusCode::OK);
    let trace = collector.trace("/trap").await;
    let pick = trace.named("pick")[0];
    assert_eq!(fact(pick, "leverframe.plugin").as_deref(), Some("saboteur"));
    assert_eq!(fact(pick, "leverframe.reason").as_deref(), Some("fallback"));
    let why = fact(pick, "leverframe.fallback.why").expect("a reason");
    assert!(why.contains("trap") && why.contains("sabotage on purpose"), "{why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_without_an_answer_is_told_as_a_failure_and_traces_can_be_turned_on_while_it_serves() {
    let collector = Collector::start().await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address");
    let world = Setup::new().endpoints(vec![nobody]).cluster_lines("retry = { attempts = 1 }").start().await;
    assert_eq!(world.get("/before").await.status, StatusCode::BAD_GATEWAY);
    world.edit(|text| format!("{text}\n{}", collector.lines(1.0))).await;
    assert_eq!(world.get("/after").await.status, StatusCode::BAD_GATEWAY);
    let trace = collector.trace("/after").await;
    assert!(failed(&trace.root) && failed(trace.named("attempt")[0]));
    assert_eq!(fact(&trace.root, "error.type").as_deref(), Some("connect-failed"));
    let paths: Vec<_> = collector.spans().iter().filter_map(|span| fact(span, "url.path")).collect();
    assert_eq!(paths, ["/after"]);
    let exported = || async { (world.metrics().await.sum("leverframe_traces_exported", &[]) >= 3).then_some(()) };
    eventually("what was sent is counted", exported).await;
}
