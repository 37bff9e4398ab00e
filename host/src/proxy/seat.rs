//! One cluster on one worker: its selector, its pools, its counters. Requests hold on to it, so that it lives until the
//! last of them is done, also when the cluster is gone from the configuration.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use super::metrics::ClusterCounters;
use super::pool::EndpointPool;
use crate::cluster::{LiveCluster, Member};
use crate::config;
use crate::model::{Attempt, ClusterName, EndpointId, Outcome, RequestHead};
use crate::routing::{Decision, Selector};

/// A cluster as one worker serves it.
pub(super) struct ClusterSeat {
    live: Arc<LiveCluster>,
    config: RefCell<Arc<config::Cluster>>,
    pub(super) selector: RefCell<Selector>,
    /// Ordered by id.
    pools: RefCell<Vec<(EndpointId, Rc<EndpointPool>)>>,
    pub(super) counters: Arc<ClusterCounters>,
}

impl ClusterSeat {
    pub(super) fn new(config: Arc<config::Cluster>, selector: Selector, counters: Arc<ClusterCounters>) -> Self {
        Self {
            live: Arc::clone(selector.cluster()),
            config: RefCell::new(config),
            selector: RefCell::new(selector),
            pools: RefCell::default(),
            counters,
        }
    }

    pub(super) fn name(&self) -> &ClusterName {
        self.live.name()
    }

    pub(super) fn live(&self) -> &Arc<LiveCluster> {
        &self.live
    }

    pub(super) fn timeouts(&self) -> config::Timeouts {
        self.config.borrow().timeouts
    }

    pub(super) fn attempts(&self) -> u32 {
        self.config.borrow().attempts
    }

    /// Takes over a changed configuration; selector, pools and connections stay.
    pub(super) fn configure(&self, config: Arc<config::Cluster>) {
        for (_, pool) in self.pools.borrow().iter() {
            pool.configure(config.pool);
        }
        self.config.replace(config);
    }

    pub(super) fn pick(&self, request: &Arc<RequestHead>, attempt: Attempt<'_>) -> Decision {
        self.selector.borrow_mut().pick(request, attempt)
    }

    /// Tells the strategy what became of an attempt.
    pub(super) fn tell(&self, outcome: &Outcome) {
        self.selector.borrow_mut().on_outcome(outcome);
    }

    /// The pool of an endpoint.
    pub(super) fn pool(&self, member: &Member) -> Rc<EndpointPool> {
        let mut pools = self.pools.borrow_mut();
        let at = pools.binary_search_by_key(&member.id(), |(id, _)| *id);
        if let Some((_, pool)) = at.ok().and_then(|at| pools.get(at)) {
            return Rc::clone(pool);
        }
        let pool = Rc::new(EndpointPool::new(&member.endpoint().spec.address, self.config.borrow().pool));
        pools.insert(at.unwrap_or_else(|at| at), (member.id(), Rc::clone(&pool)));
        pool
    }

    /// Closes idle connections that nobody needs any more, and forgets the pools of endpoints that left.
    pub(super) fn sweep(&self, now: Instant) {
        let roster = self.live.roster();
        self.pools.borrow_mut().retain(|(id, pool)| {
            pool.sweep(now);
            roster.members().binary_search_by_key(id, |member| member.id()).is_ok()
        });
    }
}
