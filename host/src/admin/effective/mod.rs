//! `GET /api/config/effective`: the configuration that serves, with all that was left to defaults and to the environment, by
//! the names that it has in the file. Never a secret: of a password, a token, the address of a Redis (which may hold one), the
//! environment and the labels of containers, the query of a check's path and what `hidden` finds in the configuration of a
//! plugin it says that they are there, and no more.

mod cluster;
mod listener;
mod recording;
mod sql;

use axum::Json;
use axum::extract::State;
use serde_json::{Map, Value, json};

use super::hidden::{self, HIDDEN};
use super::server::Shared;
use crate::config::{Admin, Config, PluginLimits, Plugins, TokenSpec, written};

/// The configuration that serves, by the names that it has in the file. Secrets are not in it.
#[utoipa::path(get, path = "/api/config/effective", tag = "config", responses(
    (status = 200, description = "As in the file; durations are written as there, and secrets are never in it.", body = Object),
))]
pub(super) async fn effective(State(shared): State<Shared>) -> Json<Value> {
    Json(read(&shared.served().config))
}

/// A configuration as it is shown.
fn read(config: &Config) -> Value {
    let clusters = config.clusters.values().map(|one| (one.name.to_string(), cluster::read(one)));
    let entries = config.sql.values().map(|one| (one.name.to_string(), sql::read(one)));
    json!({
        "workers": config.workers,
        "shutdown_timeout": written(config.shutdown_timeout),
        "state": config.state,
        "listener": config.listeners.iter().map(listener::read).collect::<Vec<_>>(),
        "cluster": clusters.collect::<Map<_, _>>(),
        "sql": entries.collect::<Map<_, _>>(),
        "plugins": plugins(&config.plugins),
        "admin": admin(&config.admin),
        "traces": config.recording.traces.as_ref().map(recording::traces),
        "access_log": config.recording.access_log.as_ref().map(recording::access_log),
    })
}

fn plugins(plugins: &Plugins) -> Value {
    let overrides = plugins.overrides.iter().map(|(name, of)| (name.to_string(), limits(of)));
    json!({
        "folder": plugins.folder,
        "cache": plugins.cache,
        "limits": limits(&plugins.limits),
        "override": overrides.collect::<Map<_, _>>(),
    })
}

fn limits(limits: &PluginLimits) -> Value {
    json!({
        "pick_deadline": written(limits.pick_deadline),
        "call_deadline": written(limits.call_deadline),
        "memory_bytes": limits.memory_bytes,
        "table_elements": limits.table_elements,
        "state_bytes": limits.state_bytes,
        "file_bytes": limits.file_bytes,
    })
}

fn admin(admin: &Admin) -> Value {
    let token = |token: &Option<TokenSpec>| match token {
        None => Value::Null,
        Some(TokenSpec::Given(_)) => Value::from(HIDDEN),
        Some(TokenSpec::File(file)) => json!(file),
    };
    json!({
        "address": admin.address,
        "token_file": token(&admin.token),
        "read_only_token_file": token(&admin.read_only_token),
        "allow_without_token": admin.allow_without_token,
    })
}

/// A plugin with its configuration, which is JSON text.
fn plugged(plugin: &str, config: &str) -> Value {
    json!({ "plugin": plugin, "config": hidden::shown(config) })
}
