//! A cluster that is live: a name and an atomic pointer to its roster.

use std::sync::Arc;
use std::time::Instant;

use arc_swap::{ArcSwap, Guard};

use super::roster::Roster;
use crate::model::{ClusterName, EndpointSpec};

/// A cluster's roster over time. One writer; any number of readers.
#[derive(Debug)]
pub struct LiveCluster {
    name: ClusterName,
    roster: ArcSwap<Roster>,
}

impl LiveCluster {
    /// A cluster without members.
    pub fn new(name: ClusterName) -> Self {
        Self { name, roster: ArcSwap::default() }
    }

    /// Its name.
    pub fn name(&self) -> &ClusterName {
        &self.name
    }

    /// The roster of this moment.
    pub fn roster(&self) -> Guard<Arc<Roster>> {
        self.roster.load()
    }

    /// Takes over what the catalog says; tells whether anything changed.
    pub fn update(&self, specs: &[EndpointSpec], now: Instant) -> bool {
        match self.roster.load().updated(specs, now) {
            Some(next) => {
                self.roster.store(Arc::new(next));
                true
            }
            None => false,
        }
    }
}
