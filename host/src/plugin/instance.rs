//! One instance of a routing strategy: the boundary that every call into a guest crosses. Each call has a deadline and
//! an answer for "it failed". After a failure the instance is spent: whoever holds it drops it.
//!
//! A deadline counts the time that the guest ran, not the time that passed: a busy machine that takes the processor away
//! in the middle of a call is not held against the plugin. The first half of the deadline is measured by the clock, which
//! is cheap; only a call that outlasts it is looked at more closely.

use std::sync::Arc;
use std::time::Duration;

use cpu_time::ThreadTime;
use wasmtime::{Store, StoreContextMut, Trap, UpdateDeadline};

use super::artifact::{Artifact, causes};
use super::bindings::strategy::RoutingStrategy;
use super::bindings::strategy::exports::leverframe::plugin::strategy as wit;
use super::bindings::strategy::leverframe::plugin::types;
use super::engine::{PluginEngine, TICK};
use super::error::LoadError;
use super::host::{Context, Shared, one_line};
use crate::config::PluginLimits;
use crate::model::{Attempt, Failure, Outcome, RequestHead};
use crate::routing::{Candidates, Choice, Fault, ImportError, Rejection, Strategy};

/// Bytes that may cross the boundary in one call while a request waits: a decision, or the arguments of one host call.
/// Copying them takes microseconds; a wasmtime store's own limit of 128 MiB takes a tenth of a second.
const PICK_BYTES: usize = 128 << 10;
/// The same for every other call, whose largest answer is a state.
const CALL_BYTES: usize = 1 << 20;
/// The longest reason taken from a guest.
const MAX_REASON: usize = 500;

/// What an instance is made from.
#[derive(Clone, Copy)]
pub struct InstanceSetup<'a> {
    /// The engine that compiled the artifact.
    pub engine: &'a PluginEngine,
    /// The component.
    pub artifact: &'a Artifact,
    /// What all instances of the plugin share.
    pub shared: &'a Arc<Shared>,
    /// What one instance may use.
    pub limits: &'a PluginLimits,
}

/// A configured instance.
pub struct Instance {
    store: Store<Context>,
    guest: RoutingStrategy,
    limits: PluginLimits,
    wants_outcomes: bool,
}

/// Who a plugin says that it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// Its version, as the author counts.
    pub version: String,
    /// One line on what it does.
    pub summary: String,
}

impl Instance {
    /// Instantiates. Must be configured before anything else is asked of it.
    pub fn start(setup: InstanceSetup<'_>) -> Result<Self, LoadError> {
        let context = Context::new(Arc::clone(setup.shared), setup.limits, setup.engine.started());
        let mut store = Store::new(setup.engine.inner(), context);
        store.limiter(|context| &mut context.limits);
        store.epoch_deadline_callback(overtime);
        store.set_epoch_deadline(ticks(setup.limits.call_deadline));
        match setup.artifact.pre().instantiate(&mut store) {
            Ok(guest) => Ok(Self { store, guest, limits: *setup.limits, wants_outcomes: false }),
            Err(error) => {
                let fault = fault(&mut store, error, setup.limits.call_deadline);
                Err(LoadError::Faulty { call: "instantiation", fault })
            }
        }
    }

    /// Instantiates and configures.
    pub fn configured(setup: InstanceSetup<'_>, config: &str) -> Result<Self, LoadError> {
        let mut instance = Self::start(setup)?;
        instance.configure(config)?;
        Ok(instance)
    }

    /// Asks who it is.
    pub fn describe(&mut self) -> Result<About, LoadError> {
        let about = self
            .call(self.limits.call_deadline, |guest, store| guest.call_describe(store))
            .map_err(|fault| LoadError::Faulty { call: "describe", fault })?;
        Ok(About { version: one_line(&about.version, 32), summary: one_line(&about.summary, 200) })
    }

    /// Hands it its configuration.
    pub fn configure(&mut self, config: &str) -> Result<(), LoadError> {
        let answer = self
            .call(self.limits.call_deadline, |guest, store| guest.call_configure(store, config))
            .map_err(|fault| LoadError::Faulty { call: "configure", fault })?;
        let wants = answer.map_err(|reason| LoadError::Configuration(one_line(&reason, MAX_REASON)))?;
        self.wants_outcomes = wants.contains(wit::Wants::OUTCOMES);
        Ok(())
    }

    /// Calls the guest under a deadline.
    fn call<T>(
        &mut self,
        deadline: Duration,
        call: impl FnOnce(&wit::Guest, StoreContextMut<'_, Context>) -> wasmtime::Result<T>,
    ) -> Result<T, Fault> {
        self.store.data_mut().begin(deadline);
        self.store.set_epoch_deadline(ticks(deadline));
        self.store.set_hostcall_fuel(if deadline == self.limits.pick_deadline { PICK_BYTES } else { CALL_BYTES });
        let guest = self.guest.leverframe_plugin_strategy();
        match call(guest, (&mut self.store).into()) {
            Ok(answer) => Ok(answer),
            Err(error) => Err(fault(&mut self.store, error, deadline)),
        }
    }
}

impl Strategy for Instance {
    fn candidates_changed(&mut self, candidates: &Arc<Candidates>) -> Result<(), Fault> {
        self.store.data_mut().candidates = Arc::clone(candidates);
        let endpoints: Vec<_> = candidates.members().iter().map(|member| endpoint(member.endpoint())).collect();
        self.call(self.limits.call_deadline, |guest, store| guest.call_candidates_changed(store, &endpoints))
    }

    fn pick(&mut self, request: &Arc<RequestHead>, attempt: Attempt<'_>) -> Result<Choice, Fault> {
        let context = self.store.data_mut();
        context.request = Some(Arc::clone(request));
        context.attempt = attempt.number;
        let excluded: Vec<_> = attempt.excluded.iter().map(|id| id.0).collect();
        let choice = self.call(self.limits.pick_deadline, |guest, store| guest.call_pick(store, &excluded));
        self.store.data_mut().request = None;
        choice.map(Choice::from)
    }

    fn on_outcome(&mut self, outcome: &Outcome) -> Result<(), Fault> {
        if !self.wants_outcomes {
            return Ok(());
        }
        let outcome = types::Outcome {
            endpoint: outcome.endpoint.0,
            latency_us: u32::try_from(outcome.latency.as_micros()).unwrap_or(u32::MAX),
            status: outcome.result.ok().map(|status| status.as_u16()),
            failure: outcome.result.err().map(types::FailureKind::from),
        };
        self.call(self.limits.pick_deadline, |guest, store| guest.call_on_outcome(store, outcome))
    }

    fn export_state(&mut self) -> Result<Vec<u8>, Fault> {
        self.call(self.limits.call_deadline, |guest, store| guest.call_export_state(store))
    }

    fn import_state(&mut self, from_version: &str, state: &[u8]) -> Result<(), ImportError> {
        self.call(self.limits.call_deadline, |guest, store| guest.call_import_state(store, from_version, state))?
            .map_err(|reason| ImportError::Refused(one_line(&reason, MAX_REASON)))
    }
}

/// Called when a call outlasts the first half of its deadline, and then on every tick: ends it when it also ran for the
/// other half, not just waited for the processor.
fn overtime(mut store: StoreContextMut<'_, Context>) -> wasmtime::Result<UpdateDeadline> {
    let ran = ThreadTime::try_now()?.as_duration();
    Ok(match store.data_mut().overtime(ran) {
        true => UpdateDeadline::Interrupt,
        false => UpdateDeadline::Continue(1),
    })
}

/// The ticks that make up the first half of a deadline, at least one.
fn ticks(deadline: Duration) -> u64 {
    u64::try_from(deadline.as_micros() / (2 * TICK.as_micros())).unwrap_or(u64::MAX).max(1)
}

fn fault(store: &mut Store<Context>, error: wasmtime::Error, deadline: Duration) -> Fault {
    if matches!(error.downcast_ref(), Some(Trap::Interrupt)) {
        return Fault::Deadline(deadline);
    }
    let trap = one_line(&causes(&error), MAX_REASON);
    match store.data_mut().take_printed() {
        Some(printed) => Fault::Trap(format!("{printed} ({trap})")),
        None => Fault::Trap(trap),
    }
}

fn endpoint(endpoint: &crate::model::Endpoint) -> types::Endpoint {
    types::Endpoint {
        id: endpoint.id.0,
        name: endpoint.spec.name.to_string(),
        address: endpoint.spec.address.to_string(),
        weight: endpoint.spec.weight.get().into(),
        labels: endpoint.spec.labels.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
    }
}

impl From<wit::Choice> for Choice {
    fn from(choice: wit::Choice) -> Self {
        match choice {
            wit::Choice::Endpoint(id) => Self::Endpoint(crate::model::EndpointId(id)),
            wit::Choice::Routed(routed) => {
                Self::Routed(crate::model::EndpointId(routed.endpoint), routed.response_headers)
            }
            wit::Choice::Fallback => Self::Fallback,
            wit::Choice::Reject(rejection) => {
                Self::Reject(Rejection { status: rejection.status, reason: one_line(&rejection.reason, MAX_REASON) })
            }
        }
    }
}

impl From<Failure> for types::FailureKind {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Connect => Self::Connect,
            Failure::Timeout => Self::Timeout,
            Failure::Reset => Self::Reset,
            Failure::Protocol => Self::Protocol,
            Failure::Cancelled => Self::Cancelled,
        }
    }
}
