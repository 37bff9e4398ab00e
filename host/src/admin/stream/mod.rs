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

use axum::Json;
use axum::extract::{DefaultBodyLimit, State};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::server::Shared;
use super::statements;
use said::{History, Queries, Query, Works};

pub use live::Live;
pub use maker::run;

/// The paths.
pub(super) fn routes() -> OpenApiRouter<Shared> {
    // The entry knows how much it takes.
    let ask = OpenApiRouter::new().routes(routes!(statements::query)).layer(DefaultBodyLimit::disable());
    OpenApiRouter::new()
        .routes(routes!(history))
        .routes(routes!(progress))
        .routes(routes!(queries))
        .routes(routes!(listener::stream))
        .merge(ask)
}

/// The last ten minutes, second by second.
#[utoipa::path(get, path = "/api/history", tag = "console", responses((status = 200, body = History)))]
async fn history(State(shared): State<Shared>) -> Json<History> {
    Json(History { step_s: 1, points: shared.live.history.read() })
}

/// The statements that have ended last, newest first.
#[utoipa::path(get, path = "/api/queries", tag = "console", responses((status = 200, body = Queries)))]
async fn queries(State(shared): State<Shared>) -> Json<Queries> {
    let ended = shared.recent.after(0, usize::MAX);
    Json(Queries { queries: ended.iter().rev().map(|ended| Query::of(ended)).collect() })
}

/// The work that is under way.
#[utoipa::path(get, path = "/api/progress", tag = "console", responses((status = 200, body = Works)))]
async fn progress(State(shared): State<Shared>) -> Json<Works> {
    Json(Works::now(&shared))
}
