//! The connections of one worker to one endpoint: which are idle, and how many there may be.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::connect::{Target, connect};
use super::error::EndpointFault;
use super::files::{Counted, FileBudget};
use super::link::Link;
use crate::circuit;
use crate::config;
use crate::model::Address;

/// What the process has of descriptors may come free at another endpoint, or on another worker, which tells nobody here:
/// whoever waits for one looks again after this time.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Connections to one endpoint.
pub(super) struct EndpointPool {
    target: Target,
    files: FileBudget,
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

/// A place among the connections to an endpoint, and among those of the process; given back on drop.
pub(super) struct Slot {
    slots: Rc<Slots>,
    _file: Counted,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.open.set(self.slots.open.get() - 1);
        self.slots.free();
    }
}

/// Why there can be no more connections.
enum Full {
    /// The endpoint has as many as it may.
    Endpoint,
    /// The process has.
    Process,
}

/// Counts somebody who waits, for as long as they do.
struct Waiting<'a>(&'a Slots);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.set(self.0.waiting.get() - 1);
    }
}

impl EndpointPool {
    pub(super) fn new(address: &Address, settings: config::Pool, files: &FileBudget) -> Self {
        Self {
            target: Target::of(address),
            files: files.clone(),
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
        let began = Instant::now();
        let waited = timeout(limit, async {
            loop {
                if let Some(link) = self.take_idle(Instant::now(), sure) {
                    return Ok(link);
                }
                match self.slot() {
                    Ok(slot) => return Err(slot),
                    Err(full) => self.wait(&full).await,
                }
            }
        });
        match waited.await {
            Ok(Ok(link)) => Ok(link),
            Ok(Err(slot)) => self.open(slot, limit.saturating_sub(began.elapsed())).await,
            Err(_) => Err(self.slot().map_or_else(|full| self.lack(&full), |_| EndpointFault::PoolExhausted)),
        }
    }

    /// Returns when there may be room.
    async fn wait(&self, full: &Full) {
        self.slots.waiting.set(self.slots.waiting.get() + 1);
        let _waiting = Waiting(&self.slots);
        let freed = self.slots.freed.notified();
        match full {
            Full::Endpoint => freed.await,
            Full::Process => {
                // For as long as it is wanted, connections that are idle are closed, here and elsewhere.
                let _want = self.files.want();
                let _ = timeout(LOOK_AGAIN, freed).await;
            }
        }
    }

    fn lack(&self, full: &Full) -> EndpointFault {
        match full {
            Full::Endpoint => EndpointFault::PoolExhausted,
            Full::Process => {
                let limit = self.files.limit();
                EndpointFault::OutOfResources(format!("there are {limit}, which is what the open files allowed bear"))
            }
        }
    }

    /// A connection that is certainly new.
    pub(super) async fn renew(&self, limit: Duration) -> Result<Box<Link>, EndpointFault> {
        match self.slot() {
            Ok(slot) => self.open(slot, limit).await,
            Err(full) => Err(self.lack(&full)),
        }
    }

    /// Takes a connection back that can be used again; it is closed when enough are idle.
    pub(super) fn put_back(&self, mut link: Box<Link>, now: Instant) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() < self.settings.get().max_idle && !self.files.is_short() {
            link.park(now);
            idle.push_back(link);
            drop(idle);
            self.slots.free();
        }
    }

    /// Closes what was idle for too long, and what the endpoint closed; all that is idle, where others wait for room.
    pub(super) fn sweep(&self, now: Instant) {
        let short = self.files.is_short();
        self.idle.borrow_mut().retain(|link| !short && self.is_fresh(link, now) && link.is_alive(false));
    }

    fn is_fresh(&self, link: &Link, now: Instant) -> bool {
        link.parked.is_none_or(|parked| now.saturating_duration_since(parked) < self.settings.get().idle_timeout)
    }

    fn slot(&self) -> Result<Slot, Full> {
        let open = self.slots.open.get();
        if self.settings.get().max_connections.is_some_and(|max| open >= max) {
            return Err(Full::Endpoint);
        }
        let file = self.files.endpoint().ok_or(Full::Process)?;
        self.slots.open.set(open + 1);
        Ok(Slot { slots: Rc::clone(&self.slots), _file: file })
    }

    async fn open(&self, slot: Slot, limit: Duration) -> Result<Box<Link>, EndpointFault> {
        match timeout(limit, connect(&self.target)).await {
            Ok(Ok(stream)) => Ok(Box::new(Link::new(stream, slot))),
            Ok(Err(error)) if is_ours(&error) => Err(EndpointFault::OutOfResources(error.to_string())),
            Ok(Err(error)) => Err(EndpointFault::Connect(error.to_string())),
            Err(_) => Err(EndpointFault::ConnectTimeout),
        }
    }
}

/// Whether this host had not what a connection needs, which says nothing of the endpoint. Local ports are not among it:
/// they are counted for each endpoint, so another one can be reached (EADDRNOTAVAIL).
fn is_ours(error: &io::Error) -> bool {
    let lacks = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    Errno::from_io_error(error).is_some_and(|errno| lacks.contains(&errno))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_host_lacks_is_told_from_what_the_endpoint_says() {
        for (errno, ours) in [
            (Errno::MFILE, true),
            (Errno::NFILE, true),
            (Errno::ADDRNOTAVAIL, false),
            (Errno::NOBUFS, true),
            (Errno::NOMEM, true),
            (Errno::CONNREFUSED, false),
            (Errno::HOSTUNREACH, false),
        ] {
            assert_eq!(is_ours(&errno.into()), ours, "{errno}");
        }
        assert!(!is_ours(&io::Error::other("a name that is not known")));
    }
}
