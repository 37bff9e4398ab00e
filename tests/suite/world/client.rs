//! A small HTTP/1.1 client: one request at a time, the whole answer in memory.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// From sending the request to the end of the answer.
    pub(crate) took: Duration,
}

impl Reply {
    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("no JSON ({error}): {}", self.text()))
    }

    /// Which demo node answered.
    pub(crate) fn node(&self) -> String {
        assert_eq!(self.status, StatusCode::OK, "{}", self.text());
        self.json()["node"].as_str().expect("a demo node's answer").to_owned()
    }
}

/// One connection that is kept open: all its requests meet the same worker.
pub(crate) struct Client {
    sender: SendRequest<Full<Bytes>>,
    address: SocketAddr,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap_or_else(|error| panic!("connect {address}: {error}"));
        stream.set_nodelay(true).expect("a socket");
        let (sender, connection) = handshake(TokioIo::new(stream)).await.expect("a fresh connection");
        tokio::spawn(connection);
        Self { sender, address }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Reply {
        self.send(Method::GET, path, &[], Bytes::new()).await
    }

    pub(crate) async fn send(&mut self, method: Method, path: &str, headers: &[(&str, &str)], body: Bytes) -> Reply {
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", self.address.to_string());
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body)).expect("a request");
        let start = Instant::now();
        let sent = async {
            self.sender.ready().await?;
            self.sender.send_request(request).await
        };
        let response = sent.await.unwrap_or_else(|error| panic!("{path} at {}: {error}", self.address));
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap_or_else(|error| panic!("{path}: half an answer: {error}")).to_bytes();
        Reply { status: head.status, headers: head.headers, body, took: start.elapsed() }
    }
}

/// One `GET` on a connection of its own.
pub(crate) async fn fetch(address: SocketAddr, path: &str) -> Reply {
    Client::connect(address).await.get(path).await
}

/// One request on a connection of its own.
pub(crate) async fn send(address: SocketAddr, method: Method, path: &str, body: impl Into<Bytes>) -> Reply {
    Client::connect(address).await.send(method, path, &[], body.into()).await
}
