//! Owns one connection to a node: opening it, sending a request, and closing it in the middle of one so that the node hears of
//! it. Knows nothing of SQL.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST};
use http::{Method, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::wire::{IDEMPOTENCY_KEY, LINES};
use crate::model::{Address, TRACEPARENT, TRACESTATE};
use crate::sql::backend::pools::Connector;
use crate::sql::backend::{Fault, FaultKind};

/// How much longer than it was given a node may take to say that time is over.
pub(super) const GRACE: Duration = Duration::from_millis(100);
/// What is read at once; large enough for batches, small enough for many nodes.
const BUFFER: usize = 128 * 1024;

/// Opens connections.
#[derive(Debug)]
pub(super) struct Dial;

impl Connector for Dial {
    type Link = Link;
    type Known = ();

    async fn connect(&self, node: &Address, (): &()) -> Result<Link, Fault> {
        let failed = |error: &dyn std::fmt::Display| Fault::new(FaultKind::Connect, format!("{node}: {error}"));
        let stream = TcpStream::connect((node.host(), node.port())).await.map_err(|error| failed(&error))?;
        // Without it a small question may wait for the acknowledgement of the one before.
        let _ = stream.set_nodelay(true);
        let shaken = http1::Builder::new().max_buf_size(BUFFER).handshake(TokioIo::new(stream)).await;
        let (sender, connection) = shaken.map_err(|error| failed(&error))?;
        // How it ends is seen by what is asked over it.
        let driver = tokio::spawn(async move { drop(connection.await) });
        Ok(Link { sender, driver, is_sound: true })
    }

    async fn is_sound(&self, link: &mut Link) -> bool {
        link.is_usable()
    }
}

/// A request to a node.
#[derive(Clone, Debug)]
pub(super) struct Asked<'a> {
    pub(super) method: Method,
    pub(super) path: &'a str,
    pub(super) body: String,
    /// Of a write that is not to be done twice.
    pub(super) key: Option<&'a str>,
    /// What it is part of.
    pub(super) trace: Option<&'a Trace>,
}

/// The trace that a request is part of, as its headers tell it.
#[derive(Clone, Debug)]
pub(super) struct Trace {
    pub(super) parent: String,
    pub(super) state: Option<String>,
}

impl<'a> Asked<'a> {
    pub(super) fn post(path: &'a str, body: String) -> Self {
        Self { method: Method::POST, path, body, key: None, trace: None }
    }
}

/// A connection.
#[derive(Debug)]
pub(super) struct Link {
    sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
    /// Whether the answer to the last request was read to its end.
    is_sound: bool,
}

impl Link {
    /// Whether another request can be sent.
    pub(super) fn is_usable(&self) -> bool {
        self.is_sound && !self.sender.is_closed()
    }

    /// Sends a request; the connection is closed when what is returned is dropped without being told that all was read.
    pub(super) async fn ask(
        &mut self,
        asked: Asked<'_>,
        (node, due): (&Address, Instant),
    ) -> Result<(Response<Incoming>, Underway<'_>), Fault> {
        let Asked { method, path, body, key, trace } = asked;
        let lost = |error: &dyn std::fmt::Display| Fault::new(FaultKind::Lost, format!("{node}: {error}"));
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, node.to_string())
            .header(ACCEPT, LINES)
            .header(CONTENT_TYPE, "application/json");
        if let Some(key) = key {
            request = request.header(IDEMPOTENCY_KEY, key);
        }
        if let Some(trace) = trace {
            request = request.header(TRACEPARENT, &trace.parent);
            if let Some(state) = &trace.state {
                request = request.header(TRACESTATE, state);
            }
        }
        let request = request.body(Full::new(Bytes::from(body))).map_err(|error| lost(&error))?;
        self.is_sound = false;
        let underway = Underway { driver: &self.driver, is_sound: &mut self.is_sound };
        let sender = &mut self.sender;
        let answered = tokio::time::timeout_at((due + GRACE).into(), async {
            // Right after an answer the connection may still be at its end. One that has closed says so when it is used.
            let _ = sender.ready().await;
            sender.try_send_request(request).await
        });
        match answered.await {
            Ok(Ok(response)) => Ok((response, underway)),
            // What is handed back was never sent.
            Ok(Err(mut error)) => match error.take_message() {
                Some(_) => Err(Fault::new(FaultKind::Connect, format!("{node}: {}", error.into_error()))),
                None => Err(lost(&error.into_error())),
            },
            Err(_) => Err(Fault::new(FaultKind::TimedOut, format!("{node}: it did not answer in time"))),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// A request that is not answered to its end.
#[derive(Debug)]
pub(super) struct Underway<'a> {
    driver: &'a JoinHandle<()>,
    is_sound: &'a mut bool,
}

impl Underway<'_> {
    /// All of the answer was read.
    pub(super) fn ended(self) {
        *self.is_sound = true;
    }
}

impl Drop for Underway<'_> {
    fn drop(&mut self) {
        if !*self.is_sound {
            // The node hears of it by the end of the connection, and by nothing else.
            self.driver.abort();
        }
    }
}
