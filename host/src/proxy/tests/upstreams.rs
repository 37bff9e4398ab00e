//! What happens when an endpoint is down, slow, full, or closes a connection at the wrong moment.

use std::time::{Duration, Instant};

use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::harness::{GET, OK, Origin, Proxy, cluster_name, problem};
use crate::proxy::RetryReason;

const SHORT: Duration = Duration::from_millis(30);

#[tokio::test]
async fn a_connection_that_was_closed_while_idle_is_replaced() {
    let origin = Origin::new().await;
    let proxy = Proxy::new(&[origin.address]).await;
    let mut client = proxy.client().await;
    let mut served = origin.asked(&mut client).await;
    served.send(OK).await;
    client.response().await;
    drop(served);
    // A body cannot be sent twice: the closed connection has to be found before.
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi").await;
    let mut served = origin.accept().await;
    served.head().await;
    assert_eq!(served.exactly(2).await, "hi");
    served.send(OK).await;
    assert_eq!(client.response().await.1, "ok");
}

#[tokio::test]
async fn a_request_that_met_a_closing_connection_is_sent_once_more() {
    let origin = Origin::new().await;
    let proxy = Proxy::new(&[origin.address]).await;
    let mut client = proxy.client().await;
    client.send(GET).await;
    let mut served = origin.accept().await;
    let first = served.head().await;
    served.send(OK).await;
    client.response().await;
    // The endpoint reads the second request and closes without an answer.
    client.send(GET).await;
    served.head().await;
    drop(served);
    let mut served = origin.accept().await;
    let again = served.head().await;
    let without_id =
        |head: &str| head.lines().filter(|line| !line.starts_with("x-request-id")).collect::<Vec<_>>().join("\n");
    assert_eq!(without_id(&again), without_id(&first));
    served.send(OK).await;
    assert_eq!(client.response().await.1, "ok");
}

#[tokio::test]
async fn what_may_not_be_repeated_is_not_sent_twice() {
    let origin = Origin::new().await;
    let proxy = Proxy::new(&[origin.address]).await;
    let mut client = proxy.client().await;
    let mut served = origin.asked(&mut client).await;
    served.send(OK).await;
    client.response().await;
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n").await;
    assert!(served.head().await.starts_with("POST"));
    drop(served);
    assert_eq!(problem(&client.response().await), (502, "endpoint".into(), "connection-reset".into()));
}

#[tokio::test]
async fn a_request_on_a_new_connection_is_not_sent_twice_as_one_attempt() {
    let origin = Origin::new().await;
    let proxy = Proxy::with(&[origin.address], |settings| settings.cluster.retry.attempts = 1).await;
    let mut client = proxy.client().await;
    let served = origin.asked(&mut client).await;
    drop(served);
    assert_eq!(problem(&client.response().await), (502, "endpoint".into(), "connection-reset".into()));
}

#[tokio::test]
async fn an_endpoint_that_is_down_costs_an_attempt_not_the_request() {
    let (nobody, origin) = (Origin::nobody().await, Origin::new().await.answer_all());
    let proxy = Proxy::new(&[nobody, origin]).await;
    let mut client = proxy.client().await;
    for _ in 0..4 {
        assert_eq!(client.ask(GET).await.1, "ok");
    }
    let post = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n";
    assert_eq!(client.ask(post).await.1, "ok", "nothing was sent yet, so anything may go elsewhere");
    let counts = proxy.snapshot().clusters[&cluster_name("web")];
    let retries = counts.retries_for(RetryReason::Connect);
    assert!(retries >= 2 && retries == counts.connections_failed, "{counts:?}");
    assert!(proxy.live.roster().members()[0].load(Instant::now()).error_ratio > 0.0);
}

#[tokio::test]
async fn when_all_are_down_the_client_is_told_which() {
    let proxy = Proxy::new(&[Origin::nobody().await, Origin::nobody().await]).await;
    let answer = proxy.client().await.ask(GET).await;
    assert_eq!(problem(&answer), (502, "endpoint".into(), "connect-failed".into()));
    assert!(answer.1.contains(r#""cluster":"web""#) && answer.1.contains(r#""endpoint":"e1""#), "{}", answer.1);
}

#[tokio::test]
async fn an_endpoint_that_does_not_answer_is_given_up() {
    let origin = Origin::new().await;
    let proxy = Proxy::with(&[origin.address], |settings| {
        settings.cluster.timeouts.response_header = SHORT;
        settings.cluster.retry.attempts = 1;
    })
    .await;
    let mut client = proxy.client().await;
    let mut served = origin.asked(&mut client).await;
    assert_eq!(problem(&client.response().await), (504, "endpoint".into(), "response-timeout".into()));
    assert_eq!(served.rest().await, "", "its connection is not used again");
    let mut served = origin.asked(&mut client).await;
    served.send(OK).await;
    assert_eq!(client.response().await.1, "ok", "the client's connection is");
}

#[tokio::test]
async fn a_response_that_stalls_is_broken_off() {
    let origin = Origin::new().await;
    let proxy = Proxy::with(&[origin.address], |settings| settings.cluster.timeouts.idle_stream = SHORT).await;
    let mut client = proxy.client().await;
    let mut served = origin.asked(&mut client).await;
    served.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nok").await;
    client.head().await;
    assert_eq!(client.rest().await, "ok");
    assert_eq!(served.rest().await, "");
}

#[tokio::test]
async fn a_tunnel_in_which_nothing_moves_is_closed() {
    let origin = Origin::new().await;
    let proxy = Proxy::with(&[origin.address], |settings| settings.cluster.timeouts.idle_stream = SHORT).await;
    let mut client = proxy.client().await;
    client.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n").await;
    let mut served = origin.accept().await;
    served.head().await;
    served.send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n").await;
    client.head().await;
    assert_eq!((client.rest().await.as_str(), served.rest().await.as_str()), ("", ""));
}

#[tokio::test]
async fn what_is_no_response_is_a_bad_gateway() {
    let origin = Origin::new().await;
    let proxy = Proxy::new(&[origin.address]).await;
    for answer in [
        "HELLO\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx: y\r\n folded\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    ] {
        let mut client = proxy.client().await;
        let mut served = origin.asked(&mut client).await;
        served.send(answer).await;
        assert_eq!(problem(&client.response().await), (502, "endpoint".into(), "bad-response".into()), "{answer}");
    }
}

#[tokio::test]
async fn a_full_pool_makes_requests_wait_for_their_turn() {
    let origin = Origin::new().await;
    let proxy = Proxy::with(&[origin.address], |settings| settings.cluster.pool.max_connections = Some(1)).await;
    let (mut first, mut second) = (proxy.client().await, proxy.client().await);
    let mut served = origin.asked(&mut first).await;
    second.send(&GET.replace("/a", "/second")).await;
    served.send(OK).await;
    assert_eq!(first.response().await.1, "ok");
    assert!(served.head().await.starts_with("GET /second"), "on the connection that came free");
    served.send(OK).await;
    assert_eq!(second.response().await.1, "ok");
}

#[tokio::test]
async fn a_pool_that_stays_full_turns_requests_away() {
    let origin = Origin::new().await;
    let proxy = Proxy::with(&[origin.address], |settings| {
        settings.cluster.pool.max_connections = Some(1);
        settings.cluster.timeouts.connect = SHORT;
    })
    .await;
    let (mut first, mut second) = (proxy.client().await, proxy.client().await);
    let mut served = origin.asked(&mut first).await;
    second.send(GET).await;
    assert_eq!(problem(&second.response().await), (503, "endpoint".into(), "pool-exhausted".into()));
    served.send(OK).await;
    assert_eq!(first.response().await.1, "ok");
}

#[tokio::test]
async fn endpoints_may_be_named() {
    let origin = Origin::new().await;
    let port = origin.address.port();
    let proxy = Proxy::with(&[origin.address], |settings| {
        settings.cluster.endpoints[0].address = crate::model::Address::parse(&format!("localhost:{port}")).unwrap();
    })
    .await;
    let mut client = proxy.client().await;
    let mut served = origin.asked(&mut client).await;
    served.send(OK).await;
    assert_eq!(client.response().await.1, "ok");
}

#[tokio::test]
async fn interim_responses_are_not_the_response() {
    let origin = Origin::new().await;
    let proxy = Proxy::new(&[origin.address]).await;
    let mut client = proxy.client().await;
    let mut served = origin.asked(&mut client).await;
    served.send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 20").await;
    served.send("0 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let (head, body) = client.response().await;
    assert!(head.starts_with("HTTP/1.1 200 ") && !head.contains("link"), "{head}");
    assert_eq!(body, "ok");
    client.send(GET).await;
    served.head().await;
    served.send(&"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(100)).await;
    assert_eq!(problem(&client.response().await), (502, "endpoint".into(), "bad-response".into()));
}

#[tokio::test]
async fn a_connection_with_more_on_it_than_was_asked_for_is_not_used_again() {
    let origin = Origin::new().await;
    let proxy = Proxy::new(&[origin.address]).await;
    for behind in ["HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil", "x"] {
        let mut client = proxy.client().await;
        let mut served = origin.asked(&mut client).await;
        served.send(&format!("{OK}{behind}")).await;
        assert_eq!(client.response().await.1, "ok");
        assert_eq!(served.rest().await, "");
    }
}

#[tokio::test]
async fn a_connection_that_the_endpoint_wants_closed_is_not_used_again() {
    let origin = Origin::new().await;
    let proxy = Proxy::new(&[origin.address]).await;
    for answer in ["HTTP/1.1 200 OK\r\nconnection: close", "HTTP/1.0 200 OK"] {
        let mut client = proxy.client().await;
        let mut served = origin.asked(&mut client).await;
        served.send(&format!("{answer}\r\ncontent-length: 2\r\n\r\nok")).await;
        assert_eq!(client.response().await.1, "ok");
        assert_eq!(served.rest().await, "");
    }
}

#[tokio::test]
async fn chunks_that_cannot_be_read_break_the_response_off() {
    let origin = Origin::new().await;
    let proxy = Proxy::new(&[origin.address]).await;
    let mut client = proxy.client().await;
    let mut served = origin.asked(&mut client).await;
    served.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\nwhat?\r\n").await;
    assert!(!client.rest().await.contains("0\r\n\r\n"), "it does not look complete");
    assert_eq!(served.rest().await, "");
}

/// An origin at which few connections can wait to be taken.
fn narrow() -> Origin {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    Origin::listening(socket.listen(1).unwrap())
}

/// Makes connections until no more can be made, which lasts as long as they do.
async fn fill(origin: &Origin) -> Vec<TcpStream> {
    let mut held = Vec::new();
    while let Ok(stream) = timeout(Duration::from_millis(100), TcpStream::connect(origin.address)).await {
        held.push(stream.unwrap());
    }
    held
}

#[tokio::test]
async fn a_connection_that_is_made_anew_has_only_the_time_of_its_try() {
    let origin = narrow();
    let proxy = Proxy::with(&[origin.address], |settings| {
        settings.cluster.retry.attempts = 1;
        settings.cluster.retry.per_try_timeout = Some(Duration::from_millis(200));
    })
    .await;
    let mut client = proxy.client().await;
    let mut served = origin.asked(&mut client).await;
    served.send(OK).await;
    client.response().await;
    let _full = fill(&origin).await;
    client.send(GET).await;
    served.head().await;
    drop(served);
    assert_eq!(problem(&client.response().await), (504, "endpoint".into(), "connect-timeout".into()));
}

#[tokio::test]
async fn waiting_for_a_connection_and_making_it_share_their_time() {
    let origin = narrow();
    let proxy = Proxy::with(&[origin.address], |settings| {
        settings.cluster.retry.attempts = 1;
        settings.cluster.pool.max_connections = Some(1);
        settings.cluster.timeouts.connect = Duration::from_secs(1);
    })
    .await;
    let (mut first, mut second) = (proxy.client().await, proxy.client().await);
    let served = origin.asked(&mut first).await;
    let _full = fill(&origin).await;
    let began = Instant::now();
    second.send(GET).await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    drop(served);
    assert_eq!(problem(&second.response().await).2, "connect-timeout");
    assert!(began.elapsed() < Duration::from_millis(1500), "{:?}", began.elapsed());
}
