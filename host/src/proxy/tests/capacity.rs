//! How many requests there may be at a time: who waits, who is turned away.

use std::time::Duration;

use super::harness::{GET, OK, Origin, Peer, Proxy, cluster_name, header, problem, step};

const SHORT: Duration = Duration::from_millis(30);

async fn serve(origin: &Origin) -> Peer {
    let mut served = origin.accept().await;
    served.head().await;
    served
}

#[tokio::test]
async fn requests_over_the_clusters_limit_wait_and_the_rest_is_turned_away() {
    let origin = Origin::new().await;
    let proxy = Proxy::with(&[origin.address], |settings| {
        settings.cluster.capacity.in_flight = Some(1);
        settings.cluster.capacity.queue = 1;
    })
    .await;
    let (mut first, mut second) = (proxy.client().await, proxy.client().await);
    first.send(GET).await;
    let mut served = serve(&origin).await;
    second.send(GET).await;
    step("the second to wait", async {
        while proxy.live.capacity().waiting() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let answer = proxy.client().await.ask(GET).await;
    assert_eq!(problem(&answer), (503, "host".into(), "queue-full".into()));
    assert_eq!(header(&answer.0, "retry-after"), Some("1"));
    // Its place is the first's until its whole response is there.
    served.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n").await;
    first.head().await;
    assert_eq!(proxy.live.capacity().waiting(), 1);
    served.send("ok").await;
    assert_eq!(first.exactly(2).await, "ok");
    served.head().await;
    served.send(OK).await;
    assert_eq!(second.response().await.1, "ok");
    let counts = proxy.snapshot().clusters[&cluster_name("web")];
    assert_eq!((counts.queue_refused, counts.queue_times.iter().sum::<u64>()), (1, 2));
}

#[tokio::test]
async fn a_turn_that_does_not_come_is_told() {
    for by_endpoint in [false, true] {
        let origin = Origin::new().await;
        let proxy = Proxy::with(&[origin.address], |settings| {
            let capacity = &mut settings.cluster.capacity;
            let limit = if by_endpoint { &mut capacity.endpoint_in_flight } else { &mut capacity.in_flight };
            *limit = Some(1);
            capacity.queue_timeout = SHORT;
        })
        .await;
        let (mut first, mut second) = (proxy.client().await, proxy.client().await);
        first.send(GET).await;
        let _served = serve(&origin).await;
        assert_eq!(problem(&second.ask(GET).await), (503, "host".into(), "queue-timeout".into()));
    }
}

#[tokio::test]
async fn full_endpoints_are_passed_over_and_then_waited_for() {
    let (one, two) = (Origin::new().await, Origin::new().await);
    let proxy = Proxy::with(&[one.address, two.address], |settings| {
        settings.cluster.capacity.endpoint_in_flight = Some(1);
        settings.cluster.capacity.queue = 1;
    })
    .await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(proxy.client().await);
    }
    clients[0].send(GET).await;
    let _one = serve(&one).await;
    clients[1].send(GET).await;
    let mut two = serve(&two).await;
    clients[2].send(GET).await;
    // One of the last two waits, and the other has nowhere to.
    let mut fourth = proxy.client().await;
    fourth.send(GET).await;
    proxy.until("one to be turned away", |counts| counts.clusters[&cluster_name("web")].queue_refused == 1).await;
    let mut last = fourth;
    let (turned_away, waiting) = tokio::select! {
        answer = last.response() => (answer, &mut clients[2]),
        answer = clients[2].response() => (answer, &mut last),
    };
    assert_eq!(problem(&turned_away), (503, "host".into(), "queue-full".into()));
    two.send(OK).await;
    two.head().await;
    two.send(OK).await;
    assert_eq!(waiting.response().await.1, "ok");
}

#[tokio::test]
async fn a_retry_waits_for_an_endpoint_that_is_full() {
    let (nobody, origin) = (Origin::nobody().await, Origin::new().await);
    let proxy = Proxy::with(&[nobody, origin.address], |settings| {
        settings.cluster.capacity.endpoint_in_flight = Some(1);
        settings.cluster.retry.attempts = 3;
        settings.cluster.circuit =
            Some(crate::config::Circuit { consecutive_failures: Some(1), ..crate::config::Circuit::default() });
    })
    .await;
    let (mut first, mut second) = (proxy.client().await, proxy.client().await);
    first.send(GET).await;
    let mut served = serve(&origin).await;
    second.send(GET).await;
    served.send(OK).await;
    assert_eq!(first.response().await.1, "ok");
    served.head().await;
    served.send(OK).await;
    assert_eq!(second.response().await.1, "ok");
}

#[tokio::test]
async fn a_response_is_not_kept_waiting_for_its_own_place() {
    let origin = Origin::new().await;
    let proxy = Proxy::with(&[origin.address], |settings| settings.cluster.capacity.endpoint_in_flight = Some(1)).await;
    let mut client = proxy.client().await;
    client.send(GET).await;
    let mut served = serve(&origin).await;
    served.send("HTTP/1.1 503 Busy\r\ncontent-length: 4\r\n\r\nbusy").await;
    assert_eq!(client.response().await.1, "busy");
    let counts = proxy.snapshot().clusters[&cluster_name("web")];
    assert_eq!((counts.queue_refused, counts.queue_times.iter().sum::<u64>()), (0, 0));
}

#[tokio::test]
async fn who_comes_later_does_not_go_before_those_that_wait() {
    let origin = Origin::new().await;
    let proxy = Proxy::with(&[origin.address], |settings| settings.cluster.capacity.endpoint_in_flight = Some(1)).await;
    let (mut first, mut waiting) = (proxy.client().await, proxy.client().await);
    // The second request of this connection comes in the moment in which the place is given back.
    first.send(&GET.replace("/a", "/one").repeat(2)).await;
    let mut served = serve(&origin).await;
    waiting.send(&GET.replace("/a", "/two")).await;
    step("the other to wait", async {
        while !proxy.shared.queue.is_in_use() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    served.send(OK).await;
    assert_eq!(first.response().await.1, "ok");
    assert!(served.head().await.starts_with("GET /two"));
    served.send(OK).await;
    assert_eq!(waiting.response().await.1, "ok");
    assert!(served.head().await.starts_with("GET /one"));
    served.send(OK).await;
    assert_eq!(first.response().await.1, "ok");
}
