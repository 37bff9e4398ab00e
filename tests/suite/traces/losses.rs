//! A collector that does not take spans.

use ::http::StatusCode;

use super::collector::Collector;
use crate::world::{Setup, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_away_costs_spans_and_nothing_else() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address");
    let lines = format!("[traces]\nendpoint = \"http://{nobody}\"\nsample = 1\n");
    let mut process = Setup::new().origins(1).more(&lines).spawn(&[]).await;
    for _ in 0..50 {
        assert_eq!(process.get("/").await.status, StatusCode::OK);
    }
    let dropped = || async { (process.metrics().await.sum("leverframe_traces_dropped", &[]) >= 150).then_some(()) };
    eventually("the spans that were dropped are counted", dropped).await;
    process.signal("TERM");
    assert!(process.ended().await.success());
    let said = process.log().into_iter().filter(|line| line.to_string().contains("the collector does not take spans"));
    assert_eq!(said.count(), 1, "{:#?}", process.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_never_answers_does_not_hold_up_the_end() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let lines = format!("[traces]\nendpoint = \"http://{}\"\nsample = 1\n", silent.local_addr().expect("its address"));
    let mut process = Setup::new().origins(1).more(&lines).spawn(&[]).await;
    assert_eq!(process.get("/").await.status, StatusCode::OK);
    let start = std::time::Instant::now();
    process.signal("TERM");
    assert!(process.ended().await.success());
    assert!(start.elapsed().as_secs() < 8, "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_pending_is_sent_at_the_end_and_the_environment_says_where_to() {
    let collector = Collector::start().await;
    let lines = collector.lines(1.0);
    let endpoint = lines.split('"').nth(1).expect("the address").to_owned();
    let environment = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()), ("OTEL_SERVICE_NAME", "by-variable")];
    let mut process = Setup::new().origins(1).more("[traces]\nsample = 1\n").spawn(&environment).await;
    assert_eq!(process.get("/last").await.status, StatusCode::OK);
    process.signal("TERM");
    assert!(process.ended().await.success());
    collector.trace("/last").await;
    assert_eq!(collector.services(), ["by-variable"]);
}
