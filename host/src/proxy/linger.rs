//! How a connection ends whose client is still sending. Closing a socket with unread bytes resets it, and a reset takes
//! the response away from a client that has not read it yet. So the sending side is closed first, and what comes is read
//! and dropped, for a while.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// As long as nginx waits between two pieces (`lingering_timeout`) in all.
const AT_MOST: Duration = Duration::from_secs(5);

/// A client that sends more than this will not read the response either.
const AT_MOST_BYTES: usize = 1 << 20;

/// Closes a connection without taking the response away.
pub(super) async fn close(mut stream: TcpStream) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let mut buffer = vec![0; 8192];
    let drained = async {
        let mut read = 0;
        while read < AT_MOST_BYTES {
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(n) => read += n,
            }
        }
    };
    // Past the limit the client gets its reset.
    let _ = timeout(AT_MOST, drained).await;
}
