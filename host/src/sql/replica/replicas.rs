//! [`Replicas`]: what the rest of the program holds of the nodes of a replicated database. Writes go through it in order, and
//! end when they are acknowledged; reads are told who may answer them; operators see how the nodes stand.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{Mutex, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant as Clock, timeout_at};

use super::ack::Acknowledgement;
use super::apply::{Applier, Timing};
use super::board::Board;
use super::journal::{Journal, Notes};
use super::keeper::{Keeper, kept};
use super::kept::Kept;
use super::log::{Entry, Flush, LogError, Position};
use super::mark::Marks;
use super::rebuild::{NoRebuild, Rebuild};
use super::shared::Shared;
use super::slot::Slot;
use super::state::{Standing, State};
use super::trouble::Trouble;
use super::turn::{Acknowledged, Turn, WriteError};
use crate::config::BackendSpec;
use crate::model::{Address, ClusterName, EndpointId, EndpointName, Events, SqlName, Work, WorkKind};
use crate::sql::backend::Backend;

/// A node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name, by which the log knows it.
    pub name: EndpointName,
    /// Its number in the cluster.
    pub id: EndpointId,
    /// Where it is.
    pub address: Address,
}

/// What makes up a replicated database.
pub struct Setup {
    /// The SQL entry.
    pub name: SqlName,
    /// The cluster of its nodes.
    pub cluster: ClusterName,
    /// All of its nodes, whether they are there or not.
    pub nodes: Vec<Node>,
    /// Opens sessions with them.
    pub backend: Arc<dyn Backend>,
    /// What they are, which says how the data of one is copied.
    pub kind: BackendSpec,
    /// The log.
    pub journal: Arc<dyn Journal>,
    /// When a client is told that its write was done.
    pub acknowledgement: Acknowledgement,
    /// The log may be so long; who would need more must be filled anew.
    pub most_bytes: u64,
    /// How long things may take.
    pub timing: Timing,
    /// Where to tell what happens.
    pub events: Events,
    /// Of what is left to chance.
    pub seed: u64,
}

/// Which nodes may answer a read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Freshness {
    /// They have everything up to here.
    pub least: Position,
    /// They lack no more than so many entries of those that were acknowledged.
    pub max_lag: u64,
}

/// A node that may answer a read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reader {
    /// Its name.
    pub name: EndpointName,
    /// It has everything up to here, at least.
    pub position: Position,
}

/// Nobody may answer a read in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no node has everything up to {least} in time; {up} of {nodes} are up")]
pub struct NoReader {
    /// What was asked for.
    pub least: Position,
    /// Nodes that are up.
    pub up: usize,
    /// Nodes there are.
    pub nodes: usize,
}

/// How everything stands, at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// The last entry of the log.
    pub last: Position,
    /// The last entry that was acknowledged.
    pub acknowledged: Position,
    /// Entries up to here were removed.
    pub trimmed: Position,
    /// Bytes of the log.
    pub bytes: u64,
    /// Entries appended, and flushes that took.
    pub appended: (u64, u64),
    /// The epoch of a later writer, by which this one was kept out.
    pub fenced: Option<u64>,
    /// The nodes.
    pub nodes: Vec<NodeStatus>,
}

/// How a node stands.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeStatus {
    /// Its name.
    pub name: String,
    /// How it stands.
    pub state: State,
    /// Up to where it has applied the log.
    pub position: Position,
    /// Entries that it lacks.
    pub lag: u64,
    /// Whether it comes and goes.
    pub is_flapping: bool,
    /// Whether it may be read from.
    pub is_readable: bool,
}

/// The nodes of a replicated database, and everything that is under way to them. Ends when it is dropped: what is in the log is
/// done by whoever opens it next.
pub struct Replicas {
    pub(super) shared: Arc<Shared>,
    pub(super) nodes: Vec<Node>,
    pub(super) marks: Marks,
    pub(super) backend: Arc<dyn Backend>,
    pub(super) kind: BackendSpec,
    pub(super) timing: Timing,
    sequencer: Mutex<()>,
    /// Entries that have a place in the log, but may not be durable yet.
    under_way: watch::Sender<usize>,
    tasks: Vec<AbortHandle>,
}

impl Drop for Replicas {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl Replicas {
    /// Begins to apply the log to the nodes.
    ///
    /// # Errors
    /// Where the log cannot be read or written.
    pub async fn start(setup: Setup) -> Result<Self, LogError> {
        let Setup { name, cluster, nodes, backend, kind, journal, acknowledgement, most_bytes, timing, events, seed } =
            setup;
        let slots = slots(&nodes, journal.as_ref()).await?;
        let last = journal.durable();
        let board = Board::new(acknowledgement, backend.dialect(), slots, last);
        let marks = Marks::new(backend.dialect(), name.as_str(), journal.identity(), journal.epoch());
        let names = nodes.iter().map(|node| node.name.clone()).collect();
        let shared = Arc::new(Shared::new(board, journal, (events, cluster), names));
        let keeper = Keeper { shared: Arc::clone(&shared), timing, most_bytes };
        let mut tasks = vec![tokio::spawn(keeper.run()).abort_handle()];
        let mut chance = fastrand::Rng::with_seed(seed);
        for (node, spec) in nodes.iter().enumerate() {
            let applier = Applier {
                node,
                address: spec.address.clone(),
                backend: Arc::clone(&backend),
                shared: Arc::clone(&shared),
                marks: marks.clone(),
                timing,
                chance: chance.fork(),
                doubt: Vec::new(),
                apart: None,
                patience: timing.apply,
            };
            tasks.push(tokio::spawn(applier.run()).abort_handle());
        }
        let (under_way, _) = watch::channel(0);
        Ok(Self { shared, nodes, marks, backend, kind, timing, sequencer: Mutex::new(()), under_way, tasks })
    }

    /// Reads and moves the watermarks of the nodes.
    pub fn marks(&self) -> &Marks {
        &self.marks
    }

    /// Waits for the turn to write: what is decided while it is held has its place in that order.
    ///
    /// # Errors
    /// Where no write is taken now; nothing was done.
    pub async fn turn(&self, due: Instant) -> Result<Turn<'_>, WriteError> {
        self.admit(due).await?;
        self.quiet(due).await
    }

    /// Writes: appends the entry, with the next ids of tables, and waits until it is acknowledged.
    ///
    /// # Errors
    /// Where it is not.
    pub async fn write(&self, entry: Entry, ids: &[(String, i64)], due: Instant) -> Result<Acknowledged, WriteError> {
        self.turn(due).await?.submit(entry, ids).await?.acknowledged(due).await
    }

    /// The turn for an operator, whether nodes are up or not.
    pub(super) async fn quiet(&self, due: Instant) -> Result<Turn<'_>, WriteError> {
        let late = |_| WriteError::Late { position: None };
        let guard = timeout_at(Clock::from_std(due), self.sequencer.lock()).await.map_err(late)?;
        Ok(Turn::new(&self.shared, &self.under_way, guard))
    }

    /// Waits until it is known which nodes are up, and enough are.
    async fn admit(&self, due: Instant) -> Result<(), WriteError> {
        let nodes = self.nodes.len();
        let admitted = self.shared.until(|board, _| {
            let (up, needed) = board.strength();
            match board.trouble() {
                Some(Trouble::Fenced(epoch)) => Some(Err(WriteError::Fenced(epoch))),
                Some(Trouble::Older(why)) => Some(Err(WriteError::Older(why))),
                // Any of them may know better than the log.
                None if !board.all_tried() => None,
                None if up >= needed => Some(Ok(())),
                None => Some(Err(WriteError::TooFew { up, needed, nodes })),
            }
        });
        match timeout_at(Clock::from_std(due), admitted).await {
            Ok(admitted) => admitted,
            Err(_) => {
                let (up, needed) = self.shared.with(|board, _| board.strength());
                if up >= needed {
                    Err(WriteError::Late { position: None })
                } else {
                    Err(WriteError::TooFew { up, needed, nodes })
                }
            }
        }
    }

    /// The nodes that may answer a read, except some, and what each has at least; waits until there is one.
    ///
    /// # Errors
    /// Where there is none in time.
    pub async fn readers(
        &self,
        wanted: Freshness,
        excluded: &[EndpointId],
        due: Instant,
    ) -> Result<Vec<(EndpointId, Position)>, NoReader> {
        let found = self.shared.until(|board, now| {
            let found = self.readable(board, now, (wanted, excluded));
            (!found.is_empty()).then_some(found)
        });
        match timeout_at(Clock::from_std(due), found).await {
            Ok(found) => Ok(found),
            Err(_) => {
                let up = self.shared.with(|board, _| board.strength().0);
                Err(NoReader { least: wanted.least, up, nodes: self.nodes.len() })
            }
        }
    }

    fn readable(
        &self,
        board: &Board,
        now: Instant,
        (wanted, excluded): (Freshness, &[EndpointId]),
    ) -> Vec<(EndpointId, Position)> {
        let is_fresh = |slot: &Slot| {
            let mark = slot.standing.mark();
            let is_close = wanted.max_lag > 0 && matches!(slot.standing.state(), State::Recovering { .. });
            let is_there = slot.standing.is_readable(now) || (is_close && !slot.standing.is_flapping());
            is_there && mark >= wanted.least && mark.0.saturating_add(wanted.max_lag) >= board.acknowledged.0
        };
        let fresh = board.slots.iter().zip(&self.nodes).filter(|(slot, _)| is_fresh(slot));
        let fresh = fresh.map(|(slot, node)| (node.id, slot.standing.mark()));
        fresh.filter(|(id, _)| !excluded.contains(id)).collect()
    }

    /// How everything stands.
    pub fn status(&self) -> Status {
        let figures = self.shared.journal.figures();
        self.shared.with(|board, now| {
            let node = |slot: &Slot| NodeStatus {
                name: slot.name.clone(),
                state: slot.standing.state().clone(),
                position: slot.standing.mark(),
                lag: board.last.0.saturating_sub(slot.standing.mark().0),
                is_flapping: slot.standing.is_flapping(),
                is_readable: slot.standing.is_readable(now),
            };
            Status {
                last: board.last,
                acknowledged: board.acknowledged,
                trimmed: figures.trimmed,
                bytes: figures.bytes,
                appended: (figures.entries, figures.fsyncs),
                fenced: board.fenced,
                nodes: board.slots.iter().map(node).collect(),
            }
        })
    }

    /// Takes a node out, to be filled anew. Its data may be overwritten from now on; what is written meanwhile is kept for it.
    ///
    /// # Errors
    /// Where there is no such node, or no other that it could be filled from.
    pub fn rebuild(&self, name: &EndpointName) -> Result<Rebuild, NoRebuild> {
        Rebuild::begin(&self.shared, name)
    }

    /// Tells operators that the nodes are being compared.
    pub(super) fn verifying(&self) -> Work {
        self.shared.work(WorkKind::Verify, None, "tables")
    }
}

/// The nodes as the log knows them. Those that are there when a log begins follow it from its beginning.
async fn slots(nodes: &[Node], journal: &dyn Journal) -> Result<Vec<Slot>, LogError> {
    let known = journal.nodes().await?;
    let is_new_log = known.is_empty() && journal.durable() == Position(0);
    let slot = |node: &Node| {
        let name = node.name.as_str().to_owned();
        let Some(mark) = known.get(node.name.as_str()) else {
            return Slot::new(name, Standing::new(Position(0)), is_new_log);
        };
        let kept = Kept::read(mark.state.as_deref());
        let mut standing = Standing::new(mark.watermark);
        if let Some(state) = kept.state() {
            standing.remember(state);
        }
        Slot::new(name, standing, kept == Kept::New)
    };
    let slots: Vec<Slot> = nodes.iter().map(slot).collect();
    if is_new_log {
        let nodes = slots.iter().map(|slot| kept(slot, slot.is_new)).collect();
        journal.note(Notes { nodes, outcomes: Vec::new() }, Flush::Now).await?;
    }
    Ok(slots)
}
