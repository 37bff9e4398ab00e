//! SQL entries, as they are shown. Which rows are where is told by `GET /api/sql` in full.

use serde_json::{Value, json};

use super::HIDDEN;
use crate::config::{BackendSpec, ReplicatedSpec, SqlEntry, TopologySpec, written};

pub(super) fn read(entry: &SqlEntry) -> Value {
    let limits = &entry.limits;
    let mut shown = json!({
        "cluster": entry.cluster.as_str(),
        "backend": entry.backend.as_str(),
        "topology": entry.topology.as_str(),
        "limits": {
            "timeout": written(limits.timeout),
            "max_timeout": written(limits.max_timeout),
            "connections": limits.connections,
            "body_bytes": limits.body_bytes,
            "statement_bytes": limits.statement_bytes,
            "gather_rows": limits.gather_rows,
            "gather_bytes": limits.gather_bytes,
            "answer_bytes": limits.answer_bytes,
            "max_shards": limits.max_shards,
            "forbid_scatter": limits.forbid_scatter,
            "cached_plans": limits.cached_plans,
        },
    });
    let more = [server(&entry.backend), topology(&entry.topology)];
    if let Value::Object(shown) = &mut shown {
        more.into_iter()
            .filter_map(|more| match more {
                Value::Object(more) => Some(more),
                _ => None,
            })
            .for_each(|more| shown.extend(more));
    }
    shown
}

/// What a server of databases asks of who connects.
fn server(backend: &BackendSpec) -> Value {
    match backend {
        BackendSpec::Sqlite | BackendSpec::Http => Value::Null,
        BackendSpec::Postgres(of) | BackendSpec::MySql(of) => {
            json!({ "database": of.database, "user": of.user, "password": of.password.as_ref().map(|_| HIDDEN) })
        }
    }
}

fn topology(topology: &TopologySpec) -> Value {
    match topology {
        TopologySpec::Partitioned(spec) => {
            let tables = spec.tables.iter().map(|table| &table.name).collect::<Vec<_>>();
            json!({ "shards": spec.shards, "tables": tables })
        }
        TopologySpec::Split(spec) => {
            json!({ "split": { "table": spec.table, "key": spec.key, "total_records": spec.total_records } })
        }
        TopologySpec::Replicated(spec) => replicated(spec),
    }
}

fn replicated(spec: &ReplicatedSpec) -> Value {
    let lease = spec.lease.as_ref();
    let lease = lease.map(|lease| json!({ "redis": HIDDEN, "prefix": lease.prefix, "term": written(lease.term) }));
    json!({
        "acknowledge": spec.acknowledge.as_str(),
        "log": spec.log,
        "lease": lease,
        "log_bytes": spec.log_bytes,
        "max_lag": spec.max_lag,
        "apply_timeout": written(spec.apply_timeout),
        "writers": spec.writers,
        "trusted": spec.trusted,
    })
}
