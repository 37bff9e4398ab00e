//! The SQL entries: made of a configuration and the wards of their clusters, kept while neither changes, and put behind
//! the proxy's routes. Statements run on the control runtime, beside the workers; a client that leaves ends its own.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use ::http::Response;
use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::checking;
use super::ward::Ward;
use crate::config::{Cluster, Config, SqlEntry};
use crate::model::{ClusterName, SqlName};
use crate::observe::ServedEntry;
use crate::proxy::{Service, ServiceBody, ServiceRequest};
use crate::sql::figures::Figures;
use crate::sql::http;
use crate::sql::run::Entry;
use crate::sql::write::Lasting;

/// The entries that are served.
#[derive(Default)]
pub(super) struct Entries {
    kept: BTreeMap<SqlName, Kept>,
    /// Of every entry that was: what one of the same name counts goes on from there.
    figures: BTreeMap<SqlName, Arc<Figures>>,
    /// Of every entry that still has statements, whether it is served or not.
    lasting: Vec<Lasting>,
}

/// An entry, and what it was made of.
struct Kept {
    entry: ServedEntry,
    manner: Manner,
    ward: Ward,
    window: Arc<Window>,
}

/// What an entry takes from its cluster: how often a read is tried, and how long a connection may take.
type Manner = (u32, Duration);

fn manner(cluster: &Cluster) -> Manner {
    (cluster.retry.attempts, cluster.timeouts.connect)
}

impl Entries {
    /// Serves those of a configuration. One whose configuration and cluster stay is kept, with its connections and plans;
    /// statements under way finish on the one that they began with.
    pub(super) fn follow(&mut self, config: &Config, wards: &BTreeMap<ClusterName, Ward>) {
        let mut before = std::mem::take(&mut self.kept);
        for (name, spec) in &config.sql {
            let cluster = config.clusters.get(&spec.cluster);
            let (Some(cluster), Some(ward)) = (cluster, wards.get(&spec.cluster)) else { continue };
            let manner = manner(cluster);
            let kept = before.remove(name).filter(|kept| kept.is_made_of(spec, manner, ward));
            let kept = kept.unwrap_or_else(|| self.make(spec, manner, ward));
            self.kept.insert(name.clone(), kept);
        }
        drop(before);
        self.lasting.retain(|lasting| !lasting.is_over());
    }

    /// Waits until no change is half made, but no longer than `until`.
    pub(super) async fn settle(&self, until: Instant) {
        for lasting in &self.lasting {
            if timeout_at(until, lasting.done()).await.is_err() {
                tracing::warn!("a change of several SQL nodes is still being made lasting; it may stay half done");
                return;
            }
        }
    }

    fn make(&mut self, spec: &SqlEntry, manner: Manner, ward: &Ward) -> Kept {
        let figures = Arc::clone(self.figures.entry(spec.name.clone()).or_default());
        let spec = Arc::new(spec.clone());
        let (live, circuits) = (Arc::clone(&ward.live), Arc::clone(&ward.circuits));
        let (attempts, connect) = manner;
        let backend = checking::backend(&spec.backend, spec.limits.connections, connect);
        let entry = Entry::new(Arc::clone(&spec), backend, live, circuits, attempts);
        self.lasting.push(entry.lasting().clone());
        let service = http::Service::new(Arc::clone(&entry), Arc::clone(&spec), Arc::clone(&figures));
        let window = Arc::new(Window { service: Arc::new(service), control: Handle::current() });
        Kept { entry: ServedEntry { spec, entry, figures }, manner, ward: ward.clone(), window }
    }

    /// What routes lead to.
    pub(super) fn services(&self) -> HashMap<SqlName, Arc<dyn Service>> {
        let service = |kept: &Kept| Arc::clone(&kept.window) as Arc<dyn Service>;
        self.kept.iter().map(|(name, kept)| (name.clone(), service(kept))).collect()
    }

    /// What operators see.
    pub(super) fn served(&self) -> BTreeMap<SqlName, ServedEntry> {
        self.kept.iter().map(|(name, kept)| (name.clone(), kept.entry.clone())).collect()
    }
}

impl Kept {
    fn is_made_of(&self, spec: &SqlEntry, manner: Manner, ward: &Ward) -> bool {
        *self.entry.spec == *spec
            && self.manner == manner
            && Arc::ptr_eq(&self.ward.live, &ward.live)
            && Arc::ptr_eq(&self.ward.circuits, &ward.circuits)
    }
}

/// An entry, as the workers see it.
#[derive(Debug)]
struct Window {
    service: Arc<http::Service>,
    control: Handle,
}

impl Service for Window {
    fn body_bytes(&self) -> u64 {
        self.service.body_bytes() as u64
    }

    fn call(&self, request: ServiceRequest) -> BoxFuture<'static, Response<ServiceBody>> {
        let (service, control) = (Arc::clone(&self.service), self.control.clone());
        Box::pin(async move {
            // Dropped, it aborts what it runs.
            let mut task = JoinSet::new();
            let asked = Arc::clone(&service);
            let work = async move { asked.call(&request.head, &request.body).await };
            task.spawn_on(work, &control);
            let response = match task.join_next().await {
                Some(Ok(response)) => response,
                Some(Err(_)) | None => service.broke_down(),
            };
            response.map(|body| match body {
                http::Body::Whole(bytes) => ServiceBody::Whole(bytes),
                http::Body::Coming(pieces) => ServiceBody::Coming(pieces),
            })
        })
    }
}
