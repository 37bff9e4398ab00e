//! Circuits on the way of requests: who is let through, and what is told to them.

use std::time::{Duration, Instant};

use super::harness::{GET, OK, Origin, Proxy, Settings, cluster_name, header, problem, step};
use crate::cluster::Judged;
use crate::config::Circuit;
use crate::model::{AdminState, CircuitState, Verdict};

fn breaking(after: u32, open_for: Duration) -> impl FnOnce(&mut Settings) {
    move |settings| {
        settings.cluster.circuit =
            Some(Circuit { consecutive_failures: Some(after), open_for, trials: 1, ..Circuit::default() });
        settings.cluster.retry.attempts = 1;
    }
}

const LONG: Duration = Duration::from_secs(30);

fn state(proxy: &Proxy, nth: usize) -> CircuitState {
    proxy.circuits.state(proxy.live.roster().members()[nth].id())
}

async fn until_it_is(proxy: &Proxy, wanted: CircuitState) {
    step(wanted.as_str(), async {
        while state(proxy, 0) != wanted {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_open_circuit_answers_at_once_and_says_when_to_come_again() {
    let proxy = Proxy::with(&[Origin::nobody().await], breaking(2, LONG)).await;
    let mut client = proxy.client().await;
    for _ in 0..2 {
        assert_eq!(problem(&client.ask(GET).await), (502, "endpoint".into(), "connect-failed".into()));
    }
    let answer = client.ask(GET).await;
    assert_eq!(problem(&answer), (503, "host".into(), "circuit-open".into()));
    let seconds: u64 = header(&answer.0, "retry-after").unwrap().parse().unwrap();
    assert!((1..=30).contains(&seconds), "{seconds}");
    assert!(answer.1.contains(r#""cluster":"web""#), "{}", answer.1);
    let counts = proxy.snapshot().clusters[&cluster_name("web")];
    assert_eq!((counts.connections_failed, counts.circuit_refused), (2, 1));
}

#[tokio::test]
async fn an_endpoint_with_an_open_circuit_is_passed_over() {
    let (nobody, origin) = (Origin::nobody().await, Origin::new().await.answer_all());
    let proxy = Proxy::with(&[nobody, origin], |settings| {
        breaking(1, LONG)(settings);
        settings.cluster.retry.attempts = 2;
    })
    .await;
    let mut client = proxy.client().await;
    for _ in 0..6 {
        assert_eq!(client.ask(GET).await.1, "ok");
    }
    assert_eq!((state(&proxy, 0), state(&proxy, 1)), (CircuitState::Open, CircuitState::Closed));
    assert_eq!(proxy.snapshot().clusters[&cluster_name("web")].connections_failed, 1);
}

#[tokio::test]
async fn a_half_open_circuit_lets_its_trials_through_and_no_more() {
    let origin = Origin::new().await;
    let proxy = Proxy::with(&[origin.address], breaking(1, Duration::from_millis(1))).await;
    let mut client = proxy.client().await;
    let served = origin.asked(&mut client).await;
    drop(served);
    assert_eq!(problem(&client.response().await).0, 502);
    step("half-open", async {
        while state(&proxy, 0) != CircuitState::HalfOpen {
            proxy.circuits.tick(Instant::now());
            tokio::task::yield_now().await;
        }
    })
    .await;
    let mut trial = origin.asked(&mut client).await;
    let answer = proxy.client().await.ask(GET).await;
    assert_eq!(problem(&answer), (503, "host".into(), "circuit-open".into()));
    assert_eq!(header(&answer.0, "retry-after"), Some("1"));
    trial.send(OK).await;
    assert_eq!(client.response().await.1, "ok");
    until_it_is(&proxy, CircuitState::Closed).await;
    client.send(GET).await;
    trial.head().await;
    trial.send(OK).await;
    assert_eq!(client.response().await.1, "ok");
}

#[tokio::test]
async fn a_response_that_breaks_off_is_a_failure() {
    let origin = Origin::new().await;
    let proxy = Proxy::with(&[origin.address], breaking(1, LONG)).await;
    let mut client = proxy.client().await;
    let mut served = origin.asked(&mut client).await;
    served.send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nok").await;
    client.head().await;
    assert_eq!(state(&proxy, 0), CircuitState::Closed);
    drop(served);
    client.rest().await;
    until_it_is(&proxy, CircuitState::Open).await;
}

#[tokio::test]
async fn a_client_that_leaves_says_nothing_of_the_endpoint() {
    let origin = Origin::new().await;
    let proxy = Proxy::with(&[origin.address], breaking(1, LONG)).await;
    let mut client = proxy.client().await;
    let mut served = origin.asked(&mut client).await;
    drop(client);
    assert_eq!(served.rest().await, "");
    let member = proxy.live.roster().members()[0].clone();
    proxy.until("the request to be over", |_| member.load(Instant::now()).in_flight == 0).await;
    assert_eq!((state(&proxy, 0), member.figures().failures()), (CircuitState::Closed, 0));
}

#[tokio::test]
async fn a_circuit_is_blamed_only_when_it_keeps_somebody_out() {
    let proxy = Proxy::with(&[Origin::nobody().await], breaking(1, LONG)).await;
    let mut client = proxy.client().await;
    client.ask(GET).await;
    assert_eq!(state(&proxy, 0), CircuitState::Open);
    let member = proxy.live.roster().members()[0].clone();
    let judged = Judged { verdict: Verdict::default(), circuit: CircuitState::Open, checked: true };
    proxy.live.judge(Instant::now(), &[(member.id(), judged)]);
    let answer = client.ask(GET).await;
    assert_eq!(problem(&answer).2, "circuit-open");
    assert!(header(&answer.0, "retry-after").unwrap().parse::<u64>().unwrap() > 20);
    proxy.live.command(member.id(), AdminState::Disabled);
    assert_eq!(problem(&client.ask(GET).await).2, "no-endpoint", "an operator took it out");
    proxy.live.command(member.id(), AdminState::Enabled);
    let under_way = member.begin();
    proxy.live.update(&[], Instant::now());
    assert_eq!(proxy.live.roster().members().len(), 1);
    assert_eq!(problem(&client.ask(GET).await).2, "no-endpoint", "it leaves");
    drop(under_way);
}
