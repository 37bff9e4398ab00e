//! Clusters, as they are shown: who chooses and judges, where the endpoints come from, what they may take.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{HIDDEN, hidden, plugged};
use crate::config::{
    Check, CheckKind, Circuit, Cluster, DnsQuery, DriverSpec, Failures, Health, Retry, Scaling, SourceSpec, written,
};
use crate::model::{EndpointSpec, StatusSet};

pub(super) fn read(cluster: &Cluster) -> Value {
    let pool = &cluster.pool;
    let (timeouts, capacity) = (&cluster.timeouts, &cluster.capacity);
    json!({
        "strategy": plugged(cluster.strategy.plugin.as_str(), &cluster.strategy.config),
        "endpoints": cluster.endpoints.iter().map(endpoint).collect::<Vec<_>>(),
        "discovery": cluster.sources.iter().map(source).collect::<Map<_, _>>(),
        "scaling": cluster.scaling.as_ref().map(scaling),
        "pool": {
            "max_idle": pool.max_idle,
            "idle_timeout": written(pool.idle_timeout),
            "max_connections": pool.max_connections,
        },
        "timeouts": {
            "connect": written(timeouts.connect),
            "response_header": written(timeouts.response_header),
            "idle_stream": written(timeouts.idle_stream),
        },
        "health": health(&cluster.health),
        "failures": failures(&cluster.failures),
        "circuit": cluster.circuit.as_ref().map(circuit),
        "retry": retry(&cluster.retry),
        "limits": {
            "in_flight": capacity.in_flight,
            "endpoint_in_flight": capacity.endpoint_in_flight,
            "queue": capacity.queue,
            "queue_timeout": written(capacity.queue_timeout),
        },
    })
}

fn endpoint(spec: &EndpointSpec) -> Value {
    json!({
        "name": spec.name.as_str(),
        "address": spec.address.to_string(),
        "weight": spec.weight.get(),
        "labels": spec.labels,
    })
}

fn source(source: &SourceSpec) -> (String, Value) {
    let (kind, shown) = match source {
        SourceSpec::Docker(docker) => {
            let label = &docker.label;
            let label =
                label.value.as_ref().map_or_else(|| label.key.clone(), |value| format!("{}={value}", label.key));
            let shown = json!({
                "engine": docker.engine.0,
                "label": label,
                "network": docker.network,
                "port": docker.port,
                "resync": written(docker.resync),
            });
            ("docker", shown)
        }
        SourceSpec::Redis(redis) => {
            ("redis", json!({ "url": HIDDEN, "prefix": redis.prefix, "resync": written(redis.resync) }))
        }
        SourceSpec::Dns(dns) => {
            let (kind, name, port) = match &dns.query {
                DnsQuery::Addresses { name, port } => ("addresses", name, Some(port)),
                DnsQuery::Services { name } => ("services", name, None),
            };
            let shown = json!({
                "kind": kind,
                "name": name,
                "port": port,
                "server": dns.server,
                "least_interval": written(dns.least_interval),
                "most_interval": written(dns.most_interval),
            });
            ("dns", shown)
        }
    };
    (kind.to_owned(), shown)
}

fn scaling(scaling: &Scaling) -> Value {
    let (driver, template) = match &scaling.driver {
        DriverSpec::Process(process) => {
            let shown = json!({
                "base_port": process.base_port,
                "average_delay": written(process.average_delay),
                "failure_percent": process.failure_percent,
                "statistics": process.statistics,
            });
            ("process", shown)
        }
        DriverSpec::Docker(container) => {
            // What containers are told is often what only they are to know.
            let names = |table: &BTreeMap<String, String>| {
                table.keys().map(|name| (name.clone(), Value::from(HIDDEN))).collect::<Map<_, _>>()
            };
            let shown = json!({
                "engine": container.engine.0,
                "image": container.image,
                "network": container.network,
                "port": container.port,
                "environment": names(&container.environment),
                "labels": names(&container.labels),
            });
            ("docker", shown)
        }
    };
    json!({
        "count": scaling.count,
        "least": scaling.least,
        "most": scaling.most,
        "cooldown": written(scaling.cooldown),
        "check_path": hidden::path(scaling.check_path.as_str()),
        "check_interval": written(scaling.check_interval),
        "check_timeout": written(scaling.check_timeout),
        "replace_after": written(scaling.replace_after),
        driver: template,
    })
}

fn health(health: &Health) -> Value {
    let policies = health.policies.iter().map(|spec| plugged(spec.plugin.as_str(), &spec.config));
    json!({
        "check": health.check.as_ref().map(check),
        "policies": policies.collect::<Vec<_>>(),
        "window": written(health.window),
        "drain_timeout": written(health.drain_timeout),
    })
}

fn check(check: &Check) -> Value {
    let mut shown = json!({
        "interval": written(check.interval),
        "timeout": written(check.timeout),
        "jitter": check.jitter_percent,
        "before_traffic": check.before_traffic,
        "port": check.port,
    });
    let more = match &check.kind {
        CheckKind::Tcp => json!({ "kind": "tcp" }),
        CheckKind::Sql(sql) => json!({ "kind": "sql", "statement": sql.statement }),
        CheckKind::Http(http) => json!({
            "kind": "http",
            "method": http.method.as_str(),
            "path": hidden::path(http.path.as_str()),
            "host": http.host,
            "expect": statuses(&http.expect),
            "body_contains": http.body_contains,
        }),
    };
    if let (Value::Object(shown), Value::Object(more)) = (&mut shown, more) {
        shown.extend(more);
    }
    shown
}

fn failures(failures: &Failures) -> Value {
    json!({
        "connect": failures.connect,
        "timeout": failures.timeout,
        "reset": failures.reset,
        "statuses": statuses(&failures.statuses),
    })
}

fn circuit(circuit: &Circuit) -> Value {
    let ratio = circuit.failure_ratio.map(|ratio| {
        json!({
            "percent": ratio.percent,
            "window": written(ratio.window),
            "least_requests": ratio.least_requests,
        })
    });
    json!({
        "consecutive_failures": circuit.consecutive_failures,
        "failure_ratio": ratio,
        "open_for": written(circuit.open_for),
        "open_at_most": written(circuit.open_at_most),
        "trials": circuit.trials,
    })
}

fn retry(retry: &Retry) -> Value {
    let hedge = retry
        .hedge
        .map(|hedge| json!({ "percentile": hedge.percentile, "after_at_least": written(hedge.after_at_least) }));
    json!({
        "attempts": retry.attempts,
        "per_try_timeout": retry.per_try_timeout.map(written),
        "statuses": statuses(&retry.statuses),
        "backoff": retry.backoff.map(written),
        "buffer_bytes": retry.buffer_bytes,
        "budget": { "percent": retry.budget.percent, "floor": retry.budget.floor },
        "hedge": hedge,
    })
}

/// As in the file: `500`, `500-599`.
fn statuses(set: &StatusSet) -> Vec<String> {
    set.ranges().iter().map(|(from, to)| if from == to { from.to_string() } else { format!("{from}-{to}") }).collect()
}
