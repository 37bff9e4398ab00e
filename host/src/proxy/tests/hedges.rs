//! The second request beside one that takes long: when there is one, and which of the two is taken.

use std::time::{Duration, Instant};

use super::harness::{GET, OK, Origin, Peer, Proxy, Settings, step};
use super::retries::{BUSY, answer, counts};
use crate::config::{Circuit, Hedge, RetryBudget};
use crate::model::CircuitState;
use crate::proxy::RetryReason;

const SHORT: Duration = Duration::from_millis(30);
/// By then it is known how long most responses take.
const FOUND_OUT: Duration = Duration::from_millis(150);

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
