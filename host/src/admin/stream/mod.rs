//! What the console reads: `GET /api/stream`, server-sent events of all that goes on, and what it asks for besides:
//! `GET /api/history`, `GET /api/queries`, `GET /api/progress`, and a statement of its own (`ask`).
//!
//! One task (`maker`) takes a point of history each second and, while somebody listens, makes each text once for all who do
//! (`overview`, `tick`, `said`); it goes out by a channel (`live`). A listener that does not keep up misses what it did not
//! take, gets how things stand now, and goes on (`listener`).

mod listener;
mod live;
mod maker;
mod overview;
mod said;
mod tick;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::routing::{get, post};
use axum::{Json, response::IntoResponse};
use serde_json::{Value, json};

use super::ask;
use super::server::Shared;

pub use live::Live;
pub use maker::run;

/// The paths.
pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/api/history", get(history))
        .route("/api/progress", get(progress))
        .route("/api/queries", get(queries))
        .route("/api/stream", get(listener::stream))
        // The entry knows how much it takes.
        .route("/api/sql/{entry}/query", post(ask::query).layer(DefaultBodyLimit::disable()))
}

/// The last ten minutes, second by second.
async fn history(State(shared): State<Shared>) -> impl IntoResponse {
    let points = shared.live.history.read();
    let points: Vec<_> = points.iter().map(|point| &**point).collect();
    // Written before it is sent, since what is written is borrowed.
    Json(said::History { step_s: 1, points }).into_response()
}

/// The statements that have ended last, newest first.
async fn queries(State(shared): State<Shared>) -> Json<Value> {
    let ended = shared.recent.after(0, usize::MAX);
    Json(json!({ "queries": ended.iter().rev().map(|ended| said::Query::of(ended)).collect::<Vec<_>>() }))
}

/// The work that is under way.
async fn progress(State(shared): State<Shared>) -> Json<Value> {
    Json(json!({ "work": said::work(&shared) }))
}
