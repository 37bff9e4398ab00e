//! `GET /api/stream`: one who listens. Gets how everything stands, then what goes on. What it does not take in time it
//! misses: then it gets how everything stands now, the events that it missed, and goes on.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

use super::live::{Frame, Overview, enveloped};
use super::maker::{event_frame, overview_now, work};
use crate::admin::access::Access;
use crate::admin::server::Shared;

/// How often it is seen whether the process ends; a connection that goes on would hold that up.
const LOOK: Duration = Duration::from_millis(500);

/// So many looks without anything to send, and a comment is sent: what is between must not take the connection for dead.
const SILENT: u32 = 20;

/// Nothing, said aloud.
const KEEP_ALIVE: Bytes = Bytes::from_static(b": keep-alive\n\n");

/// The newest events that one who missed some gets.
const MISSED: usize = 1_000;

pub(super) async fn stream(State(shared): State<Shared>, access: Access, headers: HeaderMap) -> Response {
    let last_seen = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let listener = Listener::start(shared, access, last_seen).await;
    let body = Body::from_stream(stream::unfold(listener, |mut listener| async move {
        let next = listener.next().await?;
        Some((Ok::<_, Infallible>(next), listener))
    }));
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    (headers, body).into_response()
}

struct Listener {
    shared: Shared,
    access: Access,
    frames: Receiver<Frame>,
    /// What it gets before anything else.
    first: VecDeque<Bytes>,
    last_event: u64,
    silent: u32,
}

impl Listener {
    /// One that has seen the events up to a number, if it has.
    async fn start(shared: Shared, access: Access, last_seen: Option<u64>) -> Self {
        // Before anything is read, so that nothing falls in between.
        let frames = shared.live.listen();
        let overview = overview_now(&shared).await;
        let newest = shared.events.after(0, 1).last().map_or(0, |event| event.id);
        let mut listener = Self { shared, access, frames, first: VecDeque::new(), last_event: newest, silent: 0 };
        listener.first.push_back(listener.text(&overview));
        listener.first.push_back(enveloped("progress", None, &work(&listener.shared)));
        if let Some(last_seen) = last_seen {
            let missed = listener.shared.events.follow(Some(last_seen)).before;
            listener.first.extend(missed.iter().filter(|event| event.id <= newest).map(|event| event_frame(event)));
        }
        listener
    }

    /// What it gets next; none when it is over.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(first) = self.first.pop_front() {
                return Some(first);
            }
            if self.shared.draining.load(Relaxed) {
                return None;
            }
            match timeout(LOOK, self.frames.recv()).await {
                Err(_) => {
                    self.silent += 1;
                    if self.silent.is_multiple_of(SILENT) {
                        return Some(KEEP_ALIVE);
                    }
                }
                Ok(Ok(Frame::Plain(text))) => return Some(text),
                Ok(Ok(Frame::Overview(overview))) => return Some(self.text(&overview)),
                // It had the others when it came.
                Ok(Ok(Frame::Event(id, text))) if id > self.last_event => {
                    self.last_event = id;
                    return Some(text);
                }
                Ok(Ok(Frame::Event(..))) => {}
                Ok(Err(RecvError::Lagged(_))) => self.catch_up().await,
                Ok(Err(RecvError::Closed)) => return None,
            }
        }
    }

    /// Leaves out what it was too slow for.
    async fn catch_up(&mut self) {
        self.frames = self.frames.resubscribe();
        let overview = overview_now(&self.shared).await;
        self.first.push_back(self.text(&overview));
        self.first.push_back(enveloped("progress", None, &work(&self.shared)));
        for event in self.shared.events.after(self.last_event, MISSED) {
            self.last_event = event.id;
            self.first.push_back(event_frame(&event));
        }
    }

    fn text(&self, overview: &Arc<Overview>) -> Bytes {
        match self.access {
            Access::Read => overview.read.clone(),
            Access::Write => overview.write.clone(),
        }
    }
}
