//! `GET /api/events`: what changed and why, oldest first. `GET /api/events/stream`: the same as it happens, as server-sent
//! events; a listener that comes back with `Last-Event-ID` gets what it missed.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::SystemTime;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{self, Stream, StreamExt};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::asked::Asked;
use super::server::Shared;
use crate::model::{EndpointName, PluginName};
use crate::observe::{Following, Recorded, describe, plugin_of};

/// What a question without a limit gets.
const USUAL: usize = 100;

#[derive(Deserialize)]
pub(super) struct Wanted {
    after: Option<u64>,
    limit: Option<usize>,
}

/// The newest events after a number, at most so many.
pub(super) async fn events(State(shared): State<Shared>, Asked(wanted): Asked<Wanted>) -> Json<Value> {
    let events = shared.events.after(wanted.after.unwrap_or(0), wanted.limit.unwrap_or(USUAL));
    Json(json!({ "events": events.iter().map(|recorded| event(recorded)).collect::<Vec<_>>() }))
}

/// Every event from now on; those after `Last-Event-ID` or `?after=` first.
pub(super) async fn stream(
    State(shared): State<Shared>,
    Asked(wanted): Asked<Wanted>,
    headers: HeaderMap,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let last_seen = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let Following { before, lost_some, live } = shared.events.follow(last_seen.or(wanted.after));
    let first = lost_some.then(|| missed(None));
    let before = first.into_iter().chain(before.iter().map(|recorded| sent(recorded))).collect::<Vec<_>>();
    let events = stream::iter(before).chain(stream::unfold(live, next));
    Sse::new(events.map(Ok)).keep_alive(KeepAlive::default())
}

/// Waits for the next event.
async fn next(mut live: Receiver<Arc<Recorded>>) -> Option<(Event, Receiver<Arc<Recorded>>)> {
    let event = match live.recv().await {
        Ok(recorded) => sent(&recorded),
        Err(RecvError::Lagged(missed)) => {
            Event::default().event("missed").data(json!({ "missed": missed }).to_string())
        }
        Err(RecvError::Closed) => return None,
    };
    Some((event, live))
}

/// Says that some are missing, and how many where that is known.
fn missed(count: Option<u64>) -> Event {
    Event::default().event("missed").data(json!({ "missed": count }).to_string())
}

fn sent(recorded: &Recorded) -> Event {
    let (kind, _) = describe(&recorded.event.change);
    Event::default().id(recorded.id.to_string()).event(kind).data(event(recorded).to_string())
}

pub(super) fn event(recorded: &Recorded) -> Value {
    let event = &recorded.event;
    let (kind, between) = describe(&event.change);
    let (from, to) = between.unzip();
    json!({
        "id": recorded.id,
        "at": time(event.at),
        "kind": kind,
        "cluster": event.cluster.as_str(),
        "endpoint": event.endpoint.as_ref().map(EndpointName::as_str),
        "plugin": plugin_of(&event.change).map(PluginName::as_str),
        "from": from,
        "to": to,
        "cause": event.cause,
    })
}

/// A moment as the API shows it.
pub(super) fn time(at: SystemTime) -> Option<String> {
    Timestamp::try_from(at).map(|at| at.to_string()).ok()
}
