//! A host that has not what one more connection to an endpoint needs.

use std::time::Duration;

use super::harness::{GET, OK, Origin, Proxy, Settings, cluster_name, header, problem};
use crate::config::Circuit;
use crate::model::CircuitState;
use crate::proxy::FileBudget;

fn with_one_connection(settings: &mut Settings) {
    settings.files = FileBudget::bearing(1);
    settings.cluster.circuit = Some(Circuit { consecutive_failures: Some(1), ..Circuit::default() });
}

#[tokio::test]
async fn what_the_host_lacks_is_not_held_against_endpoints() {
    let (origin, other) = (Origin::new().await, Origin::new().await);
    let proxy = Proxy::with(&[origin.address, other.address], |settings| {
        with_one_connection(settings);
        settings.cluster.timeouts.connect = Duration::from_millis(50);
    })
    .await;
    let mut busy = proxy.client().await;
    let mut served = origin.asked(&mut busy).await;
    let answer = proxy.client().await.ask(GET).await;
    assert_eq!(problem(&answer), (503, "host".into(), "out-of-resources".into()));
    assert!(answer.1.contains(r#""cluster":"web""#) && header(&answer.0, "retry-after") == Some("1"), "{answer:?}");
    for member in proxy.live.roster().members() {
        let state = proxy.circuits.state(member.id());
        assert_eq!((state, member.figures().failures()), (CircuitState::Closed, 0));
    }
    let counts = proxy.snapshot().clusters[&cluster_name("web")];
    assert_eq!(counts.retries.iter().sum::<u64>(), 0, "no endpoint has more than the host");
    served.send(OK).await;
    assert_eq!(busy.response().await.1, "ok");
}

#[tokio::test]
async fn connections_that_nobody_uses_make_room() {
    let (origin, other) = (Origin::new().await, Origin::new().await);
    let proxy = Proxy::with(&[origin.address, other.address], with_one_connection).await;
    let mut client = proxy.client().await;
    for endpoint in [&origin, &other, &origin] {
        let mut served = endpoint.asked(&mut client).await;
        served.send(OK).await;
        assert_eq!(client.response().await.1, "ok");
    }
}

#[tokio::test]
async fn a_tunnel_is_a_connection_like_others() {
    let origin = Origin::new().await;
    let proxy = Proxy::with(&[origin.address], |settings| {
        with_one_connection(settings);
        settings.cluster.timeouts.connect = Duration::from_millis(50);
    })
    .await;
    let mut client = proxy.client().await;
    client.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n").await;
    let mut served = origin.accept().await;
    served.head().await;
    served.send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n").await;
    client.head().await;
    let answer = proxy.client().await.ask(GET).await;
    assert_eq!(problem(&answer), (503, "host".into(), "out-of-resources".into()));
}
