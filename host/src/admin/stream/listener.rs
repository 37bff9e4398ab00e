//! `GET /api/stream`: one who listens. Gets how everything stands, then what goes on. What it does not take in time it
//! misses: then it gets how everything stands now, the events that it missed, and goes on.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use tokio::time::timeout;

use super::live::{Ear, Heard, Overview, enveloped};
use super::maker::{event_frame, overview_now, work};
use crate::admin::events::last_seen;
use crate::admin::permit::{LOOK, Permit};
use crate::admin::server::Shared;
use crate::admin::tokens::Allowed;

/// So many looks without anything to send, and a comment is sent: what is between must not take the connection for dead.
const SILENT: u32 = 20;

/// Nothing, said aloud.
const KEEP_ALIVE: Bytes = Bytes::from_static(b": keep-alive\n\n");

/// The newest events that one who missed some gets.
const MISSED: usize = 1_000;

/// All that goes on, as server-sent events: `overview` when one comes and whenever it differs, `tick` each second, `event`,
/// `query` and `progress` as they come. Ends when who listens may do another thing than when it came, or nothing any more.
#[utoipa::path(get, path = "/api/stream", tag = "console", responses(
    (status = 200, description = "Each event has one line of JSON; an `event` has its number, so that one who comes back with `Last-Event-ID` gets what was missed.", content_type = "text/event-stream", body = String),
))]
pub(super) async fn stream(
    State(shared): State<Shared>,
    Extension(allowed): Extension<Allowed>,
    headers: HeaderMap,
) -> Response {
    let last_seen = last_seen(&headers);
    let permit = Permit::new(shared.clone(), allowed, headers);
    let listener = Listener::start(shared, (allowed, permit), last_seen);
    let body = Body::from_stream(stream::unfold(listener, |mut listener| async move {
        let next = listener.next().await?;
        Some((Ok::<_, Infallible>(next), listener))
    }));
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    (headers, body).into_response()
}

struct Listener {
    shared: Shared,
    allowed: Allowed,
    permit: Permit,
    ear: Ear,
    /// What it gets before anything else.
    first: VecDeque<Bytes>,
    /// What it was last told of how everything stands.
    told: Option<Arc<Overview>>,
    silent: u32,
}

impl Listener {
    /// One that has seen the events up to a number, if it has.
    fn start(shared: Shared, (allowed, permit): (Allowed, Permit), last_seen: Option<u64>) -> Self {
        // Before anything is read, so that nothing falls in between.
        let mut ear = shared.live.listen();
        let newest = shared.events.after(0, 1).last().map_or(0, |event| event.id);
        ear.last_event = newest;
        let mut listener = Self { shared, allowed, permit, ear, first: VecDeque::new(), told: None, silent: 0 };
        listener.tell_all();
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
            if !self.permit.holds() {
                return None;
            }
            let heard = timeout(LOOK, self.ear.next()).await;
            self.silent = if heard.is_ok() { 0 } else { self.silent + 1 };
            match heard {
                Ok(Heard::Text(text)) => return Some(text),
                // It had that one when it came.
                Ok(Heard::Overview(overview))
                    if self.told.as_ref().is_some_and(|told| Arc::ptr_eq(told, &overview)) => {}
                Ok(Heard::Overview(overview)) => return Some(self.text(overview)),
                Ok(Heard::Missed) => self.catch_up(),
                Ok(Heard::Over) => return None,
                Err(_) if self.silent.is_multiple_of(SILENT) => return Some(KEEP_ALIVE),
                Err(_) => {}
            }
        }
    }

    /// Leaves out what it was too slow for, but for the events.
    fn catch_up(&mut self) {
        self.tell_all();
        for event in self.shared.events.after(self.ear.last_event, MISSED) {
            self.ear.last_event = event.id;
            self.first.push_back(event_frame(&event));
        }
    }

    /// Tells how everything stands.
    fn tell_all(&mut self) {
        let overview = overview_now(&self.shared);
        let text = self.text(overview);
        self.first.push_back(text);
        self.first.push_back(enveloped("progress", None, &work(&self.shared)));
    }

    fn text(&mut self, overview: Arc<Overview>) -> Bytes {
        let overview = self.told.insert(overview);
        match self.allowed {
            Allowed::Read => overview.read.clone(),
            Allowed::Write => overview.write.clone(),
        }
    }
}
