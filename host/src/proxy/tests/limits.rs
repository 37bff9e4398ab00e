//! What one client may take, how slow it may be, and how its connections end when the listener does.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;

use super::harness::{GET, OK, Origin, Peer, Proxy, header, problem};
use crate::config::{BodyRate, RequestRate};
use crate::proxy::Reason;

/// Sends a byte now and then until the other side has had enough; tells how many it sent.
async fn drip(peer: &mut Peer, byte: u8, every: Duration) -> usize {
    for sent in 0..2000 {
        if peer.stream.write_all(&[byte]).await.is_err() {
            return sent;
        }
        tokio::time::sleep(every).await;
        let mut seen = [0];
        // Zero bytes are the end; a response is one, too, for whoever drips.
        if let Ok(Ok(_)) = tokio::time::timeout(Duration::ZERO, peer.stream.peek(&mut seen)).await {
            return sent + 1;
        }
    }
    panic!("the proxy bears it for ever");
}

#[tokio::test]
async fn each_byte_of_a_slow_head_does_not_buy_more_time() {
    let origin = Origin::new().await;
    let proxy = Proxy::with(&[origin.address], |settings| {
        settings.listener.header_timeout = Duration::from_millis(200);
    })
    .await;
    let mut client = proxy.client().await;
    client.send("GET / HTTP/1.1\r\nhost: a\r\nx: ").await;
    let start = Instant::now();
    drip(&mut client, b'y', Duration::from_millis(20)).await;
    assert!(start.elapsed() >= Duration::from_millis(150), "not at the first pause: {:?}", start.elapsed());
    let name = &proxy.listener.name;
    proxy.until("it is counted", |counts| counts.listeners[name].refused_for(Reason::ClientTimeout) == 1).await;
}

#[tokio::test]
async fn a_body_that_drips_is_cut_when_the_grace_is_used_up() {
    let origin = Origin::new().await;
    let proxy = Proxy::with(&[origin.address], |settings| {
        let rate = BodyRate { bytes_per_second: 1000, grace: Duration::from_millis(150) };
        settings.listener.limits.body_rate = Some(rate);
    })
    .await;
    let mut client = proxy.client().await;
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n").await;
    let start = Instant::now();
    drip(&mut client, b'x', Duration::from_millis(10)).await;
    assert!(start.elapsed() >= Duration::from_millis(140), "{:?}", start.elapsed());
    let answer = client.response().await;
    assert_eq!(problem(&answer), (408, "client".into(), "client-timeout".into()));
    assert_eq!(header(&answer.0, "connection"), Some("close"));
}

#[tokio::test]
async fn a_body_for_which_the_endpoint_is_not_ready_is_not_slow() {
    let origin = Origin::new().await;
    let proxy = Proxy::with(&[origin.address], |settings| {
        settings.listener.limits.body_bytes = None;
        let rate = BodyRate { bytes_per_second: 1000, grace: Duration::from_millis(100) };
        settings.listener.limits.body_rate = Some(rate);
    })
    .await;
    let length = 32 << 20;
    let mut client = proxy.client().await;
    client.send(&format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n")).await;
    let sending = async {
        client.send(&"x".repeat(length)).await;
        client.response().await
    };
    let serving = async {
        let mut served = origin.accept().await;
        served.head().await;
        // More than all buffers on the way hold is still to come: nobody reads for longer than the grace.
        tokio::time::sleep(Duration::from_millis(300)).await;
        served.exactly(length).await;
        served.send(OK).await;
    };
    let (answer, ()) = tokio::join!(sending, serving);
    assert_eq!(answer.1, "ok", "{}", answer.0);
}

#[tokio::test]
async fn a_body_that_came_quickly_may_pause() {
    let origin = Origin::new().await;
    let grace = Duration::from_millis(100);
    let proxy = Proxy::with(&[origin.address], |settings| {
        settings.listener.limits.body_bytes = None;
        settings.listener.limits.body_rate = Some(BodyRate { bytes_per_second: 1000, grace });
    })
    .await;
    let mut client = proxy.client().await;
    client.send(&format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100002\r\n\r\n{}", "x".repeat(100_000))).await;
    let mut served = origin.accept().await;
    served.head().await;
    served.exactly(100_000).await;
    tokio::time::sleep(grace * 4).await;
    client.send("yz").await;
    assert_eq!(served.exactly(2).await, "yz");
    served.send(OK).await;
    assert_eq!(client.response().await.1, "ok");
}

#[tokio::test]
async fn time_in_which_the_client_reads_nothing_is_not_its_bodys() {
    let origin = Origin::new().await;
    let grace = Duration::from_millis(200);
    let proxy = Proxy::with(&[origin.address], |settings| {
        settings.listener.limits.body_rate = Some(BodyRate { bytes_per_second: 1000, grace });
    })
    .await;
    let mut client = proxy.client().await;
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n12345").await;
    let mut served = origin.accept().await;
    served.head().await;
    served.exactly(5).await;
    // More than all buffers on the way hold.
    let length = 32 << 20;
    let serving = tokio::spawn(async move {
        served.send(&format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n")).await;
        served.send(&"x".repeat(length)).await;
        served.exactly(5).await
    });
    client.head().await;
    tokio::time::sleep(grace * 3).await;
    client.send("67890").await;
    client.exactly(length).await;
    assert_eq!(serving.await.unwrap(), "67890");
}

#[tokio::test]
async fn one_client_has_so_many_connections_and_no_more() {
    let origin = Origin::new().await.answer_all();
    let proxy = Proxy::with(&[origin], |settings| {
        settings.listener.limits.connections_per_client = Some(1);
        settings.workers = 2;
    })
    .await;
    let name = &proxy.listener.name;
    let mut first = proxy.client().await;
    assert_eq!(first.ask(GET).await.1, "ok");
    assert_eq!(proxy.client().await.rest().await, "", "closed without a word");
    let refused = proxy.snapshot().listeners[name].refused_for(Reason::TooManyConnectionsOfClient);
    assert_eq!((refused, first.ask(GET).await.1.as_str()), (1, "ok"));
    drop(first);
    proxy.until("the first to be gone", |counts| counts.listeners[name].connections_open == 0).await;
    assert_eq!(proxy.client().await.ask(GET).await.1, "ok");
}

#[tokio::test]
async fn one_client_sends_so_many_requests_and_is_told_when_to_come_again() {
    let origin = Origin::new().await.answer_all();
    let proxy = Proxy::with(&[origin], |settings| {
        let (per_second, burst) = (NonZeroU32::MIN, NonZeroU32::new(2).unwrap());
        settings.listener.limits.requests_per_client = Some(RequestRate { per_second, burst });
        settings.workers = 2;
    })
    .await;
    // On connections of their own, which may be those of different workers.
    for _ in 0..2 {
        assert_eq!(proxy.client().await.ask(GET).await.1, "ok");
    }
    let mut client = proxy.client().await;
    for _ in 0..2 {
        let answer = client.ask(GET).await;
        assert_eq!(problem(&answer), (429, "client".into(), "too-many-requests".into()));
        assert_eq!((header(&answer.0, "retry-after"), header(&answer.0, "connection")), (Some("1"), None));
    }
}

#[tokio::test]
async fn a_listener_that_ends_says_so_with_the_next_response() {
    let origin = Origin::new().await;
    let proxy = Proxy::new(&[origin.address]).await;
    let (mut under_way, mut idle) = (proxy.client().await, proxy.client().await);
    let mut served = origin.asked(&mut idle).await;
    served.send(OK).await;
    assert_eq!(header(&idle.response().await.0, "connection"), None);
    under_way.send(GET).await;
    served.head().await;
    proxy.apply(false, Vec::new()).await;
    // The request was on its way already when the listener ended, and is answered.
    let mut second = origin.asked(&mut idle).await;
    second.send(OK).await;
    let answer = idle.response().await;
    assert_eq!((answer.1.as_str(), header(&answer.0, "connection")), ("ok", Some("close")));
    served.send(OK).await;
    let answer = under_way.response().await;
    assert_eq!((answer.1.as_str(), header(&answer.0, "connection")), ("ok", Some("close")));
    assert_eq!((idle.rest().await, under_way.rest().await), (String::new(), String::new()));
}

#[tokio::test]
async fn a_connection_that_stays_idle_is_closed_soon_when_the_listener_ends() {
    let origin = Origin::new().await.answer_all();
    let proxy = Proxy::new(&[origin]).await;
    let mut idle = proxy.client().await;
    assert_eq!(idle.ask(GET).await.1, "ok");
    let start = Instant::now();
    proxy.apply(false, Vec::new()).await;
    assert_eq!(idle.rest().await, "");
    assert!(start.elapsed() < Duration::from_secs(10), "the keep-alive timeout is a minute");
}
