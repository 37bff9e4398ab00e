//! What operators have done about the nodes of a replicated database. `POST /api/sql/{entry}/rebuild/{node}` fills a node anew
//! from another, `POST /api/sql/{entry}/verify` compares all that are up: both go on by themselves, and how far they are is in
//! `GET /api/sql`. `POST /api/sql/{entry}/trust/{node}` takes a node for right where there is no other to go by.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::asked::Asked;
use super::problem::Problem;
use super::server::Shared;
use crate::sql::replica::{
    Check, Difference, Digest, NoRebuild, NoTrust, Running, Sequencer, Stage, TableReport, VerifyReport,
};

/// Where it is seen how far things are.
const SEEN: &str = "/api/sql";

pub(super) async fn rebuild(
    State(shared): State<Shared>,
    Path((entry, node)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let done = sequencer(&shared, &entry)?.rebuild(&node).await;
    done.map_err(|error| match error {
        NoRebuild::Unknown(_) => Problem::not_found(error.to_string()),
        _ => Problem::conflict(error.to_string()),
    })?;
    Ok(begun(json!({ "entry": entry, "node": node, "see": SEEN })))
}

pub(super) async fn verify(State(shared): State<Shared>, Path(entry): Path<String>) -> Result<Response, Problem> {
    sequencer(&shared, &entry)?.verify().map_err(|error| Problem::conflict(error.to_string()))?;
    Ok(begun(json!({ "entry": entry, "see": SEEN })))
}

/// How a node is to be trusted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Trusting {
    /// Whatever those hold that do not answer.
    #[serde(default)]
    force: bool,
}

pub(super) async fn trust(
    State(shared): State<Shared>,
    Path((entry, node)): Path<(String, String)>,
    Asked(how): Asked<Trusting>,
) -> Result<Json<Value>, Problem> {
    let position = sequencer(&shared, &entry)?.trust(&node, how.force).await.map_err(|error| match error {
        NoTrust::Unknown(_) => Problem::not_found(error.to_string()),
        _ => Problem::conflict(error.to_string()),
    })?;
    Ok(Json(json!({ "entry": entry, "node": node, "position": position.0 })))
}

/// Who writes to an entry's nodes.
fn sequencer(shared: &Shared, name: &str) -> Result<Arc<Sequencer>, Problem> {
    let served = shared.served();
    let Some(found) = served.sql.get(name) else {
        let all: Vec<&str> = served.sql.keys().map(|entry| entry.as_str()).collect();
        return Err(Problem::not_found(format!("no SQL entry is named `{name}`; there are: {}", all.join(", "))));
    };
    let Some(seat) = found.entry.seat() else {
        return Err(Problem::conflict(format!("the nodes of `{name}` are not replicated")));
    };
    match seat.stage() {
        Stage::Open(sequencer) => Ok(sequencer),
        stage => Err(Problem::conflict(stage.why().unwrap_or_default())),
    }
}

fn begun(body: Value) -> Response {
    let mut response = (StatusCode::ACCEPTED, Json(body)).into_response();
    response.headers_mut().insert(header::LOCATION, HeaderValue::from_static(SEEN));
    response
}

/// A comparison, as `GET /api/sql` shows it.
pub(super) fn check(check: &Check) -> Value {
    match check {
        Check::Running(Running { position, done, tables, table, rows }) => json!({
            "state": "running",
            "position": position.map(|position| position.0),
            "done": done,
            "tables": tables,
            "table": table,
            "rows": rows,
        }),
        Check::Failed { why } => json!({ "state": "failed", "why": why }),
        Check::Done(report) => json!({
            "state": "done",
            "equal": report.is_equal(),
            "position": report.position.0,
            "nodes": report.nodes,
            "left_out": report.left_out.iter().map(|(node, why)| json!({ "node": node, "why": why })).collect::<Vec<_>>(),
            "held_ms": report.held.as_secs_f64() * 1000.0,
            "took_ms": report.took.as_secs_f64() * 1000.0,
            "tables": report.tables.iter().map(|one| table(report, one)).collect::<Vec<_>>(),
        }),
    }
}

fn table(report: &VerifyReport, table: &TableReport) -> Value {
    let found = report.nodes.iter().zip(&table.found).map(|(node, found)| digest(node, found.as_ref()));
    let difference = |difference: &Difference| match difference {
        Difference::Missing => json!({ "kind": "missing" }),
        Difference::Columns(found) => {
            let found =
                report.nodes.iter().zip(found).map(|(node, columns)| json!({ "node": node, "columns": columns }));
            json!({ "kind": "columns", "nodes": found.collect::<Vec<_>>() })
        }
        Difference::Rows { after, through, found } => {
            let found = report.nodes.iter().zip(found).map(|(node, found)| digest(node, Some(found)));
            json!({ "kind": "rows", "after": after, "through": through, "nodes": found.collect::<Vec<_>>() })
        }
    };
    json!({
        "name": table.name,
        "equal": table.differences.is_empty(),
        "nodes": found.collect::<Vec<_>>(),
        "differences": table.differences.iter().map(difference).collect::<Vec<_>>(),
        // Those that are not listed.
        "more": table.more,
    })
}

/// What a node has; no rows and no hash where it has no such table.
fn digest(node: &str, found: Option<&Digest>) -> Value {
    json!({
        "node": node,
        "rows": found.map(|found| found.rows),
        "hash": found.map(|found| format!("{:032x}", found.sum)),
    })
}
