//! A demo node: a small HTTP/1.1 server inside the process, standing for a container. It carries out what the handler
//! decides: it waits, sends, and passes bodies back; it decides nothing itself.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::{Either, Full};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Sleep;

use super::fault::{Fault, Spell};
use super::handler::{Answer, Handler, Reply};
use super::settings::NodeSettings;
use super::sql::{SqlBody, SqlService};
use super::statistics::{Recorder, report};
use crate::model::EndpointName;

/// How long requests in flight may go on once the node is told to stop.
const STOP_LIMIT: Duration = Duration::from_secs(2);
/// The pause after a failed accept (no file handles left, most often), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What a body that is cut off promises, and what of it comes.
const PROMISED: u64 = 1 << 20;
const DELIVERED: usize = 1 << 10;

/// A JSON text, the request's body on its way back, one that is cut off, or the rows of the database.
type Body = Either<Full<Bytes>, Either<Incoming, Either<CutOff, SqlBody>>>;

/// The pause in which what was delivered leaves the machine, so that the cut comes in the middle.
const CUT_AFTER: Duration = Duration::from_millis(10);

/// A body that ends in an error, upon which the server closes the connection. None inside until it has begun.
#[derive(Default)]
struct CutOff(Option<Pin<Box<Sleep>>>);

impl http_body::Body for CutOff {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match &mut self.0 {
            Some(pause) => pause.as_mut().poll(cx).map(|()| Some(Err(io::ErrorKind::ConnectionReset.into()))),
            begins => {
                *begins = Some(Box::pin(tokio::time::sleep(CUT_AFTER)));
                Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; DELIVERED])))))
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(PROMISED)
    }
}

/// What the connections of a node share.
#[derive(Debug)]
struct Service {
    handler: Handler,
    recorder: Recorder,
    sql: Option<Arc<SqlService>>,
}

/// A running node. Dropping it ends it at once, with the connections that it has.
#[derive(Debug)]
pub struct Node {
    address: SocketAddr,
    service: Arc<Service>,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
}

impl Node {
    /// Listens on an address (port 0 takes a free one) and serves on the runtime that this is called on.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn start(address: SocketAddr, name: EndpointName) -> io::Result<Self> {
        Self::start_with(NodeSettings::new(address, name)).await
    }

    /// As [`Self::start`], with all that a node can be told. A statistics file that cannot be used is tried again while
    /// the node serves.
    ///
    /// # Errors
    /// When the address cannot be listened on, there can be no thread for the statistics, or the database cannot be used.
    pub async fn start_with(settings: NodeSettings) -> io::Result<Self> {
        let NodeSettings { address, name, work, statistics, database } = settings;
        let sql = match database {
            Some(database) => Some(SqlService::open(database, name.as_str()).await?),
            None => None,
        };
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let recorder = Recorder::start(name.clone(), statistics)?;
        let handler = Handler::new(name, work, Instant::now()).with_sql(sql.is_some());
        let service = Arc::new(Service { handler, recorder, sql });
        let (stop, stopped) = watch::channel(false);
        let server = tokio::spawn(serve(listener, address, Arc::clone(&service), stopped));
        Ok(Self { address, service, stop, server })
    }

    /// The node's name, as its answers give it.
    pub fn name(&self) -> &EndpointName {
        self.service.handler.name()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Requests answered so far, health checks left out.
    pub fn requests(&self) -> u64 {
        self.service.handler.requests()
    }

    /// Whether `/health` answers 200.
    pub fn is_healthy(&self) -> bool {
        self.service.handler.is_healthy()
    }

    /// Takes no more connections, lets requests in flight end for up to two seconds, and returns when all is closed and
    /// the statistics are written.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        if tokio::time::timeout(STOP_LIMIT, &mut self.server).await.is_err() {
            self.server.abort();
            // Only to see that it has ended: that it was cancelled is no news.
            let _ = (&mut self.server).await;
        }
        self.service.recorder.end().await;
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Serves until it is told to stop; while it refuses, it listens nowhere.
async fn serve(listener: TcpListener, address: SocketAddr, service: Arc<Service>, mut stopped: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    let mut spell = service.handler.spell();
    let mut listening = Some(listener);
    while !*stopped.borrow() {
        let refusing = is_refusing(&spell.borrow_and_update());
        listening = match (listening, refusing) {
            (Some(_), true) => {
                connections.abort_all();
                None
            }
            // Others may have the port by now: it is tried again.
            (None, false) => TcpListener::bind(address).await.ok(),
            (as_it_is, _) => as_it_is,
        };
        let Some(listener) = &listening else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        tokio::select! {
            _ = stopped.changed() => {}
            _ = spell.changed() => {}
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, Arc::clone(&service), stopped.clone()));
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
        }
    }
    drop(listening);
    while connections.join_next().await.is_some() {}
}

fn is_refusing(spell: &Spell) -> bool {
    spell.at(Instant::now()) == Some(Fault::Refuse)
}

/// Serves one connection to its end. How it ends is the client's business, so errors go unheard.
async fn connection(stream: TcpStream, service: Arc<Service>, mut stopped: watch::Receiver<bool>) {
    // Without this a small answer may wait for the client's delayed acknowledgement.
    let _ = stream.set_nodelay(true);
    let answer = service_fn(|request| respond(&service, request));
    let connection = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), answer);
    tokio::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = stopped.changed() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

async fn respond(service: &Service, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let Service { handler, recorder, sql } = service;
    let start = Instant::now();
    let Answer { after, reply, counts } = handler.answer(request.uri().path(), request.uri().query(), start);
    if !after.is_zero() {
        tokio::time::sleep(after).await;
    }
    if let (Reply::Sql, Some(sql)) = (&reply, sql) {
        let response = sql.answer(request).await;
        recorder.record(response.status().is_success(), start.elapsed());
        return Ok(response.map(|body| Either::Right(Either::Right(Either::Right(body)))));
    }
    if counts {
        recorder.record(reply.is_success(), start.elapsed());
    }
    Ok(match reply {
        Reply::Statistics => statistics(recorder).await,
        Reply::Json(status, body) => json(status, &body),
        Reply::Echo => echo(request),
        Reply::Cut => Response::new(Either::Right(Either::Right(Either::Left(CutOff::default())))),
        Reply::Never => std::future::pending().await,
        Reply::Sql => json(StatusCode::NOT_FOUND, &serde_json::json!({ "error": "this node has no database" })),
    })
}

async fn statistics(recorder: &Recorder) -> Response<Body> {
    match recorder.sums().await {
        Ok(sums) => json(StatusCode::OK, &report(&sums)),
        Err(error) => json(StatusCode::SERVICE_UNAVAILABLE, &serde_json::json!({ "error": error })),
    }
}

fn json(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(Either::Left(Full::from(format!("{body}\n"))));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Streams the request's body back as it comes, so that its size does not matter.
fn echo(request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let mut response = Response::new(Either::Right(Either::Left(body)));
    if let Some(kind) = head.headers.get(CONTENT_TYPE) {
        response.headers_mut().insert(CONTENT_TYPE, kind.clone());
    }
    response
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn node() -> Node {
        let name = EndpointName::new("node-1").unwrap();
        Node::start(SocketAddr::from(([127, 0, 0, 1], 0)), name).await.unwrap()
    }

    async fn send(node: &Node, request: &str) -> String {
        let mut stream = TcpStream::connect(node.address()).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn it_answers_over_a_socket() {
        let node = node().await;
        let answer = send(&node, "GET /hi HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        assert!(answer.contains("content-type: application/json"), "{answer}");
        assert!(answer.contains(r#""node":"node-1""#), "{answer}");
        assert_eq!(node.requests(), 1);
    }

    #[tokio::test]
    async fn a_client_finds_its_own_requests_in_the_statistics() {
        let folder = tempfile::tempdir().unwrap();
        let name = EndpointName::new("node-1").unwrap();
        let settings = NodeSettings::new(SocketAddr::from(([127, 0, 0, 1], 0)), name);
        let settings = NodeSettings { statistics: Some(folder.path().join("statistics.db")), ..settings };
        let node = Node::start_with(settings.clone()).await.unwrap();
        let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        for path in ["/api/v1/hello", "/process?ms=1", "/", "/health"] {
            send(&node, &get(path)).await;
        }
        let stats = send(&node, &get("/worker/stats")).await;
        assert!(stats.contains(r#""SuccessfulRequests":[{"total":3},{"node-1":3}]"#), "{stats}");
        send(&node, &get("/")).await;
        node.stop().await;
        let again = Node::start_with(settings).await.unwrap();
        let stats = send(&again, &get("/worker/stats")).await;
        assert!(stats.contains(r#""TotalRequests":[{"total":4},{"node-1":4}]"#), "{stats}");
    }

    #[tokio::test]
    async fn it_echoes_the_body() {
        let node = node().await;
        let request = "POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: text/plain\r\n\
                       Content-Length: 5\r\n\r\nhello";
        let answer = send(&node, request).await;
        assert!(answer.contains("content-type: text/plain") && answer.ends_with("hello"), "{answer}");
    }

    #[tokio::test]
    async fn a_response_is_cut_off_when_it_is_told_so() {
        let node = node().await;
        send(&node, "POST /fault?kind=reset HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
        let answer = send(&node, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert!(answer.contains(&format!("content-length: {PROMISED}")), "{answer}");
        assert!(answer.len() < 2 * DELIVERED, "{}", answer.len());
    }

    #[tokio::test]
    async fn it_refuses_for_a_while_and_is_back_at_the_same_address() {
        let node = node().await;
        send(&node, "POST /fault?kind=refuse&for_ms=200 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
        while TcpStream::connect(node.address()).await.is_ok() {
            tokio::task::yield_now().await;
        }
        while TcpStream::connect(node.address()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let answer = send(&node, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
        assert!(answer.contains("200 OK"), "{answer}");
    }

    #[tokio::test]
    async fn stopping_ends_requests_in_flight_and_refuses_new_ones() {
        let node = node().await;
        let address = node.address();
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /process?ms=50 HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        // The request has reached the handler once it is counted.
        while node.requests() == 0 {
            tokio::task::yield_now().await;
        }
        node.stop().await;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.contains(r#""processed_ms":50"#), "{answer}");
        assert!(TcpStream::connect(address).await.is_err());
    }
}
