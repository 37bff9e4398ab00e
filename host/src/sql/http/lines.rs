//! An answer line by line (NDJSON): the columns, each row, and what is told behind them. It is sent as it comes, and no
//! faster than the client takes it, so that it may be of any length. An answer that fails in its middle ends with a line
//! that says why, and without the end of its body.

use std::time::Instant;

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::mpsc;
use tokio::time::timeout_at;

use super::problem::Problem;
use super::write::{self, Singles};
use crate::model::SqlName;
use crate::sql::dialect::Dialect;
use crate::sql::error::Error;
use crate::sql::figures::Outcome;
use crate::sql::run::Rows;

/// A piece is sent when it has so many bytes, or when there is nothing to add to it for now.
const PIECE: usize = 32 << 10;

/// Pieces that may wait for the client.
const WAITING: usize = 2;

/// The client has left.
struct Gone;

/// Sends rows; the pieces that come, then `None`.
pub(super) fn start(rows: Rows, dialect: Dialect, entry: SqlName, outcome: Outcome) -> mpsc::Receiver<Option<Bytes>> {
    let (pieces, coming) = mpsc::channel(WAITING);
    let singles = Singles::of(dialect, &rows.columns);
    let sender = Sender { pieces, piece: Vec::with_capacity(PIECE), count: 0, singles };
    drop(tokio::spawn(send(rows, entry, outcome, sender)));
    coming
}

async fn send(mut rows: Rows, entry: SqlName, mut outcome: Outcome, mut sender: Sender) {
    let sent = sender.rows(&mut rows).await;
    let summary = rows.report.read();
    // Whatever is still under way is of no use to anybody now.
    drop(rows);
    match sent {
        Ok(Ok(())) => {
            // A client that left now has had all there is but this.
            let _ = sender
                .close(&outcome, |out, count, began: Instant| {
                    write::closing(out, count, began.elapsed(), &summary);
                })
                .await;
            outcome.done(summary, sender.count);
        }
        Ok(Err(error)) => {
            let problem = Problem::of(&error);
            outcome.saw(summary);
            outcome.failed(problem.reason(), problem.status());
            let _ = sender.break_off(&problem, &entry).await;
        }
        Err(Gone) => {
            outcome.saw(summary);
            drop(outcome);
        }
    }
}

/// What goes to the client.
struct Sender {
    pieces: mpsc::Sender<Option<Bytes>>,
    piece: Vec<u8>,
    count: u64,
    singles: Singles,
}

impl Sender {
    /// All rows, or the error that they end with.
    async fn rows(&mut self, rows: &mut Rows) -> Result<Result<(), Error>, Gone> {
        self.piece.extend_from_slice(b"{\"columns\":");
        write::columns(&mut self.piece, &rows.columns);
        self.piece.extend_from_slice(b"}\n");
        let late = || Ok(Err(Error::Deadline { late: Vec::new() }));
        loop {
            let next = match rows.batches.next().now_or_never() {
                Some(next) => next,
                None => {
                    let Some(()) = self.flush_until(rows.due).await? else { return late() };
                    tokio::select! {
                        biased;
                        next = rows.batches.next() => next,
                        () = self.pieces.closed() => return Err(Gone),
                    }
                }
            };
            match next {
                None => return Ok(Ok(())),
                Some(Err(error)) => return Ok(Err(error)),
                Some(Ok(batch)) => {
                    for row in &batch {
                        write::row(&mut self.piece, row, &self.singles);
                        self.piece.push(b'\n');
                        self.count += 1;
                        if self.piece.len() >= PIECE {
                            let Some(()) = self.flush_until(rows.due).await? else { return late() };
                        }
                    }
                }
            }
        }
    }

    /// Sends what is there; returns when the client has taken enough of what was sent before.
    async fn flush(&mut self) -> Result<(), Gone> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let room = self.pieces.reserve().await.map_err(|_| Gone)?;
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
        room.send(Some(Bytes::from(piece)));
        Ok(())
    }

    /// As [`Self::flush`], but not for a client that takes longer: the nodes wait, too, and nobody polls their rows meanwhile.
    async fn flush_until(&mut self, due: Instant) -> Result<Option<()>, Gone> {
        timeout_at(due.into(), self.flush()).await.ok().transpose()
    }

    /// The last line, and the end of the body.
    async fn close(&mut self, outcome: &Outcome, write: impl FnOnce(&mut Vec<u8>, u64, Instant)) -> Result<(), Gone> {
        self.piece.push(b'{');
        write(&mut self.piece, self.count, outcome.began());
        self.piece.extend_from_slice(b"}\n");
        self.flush().await?;
        self.pieces.send(None).await.map_err(|_| Gone)
    }

    /// The last line of an answer that is not complete, whose body has no end.
    async fn break_off(mut self, problem: &Problem, entry: &SqlName) -> Result<(), Gone> {
        self.piece.extend_from_slice(b"{\"error\":");
        self.piece.extend_from_slice(problem.document(entry).as_bytes());
        self.piece.extend_from_slice(b"}\n");
        self.flush().await
    }
}
