//! The lease of a statement log that is had from Redis, for a term. It is extended well within the term, and counts as lost
//! before the term can be over, by the clock of this process: that it was asked for is taken for when its term began. A
//! process that was stopped and does not know yet that its term is over is kept out by the epoch of the log.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::discovery::redis::{Asked, RegistryAt, Term, TermAt};
use crate::model::SqlName;
use crate::sql::replica::log::{Claim, Hold, Identity, Known, Lease, LeaseError};

/// It is extended so many times in a term, so that some may fail.
const TIMES: u32 = 4;

/// The share of a term at its end in which it counts as over: for clocks that differ in speed, and for what was begun before.
const MARGIN: u32 = 5;

/// How long giving it back may take; otherwise its term ends it.
const GIVING_BACK: Duration = Duration::from_secs(1);

/// The lease of one entry's log.
pub(super) struct TermLease {
    at: Result<TermAt, String>,
    name: String,
    term: Duration,
}

impl TermLease {
    /// That of an entry, in the Redis at a URL, under keys that begin so.
    pub(super) fn new(entry: &SqlName, (url, prefix): (&str, &str), term: Duration) -> Self {
        let name = format!("sql:{entry}");
        let at =
            RegistryAt::new(url, prefix).map(|at| TermAt::new(at, name.as_str())).map_err(|error| error.to_string());
        Self { at, name: format!("{prefix}{name}:lease in Redis"), term }
    }

    fn failed(&self, why: impl ToString) -> LeaseError {
        LeaseError { lease: self.name.clone(), why: why.to_string() }
    }

    async fn ask(&self) -> Result<Claim, LeaseError> {
        let at = self.at.as_ref().map_err(|why| self.failed(why))?;
        // Who has it, for people; and never the same for two that ask.
        let (process, since) = (std::process::id(), jiff::Timestamp::now());
        let token = format!("process {process} on {} since {since:.0}, {:08x}", host(), fastrand::u32(..));
        let asked = Instant::now();
        let term = at.connect().await.map_err(|error| self.failed(error))?;
        let known = match term.claim(&token, self.term).await.map_err(|error| self.failed(error))? {
            Asked::Other(holder) => return Ok(Claim::Taken(holder)),
            Asked::Mine(known) => known.map(|(identity, epoch)| Known { identity: Identity(identity), epoch }),
        };
        let until = Arc::new(Mutex::new(Some(end(asked, self.term))));
        let held = Held { at: at.clone(), token, term: self.term, until: Arc::clone(&until) };
        let extending = tokio::spawn(held.clone().extend(term)).abort_handle();
        Ok(Claim::Held(Arc::new(TermHold { held, name: self.name.clone(), known, extending })))
    }
}

impl Lease for TermLease {
    fn claim(&self) -> BoxFuture<'_, Result<Claim, LeaseError>> {
        Box::pin(self.ask())
    }
}

/// The name of this machine.
fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}

/// Until when a term that was asked for at a moment counts.
fn end(asked: Instant, term: Duration) -> Instant {
    asked + (term - term / MARGIN)
}

/// A lease while it is held, and whoever extends it.
#[derive(Clone)]
struct Held {
    at: TermAt,
    token: String,
    term: Duration,
    /// None once it is known to be lost.
    until: Arc<Mutex<Option<Instant>>>,
}

impl Held {
    fn is_valid(&self) -> bool {
        self.until.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|until| Instant::now() < until)
    }

    fn set(&self, until: Option<Instant>) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }

    /// Extends it until it is lost, or can be no more.
    async fn extend(self, term: Term) {
        let mut term = Some(term);
        let pause = self.term / TIMES;
        tokio::time::sleep(pause).await;
        while self.is_valid() {
            let asked = Instant::now();
            match timeout(pause, self.once(&mut term)).await {
                Ok(Some(true)) => {
                    self.set(Some(end(asked, self.term)));
                    tokio::time::sleep(pause).await;
                }
                Ok(Some(false)) => return self.set(None),
                // Redis is away, or slow; it is asked again as long as it may still be in time.
                Ok(None) => tokio::time::sleep(pause / TIMES).await,
                Err(_) => term = None,
            }
        }
    }

    /// Asks once; none where Redis does not answer.
    async fn once(&self, term: &mut Option<Term>) -> Option<bool> {
        let open = match term.take() {
            Some(open) => open,
            None => self.at.connect().await.ok()?,
        };
        let is_extended = open.extend(&self.token, self.term).await.ok()?;
        *term = Some(open);
        Some(is_extended)
    }
}

struct TermHold {
    held: Held,
    name: String,
    known: Option<Known>,
    extending: AbortHandle,
}

impl Drop for TermHold {
    fn drop(&mut self) {
        self.extending.abort();
    }
}

impl Hold for TermHold {
    fn is_valid(&self) -> bool {
        self.held.is_valid()
    }

    fn known(&self) -> Option<Known> {
        self.known.clone()
    }

    fn note(&self, now: Known) -> BoxFuture<'_, Result<(), LeaseError>> {
        let failed = |why: String| LeaseError { lease: self.name.clone(), why };
        Box::pin(async move {
            let term = self.held.at.connect().await.map_err(|error| failed(error.to_string()))?;
            let noted = term.note(&self.held.token, &now.identity.0, now.epoch).await;
            match noted.map_err(|error| failed(error.to_string()))? {
                true => Ok(()),
                false => Err(failed("it was lost while the log was opened".to_owned())),
            }
        })
    }

    fn release(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.extending.abort();
            self.held.set(None);
            let giving = async { self.held.at.connect().await?.release(&self.held.token).await };
            if !matches!(timeout(GIVING_BACK, giving).await, Ok(Ok(()))) {
                tracing::info!(lease = self.name, "the lease was not given back; it ends with its term");
            }
        })
    }
}
