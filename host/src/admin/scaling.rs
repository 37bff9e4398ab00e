//! How many nodes a scaled cluster has. `GET /api/scale` and `POST /api/scale`: all of them with their nodes, and another
//! count. `GET /rep`, `POST /add` and `DELETE /rm`: the same by names, in the words of the small API, which says with each
//! answer whether it is one.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::asked::Asked;
use super::problem::Problem;
use super::server::Shared;
use crate::model::{Address, ClusterName, EndpointName};
use crate::scaling::{Ask, NodeStatus, ScaleError, Scaler, Status};

/// The scalers of this moment.
type Scalers = watch::Receiver<Arc<BTreeMap<ClusterName, Arc<Scaler>>>>;

/// What was sent, unless it was too much.
type Body = Result<Bytes, BytesRejection>;

/// The paths.
pub(super) fn routes(shared: &Shared) -> Router<Shared> {
    Router::new()
        .route("/api/scale", get(show).post(scale))
        .route("/rep", get(rep))
        .route("/add", post(add))
        .route("/rm", delete(rm))
        .with_state(shared.scalers.clone())
}

/// Another count: this one, or one more or fewer.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    cluster: Option<String>,
    count: Option<u32>,
    action: Option<Action>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    Add,
    Remove,
}

/// Which cluster, where several are scaled.
#[derive(Deserialize)]
struct Which {
    cluster: Option<String>,
}

/// Nodes by name: those named, and others up to `n`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    n: u32,
    #[serde(default)]
    hostnames: Vec<String>,
}

async fn show(State(scalers): State<Scalers>) -> Json<Value> {
    let clusters = scalers.borrow().values().map(|scaler| cluster(&scaler.status())).collect::<Vec<_>>();
    Json(json!({ "clusters": clusters }))
}

async fn scale(State(scalers): State<Scalers>, body: Body) -> Result<Json<Value>, Problem> {
    let wanted: Wanted = read(body)?;
    let ask = match (wanted.count, wanted.action) {
        (Some(count), None) => Ask::Count(count),
        (None, Some(Action::Add)) => Ask::Add,
        (None, Some(Action::Remove)) => Ask::Remove,
        _ => return Err(Problem::bad_request("say either `count`, or `action`: \"add\" or \"remove\"")),
    };
    let scaler = find(&scalers, wanted.cluster.as_deref(), "`cluster` in the body")?;
    let status = scaler.scale(ask).await.map_err(|error| match error {
        ScaleError::Desired(_) => Problem::unprocessable(error.to_string()),
        other => refused(other),
    })?;
    Ok(Json(cluster(&status)))
}

async fn rep(State(scalers): State<Scalers>, which: Result<Asked<Which>, Problem>) -> Result<Json<Value>, Problem> {
    let scaler = which.and_then(|which| find_small(&scalers, &which)).map_err(failure)?;
    Ok(Json(replicas(&scaler.status())))
}

async fn add(
    State(scalers): State<Scalers>,
    which: Result<Asked<Which>, Problem>,
    body: Body,
) -> Result<Json<Value>, Problem> {
    let (scaler, Named { n, hostnames }) = asked(&scalers, which, body).map_err(failure)?;
    let status = scaler.add(count(n), hostnames).await;
    status.map(|status| Json(replicas(&status))).map_err(|error| failure(refused(error)))
}

async fn rm(
    State(scalers): State<Scalers>,
    which: Result<Asked<Which>, Problem>,
    body: Body,
) -> Result<Json<Value>, Problem> {
    let (scaler, Named { n, hostnames }) = asked(&scalers, which, body).map_err(failure)?;
    let status = scaler.remove(count(n), hostnames).await;
    status.map(|status| Json(replicas(&status))).map_err(|error| failure(refused(error)))
}

fn count(n: u32) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

fn asked(scalers: &Scalers, which: Result<Asked<Which>, Problem>, body: Body) -> Result<(Arc<Scaler>, Named), Problem> {
    Ok((find_small(scalers, &which?)?, read(body)?))
}

fn find_small(scalers: &Scalers, Asked(which): &Asked<Which>) -> Result<Arc<Scaler>, Problem> {
    find(scalers, which.cluster.as_deref(), "`?cluster=`")
}

/// The scaler of that cluster; it need not be named when there is only one.
fn find(scalers: &Scalers, wanted: Option<&str>, how: &str) -> Result<Arc<Scaler>, Problem> {
    let scalers = scalers.borrow();
    let all = || scalers.keys().map(ClusterName::as_str).collect::<Vec<_>>().join(", ");
    match (wanted, scalers.len()) {
        (_, 0) => Err(Problem::not_found("no cluster is scaled: none has `scaling` in the configuration")),
        (Some(name), _) => scalers.get(name).cloned().ok_or_else(|| {
            Problem::not_found(format!("no cluster named `{name}` is scaled; those that are: {}", all()))
        }),
        (None, 1) => scalers.values().next().cloned().ok_or_else(|| Problem::not_found("no cluster is scaled")),
        (None, _) => Err(Problem::bad_request(format!("several clusters are scaled: say {how}, one of: {}", all()))),
    }
}

fn read<T: DeserializeOwned>(body: Body) -> Result<T, Problem> {
    let unread = |why: String| Problem::bad_request(format!("the body cannot be read: {why}"));
    let body = body.map_err(|error| unread(error.body_text()))?;
    serde_json::from_slice(&body).map_err(|error| unread(error.to_string()))
}

/// What a scaler does not do, as both APIs say it.
fn refused(error: ScaleError) -> Problem {
    let detail = error.to_string();
    match error {
        ScaleError::Desired(_) => Problem::bad_request(detail),
        ScaleError::Cooldown { left } => Problem::too_soon(detail, left),
        ScaleError::Store(_) => Problem::unavailable(detail),
        ScaleError::Gone => Problem::not_found(detail),
    }
}

/// A problem in the words of the small API.
fn failure(problem: Problem) -> Problem {
    let message = problem.detail().to_owned();
    problem.saying("message", message).saying("status", "failure")
}

/// A cluster as `/api/scale` shows it.
pub(super) fn cluster(status: &Status) -> Value {
    let node = |node: &NodeStatus| {
        json!({
            "name": node.name.as_str(),
            "address": node.address.as_ref().map(Address::to_string),
            "state": node.state.as_str(),
            "error": node.trouble,
        })
    };
    json!({
        "cluster": status.cluster.as_str(),
        "desired": status.desired.len(),
        "names": names(status),
        "least": status.least,
        "most": status.most,
        "nodes": status.nodes.iter().map(node).collect::<Vec<_>>(),
        "cooldown_s": status.cooldown_left.map_or(0.0, |left| left.as_secs_f64()),
        "error": status.trouble,
    })
}

/// A cluster as the small API shows it.
fn replicas(status: &Status) -> Value {
    let server = |node: &NodeStatus| {
        json!({
            "name": node.name.as_str(),
            "address": node.address.as_ref().map(Address::to_string),
            "state": node.state.as_str(),
        })
    };
    json!({
        "message": { "N": status.desired.len(), "replicas": names(status) },
        "servers": status.nodes.iter().map(server).collect::<Vec<_>>(),
        "status": "successful",
    })
}

fn names(status: &Status) -> Vec<&str> {
    status.desired.iter().map(EndpointName::as_str).collect()
}

#[cfg(test)]
mod tests;
