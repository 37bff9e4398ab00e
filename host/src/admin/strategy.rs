//! Who chooses. `POST /strategy?strategy=NAME[&cluster=C]` and `PUT /api/clusters/{cluster}/strategy` have another strategy
//! choose, without a restart and without an edit. `GET /api/strategies` and `GET /api/policies` say what there is to choose from.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::asked::{Asked, InPath, Sent};
use super::clusters::{self, Plugged};
use super::hidden;
use super::plugins::{PluginState, used_by};
use super::problem::Problem;
use super::server::Shared;
use crate::config::StrategySpec;
use crate::model::{ClusterName, PluginName};
use crate::plugin::{PluginEntry, SeatError, World, builtins};

/// Which strategy, and where.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// The plugin that is to choose.
    #[param(required = true)]
    strategy: Option<String>,
    /// In which cluster; in all of them where none is named.
    cluster: Option<String>,
}

/// A strategy and its configuration.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = StrategyChoice)]
pub(super) struct Choice {
    /// The plugin that is to choose.
    plugin: String,
    /// Its configuration; an empty one where none is given.
    #[serde(default)]
    config: Map<String, Value>,
}

/// Who chooses from now on, and where.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Switched {
    clusters: Vec<String>,
    strategy: Plugged,
}

/// All strategies that can be chosen.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Strategies {
    pub(crate) strategies: Vec<Offered>,
}

/// All policies that can judge.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Policies {
    pub(crate) policies: Vec<Offered>,
}

/// A plugin that can be put to use.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OfferedPlugin)]
pub(crate) struct Offered {
    /// Where it is used.
    pub(crate) clusters: Vec<String>,
    pub(crate) name: String,
    pub(crate) state: PluginState,
    /// What it does, in its own words; null until it is used for the first time.
    pub(crate) summary: Option<String>,
    pub(crate) version: Option<String>,
}

/// All strategies that can be chosen.
#[utoipa::path(get, path = "/api/strategies", tag = "clusters", responses((status = 200, body = Strategies)))]
pub(super) async fn strategies(State(shared): State<Shared>) -> Json<Strategies> {
    Json(read_strategies(&shared))
}

/// All policies that can judge.
#[utoipa::path(get, path = "/api/policies", tag = "clusters", responses((status = 200, body = Policies)))]
pub(super) async fn policies(State(shared): State<Shared>) -> Json<Policies> {
    Json(read_policies(&shared))
}

/// The strategies of this moment.
pub(crate) fn read_strategies(shared: &Shared) -> Strategies {
    Strategies { strategies: offered(shared, World::RoutingStrategy) }
}

/// The policies of this moment.
pub(crate) fn read_policies(shared: &Shared) -> Policies {
    Policies { policies: offered(shared, World::HealthPolicy) }
}

/// The plugins of one kind that could be put to use.
fn offered(shared: &Shared, world: World) -> Vec<Offered> {
    let plugins = shared.supervisor.registry().read();
    let offered = plugins.iter().filter(|(name, entry)| is_of(name, entry) == Some(world));
    offered
        .filter(|(_, entry)| !entry.disabled)
        .map(|(name, entry)| {
            let about = entry.current.as_ref().map(|current| &current.about);
            Offered {
                clusters: used_by(shared, name),
                name: name.to_string(),
                state: PluginState::of(entry),
                summary: about.map(|about| about.summary.clone()),
                version: about.map(|about| about.version.clone()),
            }
        })
        .collect()
}

/// What kind of plugin it is; none for a name of which nothing was ever taken.
fn is_of(name: &PluginName, entry: &PluginEntry) -> Option<World> {
    match &entry.current {
        Some(current) => Some(current.artifact.world()),
        None => builtins().find(|(builtin, _)| builtin == name).map(|(_, bytes)| World::embedded(bytes)),
    }
}

/// Switches one cluster, or every cluster when none is named: all of them, or none. A body, if there is one, is the
/// configuration.
#[utoipa::path(post, path = "/strategy", tag = "clusters", params(Wanted),
    request_body(content = inline(Option<Map<String, Value>>), description = "The strategy's configuration.", content_type = "application/json"),
    responses(
        (status = 200, body = Switched),
        (status = 400, description = "No strategy is named, or the body is no JSON object."),
        (status = 404, description = "No such strategy, or no such cluster."),
        (status = 409, description = "The plugin is disabled."),
        (status = 413, description = "The configuration is longer than is taken."),
        (status = 422, description = "The strategy does not want this configuration."),
    ))]
pub(super) async fn switch(
    State(shared): State<Shared>,
    Asked(wanted): Asked<Wanted>,
    Sent(body): Sent,
) -> Result<Json<Switched>, Problem> {
    let name = wanted.strategy.ok_or_else(|| Problem::bad_request("say which: `?strategy=NAME`"))?;
    let clusters = wanted_clusters(&shared, wanted.cluster.as_deref())?;
    let spec = spec(&shared, &clusters, &name, config(&body?)?)?;
    switched(&shared, clusters, spec).await
}

/// Has another strategy choose in a cluster.
///
/// Without a restart and without an edit: it stays until the file itself says something else.
#[utoipa::path(put, path = "/api/clusters/{cluster}/strategy", tag = "clusters", params(("cluster" = String, Path)),
    request_body = Choice,
    responses(
        (status = 200, body = Switched),
        (status = 400, description = "The body cannot be read."),
        (status = 404, description = "No such strategy, or no such cluster."),
        (status = 409, description = "The plugin is disabled."),
        (status = 413, description = "The body is longer than is taken."),
        (status = 422, description = "The strategy does not want this configuration."),
    ))]
pub(super) async fn choose(
    State(shared): State<Shared>,
    InPath(cluster): InPath<String>,
    body: Sent,
) -> Result<Json<Switched>, Problem> {
    let Choice { plugin, config } = body.json()?;
    let clusters = wanted_clusters(&shared, Some(&cluster))?;
    let spec = spec(&shared, &clusters, &plugin, config)?;
    switched(&shared, clusters, spec).await
}

/// A strategy for some clusters. A secret in its configuration may be as it is shown: it is the one that is there at present.
fn spec(
    shared: &Shared,
    clusters: &[ClusterName],
    plugin: &str,
    config: Map<String, Value>,
) -> Result<StrategySpec, Problem> {
    let plugin = PluginName::new(plugin).map_err(|error| Problem::bad_request(format!("strategy: {error}")))?;
    let assignments = shared.supervisor.assignments();
    let present: Vec<_> = clusters.iter().map(|cluster| assignments.get(cluster).cloned()).collect();
    let config = hidden::meant(plugin.as_str(), config, &present).ok_or_else(|| {
        Problem::unprocessable(
            "a value is hidden, and there is no present one in its place: write it out, or leave it out",
        )
    })?;
    Ok(StrategySpec { plugin, config: config.to_string() })
}

async fn switched(shared: &Shared, clusters: Vec<ClusterName>, spec: StrategySpec) -> Result<Json<Switched>, Problem> {
    shared.supervisor.switch(clusters.clone(), spec.clone()).await.map_err(|error| match &error {
        SeatError::Unknown { .. } => Problem::not_found(error.to_string()),
        SeatError::Disabled { .. } => Problem::conflict(error.to_string()),
        _ => Problem::unprocessable(error.to_string()),
    })?;
    let clusters = clusters.iter().map(ToString::to_string).collect();
    Ok(Json(Switched { clusters, strategy: clusters::strategy(&spec) }))
}

fn wanted_clusters(shared: &Shared, wanted: Option<&str>) -> Result<Vec<ClusterName>, Problem> {
    let served = shared.served();
    let all = || served.clusters.keys().map(ClusterName::as_str).collect::<Vec<_>>().join(", ");
    match wanted {
        None => Ok(served.clusters.keys().cloned().collect()),
        Some(name) => match served.clusters.get_key_value(name) {
            Some((cluster, _)) => Ok(vec![cluster.clone()]),
            None => Err(Problem::not_found(format!("no cluster is named `{name}`; there are: {}", all()))),
        },
    }
}

/// The configuration in a body; an empty body is an empty table.
fn config(body: &Bytes) -> Result<Map<String, Value>, Problem> {
    if body.trim_ascii().is_empty() {
        return Ok(Map::new());
    }
    serde_json::from_slice(body).map_err(|error| {
        Problem::bad_request(format!("the body is the strategy's configuration, a JSON object: {error}"))
    })
}
