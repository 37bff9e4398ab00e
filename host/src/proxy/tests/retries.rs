//! When a request is sent again, to whom, and what the client gets when that does not help either.

use std::time::{Duration, Instant};

use super::harness::{GET, OK, Origin, Peer, Proxy, Settings, cluster_name, header, problem, step};
use crate::config::{Circuit, Hedge, RetryBudget};
use crate::model::{CircuitState, StatusSet};
use crate::proxy::{ClusterReading, RetryReason};

const SHORT: Duration = Duration::from_millis(30);
/// By then it is known how long most responses take.
const FOUND_OUT: Duration = Duration::from_millis(150);
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
async fn hedging(change: impl FnOnce(&mut Settings)) -> (Proxy, Peer, Peer) {
    let (slow, fast) = (Origin::new().await, Origin::new().await.answer_all());
    let proxy = Proxy::with(&[slow.address, fast], |settings| {
        settings.cluster.retry.hedge = Some(Hedge { percentile: 95, after_at_least: SHORT });
        change(settings);
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
    tokio::time::sleep(FOUND_OUT).await;
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
    proxy.until("both to be over", |_| members.iter().all(|m| m.load(Instant::now()).in_flight == 0)).await;
    assert_eq!(members[0].figures().failures(), 0, "what was dropped says nothing");
}

#[tokio::test]
async fn without_a_budget_there_is_no_second_request() {
    let (proxy, mut client, mut slow) = hedging(|settings| {
        settings.cluster.retry.budget = RetryBudget { percent: 0, floor: 0 };
    })
    .await;
    proxy.until("the second to be due", |_| counts(&proxy).retry_budget_exhausted == 1).await;
    slow.send(&OK.replace("ok", "OK")).await;
    assert_eq!(client.response().await.1, "OK");
    assert_eq!(counts(&proxy).retries, [0; 5]);
}

/// A proxy for two endpoints that have answered a few requests fast, and the connections to them.
async fn hedging_by_hand(change: impl FnOnce(&mut Settings)) -> (Proxy, Peer, [Peer; 2]) {
    let (one, two) = (Origin::new().await, Origin::new().await);
    let proxy = Proxy::with(&[one.address, two.address], |settings| {
        settings.cluster.retry.hedge = Some(Hedge { percentile: 95, after_at_least: SHORT });
        change(settings);
    })
    .await;
    let mut client = proxy.client().await;
    let mut peers = Vec::new();
    for origin in [&one, &two] {
        client.send(GET).await;
        peers.push(answer(origin, "", OK).await.0);
        client.response().await;
    }
    for nth in 2..20 {
        client.send(GET).await;
        peers[nth % 2].head().await;
        peers[nth % 2].send(OK).await;
        client.response().await;
    }
    tokio::time::sleep(FOUND_OUT).await;
    (proxy, client, peers.try_into().ok().unwrap())
}

#[tokio::test]
async fn a_fast_error_does_not_beat_a_good_response() {
    for error_first in [false, true] {
        let (proxy, mut client, [mut one, mut two]) = hedging_by_hand(|_| {}).await;
        client.send(GET).await;
        one.head().await;
        two.head().await;
        let (bad, good) = if error_first { (&mut one, &mut two) } else { (&mut two, &mut one) };
        bad.send(BUSY).await;
        let errors = || proxy.live.roster().members().iter().map(|member| member.figures().failures()).sum::<u64>();
        tokio::time::sleep(SHORT).await;
        assert_eq!(errors(), 0, "it is kept, and told when it is sure what becomes of it");
        good.send(&OK.replace("ok", "OK")).await;
        assert_eq!(client.response().await.1, "OK");
        assert_eq!(errors(), 1);
        // Both connections can be used again.
        for served in [&mut one, &mut two] {
            client.send(GET).await;
            served.head().await;
            served.send(OK).await;
            assert_eq!(client.response().await.1, "ok");
        }
    }
}

#[tokio::test]
async fn an_error_stands_when_the_other_brings_nothing() {
    let (proxy, mut client, [mut one, mut two]) = hedging_by_hand(|_| {}).await;
    client.send(GET).await;
    one.head().await;
    two.head().await;
    two.send(BUSY).await;
    tokio::time::sleep(SHORT).await;
    drop(one);
    assert_eq!(client.response().await.1, "busy");
    assert_eq!(counts(&proxy).retries.iter().sum::<u64>(), 1, "only the second request");
}

#[tokio::test]
async fn a_second_request_that_is_not_sent_takes_no_turn() {
    let (proxy, mut client, [mut one, mut two]) = hedging_by_hand(|settings| {
        settings.cluster.retry.budget = RetryBudget { percent: 0, floor: 1 };
        settings.cluster.capacity.endpoint_in_flight = Some(1);
    })
    .await;
    client.send(GET).await;
    one.head().await;
    let mut poster = proxy.client().await;
    poster.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n").await;
    two.head().await;
    tokio::time::sleep(4 * SHORT).await;
    assert_eq!(counts(&proxy).retries, [0; 5], "the other is full");
    assert!(proxy.shared.budget.try_take(1).is_some());
    one.send(OK).await;
    assert_eq!(client.response().await.1, "ok");
}

#[tokio::test]
async fn a_frozen_endpoint_is_found_out_although_another_answers_for_it() {
    let (proxy, mut client, _frozen) = hedging(|settings| {
        settings.cluster.circuit = Some(Circuit { consecutive_failures: Some(2), ..Circuit::default() });
    })
    .await;
    assert_eq!(client.response().await.1, "ok");
    let member = proxy.live.roster().members()[0].clone();
    assert_eq!(member.figures().failures(), 0, "one alone says nothing");
    assert!(member.load(Instant::now()).latency_ewma_us >= 25_000, "but that it is slow");
    step("its circuit to open", async {
        while proxy.circuits.state(member.id()) != CircuitState::Open {
            assert_eq!(client.ask(GET).await.1, "ok");
        }
    })
    .await;
}
