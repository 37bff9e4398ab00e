//! Owns reads: planning, bounds, carrying out, and planning anew where the values or the tables met are not what the plan
//! took them for.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant as Clock, timeout_at};

use super::asker::Asker;
use super::asking::Run;
use super::budget::Budget;
use super::course::{explained, unasked};
use super::engine::{Stop, gather, rounds};
use super::entry::{Answer, Asked, Rows};
use super::heads::heads;
use super::last::{Batches, Order, concat, merge, no_nodes, through};
use super::report::Step;
use super::shapes::{Columns, sounds_changed};
use super::spans;
use super::spread::Spread;
use crate::sql::backend::FaultKind;
use crate::sql::catalog::Catalog;
use crate::sql::error::Error;
use crate::sql::plan::{Class, FinalStage, Options, Plan, Refusal, Tier, plan};
use crate::sql::route::{Parameters, Route, route};
use crate::sql::topology::Shard;
use crate::sql::value::Column;

/// How long reading the columns of tables again may take, beside the statements.
const RENEWING: Duration = Duration::from_secs(10);

/// What was read so lately is not doubted.
const DOUBT: Duration = Duration::from_secs(1);

impl Spread {
    /// Answers a read.
    pub(super) async fn read(self: &Arc<Self>, asked: &Asked) -> Result<Answer, Error> {
        let (mut options, mut instead, mut is_renewed) = (Options::default(), None, false);
        loop {
            let planned = match (self.planned(asked, options).await, instead.take()) {
                // What a guard has found is the reason, not that gathering is no way out.
                (Err(Error::Refused(refusal)), Some(Error::Refused(Refusal { construct, .. }))) => {
                    return Err(Refusal { construct, why: refusal.to_string() }.into());
                }
                (planned, _) => planned?,
            };
            self.bound(&planned)?;
            if asked.explain {
                return Ok(Answer::Explained(explained(&planned, &asked.nodes)));
            }
            let is_merge = planned.tier == Tier::Merge && !options.no_merge;
            let error = match self.begin(asked, planned).await {
                Ok(rows) => return Ok(Answer::Rows(rows)),
                Err(Stop::Inexact(error)) if is_merge => {
                    options.no_merge = true;
                    instead = Some(error);
                    continue;
                }
                Err(Stop::Inexact(error) | Stop::Error(error)) => error,
            };
            match &error {
                Error::Statement(failed) if is_merge && overflows(failed) => options.no_merge = true,
                Error::Statement(failed) if !is_renewed && sounds_changed(failed) => {
                    is_renewed = true;
                    if !self.is_changed(asked).await? {
                        return Err(error);
                    }
                }
                _ => return Err(error),
            }
        }
    }

    /// The plan of a read: the one that was kept, or a new one.
    async fn planned(&self, asked: &Asked, options: Options) -> Result<Arc<Plan>, Error> {
        let (span, mut is_kept) = (spans::planning(asked.trace.as_ref()), false);
        let planned = self.kept_or_planned(asked, options, &mut is_kept).await;
        spans::planned(span, &planned, is_kept, &asked.nodes);
        planned
    }

    async fn kept_or_planned(&self, asked: &Asked, options: Options, is_kept: &mut bool) -> Result<Arc<Plan>, Error> {
        if options.no_merge {
            return self.plan(asked, options).await.map(Arc::new);
        }
        // First the version, then what it stands for: a plan may be newer than its version says, never older.
        let version = asked.layout_version << 32 | self.shapes.version();
        let key = self.plans.key(&asked.parsed, &asked.params, version);
        if let Some(plan) = self.plans.plan(&key) {
            *is_kept = true;
            return Ok(plan);
        }
        let plan = Arc::new(self.plan(asked, options).await?);
        self.plans.keep(key, &plan);
        Ok(plan)
    }

    async fn plan(&self, asked: &Asked, options: Options) -> Result<Plan, Error> {
        let topology = &asked.nodes.layout().topology;
        let parameters = Parameters { positional: &asked.params };
        let Route::Read(reads) = route(&asked.parsed.statement, parameters, topology)? else {
            return Err(Error::Internal("a read that has no way of one".into()));
        };
        self.fits(asked, tables_of(asked)).await?;
        let is_told = topology.is_split() || !hides_columns(asked);
        let is_whole = topology.shards().get() <= 1 || (is_told && reads.whole_at(topology).is_some());
        let shapes = match is_whole {
            true => Arc::<Columns>::default(),
            false => self.shapes.of(&asked.nodes, tables_of(asked), asked.due).await?,
        };
        let catalog = Catalog { topology, shapes: &shapes };
        Ok(plan(&asked.parsed, &asked.params, &reads, &catalog, options)?)
    }

    /// What the entry does not let a statement do.
    fn bound(&self, plan: &Plan) -> Result<(), Refusal> {
        let mut shards: BTreeSet<Shard> = plan.nodes.iter().map(|node| node.shard).collect();
        if shards.len() > 1 {
            // One of those that are asked in any case will do.
            shards.remove(&Shard::ANY);
        }
        self.bound_spread(shards.len(), plan.class == Class::Full)
    }

    /// What the entry does not let a statement do that asks so many shards, which may be all.
    pub(super) fn bound_spread(&self, shards: usize, is_full: bool) -> Result<(), Refusal> {
        let limits = &self.spec.limits;
        if limits.forbid_scatter && is_full && shards > 1 {
            let why = "it would ask every shard, which this entry forbids; name the key in its predicates";
            return Err(Refusal::new("a statement over all shards", why));
        }
        match limits.max_shards {
            Some(most) if shards > usize::from(most) => {
                let why = format!("this entry lets a statement ask {most}; narrow the key in its predicates");
                Err(Refusal::new(format!("a statement over {shards} shards"), why))
            }
            _ => Ok(()),
        }
    }

    /// Carries a plan out as far as its first rows.
    async fn begin(self: &Arc<Self>, asked: &Asked, plan: Arc<Plan>) -> Result<Rows, Stop> {
        if plan.tier != Tier::PassThrough {
            self.keep_fresh(asked);
        }
        let report = unasked(&plan, asked);
        let shard = match plan.nodes.as_slice() {
            [only] => Some(asked.nodes.shard_name(only.shard)),
            _ => None,
        };
        let run = Arc::new(Run {
            nodes: Arc::clone(&asked.nodes),
            asker: Asker::client(asked.head.clone(), Arc::clone(&asked.parsed), shard).within(asked.trace.clone()),
            plan: Arc::clone(&plan),
            params: Arc::clone(&asked.params),
            due: asked.due,
            room: Arc::clone(&self.spread),
            attempts: self.attempts,
            barred: Vec::new(),
            allow_partial: asked.allow_partial,
            report: Arc::clone(&report),
        });
        let (columns, batches) = match &plan.last {
            FinalStage::Sql { .. } => self.gathered(run).await?,
            FinalStage::PassThrough => through(run).await?,
            FinalStage::Concat(_) | FinalStage::Merge { .. } => self.joined(run).await?,
        };
        Ok(Rows { columns, batches, due: asked.due, report })
    }

    /// The rows of several nodes, put together here.
    async fn joined(&self, run: Arc<Run>) -> Result<(Vec<Column>, Batches), Stop> {
        let permit = self.permit(run.due, 1).await?;
        let began = Clock::now();
        let which: Vec<usize> = (0..run.plan.nodes.len()).collect();
        let nodes = heads(&run, &which).await?;
        run.report.took(Step::Nodes, began.elapsed());
        let mut columns = nodes.first().ok_or_else(no_nodes)?.columns.clone();
        let plan = Arc::clone(&run.plan);
        let span = spans::merging(run.asker.trace(), &plan);
        let batches = match &plan.last {
            FinalStage::Merge { keys, hidden, window } => {
                columns.truncate(columns.len().saturating_sub(*hidden));
                let order = Order { keys: keys.clone(), visible: columns.len(), window: *window };
                merge(run, nodes, order, permit)
            }
            FinalStage::Concat(window) => concat(run, nodes, *window, permit),
            FinalStage::PassThrough | FinalStage::Sql { .. } => return Err(no_nodes().into()),
        };
        Ok((columns, spans::with_rows(batches, span)))
    }

    /// The rows of several nodes, loaded into an engine.
    async fn gathered(&self, run: Arc<Run>) -> Result<(Vec<Column>, Batches), Stop> {
        let limits = &self.spec.limits;
        let (rounds, connections) = rounds(&run, limits.connections);
        if connections > limits.connections {
            let why =
                format!("it takes {connections} connections to a node, the entry may have {}", limits.connections);
            return Err(Refusal::new("a statement that loads rows into a node", why).into());
        }
        let permit = self.permit(run.due, connections).await?;
        let span = spans::merging(run.asker.trace(), &run.plan);
        let budget = Budget::new(limits.gather_rows, limits.gather_bytes);
        let (columns, batches) = gather(run, rounds, budget, permit).await?;
        Ok((columns, spans::with_rows(batches, span)))
    }

    /// The right to so many connections to each node.
    pub(super) async fn permit(&self, due: Instant, connections: usize) -> Result<OwnedSemaphorePermit, Error> {
        let count = u32::try_from(connections).unwrap_or(u32::MAX);
        match timeout_at(Clock::from_std(due), Arc::clone(&self.spread).acquire_many_owned(count)).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) => Err(Error::Internal("the entry is closed".into())),
            Err(_) => Err(Error::Deadline { late: Vec::new() }),
        }
    }

    /// Reads the columns of tables again that were read long ago, beside the statement.
    fn keep_fresh(self: &Arc<Self>, asked: &Asked) {
        let stale = self.shapes.stale();
        if !stale.is_empty() {
            let (entry, nodes) = (Arc::clone(self), Arc::clone(&asked.nodes));
            // What fails now is tried again when it is next thought old.
            tokio::spawn(async move {
                let due = (Clock::now() + RENEWING).into_std();
                let _ = entry.shapes.renew(&nodes, &stale, due).await;
            });
        }
    }

    /// Whether tables are other than the plan took them for. Not asked of the nodes at every misspelt name.
    async fn is_changed(&self, asked: &Asked) -> Result<bool, Error> {
        let doubtful = self.shapes.older(tables_of(asked), DOUBT);
        match doubtful.is_empty() {
            true => Ok(false),
            false => self.shapes.renew(&asked.nodes, &doubtful, asked.due).await,
        }
    }
}

/// The tables that a statement names, each once.
pub(super) fn tables_of(asked: &Asked) -> &[String] {
    &asked.parsed.survey().named
}

/// Whether a statement names what each shard may have of its own, unless the table declares it.
fn hides_columns(asked: &Asked) -> bool {
    !asked.parsed.survey().hidden_columns.is_empty()
}

fn overflows(failed: &[(String, crate::sql::backend::Fault)]) -> bool {
    failed.iter().any(|(_, fault)| fault.kind == FaultKind::Overflow)
}
