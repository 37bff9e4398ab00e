//! Two sockets that go on by themselves after a change of protocol: bytes pass both ways until both sides are done, one
//! fails, or nothing moves for too long.

use std::cell::Cell;
use std::io;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::metrics::{Count, ListenerCounters};
use super::pool::Slot;
use super::record::Record;
use super::trial::Trial;

/// What is read at a time.
const BUFFER: usize = 16 * 1024;

/// An endpoint's side of a tunnel to be.
pub(super) struct Tunnel {
    pub(super) stream: TcpStream,
    /// What the endpoint sent behind its response.
    pub(super) read: Bytes,
    pub(super) idle: Duration,
    /// What is recorded of the request that it comes from, which is over when the tunnel is.
    pub(super) record: Option<Box<Record>>,
    /// The attempt lasts as long as the tunnel.
    pub(super) _trial: Trial,
    /// It is a connection like others.
    pub(super) _slot: Slot,
}

impl Tunnel {
    /// Passes bytes until the end. `read` is what the client sent behind its request.
    pub(super) async fn run(mut self, mut client: TcpStream, read: Bytes, counters: &ListenerCounters) {
        let moved = Cell::new(Instant::now());
        let silence = silence(&moved, self.idle);
        let (client_in, client_out) = client.split();
        let (endpoint_in, endpoint_out) = self.stream.split();
        let record = self.record.as_deref();
        let sends = |bytes| record.into_iter().for_each(|record| record.sends(bytes));
        let passing = async {
            tokio::try_join!(
                pass(read, client_in, endpoint_out, (&moved, &counters.received), |_| {}),
                pass(self.read, endpoint_in, client_out, (&moved, &counters.sent), sends),
            )
        };
        tokio::select! {
            // Either way both sockets are closed; how it ended is between the two sides.
            _ = passing => {}
            () = silence => {}
        }
    }
}

async fn pass(
    before: Bytes,
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    (moved, count): (&Cell<Instant>, &Count),
    passes: impl Fn(usize),
) -> io::Result<()> {
    to.write_all(&before).await?;
    passes(before.len());
    let mut buffer = vec![0; BUFFER];
    loop {
        let n = from.read(&mut buffer).await?;
        if n == 0 {
            return to.shutdown().await;
        }
        moved.set(Instant::now());
        count.add(n as u64);
        to.write_all(buffer.get(..n).unwrap_or_default()).await?;
        passes(n);
        moved.set(Instant::now());
    }
}

/// Returns when nothing moved for a time.
async fn silence(moved: &Cell<Instant>, idle: Duration) {
    loop {
        let due = moved.get() + idle;
        if Instant::now() >= due {
            return;
        }
        tokio::time::sleep_until(due.into()).await;
    }
}
