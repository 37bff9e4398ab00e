//! What changed, and why.

use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use serde_json::Value;

use super::{command, state};
use crate::world::{Setup, World, send};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_is_an_event_with_its_cause() {
    let world = Setup::new().origins(2).cluster_lines("failures = \"every-error\"\n").start().await;
    let origin = world.origins()[0].address();
    send(origin, http::Method::POST, "/fault?kind=errors&percent=100", "").await;
    let mut client = world.connect().await;
    for _ in 0..12 {
        client.get("/").await;
    }
    state(&world, "node-1", "FAILED").await;
    command(&world, "node-2/drain").await;

    let events = world.api("/api/events").await["events"].as_array().expect("events").clone();
    let of = |endpoint: &str, kind: &str| -> Value {
        let is_it = |event: &&Value| event["endpoint"] == endpoint && event["kind"] == kind;
        events.iter().find(is_it).cloned().unwrap_or_else(|| panic!("no {kind} of {endpoint}: {events:#?}"))
    };
    assert_eq!(of("node-1", "joined")["cluster"], "web");
    let opened = of("node-1", "circuit");
    assert_eq!((&opened["from"], &opened["to"]), (&"closed".into(), &"open".into()));
    assert!(opened["cause"].as_str().expect("a cause").contains("5 failures in a row"), "{opened}");
    let failed = of("node-1", "state");
    assert_eq!((&failed["from"], &failed["to"]), (&"HEALTHY".into(), &"FAILED".into()));
    assert!(failed["cause"].as_str().expect("a cause").contains("circuit"), "{failed}");
    assert!(of("node-2", "draining")["cause"].as_str().expect("a cause").contains("operator"));
    let metrics = world.metrics().await;
    assert_eq!(metrics.sum("leverframe_endpoint_ejections", &[("endpoint", "node-1")]), 1);
    assert_eq!(metrics.sum("leverframe_circuit_transitions", &[("endpoint", "node-1"), ("state", "open")]), 1);

    let last = events.last().expect("events")["id"].as_u64().expect("a number");
    let newer = world.api(&format!("/api/events?after={last}")).await;
    assert_eq!(newer["events"].as_array().map(Vec::len), Some(0), "{newer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_hears_of_it_as_it_happens_and_of_what_it_missed() {
    let world = Setup::new().origins(2).start().await;
    command(&world, "node-1/drain").await;
    let drained = world.api("/api/events").await["events"].as_array().and_then(|events| {
        let event = events.iter().find(|event| event["kind"] == "draining")?;
        event["id"].as_u64()
    });
    let mut stream = Stream::open(&world, drained.expect("the event") - 1).await;
    let missed = stream.until("event: draining").await;
    assert!(missed.contains(&format!("id: {}", drained.expect("the event"))), "{missed}");
    command(&world, "node-1/undrain").await;
    let live = stream.until("event: enabled").await;
    assert!(live.contains("\"endpoint\":\"node-1\""), "{live}");
}

/// Server-sent events, as they come.
struct Stream {
    body: hyper::body::Incoming,
    text: String,
}

impl Stream {
    async fn open(world: &World, last_seen: u64) -> Self {
        let socket = tokio::net::TcpStream::connect(world.admin()).await.expect("the admin API");
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(socket)).await.expect("a connection");
        tokio::spawn(connection);
        let request = http::Request::get("/api/events/stream").header("host", "localhost");
        let request = request.header("last-event-id", last_seen).body(Empty::<bytes::Bytes>::new());
        let response = sender.send_request(request.expect("a request")).await.expect("a response");
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: response.into_body(), text: String::new() }
    }

    /// All that came, up to and with the event that has this line.
    async fn until(&mut self, line: &str) -> String {
        let read = async {
            // Its data follows the line.
            while !self.text.split_once(line).is_some_and(|(_, after)| after.contains("\n\n")) {
                let frame = self.body.frame().await.expect("more events").expect("a sound body");
                self.text += &String::from_utf8_lossy(&frame.into_data().unwrap_or_default());
            }
        };
        tokio::time::timeout(Duration::from_secs(20), read).await.expect("the event");
        self.text.clone()
    }
}
