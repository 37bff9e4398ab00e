//! The connections of one worker to one endpoint: which are idle, and how many there may be.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time::timeout;

use super::connect::{Target, connect};
use super::error::EndpointFault;
use super::link::Link;
use crate::circuit;
use crate::config;
use crate::model::Address;

/// Connections to one endpoint.
pub(super) struct EndpointPool {
    target: Target,
    settings: Cell<config::Pool>,
    /// The one used last is at the back, and is taken first.
    idle: RefCell<VecDeque<Box<Link>>>,
    slots: Rc<Slots>,
    /// The endpoint's circuit, kept here so that it need not be looked up.
    gate: OnceCell<Arc<circuit::Gate>>,
}

/// How many connections are open, and who waits for one.
#[derive(Default)]
struct Slots {
    open: Cell<usize>,
    waiting: Cell<usize>,
    freed: Notify,
}

impl Slots {
    fn free(&self) {
        if self.waiting.get() > 0 {
            self.freed.notify_one();
        }
    }
}

/// A place among the connections to an endpoint; given back on drop.
pub(super) struct Slot(Rc<Slots>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
        self.0.free();
    }
}

/// Counts somebody who waits, for as long as they do.
struct Waiting<'a>(&'a Slots);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.set(self.0.waiting.get() - 1);
    }
}

impl EndpointPool {
    pub(super) fn new(address: &Address, settings: config::Pool) -> Self {
        Self {
            target: Target::of(address),
            settings: Cell::new(settings),
            idle: RefCell::default(),
            slots: Rc::default(),
            gate: OnceCell::new(),
        }
    }

    /// The endpoint's circuit; `find` is asked until it knows one.
    pub(super) fn gate(&self, find: impl FnOnce() -> Option<Arc<circuit::Gate>>) -> Option<&Arc<circuit::Gate>> {
        if self.gate.get().is_none() {
            let _ = self.gate.set(find()?);
        }
        self.gate.get()
    }

    /// Takes over changed settings; they hold from the next request on.
    pub(super) fn configure(&self, settings: config::Pool) {
        self.settings.set(settings);
    }

    /// An idle connection that is still there. `sure` asks the kernel whether it is.
    pub(super) fn take_idle(&self, now: Instant, sure: bool) -> Option<Box<Link>> {
        let mut idle = self.idle.borrow_mut();
        while let Some(link) = idle.pop_back() {
            if self.is_fresh(&link, now) && link.is_alive(sure) {
                return Some(link);
            }
        }
        None
    }

    /// An idle connection, or a new one, or the first that comes free.
    pub(super) async fn acquire(&self, sure: bool, limit: Duration) -> Result<Box<Link>, EndpointFault> {
        let waited = timeout(limit, async {
            loop {
                if let Some(link) = self.take_idle(Instant::now(), sure) {
                    return Ok(link);
                }
                if let Some(slot) = self.slot() {
                    return Err(slot);
                }
                self.slots.waiting.set(self.slots.waiting.get() + 1);
                let waiting = Waiting(&self.slots);
                self.slots.freed.notified().await;
                drop(waiting);
            }
        });
        match waited.await {
            Ok(Ok(link)) => Ok(link),
            Ok(Err(slot)) => self.open(slot, limit).await,
            Err(_) => Err(EndpointFault::PoolExhausted),
        }
    }

    /// A connection that is certainly new.
    pub(super) async fn renew(&self, limit: Duration) -> Result<Box<Link>, EndpointFault> {
        match self.slot() {
            Some(slot) => self.open(slot, limit).await,
            None => Err(EndpointFault::PoolExhausted),
        }
    }

    /// Takes a connection back that can be used again; it is closed when enough are idle.
    pub(super) fn put_back(&self, mut link: Box<Link>, now: Instant) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() < self.settings.get().max_idle {
            link.park(now);
            idle.push_back(link);
            drop(idle);
            self.slots.free();
        }
    }

    /// Closes what was idle for too long, and what the endpoint closed.
    pub(super) fn sweep(&self, now: Instant) {
        self.idle.borrow_mut().retain(|link| self.is_fresh(link, now) && link.is_alive(false));
    }

    fn is_fresh(&self, link: &Link, now: Instant) -> bool {
        link.parked.is_none_or(|parked| now.saturating_duration_since(parked) < self.settings.get().idle_timeout)
    }

    fn slot(&self) -> Option<Slot> {
        let open = self.slots.open.get();
        if self.settings.get().max_connections.is_some_and(|max| open >= max) {
            return None;
        }
        self.slots.open.set(open + 1);
        Some(Slot(Rc::clone(&self.slots)))
    }

    async fn open(&self, slot: Slot, limit: Duration) -> Result<Box<Link>, EndpointFault> {
        match timeout(limit, connect(&self.target)).await {
            Ok(Ok(stream)) => Ok(Box::new(Link::new(stream, slot))),
            Ok(Err(error)) => Err(EndpointFault::Connect(error.to_string())),
            Err(_) => Err(EndpointFault::ConnectTimeout),
        }
    }
}
