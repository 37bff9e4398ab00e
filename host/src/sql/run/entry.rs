//! One entry: what a client asks and gets, the bounds of every statement, and which way it goes: spread over nodes that hold
//! parts, or to nodes that all hold everything.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::BoxStream;
use tokio::time::Instant as Clock;

use super::nodes::Nodes;
use super::replicated::{Logged, Replicated};
use super::report::{Explanation, Report};
use super::site::Site;
use super::spread::Spread;
use crate::circuit::Circuits;
use crate::config::SqlEntry;
use crate::model::RequestHead;
use crate::routing::Chooser;
use crate::sql::backend::Backend;
use crate::sql::cache::{CacheFigures, PlanCache};
use crate::sql::error::{Cap, Error};
use crate::sql::layout::dialect;
use crate::sql::masked::{joined, masked_text};
use crate::sql::parse::Parsed;
use crate::sql::plan::Refusal;
use crate::sql::recent::Subject;
use crate::sql::replica::log::Position;
use crate::sql::replica::{One, Seat};
use crate::sql::value::{Column, Row, Value};
use crate::sql::write::{Lasting, Written};

/// What a client asks.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// The head of its request, for the strategy that chooses nodes; none for one that has none.
    pub head: Option<Arc<RequestHead>>,
    /// The statement.
    pub sql: String,
    /// The values bound to it, by place.
    pub params: Vec<Value>,
    /// Statements with their values that are one transaction, instead of the one: all are done, or none. Only where nodes are
    /// replicated.
    pub statements: Option<Vec<(String, Vec<Value>)>>,
    /// A read is to see the log up to here, at least. Only where nodes are replicated.
    pub position: Option<Position>,
    /// How long it may take; none for what the entry gives.
    pub timeout: Option<Duration>,
    /// Whether rows of nodes that fail may be missing.
    pub allow_partial: bool,
    /// Whether to tell what would be done, and do nothing.
    pub explain: bool,
    /// Who is to hear what was asked, as it may be shown; nobody where there is none.
    pub subject: Option<Arc<Subject>>,
}

/// What a client gets.
#[derive(Debug)]
pub enum Answer {
    /// Rows.
    Rows(Rows),
    /// What was written.
    Written(Written),
    /// What was written by way of the log.
    Logged(Logged),
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
    spec: Arc<SqlEntry>,
    plans: Arc<PlanCache>,
    site: Arc<Site>,
    way: Way,
}

/// Where the rows are.
enum Way {
    Spread(Arc<Spread>),
    Replicated(Replicated),
}

/// One statement to be answered.
#[derive(Clone)]
pub(super) struct Asked {
    pub(super) nodes: Arc<Nodes>,
    pub(super) head: Option<Arc<RequestHead>>,
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
    /// An entry over the nodes of a cluster, whose rows are spread; `attempts` is how often a read is tried, the first time
    /// included.
    pub fn new(
        spec: Arc<SqlEntry>,
        backend: Arc<dyn Backend>,
        chooser: Arc<Chooser>,
        circuits: Arc<Circuits>,
        attempts: u32,
    ) -> Arc<Self> {
        let plans = plans(&spec, backend.as_ref());
        let site = Arc::new(Site::new(Arc::clone(&spec), backend, chooser, circuits));
        let way = Way::Spread(Arc::new(Spread::new(Arc::clone(&spec), Arc::clone(&plans), attempts)));
        Arc::new(Self { spec, plans, site, way })
    }

    /// An entry over nodes that all hold everything, which are written to from a seat.
    pub fn replicated(
        spec: Arc<SqlEntry>,
        backend: Arc<dyn Backend>,
        chooser: Arc<Chooser>,
        circuits: Arc<Circuits>,
        seat: Arc<Seat>,
    ) -> Arc<Self> {
        let plans = plans(&spec, backend.as_ref());
        let site = Arc::new(Site::new(Arc::clone(&spec), backend, chooser, circuits));
        let way = Way::Replicated(Replicated::new(Arc::clone(&spec), Arc::clone(&site), seat));
        Arc::new(Self { spec, plans, site, way })
    }

    /// Answers a statement; on a runtime of tokio. Dropped before it has, or with the rows that it gave, all that is under
    /// way for it is cancelled; but a write that has begun to commit, or is in the log, is carried through.
    ///
    /// # Errors
    /// See [`Error`]. Rows that have begun to come may end in one, too.
    pub async fn answer(self: &Arc<Self>, query: Query) -> Result<Answer, Error> {
        let (began, limits) = (Clock::now(), &self.spec.limits);
        let timeout = query.timeout.unwrap_or(limits.timeout).min(limits.max_timeout);
        let due = (began + timeout).into_std();
        let world = self.site.world()?;
        let subject = query.subject.as_deref();
        let many = match query.statements {
            Some(statements) => Some(self.many(statements, subject)?),
            None => None,
        };
        let first = match &many {
            Some(many) => many.first().cloned().ok_or_else(|| Error::BadParameter("there is no statement".into()))?,
            None => {
                let one = self.one(&query.sql, query.params, subject)?;
                subject.inspect(|subject| subject.is(one.parsed.masked()));
                one
            }
        };
        let asked = Asked {
            nodes: Arc::clone(&world.nodes),
            head: query.head,
            layout_version: world.version,
            parsed: first.parsed,
            params: first.params,
            began,
            due,
            allow_partial: query.allow_partial,
            explain: query.explain,
        };
        match &self.way {
            Way::Replicated(replicated) => replicated.answer(&asked, many, query.position).await,
            Way::Spread(_) if many.is_some() => Err(only_replicated("statements").into()),
            Way::Spread(_) if query.position.is_some() => Err(only_replicated("position").into()),
            Way::Spread(spread) => spread.answer(&asked).await,
        }
    }

    /// A statement, read.
    fn one(&self, sql: &str, params: Vec<Value>, subject: Option<&Subject>) -> Result<One, Error> {
        let most = self.spec.limits.statement_bytes;
        if sql.len() > most {
            return Err(Error::Cap(Cap::StatementBytes(most)));
        }
        let parsed = self.plans.parsed(sql).inspect_err(|_| {
            subject.inspect(|subject| subject.is(masked_text(dialect(&self.spec.backend), sql).into()));
        })?;
        if params.len() != parsed.parameters {
            let (wanted, given) = (parsed.parameters, params.len());
            return Err(Error::BadParameter(format!("the statement takes {wanted} parameters, {given} are given")));
        }
        Ok(One { parsed, params: Arc::new(params) })
    }

    fn many(&self, statements: Vec<(String, Vec<Value>)>, subject: Option<&Subject>) -> Result<Vec<One>, Error> {
        let read = statements.into_iter().map(|(sql, params)| self.one(&sql, params, subject));
        let many = read.collect::<Result<Vec<_>, _>>()?;
        subject.inspect(|subject| {
            let texts: Vec<_> = many.iter().map(|one| one.parsed.masked()).collect();
            subject.is(joined(texts.iter().map(|text| &**text)).into());
        });
        Ok(many)
    }

    /// How often a kept statement or plan helped.
    pub fn plan_figures(&self) -> CacheFigures {
        self.plans.figures()
    }

    /// Counts what must not be broken off, also after the client has left.
    pub fn lasting(&self) -> &Lasting {
        &self.site.lasting
    }

    /// The nodes as they are laid out now.
    ///
    /// # Errors
    /// [`Error::Unready`] where those that there are do not make up the topology.
    pub fn nodes(&self) -> Result<Arc<Nodes>, Error> {
        self.site.world().map(|world| Arc::clone(&world.nodes))
    }

    #[cfg(test)]
    pub(super) fn spread(&self) -> &Arc<Spread> {
        match &self.way {
            Way::Spread(spread) => spread,
            Way::Replicated(_) => panic!("its nodes are replicated"),
        }
    }

    /// From where its nodes are written to; none where they do not all hold everything.
    pub fn seat(&self) -> Option<&Arc<Seat>> {
        match &self.way {
            Way::Replicated(replicated) => Some(replicated.seat()),
            Way::Spread(_) => None,
        }
    }
}

fn plans(spec: &SqlEntry, backend: &dyn Backend) -> Arc<PlanCache> {
    Arc::new(PlanCache::new(backend.dialect(), spec.limits.cached_plans))
}

fn only_replicated(key: &str) -> Refusal {
    Refusal::new(format!("`{key}`"), "the nodes of this entry are not replicated: there is no log of what is written")
}
