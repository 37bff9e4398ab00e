//! Changes while requests are under way: worlds replaced, listeners added and removed, workers shut down.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use super::harness::{GET, OK, Origin, Peer, Proxy, header};
use crate::model::ListenerName;
use crate::proxy::{Snapshot, bind};

#[tokio::test]
async fn a_shutdown_finishes_what_is_under_way() {
    let origin = Origin::new().await;
    let mut proxy = Proxy::new(&[origin.address]).await;
    let (mut busy, mut idle) = (proxy.client().await, proxy.client().await);
    let mut served = origin.asked(&mut busy).await;
    idle.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let mut other = origin.accept().await;
    other.head().await;
    other.send(OK).await;
    idle.response().await;

    let worker = proxy.workers.remove(0);
    let shutdown = tokio::spawn(worker.shutdown(Duration::from_secs(20)));
    assert_eq!(idle.rest().await, "", "an idle connection is closed");
    assert!(!shutdown.is_finished());
    served.send(OK).await;
    let (head, body) = busy.response().await;
    assert_eq!((header(&head, "connection"), body.as_str()), (Some("close"), "ok"));
    assert_eq!(busy.rest().await, "");
    shutdown.await.unwrap();
    assert!(tokio::net::TcpStream::connect(proxy.address).await.is_err());
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_ever() {
    let origin = Origin::new().await;
    let mut proxy = Proxy::new(&[origin.address]).await;
    let mut busy = proxy.client().await;
    let _served = origin.asked(&mut busy).await;
    proxy.workers.remove(0).shutdown(Duration::from_millis(20)).await;
    assert_eq!(busy.rest().await, "");
}

#[tokio::test]
async fn a_listener_that_goes_finishes_its_requests_and_queued_connections() {
    let origin = Origin::new().await;
    let proxy = Proxy::new(&[origin.address]).await;
    let mut busy = proxy.client().await;
    let mut served = origin.asked(&mut busy).await;
    // These two wait for the worker, accepted or not, when the listener goes.
    let (mut fresh, mut asked) = (proxy.client().await, proxy.client().await);
    asked.send(GET).await;
    proxy.apply(false, Vec::new()).await;
    let mut second = origin.accept().await;
    second.head().await;
    second.send(OK).await;
    assert_eq!(asked.response().await.1, "ok");
    served.send(OK).await;
    assert_eq!(busy.response().await.1, "ok");
    assert_eq!(busy.rest().await, "");
    assert_eq!(fresh.rest().await, "");
    let gone = super::harness::step("the socket to close", async {
        while tokio::net::TcpStream::connect(proxy.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    });
    gone.await;
    proxy.until("every connection to be given back", |_| proxy.open.count() == 0).await;
}

#[tokio::test]
async fn a_listener_that_moves_serves_at_its_new_address() {
    let origin = Origin::new().await.answer_all();
    let mut proxy = Proxy::new(&[origin]).await;
    let before = proxy.address;
    let sockets = bind(([127, 0, 0, 1], 0).into(), 1).unwrap();
    proxy.address = sockets[0].local_addr().unwrap();
    proxy.apply(true, sockets.into_iter().map(Some).collect()).await;
    assert_eq!(proxy.client().await.ask(GET).await.1, "ok");
    assert!(tokio::net::TcpStream::connect(before).await.is_err());
}

#[tokio::test]
async fn changed_routes_hold_from_the_next_request_on() {
    let origin = Origin::new().await.answer_all();
    let mut proxy = Proxy::new(&[origin]).await;
    let mut client = proxy.client().await;
    assert_eq!(client.ask(GET).await.1, "ok");
    proxy.listener.routes.clear();
    proxy.apply(true, Vec::new()).await;
    assert!(client.ask(GET).await.0.starts_with("HTTP/1.1 404 "));
}

#[tokio::test]
async fn every_worker_listens_on_the_same_free_port() {
    let sockets = bind(([127, 0, 0, 1], 0).into(), 3).unwrap();
    let ports: Vec<_> = sockets.iter().map(|socket| socket.local_addr().unwrap().port()).collect();
    assert!(ports[0] != 0 && ports.iter().all(|port| *port == ports[0]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worlds_are_replaced_under_load_and_nothing_fails() {
    let (one, two) = (Origin::new().await.answer_all(), Origin::new().await.answer_all());
    let proxy = Proxy::with(&[one, two], |settings| settings.workers = 2).await;
    let done = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let (address, done) = (proxy.address, Arc::clone(&done));
            tokio::spawn(async move {
                let (mut client, mut asked) = (Peer::connect(address).await, 0);
                while !done.load(Relaxed) {
                    let (head, body) = client.ask(GET).await;
                    assert!(head.starts_with("HTTP/1.1 200 ") && body == "ok", "{head}");
                    asked += 1;
                }
                asked
            })
        })
        .collect();
    for round in 0..100 {
        let endpoints = if round % 2 == 0 { &proxy.cluster.endpoints[..1] } else { &proxy.cluster.endpoints[..] };
        proxy.live.update(endpoints, std::time::Instant::now());
        proxy.apply(true, Vec::new()).await;
    }
    done.store(true, Relaxed);
    let mut asked = 0;
    for client in clients {
        asked += client.await.unwrap();
    }
    assert!(asked > 0);
    let counts = proxy.snapshot().clusters[&proxy.cluster.name];
    assert_eq!(counts.responses, [0, asked, 0, 0, 0]);
}

#[tokio::test]
async fn a_listener_with_another_name_keeps_its_socket_and_its_connections() {
    let origin = Origin::new().await.answer_all();
    let mut proxy = Proxy::new(&[origin]).await;
    let before = proxy.listener.name.clone();
    let mut client = proxy.client().await;
    assert_eq!(client.ask(GET).await.1, "ok");
    proxy.listener.name = ListenerName::new("renamed").unwrap();
    // No socket comes with it.
    proxy.apply(true, Vec::new()).await;
    let answer = client.ask(GET).await;
    assert_eq!((answer.1.as_str(), header(&answer.0, "connection")), ("ok", None));
    let mut other = proxy.client().await;
    assert_eq!(other.ask(GET).await.1, "ok");
    let open = |name: &ListenerName| proxy.snapshot().listeners[name].connections_open;
    assert_eq!((open(&before), open(&proxy.listener.name)), (1, 1), "each where it was counted first");
    drop((client, other));
    let none = |counts: &Snapshot| counts.listeners.values().all(|listener| listener.connections_open == 0);
    proxy.until("both to be gone", none).await;
}
