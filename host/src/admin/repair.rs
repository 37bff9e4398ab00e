//! What operators have done about the nodes of a replicated database. `POST /api/sql/{entry}/rebuild/{node}` fills a node anew
//! from another, `POST /api/sql/{entry}/verify` compares all that are up: both go on by themselves, and how far they are is in
//! `GET /api/sql`. `POST /api/sql/{entry}/trust/{node}` takes a node for right where there is no other to go by.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::asked::{Asked, InPath};
use super::problem::Problem;
use super::server::Shared;
use super::sql;
use crate::sql::replica::{NoRebuild, NoTrust, Sequencer, Stage};

/// Where it is seen how far things are.
const SEEN: &str = "/api/sql";

/// Something that goes on by itself.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Begun {
    entry: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<String>,
    /// The path where it is seen how far it is.
    see: &'static str,
}

/// A node that is taken for right.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Trusted {
    entry: String,
    node: String,
    /// Up to where it has applied the log.
    position: u64,
}

/// An answer to what goes on by itself.
type Accepted = (StatusCode, [(HeaderName, &'static str); 1], Json<Begun>);

/// Fills a node anew from another.
#[utoipa::path(post, path = "/api/sql/{entry}/rebuild/{node}", tag = "sql",
    params(("entry" = String, Path), ("node" = String, Path)),
    responses(
        (status = 202, body = Begun, description = "It goes on; `GET /api/sql` says how far it is."),
        (status = 400, description = "A name that is no text."),
        (status = 404, description = "No such entry, or no such node."),
        (status = 409, description = "As things stand it cannot be done."),
    ))]
pub(super) async fn rebuild(
    State(shared): State<Shared>,
    InPath((entry, node)): InPath<(String, String)>,
) -> Result<Accepted, Problem> {
    let done = sequencer(&shared, &entry)?.rebuild(&node).await;
    done.map_err(|error| match error {
        NoRebuild::Unknown(_) => Problem::not_found(error.to_string()),
        _ => Problem::conflict(error.to_string()),
    })?;
    Ok(begun(entry, Some(node)))
}

/// Compares all nodes that are up.
#[utoipa::path(post, path = "/api/sql/{entry}/verify", tag = "sql", params(("entry" = String, Path)), responses(
    (status = 202, body = Begun, description = "It goes on; `GET /api/sql` says how far it is."),
    (status = 400, description = "A name that is no text."),
    (status = 404, description = "No such entry."),
    (status = 409, description = "As things stand it cannot be done."),
))]
pub(super) async fn verify(State(shared): State<Shared>, InPath(entry): InPath<String>) -> Result<Accepted, Problem> {
    sequencer(&shared, &entry)?.verify().map_err(|error| Problem::conflict(error.to_string()))?;
    Ok(begun(entry, None))
}

/// How a node is to be trusted.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Trusting {
    /// Whatever those hold that do not answer.
    #[serde(default)]
    #[param(required = false)]
    force: bool,
}

/// Takes a node for right where there is no other to go by.
#[utoipa::path(post, path = "/api/sql/{entry}/trust/{node}", tag = "sql",
    params(("entry" = String, Path), ("node" = String, Path), Trusting),
    responses(
        (status = 200, body = Trusted),
        (status = 400, description = "The query cannot be read."),
        (status = 404, description = "No such entry, or no such node."),
        (status = 409, description = "There is a better one to go by, or others do not answer."),
    ))]
pub(super) async fn trust(
    State(shared): State<Shared>,
    InPath((entry, node)): InPath<(String, String)>,
    Asked(how): Asked<Trusting>,
) -> Result<Json<Trusted>, Problem> {
    let position = sequencer(&shared, &entry)?.trust(&node, how.force).await.map_err(|error| match error {
        NoTrust::Unknown(_) => Problem::not_found(error.to_string()),
        _ => Problem::conflict(error.to_string()),
    })?;
    Ok(Json(Trusted { entry, node, position: position.0 }))
}

/// Who writes to an entry's nodes.
fn sequencer(shared: &Shared, name: &str) -> Result<Arc<Sequencer>, Problem> {
    let found = sql::find(shared, name)?;
    let Some(seat) = found.entry.seat() else {
        return Err(Problem::conflict(format!("the nodes of `{name}` are not replicated")));
    };
    match seat.stage() {
        Stage::Open(sequencer) => Ok(sequencer),
        stage => Err(Problem::conflict(stage.why().unwrap_or_default())),
    }
}

fn begun(entry: String, node: Option<String>) -> Accepted {
    (StatusCode::ACCEPTED, [(header::LOCATION, SEEN)], Json(Begun { entry, node, see: SEEN }))
}
