//! The rounds of a scaler: the reconciler, and what it has under way: the driver at its nodes, and checks. Every action is a
//! task of its own with a time limit; what comes of it is told to the reconciler and as events.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::driver::{Driver, DriverError, Node};
use super::reconcile::{Action, Life, Reconciler};
use super::record::Timing;
use super::scaler::{Probe, Setup};
use super::status::NodeStatus;
use crate::cluster::{LiveCluster, Roster};
use crate::config::Scaling;
use crate::model::{Address, Change, ClusterName, EndpointName, EndpointSpec, Events, NodeChange};

/// How long a driver may take for one node: far above a slow start of a container and its longest graceful stop.
const DRIVER_LIMIT: Duration = Duration::from_secs(60);
/// How long a driver may take to say what there is.
const LIST_LIMIT: Duration = Duration::from_secs(10);
/// After a list that failed: soon, for nothing else can be done.
const LIST_RETRY: Duration = Duration::from_secs(1);

/// How soon it is looked again whether the cluster has let go of the nodes.
const WAY_LOOK: Duration = Duration::from_millis(100);

/// What came of something.
enum Done {
    Listed(u64, Result<Vec<Node>, DriverError>),
    Probed(EndpointName, Life, Result<(), String>),
    Started(EndpointName, Result<Node, DriverError>),
    Stopped(EndpointName, Result<(), DriverError>),
}

/// When the driver is asked what there is.
struct Listing {
    is_under_way: bool,
    /// Counts the actions that have ended: a list that was asked for before one ended may show what was before.
    ended: u64,
    /// There was a hint since the one under way was asked for.
    is_outdated: bool,
    next: Instant,
    trouble: Option<String>,
    /// The first one has come.
    has_seen: bool,
}

/// What a scaler has under way.
pub(super) struct Round {
    driver: Arc<dyn Driver>,
    live: Arc<LiveCluster>,
    probe: Arc<dyn Probe>,
    events: Events,
    reconciler: Reconciler,
    under_way: JoinSet<Done>,
    listing: Listing,
}

impl Round {
    pub(super) fn new(setup: Setup) -> Self {
        let Setup { settings, driver, live, probe, events, .. } = setup;
        let listing = Listing {
            is_under_way: false,
            ended: 0,
            is_outdated: false,
            next: Instant::now(),
            trouble: None,
            has_seen: false,
        };
        let (reconciler, under_way) = (Reconciler::new(timing(&settings, &live)), JoinSet::new());
        Self { driver, live, probe, events, reconciler, under_way, listing }
    }

    pub(super) fn cluster(&self) -> &ClusterName {
        self.live.name()
    }

    /// Why the driver does not say what there is.
    pub(super) fn trouble(&self) -> Option<&String> {
        self.listing.trouble.as_ref()
    }

    pub(super) fn statuses(&self, desired: &[EndpointName]) -> Vec<NodeStatus> {
        self.reconciler.statuses(desired)
    }

    /// Who is to have traffic. At first that is not known before one of the nodes can have some, and all of those that
    /// were found running have been checked.
    pub(super) fn serving(&self, desired: &[EndpointName], is_first: bool) -> Option<Vec<EndpointSpec>> {
        let spec = |(name, address): (&EndpointName, &Address)| EndpointSpec::new(name.clone(), address.clone());
        let serving: Vec<_> = self.reconciler.serving(desired).map(spec).collect();
        let is_known = desired.is_empty() || (!serving.is_empty() && !self.reconciler.is_in_the_dark());
        (!is_first || (self.listing.has_seen && is_known)).then_some(serving)
    }

    /// Sets going what is to be done now; tells when to come again.
    pub(super) fn turn(&mut self, settings: &Scaling, desired: &[EndpointName]) -> Instant {
        let now = Instant::now();
        if now >= self.listing.next && !self.listing.is_under_way {
            self.list();
        }
        // What there is already is not made once more; and while the driver cannot even list, it can do nothing else.
        if !self.listing.has_seen || self.listing.trouble.is_some() {
            return if self.listing.is_under_way { now + LIST_LIMIT } else { self.listing.next };
        }
        self.reconciler.set_timing(timing(settings, &self.live));
        let live = self.live.roster();
        let is_gone = |address: &Address| !is_member(&live, address);
        let plan = self.reconciler.plan(desired, is_gone, now.into_std());
        drop(live);
        for action in plan.actions {
            self.act(action, settings);
        }
        let again = plan.again.map_or(now + settings.check_interval, Instant::from_std);
        if self.listing.is_under_way { again } else { again.min(self.listing.next) }
    }

    /// Waits until something has come of what is under way, or the driver has a hint. Dropped before, it leaves no trace.
    pub(super) async fn happens(&mut self, settings: &Scaling) {
        let done = tokio::select! {
            Some(done) = self.under_way.join_next() => done,
            () = self.driver.changed().notified() => {
                self.listing.next = Instant::now();
                // The one under way may have been asked too early to show it.
                self.listing.is_outdated = self.listing.is_under_way;
                return;
            }
        };
        match done {
            Ok(done) => self.take(done, settings),
            Err(error) => tracing::error!(cluster = %self.live.name(), %error, "a driver or a check broke off"),
        }
    }

    /// Breaks off what is under way, and waits until the cluster has none of the nodes any more. Who comes next has them
    /// out of it as soon as it has nodes of its own, or has taken over these. Of a cluster that is gone, nobody has them
    /// out: nothing new goes to them, so that only what they have is waited for.
    pub(super) async fn make_way(&mut self, is_cluster_gone: bool) {
        self.under_way.shutdown().await;
        let addresses: Vec<_> = self.statuses(&[]).into_iter().filter_map(|node| node.address).collect();
        let until = Instant::now() + DRIVER_LIMIT + self.live.drain_timeout();
        let has_traffic = |address: &Address| match is_cluster_gone {
            true => is_busy(&self.live.roster(), address),
            false => is_member(&self.live.roster(), address),
        };
        while addresses.iter().any(has_traffic) && Instant::now() < until {
            tokio::time::sleep(WAY_LOOK).await;
        }
    }

    /// Breaks off what is under way, and lets go of the nodes.
    pub(super) async fn close(mut self) {
        self.under_way.shutdown().await;
        self.driver.close().await;
    }

    fn list(&mut self) {
        let (driver, asked) = (Arc::clone(&self.driver), self.listing.ended);
        self.listing.is_under_way = true;
        self.under_way.spawn(async move {
            let listed = within(LIST_LIMIT, driver.list(), DriverError::Unreachable).await;
            Done::Listed(asked, listed)
        });
    }

    fn act(&mut self, action: Action, settings: &Scaling) {
        let driver = Arc::clone(&self.driver);
        match action {
            Action::Start(name) => drop(self.under_way.spawn(async move {
                let started = within(DRIVER_LIMIT, driver.start(&name), DriverError::Start).await;
                Done::Started(name, started)
            })),
            Action::Stop(name) => drop(self.under_way.spawn(async move {
                let stopped = within(DRIVER_LIMIT, driver.stop(&name), DriverError::Stop).await;
                Done::Stopped(name, stopped)
            })),
            Action::Probe(name, address, life) => {
                let (probe, path, limit) =
                    (Arc::clone(&self.probe), settings.check_path.clone(), settings.check_timeout);
                self.under_way.spawn(async move {
                    let late = |_| Err(format!("it did not answer within {} ms", limit.as_millis()));
                    let result = timeout(limit, probe.probe(&address, &path)).await.unwrap_or_else(late);
                    Done::Probed(name, life, result)
                });
            }
            Action::Drain(name) => self.tell(&name, NodeChange::Removed, "it is wanted no more"),
            Action::Replace(name, why) => self.tell(&name, NodeChange::Replaced, why),
        }
    }

    fn take(&mut self, done: Done, settings: &Scaling) {
        let now = Instant::now();
        match done {
            Done::Listed(asked, result) => self.listed(asked, result, settings),
            Done::Probed(name, life, result) => self.reconciler.probed(&name, life, result, now.into_std()),
            Done::Started(name, result) => {
                self.listing.ended += 1;
                match &result {
                    Ok(node) => {
                        let address = node.address.as_ref().map(|address| format!(" at {address}")).unwrap_or_default();
                        self.tell(&name, NodeChange::Started, format!("it runs{address}"));
                    }
                    Err(error) => {
                        self.listing.next = now;
                        self.tell(&name, NodeChange::StartFailed, error.to_string());
                    }
                }
                self.reconciler.started(&name, result, now.into_std());
            }
            Done::Stopped(name, result) => {
                self.listing.ended += 1;
                match &result {
                    Ok(()) => self.tell(&name, NodeChange::Stopped, "it has ended"),
                    // It will be told again.
                    Err(error) => {
                        self.listing.next = now;
                        tracing::warn!(cluster = %self.live.name(), node = %name, %error, "a node stays");
                    }
                }
                self.reconciler.stopped(&name, result, now.into_std());
            }
        }
    }

    fn listed(&mut self, asked: u64, result: Result<Vec<Node>, DriverError>, settings: &Scaling) {
        let now = Instant::now();
        self.listing.is_under_way = false;
        match result {
            Ok(_) if asked != self.listing.ended => self.listing.next = now,
            Ok(nodes) => {
                (self.listing.trouble, self.listing.has_seen) = (None, true);
                let is_outdated = std::mem::take(&mut self.listing.is_outdated);
                self.listing.next = if is_outdated { now } else { now + settings.check_interval };
                for name in self.reconciler.listed(&nodes, now.into_std()) {
                    self.tell(&name, NodeChange::Ended, "it ended by itself");
                }
            }
            Err(error) => {
                let trouble = error.to_string();
                if self.listing.trouble.as_ref() != Some(&trouble) {
                    tracing::warn!(cluster = %self.live.name(), %error, "the nodes cannot be listed");
                }
                self.listing.trouble = Some(trouble);
                self.listing.next = now + LIST_RETRY;
            }
        }
    }

    fn tell(&self, node: &EndpointName, change: NodeChange, cause: impl Into<String>) {
        self.events.tell(self.live.name(), Some(node), Change::Node(change), cause);
    }
}

/// By the address alone: where another source knows the node too, the member may have the name that that one gives.
fn is_member(live: &Roster, address: &Address) -> bool {
    live.members().iter().any(|member| member.endpoint().spec.address == *address)
}

/// Whether a node has requests under way.
fn is_busy(live: &Roster, address: &Address) -> bool {
    let mut members = live.members().iter().filter(|member| member.endpoint().spec.address == *address);
    members.any(|member| member.figures().in_flight() > 0)
}

fn timing(settings: &Scaling, live: &LiveCluster) -> Timing {
    Timing {
        check_interval: settings.check_interval,
        check_timeout: settings.check_timeout,
        replace_after: settings.replace_after,
        drain_timeout: live.drain_timeout(),
    }
}

/// What comes of it, or an error when that takes too long.
async fn within<T>(
    limit: Duration,
    driving: impl Future<Output = Result<T, DriverError>>,
    error: impl Fn(String) -> DriverError,
) -> Result<T, DriverError> {
    let late = |_| Err(error(format!("that took longer than {} s", limit.as_secs())));
    timeout(limit, driving).await.unwrap_or_else(late)
}
