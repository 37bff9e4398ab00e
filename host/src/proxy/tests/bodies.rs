//! Bodies in both directions: framing, trailers, `100-continue`, back-pressure, and what happens when they break off.

use tokio::io::AsyncWriteExt;

use super::harness::{GET, OK, Origin, Proxy, header, problem, step};

#[tokio::test]
async fn a_body_of_known_length_passes() {
    let origin = Origin::new().await;
    let proxy = Proxy::new(&[origin.address]).await;
    let mut client = proxy.client().await;
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n01234").await;
    let mut served = origin.accept().await;
    let head = served.head().await;
    assert_eq!((header(&head, "content-length"), header(&head, "transfer-encoding")), (Some("10"), None));
    assert_eq!(served.exactly(5).await, "01234", "it is not held until it is complete");
    client.send("56789").await;
    assert_eq!(served.exactly(5).await, "56789");
    served.send(OK).await;
    assert_eq!(client.response().await.1, "ok");
    client.send(GET).await;
    served.head().await;
}

#[tokio::test]
async fn chunks_and_trailers_pass_both_ways() {
    let origin = Origin::new().await;
    let proxy = Proxy::new(&[origin.address]).await;
    let mut client = proxy.client().await;
    client
        .send("POST / HTTP/1.1\r\nhost: a\r\nte: trailers\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 7\r\n\r\n")
        .await;
    let mut served = origin.accept().await;
    let head = served.head().await;
    assert_eq!((header(&head, "transfer-encoding"), header(&head, "te")), (Some("chunked"), Some("trailers")));
    assert_eq!(served.until("0\r\nx-sum: 7\r\n\r\n").await, "3\r\nabc\r\n0\r\nx-sum: 7\r\n\r\n");
    served.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n2\r\nok\r\n").await;
    assert_eq!(header(&client.head().await, "transfer-encoding"), Some("chunked"));
    assert_eq!(client.until("ok\r\n").await, "2\r\nok\r\n", "a piece is passed on when it comes");
    served.send("0\r\nx-sum: 8\r\n\r\n").await;
    assert_eq!(client.until("\r\n\r\n").await, "0\r\nx-sum: 8\r\n\r\n");
    client.send(GET).await;
    assert!(served.head().await.starts_with("GET"), "both connections are still in step");
}

#[tokio::test]
async fn a_body_is_asked_for_only_when_there_is_an_endpoint_to_take_it() {
    let nobody = Origin::nobody().await;
    let proxy = Proxy::new(&[nobody]).await;
    let waiting = "POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n";
    let mut client = proxy.client().await;
    assert_eq!(problem(&client.ask(waiting).await).0, 502, "no 100 first");

    let origin = Origin::new().await;
    let proxy = Proxy::new(&[origin.address]).await;
    let mut client = proxy.client().await;
    client.send(waiting).await;
    assert_eq!(client.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("ok").await;
    let mut served = origin.accept().await;
    assert_eq!(header(&served.head().await, "expect"), None);
    assert_eq!(served.exactly(2).await, "ok");
    served.send(OK).await;
    assert_eq!(client.response().await.1, "ok");
}

#[tokio::test]
async fn a_large_response_waits_for_its_reader() {
    const SIZE: usize = 64 << 20;
    let origin = Origin::new().await;
    let proxy = Proxy::new(&[origin.address]).await;
    let mut client = proxy.client().await;
    let mut served = origin.asked(&mut client).await;
    served.send(&format!("HTTP/1.1 200 OK\r\ncontent-length: {SIZE}\r\n\r\n")).await;
    client.head().await;
    // The sockets' buffers hold a few megabytes; a proxy that reads ahead would take it all.
    let piece = vec![b'x'; 1 << 20];
    let mut sent = 0;
    while sent < SIZE {
        let writing = served.stream.write(&piece);
        match tokio::time::timeout(std::time::Duration::from_millis(200), writing).await {
            Ok(n) => sent += n.unwrap(),
            Err(_) => break,
        }
    }
    assert!(sent < SIZE, "the proxy took all {sent} bytes though nobody reads");
    let rest = async {
        while sent < SIZE {
            let n = (SIZE - sent).min(piece.len());
            sent += served.stream.write(&piece[..n]).await.unwrap();
        }
    };
    let (body, ()) = tokio::join!(client.exactly(SIZE), rest);
    assert!(body.bytes().all(|byte| byte == b'x'));
}

#[tokio::test]
async fn a_response_that_breaks_off_is_not_made_to_look_complete() {
    let origin = Origin::new().await;
    let proxy = Proxy::new(&[origin.address]).await;
    for (answer, whole) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nok", "ok"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n", "2\r\nok\r\n"),
    ] {
        let mut client = proxy.client().await;
        let mut served = origin.asked(&mut client).await;
        served.send(answer).await;
        client.head().await;
        assert_eq!(client.exactly(whole.len()).await, whole);
        drop(served);
        assert_eq!(client.rest().await, "", "no end of the body, only the end of the connection");
    }
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_request_with_it() {
    let origin = Origin::new().await;
    let proxy = Proxy::new(&[origin.address]).await;
    let mut client = proxy.client().await;
    let mut served = origin.asked(&mut client).await;
    drop(client);
    assert_eq!(served.rest().await, "", "the connection to the endpoint is closed");
    step("the request to be given up", async {
        while proxy.live.roster().members()[0].load(std::time::Instant::now()).in_flight > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let load = proxy.live.roster().members()[0].load(std::time::Instant::now());
    assert_eq!(load.error_ratio, 0.0, "which is not the endpoint's fault");
}

#[tokio::test]
async fn an_early_answer_is_passed_on_before_the_body_is_complete() {
    let origin = Origin::new().await;
    let proxy = Proxy::new(&[origin.address]).await;
    let mut client = proxy.client().await;
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 900\r\n\r\nabc").await;
    let mut served = origin.accept().await;
    served.head().await;
    served.send("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno").await;
    let (head, body) = client.response().await;
    assert!(head.starts_with("HTTP/1.1 403 "), "{head}");
    assert_eq!(body, "no");
}

#[tokio::test]
async fn an_early_answer_goes_on_beside_the_body() {
    let origin = Origin::new().await;
    let proxy = Proxy::new(&[origin.address]).await;
    let mut client = proxy.client().await;
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\n\r\nabc").await;
    let mut served = origin.accept().await;
    served.head().await;
    served.send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nno").await;
    client.head().await;
    client.send("def").await;
    assert_eq!(served.exactly(6).await, "abcdef");
    served.send("ne").await;
    assert_eq!(client.exactly(4).await, "none");
    client.send(GET).await;
    served.head().await;
    served.send(OK).await;
    assert_eq!(client.response().await.1, "ok", "both connections are still in step");
}
