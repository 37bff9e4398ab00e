//! The connections to the admin API at its own address: how many there are at a time, how long a client may take for the head
//! of a request, and how long it may take nothing of an answer.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tower_service::Service as _;

/// Connections at a time, those that follow a stream among them. Who comes after waits for a place.
const MOST: usize = 512;
/// For the head of a request, from the start of the connection or the answer before.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// For a client to take what it is sent; nobody keeps a place by reading nothing.
const TAKING_TIMEOUT: Duration = Duration::from_secs(60);
/// Until the next try where a connection cannot be taken: the process has too many files open, most often.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves all of them, until the sender of `stopped` is gone; then answers under way are finished.
pub(super) async fn serve(listener: TcpListener, router: Router, mut stopped: watch::Receiver<()>) {
    let places = Arc::new(Semaphore::new(MOST));
    loop {
        let next = async { (Arc::clone(&places).acquire_owned().await, listener.accept().await) };
        let (place, accepted) = tokio::select! {
            next = next => next,
            _ = stopped.changed() => return,
        };
        let Ok((stream, client)) = accepted else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let connection = one(stream, client, router.clone(), stopped.clone());
        tokio::spawn(async move {
            connection.await;
            drop(place);
        });
    }
}

async fn one(stream: TcpStream, client: SocketAddr, router: Router, mut stopped: watch::Receiver<()>) {
    // Pieces of a stream are small, and not to wait for each other.
    let _ = stream.set_nodelay(true);
    let _ = SockRef::from(&stream).set_tcp_user_timeout(Some(TAKING_TIMEOUT));
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let mut request: Request = request.map(axum::body::Body::new);
        request.extensions_mut().insert(ConnectInfo(client));
        router.clone().call(request)
    });
    let mut builder = Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    // What goes wrong with a connection is its client's matter.
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = stopped.changed() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::time::timeout;

    use super::*;

    /// The clock moves on by itself whenever all wait.
    #[tokio::test(start_paused = true)]
    async fn a_client_is_known_and_one_that_says_nothing_more_is_left() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let whoami = |ConnectInfo(client): ConnectInfo<SocketAddr>| async move { client.to_string() };
        let (_stop, stopped) = watch::channel(());
        tokio::spawn(serve(listener, Router::new().route("/", get(whoami)), stopped));
        let mut client = TcpStream::connect(address).await.unwrap();
        let own = client.local_addr().unwrap().to_string();
        client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let mut said = String::new();
        timeout(2 * HEAD_TIMEOUT, client.read_to_string(&mut said)).await.expect("it is closed").unwrap();
        assert!(said.starts_with("HTTP/1.1 200") && said.ends_with(&own), "{said}");
    }
}
