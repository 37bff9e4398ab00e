//! What operators do to endpoints and what they are told: drain and disable, and the events with their causes.

mod events;
mod operators;

use http::Method;
use serde_json::Value;

use crate::world::{Reply, World, eventually, send};

/// Commands an endpoint, as an operator does.
async fn command(world: &World, path: &str) -> Reply {
    send(world.admin(), Method::POST, &format!("/api/endpoints/{path}"), "").await
}

/// What the API shows of an endpoint; null when it has none of that name.
async fn endpoint(world: &World, name: &str) -> Value {
    let clusters = world.api("/api/clusters").await;
    let endpoints = clusters["clusters"][0]["endpoints"].as_array().expect("endpoints");
    endpoints.iter().find(|endpoint| endpoint["name"] == name).cloned().unwrap_or_default()
}

/// Waits until an endpoint is in a state.
async fn state(world: &World, name: &str, wanted: &str) -> Value {
    let look = || async { Some(endpoint(world, name).await).filter(|endpoint| endpoint["state"] == wanted) };
    eventually(&format!("{name} is {wanted}"), look).await
}
