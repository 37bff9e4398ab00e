//! `POST /strategy?strategy=NAME[&cluster=C]`: has another strategy choose, without a restart and without an edit. A JSON
//! body, if there is one, is its configuration.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::asked::Asked;
use super::clusters;
use super::problem::Problem;
use super::server::Shared;
use crate::config::StrategySpec;
use crate::model::{ClusterName, PluginName};
use crate::plugin::SeatError;

#[derive(Deserialize)]
pub(super) struct Wanted {
    strategy: Option<String>,
    cluster: Option<String>,
}

/// Switches one cluster, or every cluster when none is named: all of them, or none.
pub(super) async fn switch(
    State(shared): State<Shared>,
    Asked(wanted): Asked<Wanted>,
    body: Bytes,
) -> Result<Json<Value>, Problem> {
    let name = wanted.strategy.ok_or_else(|| Problem::bad_request("say which: `?strategy=NAME`"))?;
    let plugin = PluginName::new(&name).map_err(|error| Problem::bad_request(format!("strategy: {error}")))?;
    let spec = StrategySpec { plugin, config: config(&body)? };
    let clusters = wanted_clusters(&shared, wanted.cluster.as_deref())?;
    shared.supervisor.switch(clusters.clone(), spec.clone()).await.map_err(|error| match &error {
        SeatError::Unknown { .. } => Problem::not_found(error.to_string()),
        _ => Problem::unprocessable(error.to_string()),
    })?;
    let clusters: Vec<_> = clusters.iter().map(ClusterName::as_str).collect();
    Ok(Json(json!({ "strategy": clusters::strategy(&spec), "clusters": clusters })))
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

/// The configuration in a body, as JSON text; an empty body is an empty table.
fn config(body: &[u8]) -> Result<String, Problem> {
    if body.trim_ascii().is_empty() {
        return Ok("{}".to_owned());
    }
    let table: Map<String, Value> = serde_json::from_slice(body).map_err(|error| {
        Problem::bad_request(format!("the body is the strategy's configuration, a JSON object: {error}"))
    })?;
    Ok(Value::Object(table).to_string())
}
