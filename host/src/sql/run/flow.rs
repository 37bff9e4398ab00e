//! Owns how rows get from who makes them to who takes them: an async block that sends, seen from outside as a stream. It is
//! polled by the stream itself, or runs as a task of its own beside it; either way it ends when the stream is dropped, and
//! it never runs ahead by more than its channel holds.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::Stream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// How many batches a task may be ahead of who takes them.
const AHEAD: usize = 4;

/// Whoever took what is sent is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gone;

/// Where a block sends to.
#[derive(Debug)]
pub(super) struct Outlet<T>(mpsc::Sender<T>);

impl<T> Outlet<T> {
    /// Waits until there is room.
    pub(super) async fn send(&self, item: T) -> Result<(), Gone> {
        self.0.send(item).await.map_err(|_| Gone)
    }
}

/// What a block sends, as a stream. It ends when the block does.
pub(super) struct Flow<T> {
    source: Source,
    items: mpsc::Receiver<T>,
}

enum Source {
    Here(BoxFuture<'static, ()>),
    Task(JoinHandle<()>),
    Over,
}

impl<T: Send + 'static> Flow<T> {
    /// Runs the block in whatever polls the stream.
    pub(super) fn here<F>(block: impl FnOnce(Outlet<T>) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (outlet, items) = mpsc::channel(1);
        Self { source: Source::Here(contained(block(Outlet(outlet))).boxed()), items }
    }

    /// Runs the block as a task.
    pub(super) fn task<F>(block: impl FnOnce(Outlet<T>) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (outlet, items) = mpsc::channel(AHEAD);
        Self { source: Source::Task(tokio::spawn(contained(block(Outlet(outlet))))), items }
    }
}

/// A block that panics ends, and no more: its stream ends before its time, which who takes from it must notice.
async fn contained(block: impl Future<Output = ()>) {
    let _ = AssertUnwindSafe(block).catch_unwind().await;
}

impl<T> Stream for Flow<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let this = &mut *self;
        if let Poll::Ready(item) = this.items.poll_recv(cx) {
            return Poll::Ready(item);
        }
        if let Source::Here(block) = &mut this.source {
            if block.as_mut().poll(cx).is_ready() {
                this.source = Source::Over;
            }
            // It may have sent while it was polled.
            return this.items.poll_recv(cx);
        }
        Poll::Pending
    }
}

impl<T> Drop for Flow<T> {
    fn drop(&mut self) {
        if let Source::Task(task) = &self.source {
            task.abort();
        }
    }
}
