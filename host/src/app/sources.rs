//! Where each cluster's endpoints come from, as the directory is to follow it: what the file names, what it says to follow,
//! and the nodes that are kept up for the cluster.

use std::sync::Arc;

use tokio::sync::watch;

use super::crews::{Crews, Scalers};
use crate::config::{Cluster, Config, SourceSpec};
use crate::discovery::{Following, Seen, Sight, Source, SourceError, SourceKey, Wanted, Wish, source_of};
use crate::model::ClusterName;

/// Everything that a configuration wants to be followed.
pub(super) fn wanted(config: &Config, crews: &Crews) -> Vec<Wanted> {
    let of = |cluster: &Cluster| {
        let followed = |spec: &SourceSpec| Wish { key: SourceKey::Spec(spec.clone()), source: source_of(spec) };
        let nodes = || Nodes { cluster: cluster.name.clone(), scalers: crews.scalers() };
        let kept_up = cluster.scaling.as_ref().map(|_| Wish { key: SourceKey::Scaling, source: Arc::new(nodes()) });
        Wanted {
            cluster: cluster.name.clone(),
            fixed: cluster.endpoints.clone(),
            sources: cluster.sources.iter().map(followed).chain(kept_up).collect(),
        }
    };
    config.clusters.values().map(of).collect()
}

/// The nodes that are kept up for a cluster, by whoever keeps them up at the moment.
struct Nodes {
    cluster: ClusterName,
    scalers: watch::Receiver<Arc<Scalers>>,
}

impl Source for Nodes {
    fn follow<'a>(&'a self, sight: &'a Sight) -> Following<'a> {
        let mut scalers = self.scalers.clone();
        let scaler = scalers.borrow_and_update().get(&self.cluster).cloned();
        Box::pin(async move {
            let Some(scaler) = scaler else { return SourceError::Unreachable("nobody keeps nodes up".to_owned()) };
            let mut nodes = scaler.nodes();
            nodes.mark_changed();
            let is_other = |scalers: &Scalers| !scalers.get(&self.cluster).is_some_and(|now| Arc::ptr_eq(now, &scaler));
            loop {
                tokio::select! {
                    changed = nodes.changed() => match changed {
                        Ok(()) => {
                            let endpoints = nodes.borrow_and_update().clone();
                            if let Some(endpoints) = endpoints {
                                sight.sees(Seen { endpoints, skipped: Vec::new() });
                            }
                        }
                        Err(_) => break,
                    },
                    _ = scalers.wait_for(|scalers| is_other(scalers)) => break,
                }
            }
            SourceError::Unreachable("somebody else keeps the nodes up from now on".to_owned())
        })
    }
}
