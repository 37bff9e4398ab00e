//! Where each cluster's endpoints come from, as the directory is to follow it: what the file names, what it says to follow,
//! and the nodes that are kept up for the cluster.

use std::sync::Arc;

use tokio::sync::watch;

use super::crews::{Crews, Scalers};
use crate::config::{Cluster, Config, SourceSpec};
use crate::discovery::{Following, Seen, Sight, Source, SourceKey, Wanted, Wish, source_of};
use crate::model::ClusterName;
use crate::scaling::Scaler;

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

/// The nodes that are kept up for a cluster, by whoever keeps them up at the moment. They are never out of sight.
struct Nodes {
    cluster: ClusterName,
    scalers: watch::Receiver<Arc<Scalers>>,
}

impl Source for Nodes {
    fn follow<'a>(&'a self, sight: &'a Sight) -> Following<'a> {
        let mut scalers = self.scalers.clone();
        Box::pin(async move {
            loop {
                let scaler = scalers.borrow_and_update().get(&self.cluster).cloned();
                let is_other =
                    |now: &Scalers| now.get(&self.cluster).map(Arc::as_ptr) != scaler.as_ref().map(Arc::as_ptr);
                let other = async {
                    if scalers.wait_for(|now| is_other(now)).await.is_err() {
                        // At the end of the process nobody comes after.
                        std::future::pending().await
                    }
                };
                tokio::select! {
                    () = other => {}
                    () = tell(scaler.as_deref(), sight) => {}
                }
            }
        })
    }
}

/// Tells of the nodes that a scaler keeps up, for ever: who comes after it is told of anew.
async fn tell(scaler: Option<&Scaler>, sight: &Sight) {
    if let Some(scaler) = scaler {
        let mut nodes = scaler.nodes();
        nodes.mark_changed();
        while nodes.changed().await.is_ok() {
            let endpoints = nodes.borrow_and_update().clone();
            if let Some(endpoints) = endpoints {
                sight.sees(Seen { endpoints, skipped: Vec::new() });
            }
        }
    }
    std::future::pending().await
}
