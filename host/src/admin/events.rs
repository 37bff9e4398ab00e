//! `GET /api/events`: what changed and why, oldest first. `GET /api/events/stream`: the same as it happens, as server-sent
//! events; a listener that comes back with `Last-Event-ID` gets what it missed.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::SystemTime;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::{Extension, Json};
use futures_util::stream::{self, Stream, StreamExt};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;
use utoipa::{IntoParams, ToSchema};

use super::asked::Asked;
use super::permit::{LOOK, Permit};
use super::server::Shared;
use super::tokens::Allowed;
use crate::observe::{Following, Recorded, describe, plugin_of};

/// What a question without a limit gets.
const USUAL: usize = 100;

/// Which events.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Those with a number over this one.
    #[param(value_type = Option<usize>)]
    after: Option<u64>,
    /// At most so many, the newest; 100 unless it is said.
    limit: Option<usize>,
}

/// Events, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Events {
    pub(crate) events: Vec<Happening>,
}

/// Something that changed, and why.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Event)]
pub(crate) struct Happening {
    pub(crate) at: Option<String>,
    pub(crate) cause: String,
    pub(crate) cluster: String,
    pub(crate) endpoint: Option<String>,
    /// The state before, where it is one that changed.
    pub(crate) from: Option<&'static str>,
    /// Counts all events since the start.
    pub(crate) id: u64,
    pub(crate) kind: &'static str,
    pub(crate) plugin: Option<String>,
    /// The state after.
    pub(crate) to: Option<&'static str>,
}

/// The newest events after a number, at most so many.
#[utoipa::path(get, path = "/api/events", tag = "events", params(Wanted), responses(
    (status = 200, body = Events),
    (status = 400, description = "No number."),
))]
pub(super) async fn events(State(shared): State<Shared>, Asked(wanted): Asked<Wanted>) -> Json<Events> {
    let events = shared.events.after(wanted.after.unwrap_or(0), wanted.limit.unwrap_or(USUAL));
    Json(Events { events: events.iter().map(|recorded| event(recorded)).collect() })
}

/// Every event from now on, as server-sent events; those after `Last-Event-ID` or `?after=` first.
#[utoipa::path(get, path = "/api/events/stream", tag = "events", params(Wanted), responses(
    (status = 200, description = "Each event by its kind, with its number, as it happens.", content_type = "text/event-stream", body = String),
    (status = 400, description = "No number."),
))]
pub(super) async fn stream(
    State(shared): State<Shared>,
    Extension(allowed): Extension<Allowed>,
    Asked(wanted): Asked<Wanted>,
    headers: HeaderMap,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let Following { before, lost_some, live } = shared.events.follow(last_seen(&headers).or(wanted.after));
    let permit = Permit::new(shared, allowed, headers);
    let first = lost_some.then(|| missed(None));
    let before = first.into_iter().chain(before.iter().map(|recorded| sent(recorded))).collect::<Vec<_>>();
    let events = stream::iter(before).chain(stream::unfold((live, permit), next));
    Sse::new(events.map(Ok)).keep_alive(KeepAlive::default())
}

/// The event that one has seen who comes back.
pub(super) fn last_seen(headers: &HeaderMap) -> Option<u64> {
    headers.get("last-event-id")?.to_str().ok()?.parse().ok()
}

/// One who waits for events.
type Waiting = (Receiver<Arc<Recorded>>, Permit);

/// Waits for the next event, for as long as it may.
async fn next((mut live, mut permit): Waiting) -> Option<(Event, Waiting)> {
    while permit.holds() {
        let event = match timeout(LOOK, live.recv()).await {
            Err(_) => continue,
            Ok(Ok(recorded)) => sent(&recorded),
            Ok(Err(RecvError::Lagged(count))) => missed(Some(count)),
            Ok(Err(RecvError::Closed)) => return None,
        };
        return Some((event, (live, permit)));
    }
    None
}

/// Says that some are missing, and how many where that is known.
fn missed(count: Option<u64>) -> Event {
    Event::default().event("missed").data(json!({ "missed": count }).to_string())
}

fn sent(recorded: &Recorded) -> Event {
    let (kind, _) = describe(&recorded.event.change);
    // Text, numbers and nothing else: there is always a JSON of it.
    let data = serde_json::to_string(&event(recorded)).unwrap_or_default();
    Event::default().id(recorded.id.to_string()).event(kind).data(data)
}

/// An event as the API shows it.
pub(crate) fn event(recorded: &Recorded) -> Happening {
    let event = &recorded.event;
    let (kind, between) = describe(&event.change);
    let (from, to) = between.unzip();
    Happening {
        at: time(event.at),
        cause: event.cause.to_string(),
        cluster: event.cluster.to_string(),
        endpoint: event.endpoint.as_ref().map(ToString::to_string),
        from,
        id: recorded.id,
        kind,
        plugin: plugin_of(&event.change).map(ToString::to_string),
        to,
    }
}

/// A moment as the API shows it.
pub(super) fn time(at: SystemTime) -> Option<String> {
    Timestamp::try_from(at).map(|at| at.to_string()).ok()
}
