//! One entry: what a client asks and gets, and what is shared by all its statements: the nodes as they are laid out now,
//! what is known of tables, the plans that are kept, and how many statements may be spread over nodes at a time.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use futures_util::stream::BoxStream;
use tokio::sync::Semaphore;
use tokio::time::Instant as Clock;

use super::fit::Fit;
use super::nodes::Nodes;
use super::report::{Explanation, Report};
use super::settled::Settled;
use super::shapes::Shapes;
use crate::circuit::Circuits;
use crate::cluster::{LiveCluster, Roster};
use crate::config::SqlEntry;
use crate::sql::backend::Backend;
use crate::sql::cache::{CacheFigures, PlanCache};
use crate::sql::error::{Cap, Error};
use crate::sql::layout::layout;
use crate::sql::parse::Parsed;
use crate::sql::value::{Column, Row, Value};
use crate::sql::write::{Class, Lasting, Written, class};

/// What a client asks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    /// The statement.
    pub sql: String,
    /// The values bound to it, by place.
    pub params: Vec<Value>,
    /// How long it may take; none for what the entry gives.
    pub timeout: Option<Duration>,
    /// Whether rows of nodes that fail may be missing.
    pub allow_partial: bool,
    /// Whether to tell what would be done, and do nothing.
    pub explain: bool,
}

/// What a client gets.
#[derive(Debug)]
pub enum Answer {
    /// Rows.
    Rows(Rows),
    /// What was written.
    Written(Written),
    /// What would be done.
    Explained(Explanation),
}

/// Rows on their way. Dropped before its end, all that is under way for it is cancelled.
pub struct Rows {
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows, some hundreds at a time; ends after the first error.
    pub batches: BoxStream<'static, Result<Vec<Row>, Error>>,
    /// When they are to be dropped at the latest: while nobody takes them, they may hold connections to nodes.
    pub due: Instant,
    /// How they came about; complete when the rows have ended.
    pub report: Arc<Report>,
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows").field("columns", &self.columns).field("report", &self.report).finish_non_exhaustive()
    }
}

/// One entry: a database to its clients.
pub struct Entry {
    pub(super) spec: Arc<SqlEntry>,
    pub(super) attempts: u32,
    pub(super) shapes: Shapes,
    pub(super) fit: Fit,
    pub(super) settled: Settled,
    pub(super) plans: PlanCache,
    /// Statements that ask several nodes hold a permit for each connection that they may have to one node. So they never
    /// wait for connections that others like them hold and cannot give back.
    pub(super) spread: Arc<Semaphore>,
    backend: Arc<dyn Backend>,
    live: Arc<LiveCluster>,
    circuits: Arc<Circuits>,
    lasting: Lasting,
    world: ArcSwapOption<World>,
    /// Counts the layouts that were different.
    layouts: AtomicU64,
}

/// The nodes as they were laid out, and by what it is seen whether they still are.
struct World {
    generation: u64,
    states: u64,
    version: u64,
    nodes: Arc<Nodes>,
}

/// One statement to be answered.
#[derive(Clone)]
pub(super) struct Asked {
    pub(super) nodes: Arc<Nodes>,
    /// Stands for the topology of the nodes.
    pub(super) layout_version: u64,
    pub(super) parsed: Arc<Parsed>,
    pub(super) params: Arc<Vec<Value>>,
    pub(super) began: Clock,
    pub(super) due: Instant,
    pub(super) allow_partial: bool,
    pub(super) explain: bool,
}

impl Entry {
    /// An entry over the nodes of a cluster; `attempts` is how often a read is tried, the first time included.
    pub fn new(
        spec: Arc<SqlEntry>,
        backend: Arc<dyn Backend>,
        live: Arc<LiveCluster>,
        circuits: Arc<Circuits>,
        attempts: u32,
    ) -> Arc<Self> {
        let spread = Arc::new(Semaphore::new(spec.limits.connections.clamp(1, Semaphore::MAX_PERMITS)));
        let plans = PlanCache::new(backend.dialect(), spec.limits.cached_plans);
        let (shapes, world, layouts) = (Shapes::default(), ArcSwapOption::empty(), AtomicU64::new(0));
        let (lasting, fit, settled) = (Lasting::default(), Fit::default(), Settled::default());
        Arc::new(Self {
            spec,
            attempts,
            shapes,
            fit,
            settled,
            plans,
            spread,
            backend,
            live,
            circuits,
            lasting,
            world,
            layouts,
        })
    }

    /// Answers a statement; on a runtime of tokio. Dropped before it has, or with the rows that it gave, all that is under
    /// way for it is cancelled; but a write that has begun to commit is carried through.
    ///
    /// # Errors
    /// See [`Error`]. Rows that have begun to come may end in one, too.
    pub async fn answer(self: &Arc<Self>, query: Query) -> Result<Answer, Error> {
        let (began, limits) = (Clock::now(), &self.spec.limits);
        if query.sql.len() > limits.statement_bytes {
            return Err(Error::Cap(Cap::StatementBytes(limits.statement_bytes)));
        }
        let timeout = query.timeout.unwrap_or(limits.timeout).min(limits.max_timeout);
        let world = self.world()?;
        let parsed = self.plans.parsed(&query.sql)?;
        if query.params.len() != parsed.parameters {
            let (wanted, given) = (parsed.parameters, query.params.len());
            return Err(Error::BadParameter(format!("the statement takes {wanted} parameters, {given} are given")));
        }
        let asked = Asked {
            nodes: Arc::clone(&world.nodes),
            layout_version: world.version,
            parsed,
            params: Arc::new(query.params),
            began,
            due: (began + timeout).into_std(),
            allow_partial: query.allow_partial,
            explain: query.explain,
        };
        match class(&asked.parsed)? {
            Class::Read => self.read(&asked).await,
            Class::Change => Box::pin(self.change(&asked)).await,
            Class::Schema => Box::pin(self.reshape(&asked)).await,
        }
    }

    /// How often a kept statement or plan helped.
    pub fn plan_figures(&self) -> CacheFigures {
        self.plans.figures()
    }

    /// Counts what must not be broken off, also after the client has left.
    pub fn lasting(&self) -> &Lasting {
        &self.lasting
    }

    /// The nodes as they are laid out now.
    ///
    /// # Errors
    /// [`Error::Unready`] where those that there are do not make up the topology.
    pub fn nodes(&self) -> Result<Arc<Nodes>, Error> {
        self.world().map(|world| Arc::clone(&world.nodes))
    }

    /// Laid out anew when the roster or a circuit has changed.
    fn world(&self) -> Result<Arc<World>, Error> {
        let roster = self.live.roster();
        let (generation, states) = (roster.generation(), self.states(&roster));
        let before = self.world.load_full();
        if let Some(world) = &before
            && (world.generation, world.states) == (generation, states)
        {
            return Ok(Arc::clone(world));
        }
        let layout = layout(&self.spec, &roster, &self.circuits).map_err(|error| Error::Unready(error.to_string()))?;
        let version = match before {
            Some(world) if *world.nodes.layout().topology == *layout.topology => world.version,
            // Kept below what is shifted for the version of a plan.
            _ => self.layouts.fetch_add(1, Ordering::Relaxed) & u64::from(u32::MAX),
        };
        let (backend, circuits) = (Arc::clone(&self.backend), Arc::clone(&self.circuits));
        let (patience, lasting) = (self.spec.limits.timeout, self.lasting.clone());
        let nodes = Arc::new(Nodes::new(layout, backend, circuits, patience, lasting));
        let world = Arc::new(World { generation, states, version, nodes });
        self.world.store(Some(Arc::clone(&world)));
        Ok(world)
    }

    /// The states of the circuits of those that may be chosen, as one number.
    fn states(&self, roster: &Roster) -> u64 {
        let state = |id| self.circuits.state(id) as u64 + 1;
        roster.ready().iter().fold(0, |all, member| all.wrapping_mul(31).wrapping_add(state(member.id())))
    }
}
