//! What passes through unchanged, what is added, what is taken away.

use super::harness::{GET, OK, Origin, Proxy, header};

#[tokio::test]
async fn requests_and_responses_pass_with_the_hop_by_hop_headers_changed() {
    let origin = Origin::new().await;
    let proxy = Proxy::new(&[origin.address]).await;
    let mut client = proxy.client().await;
    client
        .send("GET /a?b=c HTTP/1.1\r\nHost: Example.com:81\r\nConnection: x-hop, keep-alive\r\nx-hop: 1\r\nx-end: 2\r\n\r\n")
        .await;
    let mut served = origin.accept().await;
    let head = served.head().await;
    assert!(head.starts_with("GET /a?b=c HTTP/1.1\r\n"), "{head}");
    for (name, value) in [
        ("host", Some("Example.com:81")),
        ("x-end", Some("2")),
        ("x-hop", None),
        ("connection", None),
        ("x-forwarded-for", Some("127.0.0.1")),
        ("x-forwarded-proto", Some("http")),
        ("x-forwarded-host", Some("Example.com:81")),
        ("via", Some("1.1 leverframe")),
    ] {
        assert_eq!(header(&head, name), value, "{name}");
    }
    assert_eq!(header(&head, "x-request-id").map(str::len), Some(32));
    served
        .send(
            "HTTP/1.1 203 Fine\r\ncontent-length: 2\r\nconnection: keep-alive, x-hop\r\nx-hop: 1\r\nx-end: 2\r\n\r\nok",
        )
        .await;
    let (head, body) = client.response().await;
    assert!(head.starts_with("HTTP/1.1 203 Fine\r\n"), "{head}");
    assert_eq!((header(&head, "x-end"), header(&head, "x-hop"), body.as_str()), (Some("2"), None, "ok"));
    assert_eq!((header(&head, "connection"), header(&head, "via")), (None, Some("1.1 leverframe")));
}

#[tokio::test]
async fn connections_are_kept_on_both_sides() {
    let origin = Origin::new().await;
    let proxy = Proxy::new(&[origin.address]).await;
    let mut client = proxy.client().await;
    client.send(GET).await;
    let mut served = origin.accept().await;
    for round in 0..3 {
        if round > 0 {
            client.send(GET).await;
        }
        served.head().await;
        served.send(OK).await;
        assert_eq!(client.response().await.1, "ok");
    }
    let counts = proxy.snapshot().clusters[&super::harness::cluster_name("web")];
    assert_eq!((counts.connections_opened, counts.connections_reused), (1, 2));
    assert_eq!(counts.responses, [0, 3, 0, 0, 0]);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let origin = Origin::new().await;
    let proxy = Proxy::new(&[origin.address]).await;
    let mut client = proxy.client().await;
    client.send(&format!("{GET}{}", GET.replace("/a", "/z"))).await;
    let mut served = origin.accept().await;
    assert!(served.head().await.starts_with("GET /a"));
    served.send(OK).await;
    assert!(served.head().await.starts_with("GET /z"));
    served.send(&OK.replace("ok", "zz")).await;
    assert_eq!((client.response().await.1, client.response().await.1), ("ok".to_owned(), "zz".to_owned()));
}

#[tokio::test]
async fn responses_without_a_body_have_none() {
    let origin = Origin::new().await;
    let proxy = Proxy::new(&[origin.address]).await;
    let mut client = proxy.client().await;
    client.send("HEAD / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let mut served = origin.accept().await;
    assert!(served.head().await.starts_with("HEAD / "));
    served.send("HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n").await;
    assert_eq!(header(&client.head().await, "content-length"), Some("1234"));
    for answer in
        ["HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\netag: x\r\n\r\n"]
    {
        client.send(GET).await;
        served.head().await;
        served.send(answer).await;
        assert_eq!(client.head().await.get(..12), answer.get(..12));
    }
    client.send(GET).await;
    served.head().await;
    served.send(OK).await;
    assert_eq!(client.response().await.1, "ok", "the connection is still in step");
}

#[tokio::test]
async fn an_absolute_target_reaches_the_endpoint_as_a_path() {
    let origin = Origin::new().await;
    let proxy = Proxy::new(&[origin.address]).await;
    let mut client = proxy.client().await;
    client.send("GET http://a.b/x?y HTTP/1.1\r\nhost: A.b\r\n\r\n").await;
    assert!(origin.accept().await.head().await.starts_with("GET /x?y HTTP/1.1\r\n"));
}

#[tokio::test]
async fn old_clients_and_old_endpoints_are_served() {
    let origin = Origin::new().await;
    let proxy = Proxy::new(&[origin.address]).await;
    let mut client = proxy.client().await;
    client.send("GET / HTTP/1.0\r\n\r\n").await;
    let mut served = origin.accept().await;
    assert!(served.head().await.starts_with("GET / HTTP/1.1\r\n"));
    served.send("HTTP/1.0 200 OK\r\n\r\nuntil the end").await;
    drop(served);
    let answer = client.rest().await;
    assert!(answer.ends_with("\r\n\r\nuntil the end"), "{answer}");
}

#[tokio::test]
async fn a_change_of_protocol_passes_bytes_both_ways() {
    let origin = Origin::new().await;
    let proxy = Proxy::new(&[origin.address]).await;
    let mut client = proxy.client().await;
    client.send("GET /ws HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\nearly").await;
    let mut served = origin.accept().await;
    let head = served.head().await;
    assert_eq!((header(&head, "connection"), header(&head, "upgrade")), (Some("upgrade"), Some("websocket")));
    served.send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nhello").await;
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert_eq!(header(&head, "upgrade"), Some("websocket"));
    assert_eq!((client.exactly(5).await.as_str(), served.exactly(5).await.as_str()), ("hello", "early"));
    client.send("ping").await;
    assert_eq!(served.exactly(4).await, "ping");
    served.send("pong").await;
    assert_eq!(client.exactly(4).await, "pong");
    drop(client);
    assert_eq!(served.rest().await, "");
}

#[tokio::test]
async fn a_refused_change_of_protocol_is_a_plain_response() {
    let origin = Origin::new().await;
    let proxy = Proxy::new(&[origin.address]).await;
    let mut client = proxy.client().await;
    client.send("GET /ws HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n").await;
    let mut served = origin.accept().await;
    served.head().await;
    served.send(OK).await;
    assert_eq!(client.response().await.1, "ok");
    client.send(GET).await;
    served.head().await;
    served.send(OK).await;
    assert_eq!(client.response().await.1, "ok");
}
