//! Listeners and their routes, as they are shown.

use serde_json::{Map, Value, json};

use crate::config::{HostMatch, Limits, Listener, PathMatch, Route, RouteTarget, written};

pub(super) fn read(listener: &Listener) -> Value {
    json!({
        "name": listener.name.as_str(),
        "address": listener.address,
        "header_timeout": written(listener.header_timeout),
        "keep_alive_timeout": written(listener.keep_alive_timeout),
        "limits": limits(&listener.limits),
        "route": listener.routes.iter().map(route).collect::<Vec<_>>(),
    })
}

fn limits(limits: &Limits) -> Value {
    let requests = limits.requests_per_client.map(|rate| json!({ "per_second": rate.per_second, "burst": rate.burst }));
    let rate =
        limits.body_rate.map(|rate| json!({ "bytes_per_second": rate.bytes_per_second, "grace": written(rate.grace) }));
    json!({
        "headers": limits.headers,
        "header_bytes": limits.header_bytes,
        "body_bytes": limits.body_bytes,
        "connections": limits.connections,
        "connections_per_client": limits.connections_per_client,
        "requests_per_client": requests,
        "body_rate": rate,
    })
}

fn route(route: &Route) -> Value {
    let mut shown = Map::new();
    let mut say = |key: &str, value: &str| shown.insert(key.to_owned(), Value::from(value));
    match &route.matches.host {
        HostMatch::Any => None,
        HostMatch::Below(domain) => say("host", &format!("*.{domain}")),
        HostMatch::Exact(host) => say("host", host),
    };
    match &route.matches.path {
        PathMatch::Prefix(path) => say("path_prefix", path),
        PathMatch::Exact(path) => say("path", path),
    };
    match &route.target {
        RouteTarget::Cluster(cluster) => say("cluster", cluster.as_str()),
        RouteTarget::Sql(entry) => say("sql", entry.as_str()),
        RouteTarget::Admin => say("handler", "admin"),
    };
    // What is in a header that is asked for may let one in: only its name is shown.
    let headers = route.matches.headers.iter();
    let headers = headers.map(|(name, _)| (name.to_string(), Value::from(super::HIDDEN)));
    shown.insert("headers".to_owned(), Value::Object(headers.collect()));
    Value::Object(shown)
}
