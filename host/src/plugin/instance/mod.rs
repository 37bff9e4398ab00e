//! Instances: the boundary that every call into a guest crosses. Each call has a deadline and an answer for "it failed".
//! After a failure the instance is spent: whoever holds it drops it. What the two worlds have in common is here;
//! `strategy` and `policy` are the two kinds of guests.
//!
//! A deadline counts the time that the guest ran, not the time that passed: a busy machine that takes the processor away
//! in the middle of a call is not held against the plugin. The first half of the deadline is measured by the clock, which
//! is cheap; only a call that outlasts it is looked at more closely.

mod policy;
mod strategy;

use std::sync::Arc;
use std::time::Duration;

use cpu_time::ThreadTime;
use wasmtime::{Store, StoreContextMut, Trap, UpdateDeadline};

use super::artifact::{Artifact, causes};
use super::bindings::strategy::leverframe::plugin::types;
use super::engine::{PluginEngine, TICK};
use super::error::LoadError;
use super::host::{Context, Shared};
use crate::config::PluginLimits;
use crate::model::{ClusterName, Fault, ImportError, one_line};

pub use policy::PolicyInstance;
pub use strategy::StrategyInstance;

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
    /// The cluster that it decides for; none for one that is only tried out.
    pub cluster: Option<&'a ClusterName>,
}

/// Who a plugin says that it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// Its version, as the author counts.
    pub version: String,
    /// One line on what it does.
    pub summary: String,
}

impl From<types::About> for About {
    fn from(about: types::About) -> Self {
        Self { version: one_line(&about.version, 32), summary: one_line(&about.summary, 200) }
    }
}

/// A guest of either world, and the store that it lives in.
struct Guest<G> {
    store: Store<Context>,
    guest: G,
    limits: PluginLimits,
}

impl<G> Guest<G> {
    /// Instantiates.
    fn start(
        setup: InstanceSetup<'_>,
        instantiate: impl FnOnce(&mut Store<Context>) -> wasmtime::Result<G>,
    ) -> Result<Self, LoadError> {
        let context = Context::new((Arc::clone(setup.shared), setup.cluster), setup.limits, setup.engine.started());
        let mut store = Store::new(setup.engine.inner(), context);
        store.limiter(|context| &mut context.limits);
        store.epoch_deadline_callback(overtime);
        store.set_epoch_deadline(ticks(setup.limits.call_deadline));
        match instantiate(&mut store) {
            Ok(guest) => Ok(Self { store, guest, limits: *setup.limits }),
            Err(error) => {
                let fault = fault(&mut store, error, setup.limits.call_deadline);
                Err(LoadError::Faulty { call: "instantiation", fault })
            }
        }
    }

    /// Calls the guest while a request waits.
    fn call_briefly<T>(
        &mut self,
        call: impl FnOnce(&G, StoreContextMut<'_, Context>) -> wasmtime::Result<T>,
    ) -> Result<T, Fault> {
        self.call_within(self.limits.pick_deadline, PICK_BYTES, call)
    }

    /// Calls the guest while no request waits.
    fn call<T>(
        &mut self,
        call: impl FnOnce(&G, StoreContextMut<'_, Context>) -> wasmtime::Result<T>,
    ) -> Result<T, Fault> {
        self.call_within(self.limits.call_deadline, CALL_BYTES, call)
    }

    fn call_within<T>(
        &mut self,
        deadline: Duration,
        bytes: usize,
        call: impl FnOnce(&G, StoreContextMut<'_, Context>) -> wasmtime::Result<T>,
    ) -> Result<T, Fault> {
        self.store.data_mut().begin(deadline);
        self.store.set_epoch_deadline(ticks(deadline));
        self.store.set_hostcall_fuel(bytes);
        match call(&self.guest, (&mut self.store).into()) {
            Ok(answer) => Ok(answer),
            Err(error) => Err(fault(&mut self.store, error, deadline)),
        }
    }
}

/// A call that is made while a plugin is loaded.
fn loading<T>(call: &'static str, answer: Result<T, Fault>) -> Result<T, LoadError> {
    answer.map_err(|fault| LoadError::Faulty { call, fault })
}

/// A guest's answer to its configuration.
fn configured<T>(answer: Result<T, String>) -> Result<T, LoadError> {
    answer.map_err(|reason| LoadError::Configuration(one_line(&reason, MAX_REASON)))
}

/// A guest's answer to the state of the version before.
fn imported(answer: Result<(), String>) -> Result<(), ImportError> {
    answer.map_err(|reason| ImportError::Refused(one_line(&reason, MAX_REASON)))
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

impl From<&crate::model::Endpoint> for types::Endpoint {
    fn from(endpoint: &crate::model::Endpoint) -> Self {
        Self {
            id: endpoint.id.0,
            name: endpoint.spec.name.to_string(),
            address: endpoint.spec.address.to_string(),
            weight: endpoint.spec.weight.get().into(),
            labels: endpoint.spec.labels.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
        }
    }
}
