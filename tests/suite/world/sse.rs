//! Server-sent events, read as they come.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// What is waited for an event at the most.
const PATIENCE: Duration = Duration::from_secs(20);

/// An event.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) kind: String,
    pub(crate) id: Option<u64>,
    pub(crate) data: Value,
}

/// A stream of events. The connection is closed when it is dropped.
pub(crate) struct Sse {
    body: Incoming,
    text: String,
}

impl Sse {
    /// Opens a path, with more headers.
    pub(crate) async fn open(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Self {
        let socket = TcpStream::connect(address).await.expect("a connection");
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(socket)).await.expect("a fresh connection");
        tokio::spawn(connection);
        let mut request = Request::get(path).header("host", address.to_string());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Empty::<Bytes>::new()).expect("a request");
        let response = sender.send_request(request).await.expect("a response");
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: response.into_body(), text: String::new() }
    }

    /// The next event; none when the stream has ended.
    pub(crate) async fn next(&mut self) -> Option<Said> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (read(event), rest.to_owned());
                self.text = rest;
                match event {
                    Some(event) => return Some(event),
                    None => continue,
                }
            }
            let frame = timeout(PATIENCE, self.body.frame()).await.expect("more events")?;
            let data = frame.expect("a sound body").into_data().unwrap_or_default();
            self.text += &String::from_utf8_lossy(&data);
        }
    }

    /// Waits for the end of the stream.
    pub(crate) async fn ended(mut self) {
        let reading = async { while self.next().await.is_some() {} };
        timeout(PATIENCE, reading).await.unwrap_or_else(|_| panic!("the stream goes on after {PATIENCE:?}"));
    }

    /// The first event of a kind that is as wanted.
    pub(crate) async fn until(&mut self, kind: &str, is_it: impl Fn(&Value) -> bool) -> Said {
        let looking = async {
            loop {
                let said = self.next().await.expect("a stream that goes on");
                if said.kind == kind && is_it(&said.data) {
                    return said;
                }
            }
        };
        timeout(PATIENCE, looking).await.unwrap_or_else(|_| panic!("no such {kind} within {PATIENCE:?}"))
    }
}

/// An event; none where it is only a comment.
fn read(text: &str) -> Option<Said> {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
    let data = field("data: ")?;
    Some(Said {
        kind: field("event: ").expect("a kind").to_owned(),
        id: field("id: ").map(|id| id.parse().expect("a number")),
        data: serde_json::from_str(data).unwrap_or_else(|error| panic!("no JSON ({error}): {data}")),
    })
}
