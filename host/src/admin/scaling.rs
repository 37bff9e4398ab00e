//! How many nodes a scaled cluster has. `GET /api/scale` and `POST /api/scale`: all of them with their nodes, and another
//! count. `GET /rep`, `POST /add` and `DELETE /rm`: the same by names, in the words of the small API, which says with each
//! answer whether it is one.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::asked::{Asked, Sent};
use super::problem::Problem;
use super::server::Shared;
use crate::model::ClusterName;
use crate::scaling::{Ask, NodeStatus, ScaleError, Scaler, Status};

/// The scalers of this moment.
type Scalers = watch::Receiver<Arc<BTreeMap<ClusterName, Arc<Scaler>>>>;

/// The paths.
pub(super) fn routes(shared: &Shared) -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(show, scale))
        .routes(routes!(rep))
        .routes(routes!(add))
        .routes(routes!(rm))
        .with_state(shared.scalers.clone())
}

/// All clusters that are scaled.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ScaledClusters)]
pub(crate) struct Scaled {
    pub(crate) clusters: Vec<ScaledCluster>,
}

/// A cluster whose number of nodes is kept up.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ScaledCluster {
    pub(crate) cluster: String,
    /// How long the next change of the count is refused.
    pub(crate) cooldown_s: f64,
    /// How many nodes there are to be.
    pub(crate) desired: usize,
    /// What is wrong with the cluster's scaling as a whole.
    pub(crate) error: Option<String>,
    pub(crate) least: u32,
    pub(crate) most: u32,
    /// The names of the nodes that there are to be.
    pub(crate) names: Vec<String>,
    pub(crate) nodes: Vec<ScaledNode>,
}

/// A node of a scaled cluster.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ScaledNode {
    /// Where it listens, while it runs.
    pub(crate) address: Option<String>,
    /// What went wrong with it last, until it passes a check.
    pub(crate) error: Option<String>,
    pub(crate) name: String,
    pub(crate) state: &'static str,
}

/// A cluster in the words of the small API.
#[derive(Debug, Serialize, ToSchema)]
struct Replicas {
    message: ReplicaNames,
    servers: Vec<Server>,
    /// `successful`; otherwise it is a problem with `failure` in its place.
    status: &'static str,
}

/// How many nodes there are, and their names.
#[derive(Debug, Serialize, ToSchema)]
struct ReplicaNames {
    #[serde(rename = "N")]
    n: usize,
    replicas: Vec<String>,
}

/// A node in the words of the small API.
#[derive(Debug, Serialize, ToSchema)]
struct Server {
    address: Option<String>,
    name: String,
    state: &'static str,
}

/// A problem in the words of the small API.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct Failure {
    detail: String,
    /// The same as `detail`.
    message: String,
    /// `failure`.
    status: String,
    title: Option<String>,
    #[schema(rename = "type")]
    kind: String,
}

/// Another count: this one, or one more or fewer.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WantedScale)]
struct Wanted {
    /// Which, where several are scaled.
    cluster: Option<String>,
    /// So many.
    count: Option<u32>,
    /// One more, or one fewer, in place of `count`.
    action: Option<Action>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ScaleAction)]
enum Action {
    Add,
    Remove,
}

/// Which cluster, where several are scaled.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// The cluster; it need not be named when only one is scaled.
    cluster: Option<String>,
}

/// Nodes by name: those named, and others up to `n`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NamedNodes)]
struct Named {
    /// How many.
    n: u32,
    /// The names of some of them, or of all.
    #[serde(default)]
    hostnames: Vec<String>,
}

/// All clusters that are scaled, with their nodes.
#[utoipa::path(get, path = "/api/scale", tag = "scaling", responses((status = 200, body = Scaled)))]
async fn show(State(scalers): State<Scalers>) -> Json<Scaled> {
    Json(all(&scalers))
}

/// All clusters that are scaled, as they are now.
pub(crate) fn read(shared: &Shared) -> Scaled {
    all(&shared.scalers)
}

fn all(scalers: &Scalers) -> Scaled {
    Scaled { clusters: scalers.borrow().values().map(|scaler| cluster(&scaler.status())).collect() }
}

/// Another count: this one, or one more or fewer.
#[utoipa::path(post, path = "/api/scale", tag = "scaling", request_body = Wanted, responses(
    (status = 200, body = ScaledCluster),
    (status = 400, description = "The body cannot be read, or says both `count` and `action`, or neither."),
    (status = 404, description = "No such cluster is scaled."),
    (status = 413, description = "The body is longer than is taken."),
    (status = 422, description = "Fewer, or more, than there may be."),
    (status = 429, description = "Too soon after the last change; `Retry-After` says when."),
    (status = 503, description = "The count cannot be kept now."),
))]
async fn scale(State(scalers): State<Scalers>, body: Sent) -> Result<Json<ScaledCluster>, Problem> {
    let wanted: Wanted = body.json()?;
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

/// The nodes of a cluster, in the words of the small API.
#[utoipa::path(get, path = "/rep", tag = "scaling", params(Which), responses(
    (status = 200, body = Replicas),
    (status = 400, body = Failure, content_type = "application/problem+json", description = "Several clusters are scaled: say which."),
    (status = 404, body = Failure, content_type = "application/problem+json", description = "No such cluster is scaled."),
))]
async fn rep(State(scalers): State<Scalers>, which: Result<Asked<Which>, Problem>) -> Result<Json<Replicas>, Problem> {
    let scaler = which.and_then(|which| find_small(&scalers, &which)).map_err(failure)?;
    Ok(Json(replicas(&scaler.status())))
}

/// More nodes, in the words of the small API.
#[utoipa::path(post, path = "/add", tag = "scaling",
    params(Which), request_body = Named, responses(
        (status = 200, body = Replicas),
        (status = 400, body = Failure, content_type = "application/problem+json", description = "The body cannot be read, or asks for what cannot be."),
        (status = 404, body = Failure, content_type = "application/problem+json", description = "No such cluster is scaled."),
        (status = 413, body = Failure, content_type = "application/problem+json", description = "The body is longer than is taken."),
        (status = 503, body = Failure, content_type = "application/problem+json", description = "The count cannot be kept now."),
    ))]
async fn add(
    State(scalers): State<Scalers>,
    which: Result<Asked<Which>, Problem>,
    body: Sent,
) -> Result<Json<Replicas>, Problem> {
    let (scaler, Named { n, hostnames }) = asked(&scalers, which, body).map_err(failure)?;
    let status = scaler.add(count(n), hostnames).await;
    status.map(|status| Json(replicas(&status))).map_err(|error| failure(refused(error)))
}

/// Fewer nodes, in the words of the small API.
#[utoipa::path(delete, path = "/rm", tag = "scaling",
    params(Which), request_body = Named, responses(
        (status = 200, body = Replicas),
        (status = 400, body = Failure, content_type = "application/problem+json", description = "The body cannot be read, or asks for what cannot be."),
        (status = 404, body = Failure, content_type = "application/problem+json", description = "No such cluster is scaled."),
        (status = 413, body = Failure, content_type = "application/problem+json", description = "The body is longer than is taken."),
        (status = 503, body = Failure, content_type = "application/problem+json", description = "The count cannot be kept now."),
    ))]
async fn rm(
    State(scalers): State<Scalers>,
    which: Result<Asked<Which>, Problem>,
    body: Sent,
) -> Result<Json<Replicas>, Problem> {
    let (scaler, Named { n, hostnames }) = asked(&scalers, which, body).map_err(failure)?;
    let status = scaler.remove(count(n), hostnames).await;
    status.map(|status| Json(replicas(&status))).map_err(|error| failure(refused(error)))
}

fn count(n: u32) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

fn asked(scalers: &Scalers, which: Result<Asked<Which>, Problem>, body: Sent) -> Result<(Arc<Scaler>, Named), Problem> {
    Ok((find_small(scalers, &which?)?, body.json()?))
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
fn cluster(status: &Status) -> ScaledCluster {
    let node = |node: &NodeStatus| ScaledNode {
        address: node.address.as_ref().map(ToString::to_string),
        error: node.trouble.clone(),
        name: node.name.to_string(),
        state: node.state.as_str(),
    };
    ScaledCluster {
        cluster: status.cluster.to_string(),
        cooldown_s: status.cooldown_left.map_or(0.0, |left| left.as_secs_f64()),
        desired: status.desired.len(),
        error: status.trouble.clone(),
        least: status.least,
        most: status.most,
        names: names(status),
        nodes: status.nodes.iter().map(node).collect(),
    }
}

/// A cluster as the small API shows it.
fn replicas(status: &Status) -> Replicas {
    let server = |node: &NodeStatus| Server {
        address: node.address.as_ref().map(ToString::to_string),
        name: node.name.to_string(),
        state: node.state.as_str(),
    };
    Replicas {
        message: ReplicaNames { n: status.desired.len(), replicas: names(status) },
        servers: status.nodes.iter().map(server).collect(),
        status: "successful",
    }
}

fn names(status: &Status) -> Vec<String> {
    status.desired.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests;
