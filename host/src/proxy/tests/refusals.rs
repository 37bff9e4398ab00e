//! What is refused: each with its status, its cause, and the connection closed where it cannot be trusted any more.

use std::time::Duration;

use super::harness::{GET, Origin, Proxy, header, problem};
use crate::proxy::Reason;

async fn refused(request: &str, status: &str) {
    let origin = Origin::new().await;
    let proxy = Proxy::new(&[origin.address]).await;
    let mut client = proxy.client().await;
    client.send(request).await;
    let answer = client.rest().await;
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request:?} got {answer:?}");
    assert!(answer.to_lowercase().contains("connection: close"), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "nothing behind it was answered: {answer}");
}

#[tokio::test]
async fn requests_that_could_be_read_in_two_ways_are_refused() {
    let behind = "GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n";
    for request in [
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nabcdef",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5, 6\r\n\r\nabcdef",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: +5\r\n\r\nabcde",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nx: b\rc\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nx: b\nc: d\r\n\r\n",
        "GET / HTTP/1.1\nhost: a\n\n",
        "GET / HTTP/1.1\r\nhost: a\r\nx: b\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\nhost : a\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nx: \0\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a/b\r\n\r\n",
        "GET http://b/ HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /a#b HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET a HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /a b HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET / HTTP/3.0\r\nhost: a\r\n\r\n",
    ] {
        refused(&format!("{request}{behind}"), "400").await;
    }
}

#[tokio::test]
async fn bad_chunks_are_refused() {
    for body in ["x\r\n", "3\r\nabcd\r\n", "-1\r\n", "1;\n\r\na", "fffffffffffffffff\r\n", "2\nab\n0\n\n"] {
        let request = format!("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{body}");
        refused(&format!("{request}{GET}"), "400").await;
    }
}

#[tokio::test]
async fn what_is_not_offered_is_refused() {
    refused("CONNECT a:80 HTTP/1.1\r\nhost: a:80\r\n\r\n", "501").await;
    refused("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "501").await;
    let many = "x: y\r\n".repeat(20);
    refused(&format!("GET / HTTP/1.1\r\nhost: a\r\n{many}\r\n"), "431").await;
    let large = "y".repeat(9000);
    refused(&format!("GET / HTTP/1.1\r\nhost: a\r\nx: {large}\r\n\r\n"), "431").await;
}

#[tokio::test]
async fn bodies_over_the_limit_are_refused() {
    refused("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1001\r\n\r\n", "413").await;
    let chunk = format!("1f4\r\n{}\r\n", "x".repeat(500));
    let request = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    refused(&format!("{request}{chunk}{chunk}{chunk}0\r\n\r\n"), "413").await;
}

#[tokio::test]
async fn a_refusal_says_what_is_wrong() {
    let proxy = Proxy::with(&[], |settings| settings.listener.routes[0].matches.path = path("/app")).await;
    let mut client = proxy.client().await;
    let answer = client.ask(GET).await;
    assert_eq!(problem(&answer), (404, "host".into(), "no-route".into()));
    assert_eq!(header(&answer.0, "connection"), None, "the connection is kept");
    let answer = client.ask("GET /app/x HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(problem(&answer), (503, "host".into(), "no-endpoint".into()));
    assert!(answer.1.contains(r#""cluster":"web""#), "{}", answer.1);
    let answer = client.ask("GET / HTTP/1.1\r\n\r\n").await;
    assert_eq!(problem(&answer), (400, "client".into(), "bad-request".into()));
    let counts = &proxy.snapshot().listeners[&proxy.listener.name];
    assert_eq!((counts.refused_for(Reason::NoRoute), counts.refused_for(Reason::BadRequest)), (1, 1));
}

fn path(prefix: &str) -> crate::config::PathMatch {
    crate::config::PathMatch::Prefix(prefix.to_owned())
}

#[tokio::test]
async fn an_expectation_that_cannot_be_met_is_refused() {
    let proxy = Proxy::new(&[]).await;
    let mut client = proxy.client().await;
    let answer = client.ask("GET / HTTP/1.1\r\nhost: a\r\nexpect: 200-ok\r\n\r\n").await;
    assert_eq!(problem(&answer), (417, "client".into(), "expectation-failed".into()));
}

#[tokio::test]
async fn clients_that_take_too_long_lose_their_connection() {
    let short = Duration::from_millis(30);
    let origin = Origin::new().await;
    let proxy = Proxy::with(&[origin.address], |settings| {
        settings.listener.header_timeout = short;
    })
    .await;
    let mut silent = proxy.client().await;
    assert_eq!(silent.rest().await, "");
    let mut slow = proxy.client().await;
    slow.send("GET / HTTP/1.1\r\nho").await;
    assert_eq!(slow.rest().await, "");

    let proxy = Proxy::with(&[origin.answer_all()], |settings| settings.listener.keep_alive_timeout = short).await;
    let mut idle = proxy.client().await;
    assert_eq!(idle.ask(GET).await.1, "ok");
    assert_eq!(idle.rest().await, "");
}

#[tokio::test]
async fn a_body_that_stops_coming_is_the_clients_fault() {
    let origin = Origin::new().await;
    let short = Duration::from_millis(30);
    let proxy = Proxy::with(&[origin.address], |settings| settings.cluster.timeouts.idle_stream = short).await;
    let mut client = proxy.client().await;
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nabc").await;
    let mut served = origin.accept().await;
    served.head().await;
    assert_eq!(problem(&client.response().await), (408, "client".into(), "client-timeout".into()));
}

#[tokio::test]
async fn more_connections_than_allowed_are_turned_away() {
    let origin = Origin::new().await.answer_all();
    let proxy = Proxy::with(&[origin], |settings| settings.listener.limits.connections = 1).await;
    let mut first = proxy.client().await;
    assert_eq!(first.ask(GET).await.1, "ok");
    let mut second = proxy.client().await;
    assert_eq!(problem(&second.response().await), (503, "host".into(), "too-many-connections".into()));
    drop(first);
    proxy.until("the first to be gone", |counts| counts.listeners[&proxy.listener.name].connections_open == 0).await;
    assert_eq!(proxy.client().await.ask(GET).await.1, "ok");
}
