//! When a request is sent again, to whom, and what the client gets when that does not help either.

use std::time::Duration;

use super::harness::{GET, OK, Origin, Peer, Proxy, cluster_name, header, problem, step};
use crate::config::{Circuit, RetryBudget};
use crate::model::StatusSet;
use crate::proxy::{ClusterReading, RetryReason};

const SHORT: Duration = Duration::from_millis(30);
pub(super) const BUSY: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\nx-from: one\r\n\r\nbusy";

pub(super) fn counts(proxy: &Proxy) -> ClusterReading {
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
pub(super) async fn answer(origin: &Origin, body: &str, with: &str) -> (Peer, String) {
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
async fn a_body_that_is_sent_again_is_whole_also_when_the_response_comes_first() {
    // More than the sockets on the way take in.
    const LONG: usize = 16 << 20;
    let numbers: String = (0..LONG / 8).map(|at| format!("{at:07} ")).collect();
    let (length, chunked) = (format!("content-length: {LONG}"), "transfer-encoding: chunked".to_owned());
    for (framing, body) in [(length, numbers.clone()), (chunked, format!("{LONG:x}\r\n{numbers}\r\n0\r\n\r\n"))] {
        let (one, two) = (Origin::new().await, Origin::new().await);
        let proxy = Proxy::with(&[one.address, two.address], |settings| {
            settings.listener.limits.body_bytes = None;
            settings.cluster.retry.buffer_bytes = 2 * LONG;
        })
        .await;
        let mut client = proxy.client().await;
        let mut first = tokio::spawn(async move {
            client.send(&format!("PUT / HTTP/1.1\r\nhost: a\r\n{framing}\r\n\r\n{body}")).await;
            client
        });
        let mut served = one.accept().await;
        served.head().await;
        assert_eq!(whole(&mut served).await, numbers);
        drop(served);
        let mut client = step("all to be sent", &mut first).await.unwrap();
        let mut served = two.accept().await;
        served.head().await;
        served.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n").await;
        client.head().await;
        assert_eq!(whole(&mut served).await, numbers);
        served.send("ok").await;
        assert_eq!(client.exactly(2).await, "ok");
        // Nothing is left that could be taken for a part of the next request.
        client.send(GET).await;
        break_off(&one, "").await;
        assert!(served.head().await.starts_with("GET "));
    }
}

/// A body as it comes to an origin, in whichever framing.
async fn whole(served: &mut Peer) -> String {
    let first = served.exactly(8).await;
    if first == "0000000 " {
        return first + &served.exactly((16 << 20) - 8).await;
    }
    let (mut body, mut rest) = (String::new(), first);
    loop {
        while !rest.contains("\r\n") {
            rest += &served.exactly(1).await;
        }
        let (size, begun) = rest.split_once("\r\n").unwrap();
        let (size, mut chunk) = (usize::from_str_radix(size, 16).unwrap(), begun.to_owned());
        let end = size + 2;
        if chunk.len() < end {
            chunk += &served.exactly(end - chunk.len()).await;
        }
        rest = chunk.split_off(end);
        body += chunk.strip_suffix("\r\n").unwrap();
        if size == 0 {
            return body;
        }
    }
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
        settings.cluster.circuit = Some(Circuit { consecutive_failures: Some(1), ..Default::default() });
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
    let mut first = frozen.asked(&mut client).await;
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
