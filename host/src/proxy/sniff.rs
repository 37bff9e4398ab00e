//! Finds out which HTTP a client speaks, by what it says first.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::connection::ClientConnection;

/// What an HTTP/2 client says first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Reads until it is clear whether HTTP/2 is spoken; none when the client went or took too long.
pub(super) async fn sniff(client: &ClientConnection, stream: &mut TcpStream) -> Option<(bool, Bytes)> {
    let mut read = BytesMut::with_capacity(4096);
    loop {
        let n = {
            let mut more = pin!(stream.read_buf(&mut read));
            poll_fn(|cx| match more.as_mut().poll(cx) {
                Poll::Ready(n) => Poll::Ready(n.ok()),
                Poll::Pending => client.poll_overdue(cx).map(|()| None),
            })
            .await?
        };
        let common = read.len().min(PREFACE.len());
        match (n, read.get(..common) == PREFACE.get(..common)) {
            (0, _) => return None,
            (_, false) => return Some((false, read.freeze())),
            (_, true) if common == PREFACE.len() => return Some((true, read.freeze())),
            (_, true) => {}
        }
    }
}
