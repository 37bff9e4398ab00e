//! Owns the place from which a replicated database is written to: there is one, however many proxies there are. It claims the
//! lease, opens the log and begins to apply it; where another has the lease it waits for it, and has reads answered meanwhile;
//! a log that fails is opened again, and one whose lease is lost is closed. A log is opened only where it is the one that the
//! lease was last used for, and no older copy of it: a write that was acknowledged would not be in that.
//! It is kept while its database is configured, and given up in order: first nobody writes any more, then the log is closed.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio::time::{Instant as Clock, timeout_at};

use super::ack::Acknowledgement;
use super::apply::Timing;
use super::journal::Journal;
use super::log::{Claim, Hold, Known, Lease, Log, look};
use super::memory::Memory;
use super::replicas::{Freshness, Node, Reader, Replicas, Setup};
use super::sequence::{Functions, Sequencer};
use super::stage::Stage;
use super::standby::Standby;
use crate::config::BackendSpec;
use crate::model::{Address, ClusterName, EndpointId, EndpointName, Events, SqlName};
use crate::sql::backend::Backend;
use crate::sql::error::Error;
use crate::sql::parse::Parsed;
use crate::sql::plan::Refusal;

/// How often a lease that another has is asked for, and a log that is open is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Before a log that could not be opened is tried again.
const PAUSE: Duration = Duration::from_secs(2);

/// How long a write waits for a lease that another proxy was found to have: it may be about to end.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a seat is made of.
#[derive(Clone)]
pub struct Plan {
    /// The SQL entry.
    pub name: SqlName,
    /// The cluster of its nodes.
    pub cluster: ClusterName,
    /// All nodes.
    pub nodes: Vec<(EndpointName, Address)>,
    /// Opens sessions for what applies the log, beside those of clients.
    pub backend: Arc<dyn Backend>,
    /// What they are, which says how the data of one is copied.
    pub kind: BackendSpec,
    /// The file of the log.
    pub log: PathBuf,
    /// Who has it may write to the log.
    pub lease: Arc<dyn Lease>,
    /// It may be so long.
    pub log_bytes: u64,
    /// When a client is told that its write was done.
    pub acknowledgement: Acknowledgement,
    /// How long things may take.
    pub timing: Timing,
    /// What is said of functions.
    pub functions: Functions,
    /// Where to tell what happens.
    pub events: Events,
}

/// The place from which a database is written to. Dropped, it is given up.
pub struct Seat {
    stage: watch::Receiver<Stage>,
    functions: Functions,
    leave: watch::Sender<bool>,
    ended: watch::Receiver<bool>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.leave.send_replace(true);
    }
}

impl Seat {
    /// Takes it, as soon as `before` is over; on a runtime of tokio.
    pub fn take(plan: Plan, before: BoxFuture<'static, ()>) -> Self {
        let (stage, seen) = watch::channel(Stage::Opening);
        let (leave, left) = watch::channel(false);
        let (end, ended) = watch::channel(false);
        let functions = plan.functions.clone();
        let sitter = Sitter { plan, stage, left, standby: None };
        tokio::spawn(async move {
            before.await;
            sitter.run().await;
            end.send_replace(true);
        });
        Self { stage: seen, functions, leave, ended }
    }

    /// How it stands.
    pub fn stage(&self) -> Stage {
        self.stage.borrow().clone()
    }

    /// Who takes writes; waits while that is being found out, and a little for another proxy that may be ending.
    ///
    /// # Errors
    /// Where writes are not taken here, or not in time.
    pub async fn sequencer(&self, due: Instant) -> Result<Arc<Sequencer>, Error> {
        let mut stage = self.stage.clone();
        let due = Clock::from_std(due);
        loop {
            let now = stage.borrow_and_update().clone();
            let until = match &now {
                Stage::Open(sequencer) => return Ok(Arc::clone(sequencer)),
                Stage::Opening => due,
                Stage::Taken { since, .. } => due.min(*since + PATIENCE),
                Stage::Failed { .. } | Stage::Closed => Clock::now(),
            };
            if !matches!(timeout_at(until, stage.changed()).await, Ok(Ok(()))) {
                return Err(now.error());
            }
        }
    }

    /// Whether a statement only reads.
    ///
    /// # Errors
    /// Where it is none that is known.
    pub fn only_reads(&self, parsed: &Parsed) -> Result<bool, Refusal> {
        self.functions.only_read(parsed)
    }

    /// The nodes that may answer a read, whoever takes the writes; waits until there is one.
    ///
    /// # Errors
    /// Where there is none in time.
    pub async fn readers(&self, wanted: Freshness, due: Instant) -> Result<Vec<Reader>, Error> {
        let mut stage = self.stage.clone();
        loop {
            let now = stage.borrow_and_update().clone();
            let found = async {
                match (&now, now.standby()) {
                    (Stage::Open(sequencer), _) => return sequencer.readers(wanted, due).await,
                    (_, Some(standby)) => return standby.readers(wanted, due).await,
                    (Stage::Opening, None) => tokio::time::sleep_until(Clock::from_std(due)).await,
                    _ => {}
                }
                Err(now.error())
            };
            tokio::select! {
                found = found => return found,
                Ok(()) = stage.changed() => {}
            }
        }
    }

    /// Gives it up. What is returned ends when the log is closed, after all who wait for writes have been answered.
    pub fn close(&self) -> BoxFuture<'static, ()> {
        self.leave.send_replace(true);
        let mut ended = self.ended.clone();
        Box::pin(async move {
            // Where its task is gone, the log is closed as well.
            let _ = ended.wait_for(|ended| *ended).await;
        })
    }
}

/// Who sits on it.
struct Sitter {
    plan: Plan,
    stage: watch::Sender<Stage>,
    left: watch::Receiver<bool>,
    /// While it does not have the log.
    standby: Option<Arc<Standby>>,
}

/// Why the log is not open.
enum Hindrance {
    Taken(String),
    Failed(String),
}

impl Sitter {
    async fn run(mut self) {
        let mut told = String::new();
        while !*self.left.borrow() {
            let pause = match self.open().await {
                Ok((log, hold)) => {
                    told.clear();
                    self.hold(log, hold).await;
                    continue;
                }
                Err(Hindrance::Taken(who)) => {
                    let stage = self.taken(who);
                    self.tell(stage, &mut told);
                    LOOK
                }
                Err(Hindrance::Failed(why)) => {
                    let standby = self.standby();
                    self.tell(Stage::Failed { why, standby }, &mut told);
                    PAUSE
                }
            };
            // Whether it is over or was left, the loop sees.
            let _ = tokio::time::timeout(pause, self.left.changed()).await;
        }
        self.stage.send_replace(Stage::Closed);
    }

    fn tell(&self, stage: Stage, told: &mut String) {
        let why = stage.why().unwrap_or_default();
        if *told != why {
            tracing::warn!(entry = self.plan.name.as_str(), why, "no writes are taken");
            *told = why;
        }
        self.stage.send_replace(stage);
    }

    /// Who looks at the nodes as long as nothing is known of them from the log.
    fn standby(&mut self) -> Arc<Standby> {
        Arc::clone(self.standby.get_or_insert_with(|| Arc::new(Standby::start(&self.plan))))
    }

    fn taken(&mut self, who: String) -> Stage {
        let since = match &*self.stage.borrow() {
            Stage::Taken { since, .. } => *since,
            _ => Clock::now(),
        };
        Stage::Taken { who, since, standby: self.standby() }
    }

    /// Claims the lease and opens the log.
    async fn open(&mut self) -> Result<(Log, Arc<dyn Hold>), Hindrance> {
        let Plan { log: path, lease, .. } = &self.plan;
        if let Some(folder) = path.parent() {
            tokio::fs::create_dir_all(folder)
                .await
                .map_err(|error| failed(&format!("{}: {error}", folder.display())))?;
        }
        let hold = match lease.claim().await {
            Ok(Claim::Held(hold)) => hold,
            Ok(Claim::Taken(who)) => return Err(Hindrance::Taken(who)),
            Err(error) => return Err(failed(&error)),
        };
        match self.begin(&hold).await {
            Ok(log) => {
                self.standby = None;
                Ok((log, hold))
            }
            Err(why) => {
                hold.release().await;
                Err(why)
            }
        }
    }

    /// Opens the log, and begins to apply it.
    async fn begin(&self, hold: &Arc<dyn Hold>) -> Result<Log, Hindrance> {
        let Plan { log: path, .. } = &self.plan;
        if let Some(known) = hold.known() {
            is_the_same(path.clone(), known).await.map_err(Hindrance::Failed)?;
        }
        let log = Log::open(path, Arc::clone(hold)).await.map_err(|error| failed(&error))?;
        let now = Known { identity: log.identity().clone(), epoch: log.epoch() };
        hold.note(now).await.map_err(|error| failed(&error))?;
        let counters = log.counters().await.map_err(|error| failed(&error))?;
        let replicas = Replicas::start(self.setup(&log)).await.map_err(|error| failed(&error))?;
        let names = self.plan.nodes.iter().map(|(name, _)| name.clone()).collect();
        let told = (self.plan.backend.dialect(), self.plan.functions.clone());
        let sequencer = Sequencer::new(replicas, names, told, Memory::new(counters, fastrand::u64(..)));
        self.stage.send_replace(Stage::Open(Arc::new(sequencer)));
        Ok(log)
    }

    fn setup(&self, log: &Log) -> Setup {
        let Plan { name, cluster, nodes, backend, kind, log_bytes, acknowledgement, timing, events, .. } =
            self.plan.clone();
        let node = |((name, address), nth): ((EndpointName, Address), u32)| Node { name, id: EndpointId(nth), address };
        Setup {
            name,
            cluster,
            nodes: nodes.into_iter().zip(0..).map(node).collect(),
            backend,
            kind,
            journal: Arc::new(log.clone()) as Arc<dyn Journal>,
            acknowledgement,
            most_bytes: log_bytes,
            timing,
            events,
            seed: fastrand::u64(..),
        }
    }

    /// Keeps the log open until it ends by itself, its lease is lost, or it is given up; then closes it.
    async fn hold(&mut self, log: Log, hold: Arc<dyn Hold>) {
        let durable = log.watch();
        while !*self.left.borrow() && durable.has_changed().is_ok() && hold.is_valid() {
            // Whether it is over or was left, the loop sees.
            let _ = tokio::time::timeout(LOOK, self.left.changed()).await;
        }
        let (is_left, is_lost, last) = (*self.left.borrow(), !hold.is_valid(), log.durable());
        let stage = match (is_left, is_lost) {
            (true, _) => Stage::Closed,
            // Whoever has it by now, reads go on.
            (false, true) => self.taken("the lease was not extended in time".to_owned()),
            (false, false) => Stage::Opening,
        };
        // Who has it still is answered before it ends.
        self.stage.send_replace(stage);
        log.close().await;
        hold.release().await;
        match is_left {
            true => tracing::info!(entry = self.plan.name.as_str(), position = %last, "the log is closed"),
            false if is_lost => {
                tracing::warn!(entry = self.plan.name.as_str(), position = %last, "the lease is lost; the log is closed")
            }
            false => {
                tracing::warn!(entry = self.plan.name.as_str(), position = %last, "the log has ended; it is opened again")
            }
        }
    }
}

fn failed(error: &dyn std::fmt::Display) -> Hindrance {
    Hindrance::Failed(error.to_string())
}

/// Sees whether the log that is here is the one that the lease was last used for. One that is not there is not made anew.
async fn is_the_same(path: PathBuf, known: Known) -> Result<(), String> {
    let looked = tokio::task::spawn_blocking(move || (look(&path), path)).await;
    let (looked, path) = looked.map_err(|error| error.to_string())?;
    let (path, Known { identity, epoch }) = (path.display(), known);
    let advice = "all proxies of a database need the same file";
    match looked {
        Err(error) => Err(format!("the lease is of the log {identity}, which is not at {path} ({error}): {advice}")),
        Ok(found) if found.known.identity != identity => {
            let other = found.known.identity;
            Err(format!("the lease is of the log {identity}, and at {path} there is {other}: {advice}"))
        }
        Ok(found) if found.known.epoch < epoch => {
            let old = found.known.epoch;
            Err(format!("the log at {path} is an old copy: its last writer was of epoch {old}, not {epoch}: {advice}"))
        }
        Ok(_) => Ok(()),
    }
}
