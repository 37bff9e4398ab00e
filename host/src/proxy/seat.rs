//! One cluster on one worker: its selector, its pools, its counters. Requests hold on to it, so that it lives until the
//! last of them is done, also when the cluster is gone from the configuration.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;

use super::budget;
use super::hedge::{Quantile, Silences};
use super::metrics::ClusterCounters;
use super::pool::EndpointPool;
use super::shared::ClusterShared;
use super::trial::Refusal;
use crate::circuit::{Circuits, Permit};
use crate::cluster::{InFlight, LiveCluster, Member, Standing};
use crate::config;
use crate::model::{
    Attempt, CircuitState, ClusterName, EndpointId, Failure, HealthState, Outcome, PanicChoice, RequestHead,
};
use crate::routing::{Decision, Selector};

/// A cluster as one worker serves it.
pub(super) struct ClusterSeat {
    live: Arc<LiveCluster>,
    circuits: Arc<Circuits>,
    shared: Arc<ClusterShared>,
    config: RefCell<Arc<config::Cluster>>,
    pub(super) selector: RefCell<Selector>,
    /// Ordered by id.
    pools: RefCell<Vec<(EndpointId, Rc<EndpointPool>)>>,
    quantile: Quantile,
    pub(super) silences: Silences,
    pub(super) counters: Arc<ClusterCounters>,
}

impl ClusterSeat {
    pub(super) fn new(
        config: Arc<config::Cluster>,
        selector: Selector,
        (circuits, shared): (Arc<Circuits>, Arc<ClusterShared>),
        counters: Arc<ClusterCounters>,
    ) -> Self {
        Self {
            live: Arc::clone(selector.cluster()),
            circuits,
            shared,
            config: RefCell::new(config),
            selector: RefCell::new(selector),
            pools: RefCell::default(),
            quantile: Quantile::default(),
            silences: Silences::default(),
            counters,
        }
    }

    pub(super) fn name(&self) -> &ClusterName {
        self.live.name()
    }

    pub(super) fn live(&self) -> &Arc<LiveCluster> {
        &self.live
    }

    pub(super) fn shared(&self) -> &ClusterShared {
        &self.shared
    }

    pub(super) fn timeouts(&self) -> config::Timeouts {
        self.config.borrow().timeouts
    }

    pub(super) fn capacity(&self) -> config::Capacity {
        self.config.borrow().capacity
    }

    pub(super) fn limits_endpoints(&self) -> bool {
        self.config.borrow().capacity.endpoint_in_flight.is_some()
    }

    /// Whether requests wait for its endpoints: whoever comes now has to wait behind them.
    pub(super) fn is_queued_for(&self) -> bool {
        self.limits_endpoints() && self.shared.queue.is_in_use()
    }

    pub(super) fn attempts(&self) -> u32 {
        self.config.borrow().retry.attempts
    }

    pub(super) fn per_try(&self) -> Option<Duration> {
        self.config.borrow().retry.per_try_timeout
    }

    pub(super) fn backoff(&self) -> Option<Duration> {
        self.config.borrow().retry.backoff
    }

    /// How much of a body is kept so that it can be sent again.
    pub(super) fn keeps(&self) -> usize {
        let retry = &self.config.borrow().retry;
        if retry.attempts > 1 { retry.buffer_bytes } else { 0 }
    }

    /// Whether a request is to be sent again after this status.
    pub(super) fn retries(&self, status: StatusCode) -> bool {
        self.config.borrow().retry.statuses.contains(status)
    }

    /// How many retries the cluster may have now.
    pub(super) fn retries_allowed(&self) -> u32 {
        let at_endpoints = self.live.roster().members().iter().map(|member| member.figures().in_flight()).sum::<u32>();
        budget::allowed(self.config.borrow().retry.budget, at_endpoints.saturating_add(self.shared.budget.waiting()))
    }

    /// After how long a second request is sent beside the first, when that is known.
    pub(super) fn hedges_after(&self, now: Instant) -> Option<Duration> {
        let hedge = self.config.borrow().retry.hedge?;
        self.quantile.of(hedge.percentile, &self.live, now).map(|time| time.max(hedge.after_at_least))
    }

    /// Whether an attempt failed; none when it says nothing of the endpoint.
    pub(super) fn judge(&self, result: &Result<StatusCode, Failure>) -> Option<bool> {
        self.config.borrow().failures.judge(result)
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

    /// Lets a request through to an endpoint, or not.
    pub(super) fn admit(
        &self,
        pool: &EndpointPool,
        member: &Member,
        now: Instant,
    ) -> Result<(Option<Permit>, InFlight), Refusal> {
        let config = self.config.borrow();
        let gate = match &config.circuit {
            Some(_) => pool.gate(|| self.circuits.gate(member.id())),
            None => None,
        };
        let permit = match gate {
            Some(gate) => Some(gate.admit(now).ok_or(Refusal::Circuit)?),
            None => None,
        };
        let in_flight = member.try_begin(config.capacity.endpoint_in_flight).ok_or(Refusal::Full)?;
        Ok((permit, in_flight))
    }

    /// When the first open circuit lets a request pass; none when none is open.
    pub(super) fn opens_at(&self) -> Option<Instant> {
        let roster = self.live.roster();
        let serving = roster.members().iter().filter(|member| member.standing().is_in_service());
        serving.filter_map(|member| self.circuits.gate(member.id())?.opens_at()).min()
    }

    /// Whether an open circuit, and nothing else, keeps somebody out. Where a panic lets in whoever is in service, the
    /// verdict does not.
    pub(super) fn is_cut_off(&self) -> bool {
        let panic_helps = self.config.borrow().health.panic.choose != PanicChoice::None;
        let otherwise_fit = |of: &Standing| of.checked && of.verdict.state != HealthState::Failed;
        self.live.roster().members().iter().map(|member| member.standing()).any(|standing| {
            let fit = standing.is_in_service() && (panic_helps || otherwise_fit(standing));
            fit && standing.circuit == CircuitState::Open
        })
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
        let pool =
            Rc::new(EndpointPool::new(&member.endpoint().spec.address, self.config.borrow().pool, &self.shared.files));
        pools.insert(at.unwrap_or_else(|at| at), (member.id(), Rc::clone(&pool)));
        pool
    }

    /// Closes idle connections that nobody needs any more, and forgets the pools of endpoints that left.
    pub(super) fn sweep(&self, now: Instant) {
        let roster = self.live.roster();
        self.pools.borrow_mut().retain(|(id, pool)| {
            pool.sweep(now);
            roster.get(*id).is_some()
        });
        self.silences.forget(|id| roster.get(id).is_none());
    }
}
