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
use super::desk::Desk;
use super::seats::{Place, take};
use super::ward::Ward;
use crate::config::{Cluster, Config, SqlEntry};
use crate::model::{ClusterName, Events, RequestHead, SqlName};
use crate::observe::ServedEntry;
use crate::proxy::{Refusal, Service, ServiceBody, ServiceRequest};
use crate::routing::Chooser;
use crate::sql::figures::Figures;
use crate::sql::http;
use crate::sql::recent::Recent;
use crate::sql::replica::Seat;
use crate::sql::run::Entry;
use crate::sql::write::Lasting;

/// The entries that are served.
#[derive(Default)]
pub(super) struct Entries {
    kept: BTreeMap<SqlName, Kept>,
    /// Of every entry that was: what one of the same name counts goes on from there.
    figures: BTreeMap<SqlName, Arc<Figures>>,
    /// The statements of all of them that have ended last.
    recent: Arc<Recent>,
    /// Of every entry that still has statements, whether it is served or not.
    lasting: Vec<Lasting>,
}

/// An entry, and what it was made of.
struct Kept {
    entry: ServedEntry,
    manner: Manner,
    ward: Ward,
    /// From where its nodes are written to, where they all hold everything.
    seat: Option<(Place, Arc<Seat>)>,
    window: Arc<Window>,
}

/// What an entry takes from its cluster: how often a read is tried, and how long a connection may take.
type Manner = (u32, Duration);

fn manner(cluster: &Cluster) -> Manner {
    (cluster.retry.attempts, cluster.timeouts.connect)
}

impl Entries {
    /// None so far.
    pub(super) fn new(recent: Arc<Recent>) -> Self {
        Self { recent, ..Self::default() }
    }

    /// Serves those of a configuration. One whose configuration and cluster stay is kept, with its connections and plans;
    /// statements under way finish on the one that they began with.
    pub(super) fn follow(
        &mut self,
        config: &Config,
        (wards, desk): (&BTreeMap<ClusterName, Ward>, &Desk),
        events: &Events,
    ) {
        let mut before = std::mem::take(&mut self.kept);
        for (name, spec) in &config.sql {
            let cluster = config.clusters.get(&spec.cluster);
            let (Some(cluster), Some(ward)) = (cluster, wards.get(&spec.cluster)) else { continue };
            let Some(chooser) = desk.chooser(&spec.cluster) else { continue };
            let (manner, place) = (manner(cluster), Place::of(spec, cluster));
            let kept = match before.remove(name) {
                Some(kept) if kept.is_made_of(spec, manner, ward) && kept.place() == place.as_ref() => kept,
                earlier => {
                    let seat = place.map(|place| take(place, earlier.and_then(|kept| kept.seat), events));
                    self.make(spec, manner, (ward, chooser), seat)
                }
            };
            self.kept.insert(name.clone(), kept);
        }
        for (_, seat) in before.into_values().filter_map(|kept| kept.seat) {
            // It ends by itself, whoever still has an answer to come.
            drop(seat.close());
        }
        self.lasting.retain(|lasting| !lasting.is_over());
    }

    /// Waits until no change is half made and every log is closed, but no longer than `until`.
    pub(super) async fn settle(&self, until: Instant) {
        for (place, seat) in self.kept.values().filter_map(|kept| kept.seat.as_ref()) {
            if timeout_at(until, seat.close()).await.is_err() {
                tracing::warn!(log = %place.log().display(), "the log is still in use; what is in it is done by the next");
            }
        }
        for lasting in &self.lasting {
            if timeout_at(until, lasting.done()).await.is_err() {
                tracing::warn!("a change of several SQL nodes is still being made lasting; it may stay half done");
                return;
            }
        }
    }

    fn make(
        &mut self,
        spec: &SqlEntry,
        manner: Manner,
        (ward, chooser): (&Ward, Arc<Chooser>),
        seat: Option<(Place, Arc<Seat>)>,
    ) -> Kept {
        let figures = {
            let new = || Arc::new(Figures::telling(spec.name.clone(), Arc::clone(&self.recent)));
            Arc::clone(self.figures.entry(spec.name.clone()).or_insert_with(new))
        };
        let spec = Arc::new(spec.clone());
        let circuits = Arc::clone(&ward.circuits);
        let (attempts, connect) = manner;
        let backend = checking::backend(&spec.backend, spec.limits.connections, connect);
        let entry = match &seat {
            Some((_, seat)) => Entry::replicated(Arc::clone(&spec), backend, chooser, circuits, Arc::clone(seat)),
            None => Entry::new(Arc::clone(&spec), backend, chooser, circuits, attempts),
        };
        self.lasting.push(entry.lasting().clone());
        let service = Arc::new(http::Service::new(Arc::clone(&entry), Arc::clone(&spec), Arc::clone(&figures)));
        let window = Arc::new(Window { service: Arc::clone(&service), control: Handle::current() });
        Kept { entry: ServedEntry { spec, entry, figures, service }, manner, ward: ward.clone(), seat, window }
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
    fn place(&self) -> Option<&Place> {
        self.seat.as_ref().map(|(place, _)| place)
    }

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
    fn admit(&self, _: &RequestHead) -> Result<u64, Refusal> {
        Ok(self.service.body_bytes() as u64)
    }

    fn call(&self, request: ServiceRequest) -> BoxFuture<'static, Response<ServiceBody>> {
        let (service, control) = (Arc::clone(&self.service), self.control.clone());
        Box::pin(async move {
            // Dropped, it aborts what it runs.
            let mut task = JoinSet::new();
            let asked = Arc::clone(&service);
            let work = async move { asked.traced(request.head, &request.body, request.trace).await };
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
