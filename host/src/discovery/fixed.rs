//! The endpoints that the configuration names.

use crate::config::Config;
use crate::model::Catalog;

/// The catalog of a configuration: every cluster, with the endpoints that the file gives it.
pub fn fixed(config: &Config) -> Catalog {
    config.clusters.iter().map(|(name, cluster)| (name.clone(), cluster.endpoints.clone())).collect()
}
