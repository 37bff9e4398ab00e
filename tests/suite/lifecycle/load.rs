//! Clients that ask without a pause, and keep a record of everything that is not a plain 200: also what a browser would
//! try again without a word.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::world::eventually;

/// How clients use connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Connections {
    /// One for each request.
    New,
    /// The same, until the answer says that it closes.
    Kept,
}

/// Clients at work.
pub(super) struct Load {
    clients: JoinSet<Vec<String>>,
    answered: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
}

impl Load {
    pub(super) fn start(address: SocketAddr, clients: usize, connections: Connections) -> Self {
        let (answered, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let mut tasks = JoinSet::new();
        for _ in 0..clients {
            tasks.spawn(client(address, connections, Arc::clone(&answered), Arc::clone(&over)));
        }
        Self { clients: tasks, answered, over }
    }

    /// Waits until so many more were answered.
    pub(super) async fn goes_on_for(&self, more: u64) {
        let wanted = self.answered.load(Relaxed) + more;
        let look = || async { (self.answered.load(Relaxed) >= wanted).then_some(()) };
        eventually("the load goes on", look).await;
    }

    /// How many were answered, and what happened to the others.
    pub(super) async fn end(mut self) -> (u64, Vec<String>) {
        self.over.store(true, Relaxed);
        let mut failures = Vec::new();
        while let Some(client) = self.clients.join_next().await {
            failures.extend(client.expect("a client"));
        }
        (self.answered.load(Relaxed), failures)
    }
}

async fn client(
    address: SocketAddr,
    connections: Connections,
    answered: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
) -> Vec<String> {
    let mut failures = Vec::new();
    let mut kept = None;
    // One that fails all the time has said enough.
    while !over.load(Relaxed) && failures.len() < 10 {
        match ask(address, kept.take()).await {
            Ok((stream, stays)) => {
                answered.fetch_add(1, Relaxed);
                kept = Some(stream).filter(|_| stays && connections == Connections::Kept);
            }
            Err(error) => failures.push(error.to_string()),
        }
    }
    failures
}

/// One request; the connection, and whether it can be used again.
async fn ask(address: SocketAddr, kept: Option<TcpStream>) -> io::Result<(TcpStream, bool)> {
    let mut stream = match kept {
        Some(stream) => stream,
        None => TcpStream::connect(address).await?,
    };
    stream.set_nodelay(true)?;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await?;
    let mut read = Vec::new();
    loop {
        if stream.read_buf(&mut read).await? == 0 {
            return Err(io::Error::other(format!("closed after {:?}", String::from_utf8_lossy(&read))));
        }
        let text = String::from_utf8_lossy(&read);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        if !head.starts_with("HTTP/1.1 200 ") {
            return Err(io::Error::other(head.to_owned()));
        }
        let head = head.to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(usize::MAX) {
            return Ok((stream, !head.contains("connection: close")));
        }
    }
}
