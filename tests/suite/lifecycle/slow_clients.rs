//! Clients that are slow on purpose: each is cut in its time, however it drips, and nobody else waits for them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::world::Setup;

/// Slow clients of each kind.
const CLIENTS: usize = 40;
/// From one byte to the next: far less than any timeout, so that silence is not what they are cut for.
const DRIP: Duration = Duration::from_millis(50);

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Sends a beginning and then a byte now and then, until it is cut: how long that took, and what it was told.
async fn drip(address: SocketAddr, beginning: &str) -> (Duration, String) {
    let (mut reads, mut writes) = TcpStream::connect(address).await.expect("a connection").into_split();
    writes.write_all(beginning.as_bytes()).await.expect("room");
    let start = Instant::now();
    let drips = async {
        while writes.write_all(b"x").await.is_ok() {
            tokio::time::sleep(DRIP).await;
        }
        std::future::pending().await
    };
    let told = async {
        let mut told = Vec::new();
        // The end may be a reset, since the last byte was not read.
        let _ = reads.read_to_end(&mut told).await;
        String::from_utf8_lossy(&told).into_owned()
    };
    let told = tokio::select! {
        told = told => told,
        () = drips => String::new(),
    };
    (start.elapsed(), told)
}

/// An origin that answers a request when it has all of it: never, for the slow ones.
async fn origin() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut read = vec![0; 4096];
                while let Ok(n @ 1..) = stream.read(&mut read).await {
                    if read[..n].starts_with(b"GET ") && stream.write_all(OK).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_heads_and_slow_bodies_are_cut_and_nobody_waits_for_them() {
    let limits = r#"
header_timeout = "1s"
limits = { body_rate = { bytes_per_second = 1000, grace = "1s" } }
"#;
    let world = Setup::new().workers(2).endpoints(vec![origin().await]).listener_lines(limits).start().await;
    let address = world.address();
    let mut slow = JoinSet::new();
    for _ in 0..CLIENTS {
        slow.spawn(async move { (false, drip(address, "GET / HTTP/1.1\r\nhost: a\r\nx: ").await) });
        let post = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\n";
        slow.spawn(async move { (true, drip(address, post).await) });
    }
    let mut brisk = world.connect().await;
    // At once, since one that says nothing is slow, too.
    assert_eq!(brisk.get("/").await.status, StatusCode::OK);
    while let Some(done) = slow.join_next().await {
        let (is_body, (took, told)) = done.expect("a slow client");
        assert!((Duration::from_millis(900)..Duration::from_secs(10)).contains(&took), "{took:?}: {told}");
        if is_body {
            assert!(told.starts_with("HTTP/1.1 408 ") && told.contains("client-timeout"), "{told}");
        }
        assert_eq!(brisk.get("/").await.status, StatusCode::OK);
    }
    let cut = world.metrics().await.sum("leverframe_refused_requests", &[("reason", "client-timeout")]);
    assert_eq!(cut, 2 * CLIENTS as u64);
}
