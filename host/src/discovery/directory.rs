//! The directory: follows every source of every cluster, and publishes what they and the file say as one catalog.
//!
//! A new configuration is taken over in two steps: `prepare` follows what is new beside what there is, `commit` swaps.
//! Everything that changes the catalog happens under one lock, from looking at what each source sees to publishing, so
//! no older state ever replaces a newer one; it is held for as long as a merge takes, never across an await.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;

use super::docker::DockerSource;
use super::follower::{Follower, Sighting};
use super::merge::merge;
use super::source::Source;
use crate::config::SourceSpec;
use crate::model::{Catalog, ClusterName, EndpointSpec};

/// How long a new source may take to see something before the configuration goes to work without it: sources answer in
/// milliseconds, and one that is down must not hold up everything else.
const FIRST_SIGHT: Duration = Duration::from_secs(1);

/// What kind of source it is. Those that count more come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SourceKind {
    /// Containers of a Docker Engine.
    Docker,
    /// A registry in Redis.
    Redis,
    /// Names in the DNS.
    Dns,
    /// The nodes that Leverframe itself keeps up.
    Scaling,
}

impl SourceKind {
    /// As operators read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Redis => "redis",
            Self::Dns => "dns",
            Self::Scaling => "scaling",
        }
    }
}

/// What makes a source of a cluster the same one in the next configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceKey {
    /// One that the configuration describes.
    Spec(SourceSpec),
    /// The nodes that Leverframe itself keeps up for the cluster.
    Scaling,
}

impl SourceKey {
    fn kind(&self) -> SourceKind {
        match self {
            Self::Spec(SourceSpec::Docker(_)) => SourceKind::Docker,
            Self::Spec(SourceSpec::Redis(_)) => SourceKind::Redis,
            Self::Spec(SourceSpec::Dns(_)) => SourceKind::Dns,
            Self::Scaling => SourceKind::Scaling,
        }
    }
}

/// The source that the configuration describes.
pub fn source_of(spec: &SourceSpec) -> Arc<dyn Source> {
    match spec {
        SourceSpec::Docker(docker) => Arc::new(DockerSource::new(docker.clone())),
        SourceSpec::Redis(redis) => Arc::new(redis.clone()),
        SourceSpec::Dns(dns) => Arc::new(dns.clone()),
    }
}

/// A source that a cluster is to have.
pub struct Wish {
    /// One that is followed under this key already stays, with what it saw last; `source` is not used then.
    pub key: SourceKey,
    /// Whom to follow otherwise.
    pub source: Arc<dyn Source>,
}

/// Where the endpoints of a cluster are to come from.
pub struct Wanted {
    /// The cluster.
    pub cluster: ClusterName,
    /// The endpoints that the file names.
    pub fixed: Vec<EndpointSpec>,
    /// Where others come from.
    pub sources: Vec<Wish>,
}

/// Everything that is wanted, followed and ready to be put to work. Dropped instead, it leaves no trace.
pub struct Prepared(BTreeMap<ClusterName, Followed>);

/// A cluster and whom it is followed by.
struct Followed {
    fixed: Vec<EndpointSpec>,
    sources: Vec<(SourceKey, Arc<Follower>)>,
    /// What the cluster had before, as long as not every source has seen something: nobody is let go of before it is known
    /// who comes in his place.
    before: Vec<EndpointSpec>,
    /// What they all say.
    merged: Vec<EndpointSpec>,
}

impl Followed {
    fn merge(&self) -> Vec<EndpointSpec> {
        let looks: Vec<_> = self.sources.iter().map(|(key, follower)| (key.kind(), follower.look())).collect();
        let seen: Vec<_> = looks.iter().filter_map(|(kind, sighting)| Some((*kind, sighting.seen.as_ref()?))).collect();
        let mut merged = merge(&self.fixed, &seen);
        if seen.len() < looks.len() {
            let is_new =
                |old: &&EndpointSpec| merged.iter().all(|new| new.address != old.address && new.name != old.name);
            let held: Vec<_> = self.before.iter().filter(is_new).cloned().collect();
            merged.extend(held);
        }
        merged
    }

    /// What the next one is to keep until all of its sources have seen something. Who is struck off the list in the
    /// file, while the sources stay as they are, is replaced by none of them: he goes at once.
    fn kept_for(&self, next: &Self) -> Vec<EndpointSpec> {
        let is_list_edited = !next.fixed.is_empty() && next.sources.iter().all(|(key, _)| self.follower(key).is_some());
        let is_struck = |one: &&EndpointSpec| is_list_edited && self.fixed.iter().any(|old| old.address == one.address);
        self.merged.iter().filter(|one| !is_struck(one)).cloned().collect()
    }

    fn follower(&self, key: &SourceKey) -> Option<&Arc<Follower>> {
        self.sources.iter().find(|(known, _)| known == key).map(|(_, follower)| follower)
    }
}

/// Knows where everything is.
pub struct Directory(Arc<Shared>);

struct Shared {
    followed: Mutex<BTreeMap<ClusterName, Followed>>,
    catalog: watch::Sender<Arc<Catalog>>,
}

impl Default for Directory {
    fn default() -> Self {
        Self::new()
    }
}

impl Directory {
    /// One that knows nothing yet.
    pub fn new() -> Self {
        let catalog = watch::Sender::new(Arc::default());
        Self(Arc::new(Shared { followed: Mutex::default(), catalog }))
    }

    /// The endpoints of every cluster, told anew whenever something is otherwise.
    pub fn catalog(&self) -> watch::Receiver<Arc<Catalog>> {
        self.0.catalog.subscribe()
    }

    /// What is known of the sight of each source, in the order of the configuration.
    pub fn sightings(&self) -> BTreeMap<ClusterName, Vec<(SourceKind, Sighting)>> {
        let of = |followed: &Followed| {
            followed.sources.iter().map(|(key, follower)| (key.kind(), follower.sighting())).collect()
        };
        self.0.followed().iter().map(|(cluster, followed)| (cluster.clone(), of(followed))).collect()
    }

    /// Starts to follow what is wanted and not followed yet, beside everything else, and waits a little, at most a second,
    /// until each new source has seen something or failed to. The runtime that this is called on does the following.
    pub async fn prepare(&self, wanted: Vec<Wanted>) -> Prepared {
        let mut first_words = Vec::new();
        let prepared = {
            let known = self.0.followed();
            let take = |Wanted { cluster, fixed, sources }: Wanted| {
                let mut next = Followed { fixed, sources: Vec::new(), before: Vec::new(), merged: Vec::new() };
                for Wish { key, source } in sources {
                    // Named twice, it is followed once.
                    if next.follower(&key).is_some() {
                        continue;
                    }
                    let follower = known.get(&cluster).and_then(|old| old.follower(&key)).cloned();
                    let follower = follower.unwrap_or_else(|| {
                        let new = self.follow(&cluster, key.kind(), source);
                        first_words.push(new.first_word());
                        Arc::new(new)
                    });
                    next.sources.push((key, follower));
                }
                (cluster, next)
            };
            wanted.into_iter().map(take).collect()
        };
        // Whoever has not spoken by then is heard later.
        let _ = tokio::time::timeout(FIRST_SIGHT, join_all(first_words)).await;
        Prepared(prepared)
    }

    /// Puts to work what was prepared. Whom nobody wants any more is no longer followed; a cluster with a source that has
    /// not seen anything yet keeps what it had until then.
    pub fn commit(&self, prepared: Prepared) {
        let mut followed = self.0.followed();
        let old = std::mem::replace(&mut *followed, prepared.0);
        for (cluster, next) in followed.iter_mut() {
            next.before = old.get(cluster).map(|old| old.kept_for(next)).unwrap_or_default();
            next.merged = next.merge();
        }
        self.0.publish(&followed);
        drop(followed);
        // The old followers end here, which needs no lock.
        drop(old);
    }

    fn follow(&self, cluster: &ClusterName, kind: SourceKind, source: Arc<dyn Source>) -> Follower {
        // Weak: the followers are part of what is shared, and end with it.
        let shared: Weak<Shared> = Arc::downgrade(&self.0);
        let changed = {
            let cluster = cluster.clone();
            move || shared.upgrade().into_iter().for_each(|shared| shared.changed(&cluster))
        };
        Follower::start((cluster.clone(), kind), source, changed)
    }
}

impl Shared {
    /// A source of this cluster sees something else. One that is only being prepared changes nothing yet.
    fn changed(&self, cluster: &ClusterName) {
        let mut all = self.followed();
        let Some(followed) = all.get_mut(cluster) else { return };
        let merged = followed.merge();
        if merged != followed.merged {
            followed.merged = merged;
            self.publish(&all);
        }
    }

    fn publish(&self, followed: &BTreeMap<ClusterName, Followed>) {
        let catalog: Catalog =
            followed.iter().map(|(cluster, followed)| (cluster.clone(), followed.merged.clone())).collect();
        self.catalog.send_if_modified(|published| {
            let differs = **published != catalog;
            if differs {
                *published = Arc::new(catalog);
            }
            differs
        });
    }

    fn followed(&self) -> MutexGuard<'_, BTreeMap<ClusterName, Followed>> {
        // A merge that panicked would have changed nothing.
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
