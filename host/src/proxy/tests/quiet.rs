//! Responses whose head came and of which nothing more comes, or which nobody reads: whom that is held against, and when
//! it ends.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use super::harness::{GET, OK, Origin, Peer, Proxy, Settings, step};
use crate::config::Circuit;
use crate::model::CircuitState;

const SHORT: Duration = Duration::from_millis(100);
const STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

fn breaking(settings: &mut Settings) {
    let open_for = Duration::from_millis(1);
    settings.cluster.circuit =
        Some(Circuit { consecutive_failures: Some(1), open_for, trials: 1, ..Circuit::default() });
    settings.cluster.retry.attempts = 1;
}

fn state(proxy: &Proxy) -> CircuitState {
    proxy.circuits.state(proxy.live.roster().members()[0].id())
}

async fn until_it_is(proxy: &Proxy, wanted: CircuitState) {
    step(wanted.as_str(), async {
        while state(proxy) != wanted {
            proxy.circuits.tick(Instant::now());
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// A stream as the trial of a circuit that is half-open; its client, and the endpoint's side.
async fn trial(proxy: &Proxy, origin: &Origin) -> (Peer, Peer) {
    let mut client = proxy.client().await;
    client.send(GET).await;
    origin.accept().await.head().await;
    assert!(client.response().await.0.starts_with("HTTP/1.1 502 "));
    until_it_is(proxy, CircuitState::HalfOpen).await;
    let mut served = origin.asked(&mut client).await;
    served.send(STREAM).await;
    client.head().await;
    (client, served)
}

#[tokio::test]
async fn a_trial_that_has_become_a_quiet_stream_keeps_nobody_waiting() {
    let origin = Origin::new().await;
    let proxy = Proxy::with(&[origin.address], breaking).await;
    let (_client, served) = trial(&proxy, &origin).await;
    assert_eq!(state(&proxy), CircuitState::HalfOpen, "it may still break off");
    until_it_is(&proxy, CircuitState::Closed).await;
    let mut other = proxy.client().await;
    let mut next = origin.asked(&mut other).await;
    next.send(OK).await;
    assert_eq!(other.response().await.1, "ok");
    drop(served);
}

#[tokio::test]
async fn a_trial_that_breaks_off_at_once_has_failed() {
    let origin = Origin::new().await;
    let proxy = Proxy::with(&[origin.address], breaking).await;
    let (mut client, served) = trial(&proxy, &origin).await;
    drop(served);
    client.rest().await;
    // Nobody ticks: it stays so.
    step("an open circuit", async {
        while state(&proxy) != CircuitState::Open {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_stream_with_nothing_to_say_ends_and_its_endpoint_has_not_failed() {
    let origin = Origin::new().await;
    let proxy = Proxy::with(&[origin.address], |settings| {
        breaking(settings);
        settings.cluster.timeouts.idle_stream = SHORT;
    })
    .await;
    let mut client = proxy.client().await;
    let mut served = origin.asked(&mut client).await;
    served.send(STREAM).await;
    client.head().await;
    assert_eq!((client.rest().await.as_str(), served.rest().await.as_str()), ("", ""));
    let member = proxy.live.roster().members()[0].clone();
    proxy.until("the request to be over", |_| member.load(Instant::now()).in_flight == 0).await;
    assert_eq!((state(&proxy), member.figures().failures()), (CircuitState::Closed, 0));
}

#[tokio::test]
async fn a_stream_that_its_client_does_not_read_is_reset_and_others_go_on() {
    let origin = Origin::new().await;
    let proxy = Proxy::with(&[origin.address], |settings| {
        settings.cluster.timeouts.idle_stream = SHORT;
        settings.listener.keep_alive_timeout = SHORT * 10;
    })
    .await;
    let stream = TcpStream::connect(proxy.address).await.unwrap();
    let mut client = http2::Builder::new(TokioExecutor::new());
    client.initial_stream_window_size(0).adaptive_window(false);
    let (mut sender, connection) = client.handshake::<_, Empty<Bytes>>(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut ask = || tokio::spawn(sender.send_request(Request::get("http://a/").body(Empty::new()).unwrap()));
    let member = proxy.live.roster().members()[0].clone();
    // One that comes in pieces, and one that came whole.
    for answer in ["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", OK] {
        // The connection is as it was.
        let sound = ask();
        let mut served = origin.accept().await;
        served.head().await;
        served.send("HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await;
        assert_eq!(step("a response", sound).await.unwrap().unwrap().status(), 204);
        let unread = ask();
        let mut served = origin.accept().await;
        served.head().await;
        served.send(answer).await;
        let response = step("the head", unread).await.unwrap().unwrap();
        assert!(step("the end", response.into_body().collect()).await.is_err());
        proxy.until("the request to be over", |_| member.load(Instant::now()).in_flight == 0).await;
    }
    assert_eq!(member.figures().failures(), 0);
}
