//! When a request is sent again, to whom, and what the client gets when that does not help either.

use std::time::Duration;

use super::harness::{GET, OK, Origin, Peer, Proxy, cluster_name, header, problem};
use crate::config::{Hedge, RetryBudget};
use crate::model::StatusSet;
use crate::proxy::{ClusterReading, RetryReason};

const SHORT: Duration = Duration::from_millis(30);
const BUSY: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\nx-from: one\r\n\r\nbusy";

fn counts(proxy: &Proxy) -> ClusterReading {
    proxy.snapshot().clusters[&cluster_name("web")]
}

/// A request that comes to an origin, and that it leaves without an answer.
async fn break_off(origin: &Origin, body: &str) -> String {
    let mut served = origin.accept().await;
    let head = served.head().await;
    assert_eq!(served.exactly(body.len()).await, body);
    head
}

/// A request that comes to an origin and is answered.
async fn answer(origin: &Origin, body: &str, with: &str) -> (Peer, String) {
    let mut served = origin.accept().await;
    let head = served.head().await;
    assert_eq!(served.exactly(body.len()).await, body);
    served.send(with).await;
    (served, head)
}

#[tokio::test]
async fn a_read_goes_to_another_endpoint_after_a_reset() {
    let (one, two) = (Origin::new().await, Origin::new().await);
    let proxy = Proxy::new(&[one.address, two.address]).await;
    let mut client = proxy.client().await;
    client.send(GET).await;
    let first = break_off(&one, "").await;
    let (_served, second) = answer(&two, "", OK).await;
    assert_eq!(client.response().await.1, "ok");
    assert_eq!(first, second, "it is the same request, its id included");
    assert_eq!(counts(&proxy).retries_for(RetryReason::Reset), 1);
}

#[tokio::test]
async fn what_may_do_harm_is_not_sent_twice() {
    let (one, two) = (Origin::new().await, Origin::new().await);
    let proxy = Proxy::new(&[one.address, two.address]).await;
    let mut client = proxy.client().await;
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi").await;
    break_off(&one, "hi").await;
    assert_eq!(problem(&client.response().await), (502, "endpoint".into(), "connection-reset".into()));
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi").await;
    let (_served, _) = answer(&two, "hi", BUSY).await;
    assert_eq!(client.response().await.1, "busy");
    assert_eq!(counts(&proxy).retries, [0; 5]);
}

#[tokio::test]
async fn a_small_body_is_sent_again() {
    for (request, body) in [
        ("PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi", "hi"),
        ("PUT / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", "2\r\nhi\r\n0\r\n\r\n"),
    ] {
        let (one, two) = (Origin::new().await, Origin::new().await);
        let proxy = Proxy::new(&[one.address, two.address]).await;
        let mut client = proxy.client().await;
        client.send(request).await;
        let first = break_off(&one, body).await;
        let (mut served, second) = answer(&two, body, OK).await;
        assert_eq!(client.response().await.1, "ok");
        assert_eq!(first, second);
        // Both connections go on as if nothing had been.
        client.send(GET).await;
        break_off(&one, "").await;
        served.head().await;
        served.send(OK).await;
        assert_eq!(client.response().await.1, "ok");
    }
}

#[tokio::test]
async fn a_body_that_is_still_coming_is_sent_again_and_goes_on() {
    let (one, two) = (Origin::new().await, Origin::new().await);
    let proxy = Proxy::new(&[one.address, two.address]).await;
    let mut client = proxy.client().await;
    client.send("PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\n\r\nabc").await;
    break_off(&one, "abc").await;
    let mut served = two.accept().await;
    served.head().await;
    assert_eq!(served.exactly(3).await, "abc");
    client.send("def").await;
    assert_eq!(served.exactly(3).await, "def");
    served.send(OK).await;
    assert_eq!(client.response().await.1, "ok");
}

#[tokio::test]
async fn a_body_over_the_buffer_is_not_sent_again() {
    for (request, body) in [
        ("PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nabcde", "abcde"),
        (
            "PUT / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
            "5\r\nabcde\r\n0\r\n\r\n",
        ),
    ] {
        let (one, two) = (Origin::new().await, Origin::new().await);
        let proxy = Proxy::with(&[one.address, two.address], |settings| settings.cluster.retry.buffer_bytes = 4).await;
        let mut client = proxy.client().await;
        client.send(request).await;
        break_off(&one, body).await;
        assert_eq!(problem(&client.response().await), (502, "endpoint".into(), "connection-reset".into()));
    }
}

#[tokio::test]
async fn a_status_sends_a_read_elsewhere_and_keeps_the_connection() {
    let (one, two) = (Origin::new().await, Origin::new().await);
    let proxy = Proxy::new(&[one.address, two.address]).await;
    let mut client = proxy.client().await;
    client.send(GET).await;
    let (mut busy, _) = answer(&one, "", BUSY).await;
    let (_served, _) = answer(&two, "", OK).await;
    assert_eq!(client.response().await.1, "ok");
    client.send(GET).await;
    busy.head().await;
    busy.send(OK).await;
    assert_eq!(client.response().await.1, "ok");
    assert_eq!(counts(&proxy).retries_for(RetryReason::Status), 1);
}

#[tokio::test]
async fn a_response_that_is_given_up_half_way_closes_its_connection() {
    let (one, two) = (Origin::new().await, Origin::new().await);
    let proxy = Proxy::new(&[one.address, two.address]).await;
    let mut client = proxy.client().await;
    client.send(GET).await;
    let (mut busy, _) = answer(&one, "", "HTTP/1.1 503 Busy\r\ncontent-length: 9\r\n\r\nbusy").await;
    let (_served, _) = answer(&two, "", OK).await;
    assert_eq!(client.response().await.1, "ok");
    assert_eq!(busy.rest().await, "");
}

#[tokio::test]
async fn the_last_response_is_passed_on_as_it_came() {
    let (one, two) = (Origin::new().await, Origin::new().await);
    let proxy = Proxy::new(&[one.address, two.address]).await;
    let mut client = proxy.client().await;
    client.send(GET).await;
    let (_first, _) = answer(&one, "", &BUSY.replace("one", "none")).await;
    let (_second, _) = answer(&two, "", BUSY).await;
    let (head, body) = client.response().await;
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    assert_eq!((header(&head, "x-from"), body.as_str()), (Some("one"), "busy"));
}

#[tokio::test]
async fn without_anybody_to_ask_the_last_response_stands() {
    let origin = Origin::new().await;
    let proxy = Proxy::with(&[origin.address], |settings| {
        settings.cluster.circuit = Some(crate::config::Circuit { consecutive_failures: Some(1), ..Default::default() });
    })
    .await;
    let mut client = proxy.client().await;
    client.send(GET).await;
    let (_served, _) = answer(&origin, "", BUSY).await;
    assert_eq!(client.response().await.1, "busy", "its circuit opened, and there is no other");
    assert_eq!(counts(&proxy).retries, [0; 5]);
}

#[tokio::test]
async fn statuses_are_what_the_configuration_says() {
    let origin = Origin::new().await;
    let proxy = Proxy::with(&[origin.address], |settings| settings.cluster.retry.statuses = StatusSet::default()).await;
    let mut client = proxy.client().await;
    client.send(GET).await;
    let (_served, _) = answer(&origin, "", BUSY).await;
    assert_eq!(client.response().await.1, "busy");
}

#[tokio::test]
async fn a_try_that_takes_too_long_moves_on() {
    let (frozen, origin) = (Origin::new().await, Origin::new().await);
    let proxy = Proxy::with(&[frozen.address, origin.address], |settings| {
        settings.cluster.retry.per_try_timeout = Some(SHORT);
        settings.cluster.retry.backoff = Some(Duration::from_millis(2));
    })
    .await;
    let mut client = proxy.client().await;
    client.send(GET).await;
    let mut first = frozen.accept().await;
    first.head().await;
    let (_served, _) = answer(&origin, "", OK).await;
    assert_eq!(client.response().await.1, "ok");
    assert_eq!(first.rest().await, "", "its connection is closed");
    assert_eq!(counts(&proxy).retries_for(RetryReason::Timeout), 1);
    for request in [
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi",
    ] {
        let proxy =
            Proxy::with(&[frozen.address], |settings| settings.cluster.retry.per_try_timeout = Some(SHORT)).await;
        let mut client = proxy.client().await;
        client.send(request).await;
        assert_eq!(problem(&client.response().await), (504, "endpoint".into(), "response-timeout".into()));
    }
}

#[tokio::test]
async fn without_a_budget_nothing_is_sent_again() {
    let origin = Origin::new().await;
    let proxy = Proxy::with(&[origin.address], |settings| {
        settings.cluster.retry.budget = RetryBudget { percent: 0, floor: 0 };
    })
    .await;
    let mut client = proxy.client().await;
    client.send(GET).await;
    let (_served, _) = answer(&origin, "", BUSY).await;
    assert_eq!(client.response().await.1, "busy");
    let counts = counts(&proxy);
    assert_eq!((counts.retries, counts.retry_budget_exhausted), ([0; 5], 1));
}

#[tokio::test]
async fn a_storm_is_paced_and_no_client_sees_it() {
    let (frozen, origin) = (Origin::new().await, Origin::new().await.answer_all());
    let proxy = Proxy::with(&[frozen.address, origin], |settings| {
        settings.workers = 2;
        settings.cluster.retry.per_try_timeout = Some(Duration::from_millis(500));
        settings.cluster.retry.budget = RetryBudget { percent: 0, floor: 4 };
    })
    .await;
    let mut asked = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let mut client = proxy.client().await;
        asked.spawn(async move { client.ask(GET).await });
    }
    for (head, body) in asked.join_all().await {
        assert_eq!(body, "ok", "{head}");
    }
    let counts = counts(&proxy);
    assert!(counts.retries_for(RetryReason::Timeout) > 10, "{counts:?}");
    assert_eq!(counts.retry_budget_exhausted, 0);
}

/// A proxy whose first endpoint has answered a few requests fast and takes its time for the next.
async fn hedging(change: impl FnOnce(&mut RetryBudget)) -> (Proxy, Peer, Peer) {
    let (slow, fast) = (Origin::new().await, Origin::new().await.answer_all());
    let proxy = Proxy::with(&[slow.address, fast], |settings| {
        settings.cluster.retry.hedge = Some(Hedge { percentile: 95, after_at_least: SHORT });
        change(&mut settings.cluster.retry.budget);
    })
    .await;
    let mut client = proxy.client().await;
    let mut first = None;
    for _ in 0..10 {
        client.send(GET).await;
        let mut served = match first.take() {
            Some(served) => served,
            None => slow.accept().await,
        };
        served.head().await;
        served.send(OK).await;
        first = Some(served);
        assert_eq!(client.response().await.1, "ok");
        assert_eq!(client.ask(GET).await.1, "ok");
    }
    assert_eq!(counts(&proxy).retries, [0; 5], "too few to know what is slow, and none was");
    client.send(GET).await;
    let mut served = first.unwrap();
    served.head().await;
    (proxy, client, served)
}

#[tokio::test]
async fn a_slow_read_is_asked_of_two_and_the_faster_is_taken() {
    let (proxy, mut client, mut slow) = hedging(|_| {}).await;
    assert_eq!(client.response().await.1, "ok");
    assert_eq!(slow.rest().await, "", "the slower is dropped");
    assert_eq!(counts(&proxy).retries_for(RetryReason::Hedge), 1);
    let members = proxy.live.roster().members().to_vec();
    proxy.until("both to be over", |_| members.iter().all(|m| m.load(std::time::Instant::now()).in_flight == 0)).await;
    assert_eq!(members[0].figures().failures(), 0, "what was dropped says nothing");
}

#[tokio::test]
async fn without_a_budget_there_is_no_second_request() {
    let (proxy, mut client, mut slow) = hedging(|budget| *budget = RetryBudget { percent: 0, floor: 0 }).await;
    proxy.until("the second to be due", |_| counts(&proxy).retry_budget_exhausted == 1).await;
    slow.send(&OK.replace("ok", "OK")).await;
    assert_eq!(client.response().await.1, "OK");
    assert_eq!(counts(&proxy).retries, [0; 5]);
}
