//! One second's figures, as they are kept and sent.

use std::fmt::Display;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use utoipa::ToSchema;

use super::quantile::quantile;
use crate::model::{ClusterName, SqlName};

/// What passed through a cluster, or through all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Flow {
    /// Responses a second, the host's own included.
    pub per_second: f64,
    /// Of them those of class 5xx; in all of them together also what was refused before a cluster was found for it.
    pub errors_per_second: f64,
    /// Requests at the endpoints now.
    pub in_flight: u64,
    /// Half of the responses took at most so long, from head to head; none where there were none.
    pub p50_ms: Option<f64>,
    /// As `p50_ms`, of 95 in 100.
    pub p95_ms: Option<f64>,
    /// As `p50_ms`, of 99 in 100.
    pub p99_ms: Option<f64>,
}

/// What passed through a SQL entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct SqlFlow {
    /// Statements a second, those that failed included.
    pub per_second: f64,
    /// Statements that failed.
    pub failed_per_second: f64,
    /// Statements under way now.
    pub under_way: u64,
    /// Half of the statements that were answered took at most so long; none where there were none.
    pub p50_ms: Option<f64>,
    /// As `p50_ms`, of 95 in 100.
    pub p95_ms: Option<f64>,
    /// As `p50_ms`, of 99 in 100.
    pub p99_ms: Option<f64>,
}

/// One second.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Point {
    /// Its end, in milliseconds since 1970.
    pub at_ms: u64,
    /// All clusters together.
    pub total: Flow,
    /// Each cluster by its name.
    #[serde(serialize_with = "by_name")]
    #[schema(value_type = std::collections::HashMap<String, Flow>)]
    pub clusters: Vec<(ClusterName, Flow)>,
    /// Each SQL entry by its name.
    #[serde(serialize_with = "by_name")]
    #[schema(value_type = std::collections::HashMap<String, SqlFlow>)]
    pub sql: Vec<(SqlName, SqlFlow)>,
}

/// The 50th, 95th and 99th percentile in milliseconds, of times in microseconds.
pub(super) fn percentiles(bounds: &[u64], counts: &[u64]) -> [Option<f64>; 3] {
    [0.5, 0.95, 0.99].map(|q| quantile(bounds, counts, q).map(|us| thousandths(us / 1000.0)))
}

/// So many in so many seconds.
pub(super) fn rate(count: u64, seconds: f64) -> f64 {
    thousandths(count as f64 / seconds.max(0.001))
}

/// To three places: what is sent each second is to be short.
pub(super) fn thousandths(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// Pairs as an object.
fn by_name<N: Display, T: Serialize, S: Serializer>(pairs: &[(N, T)], to: S) -> Result<S::Ok, S::Error> {
    let mut map = to.serialize_map(Some(pairs.len()))?;
    for (name, value) in pairs {
        map.serialize_entry(&format_args!("{name}"), value)?;
    }
    map.end()
}
