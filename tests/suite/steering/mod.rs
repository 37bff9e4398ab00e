//! What operators do to endpoints and what they are told: drain and disable, and the events with their causes.

mod events;
mod figures;
mod operators;

use http::Method;
use serde_json::Value;

use crate::world::{Reply, World, eventually, send};

/// Commands an endpoint, as an operator does.
async fn command(world: &World, path: &str) -> Reply {
    send(world.admin(), Method::POST, &format!("/api/endpoints/{path}"), "").await
}

/// What the API shows of an endpoint of the usual cluster; null when it has none of that name.
async fn endpoint(world: &World, name: &str) -> Value {
    endpoint_of(world, "web", name).await
}

/// The same, of any cluster.
async fn endpoint_of(world: &World, cluster: &str, name: &str) -> Value {
    let clusters = world.api("/api/clusters").await;
    let named = |entries: &Value, name: &str| {
        entries.as_array().expect("a list").iter().find(|entry| entry["name"] == name).cloned().unwrap_or_default()
    };
    named(&named(&clusters["clusters"], cluster)["endpoints"], name)
}

/// Waits until an endpoint is in a state.
async fn state(world: &World, name: &str, wanted: &str) -> Value {
    let look = || async { Some(endpoint(world, name).await).filter(|endpoint| endpoint["state"] == wanted) };
    eventually(&format!("{name} is {wanted}"), look).await
}
