//! The catalog: which endpoints each cluster has, as all sources together say. Sources write it whole; nothing edits it.

use std::collections::BTreeMap;

use super::endpoint::EndpointSpec;
use super::names::ClusterName;

/// The endpoints of every cluster, in the order that their source gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog(BTreeMap<ClusterName, Vec<EndpointSpec>>);

impl Catalog {
    /// The endpoints of one cluster; none when nobody knows the cluster.
    pub fn endpoints(&self, cluster: &ClusterName) -> Option<&[EndpointSpec]> {
        self.0.get(cluster).map(Vec::as_slice)
    }

    /// Every cluster that a source named.
    pub fn clusters(&self) -> impl Iterator<Item = &ClusterName> {
        self.0.keys()
    }
}

impl FromIterator<(ClusterName, Vec<EndpointSpec>)> for Catalog {
    fn from_iter<I: IntoIterator<Item = (ClusterName, Vec<EndpointSpec>)>>(clusters: I) -> Self {
        Self(clusters.into_iter().collect())
    }
}
