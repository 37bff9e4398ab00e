//! Owns the sequencer: what a client's write is logged as is decided in the order of the log, one write after the other. In
//! its turn a write may ask a node for the tables that it names, for the rows that it means, for where numbers begin; the node
//! has then applied everything before it. The turn is given back as soon as the entry has its place, so that many writes wait
//! together for the disk and for the nodes.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::determine::{
    self, Class, Counter, Determined, Draft, Ids, Moment, RowsPlan, Table, Tables, class, determine, facts, names,
};
use super::log::{Entry, Kind, Position, Statement};
use super::memory::Memory;
use super::repair::Repairs;
use super::replicas::{Freshness, NoReader, Reader, Replicas, Status};
use super::source::{Around, Found, Question};
use super::turn::{Acknowledged, Turn, WriteError};
use crate::model::{EndpointId, EndpointName};
use crate::sql::dialect::Dialect;
use crate::sql::error::{Error, Unready};
use crate::sql::parse::Parsed;
use crate::sql::plan::Refusal;
use crate::sql::value::Value;
use crate::sql::write::Returned;

/// A statement of a client.
#[derive(Clone, Debug)]
pub struct One {
    /// The statement.
    pub parsed: Arc<Parsed>,
    /// The values that are bound to it.
    pub params: Arc<Vec<Value>>,
}

/// What is said of functions.
#[derive(Clone, Debug, Default)]
pub struct Functions {
    /// Those that write.
    pub writers: Vec<String>,
    /// Those that do the same everywhere.
    pub trusted: Vec<String>,
}

impl Functions {
    /// Whether a statement only reads.
    ///
    /// # Errors
    /// Where it is none that is known.
    pub fn only_read(&self, parsed: &Parsed) -> Result<bool, Refusal> {
        Ok(class(parsed, &self.writers)? == Class::Read)
    }
}

/// What a write would be logged as.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The entry; without statements where no row is touched.
    pub entry: Entry,
    /// The queries whose rows are in it.
    pub found_by: Vec<String>,
    /// Which statements of the entry each of the client's has become.
    spans: Vec<Range<usize>>,
    /// Which of the client's answer rows.
    returns: Vec<bool>,
    ids: Vec<(String, i64)>,
}

/// What came of a statement of a client.
#[derive(Clone, Debug, PartialEq)]
pub struct Effect {
    /// Rows that it has changed; none where only that it was done is known.
    pub affected: Option<u64>,
    /// What it answered; none also where only that it was done is known.
    pub returned: Option<Returned>,
}

/// A write that was done.
#[derive(Clone, Debug, PartialEq)]
pub struct Done {
    /// Its place in the log; where it has none as it touched no row, that of the last entry before it.
    pub position: Position,
    /// What came of each statement.
    pub effects: Vec<Effect>,
    /// The nodes that have it by now.
    pub nodes: Vec<String>,
    /// What was logged.
    pub logged: Vec<String>,
}

/// Takes writes, one after the other.
pub struct Sequencer {
    replicas: Replicas,
    /// The nodes, as they are numbered.
    names: Vec<EndpointName>,
    dialect: Dialect,
    functions: Functions,
    memory: Mutex<Memory>,
    pub(super) repairs: Repairs,
}

impl Sequencer {
    pub(super) fn new(
        replicas: Replicas,
        names: Vec<EndpointName>,
        (dialect, functions): (Dialect, Functions),
        memory: Memory,
    ) -> Self {
        Self { replicas, names, dialect, functions, memory: Mutex::new(memory), repairs: Repairs::default() }
    }

    /// How everything stands.
    pub fn status(&self) -> Status {
        self.replicas.status()
    }

    /// The nodes.
    pub fn replicas(&self) -> &Replicas {
        &self.replicas
    }

    /// The nodes that may answer a read, with what they have; waits until there is one.
    ///
    /// # Errors
    /// Where there is none in time, or could not be.
    pub async fn readers(&self, wanted: Freshness, due: Instant) -> Result<Vec<Reader>, Error> {
        if let Some(why) = self.replicas.older() {
            return Err(Error::Nobody(Unready { why, nodes: self.standings() }));
        }
        if wanted.least > Position::default() {
            let last = self.replicas.status().last;
            if wanted.least > last {
                let why = format!("the log ends at {last}, and a read at {} is asked for", wanted.least);
                return Err(Error::BadParameter(why));
            }
        }
        let fresh = self.replicas.readers(wanted, &[], due).await.map_err(|no| self.nobody(no))?;
        let reader = |(id, position): (EndpointId, Position)| {
            Some(Reader { name: self.names.get(usize::try_from(id.0).ok()?)?.clone(), position })
        };
        Ok(fresh.into_iter().filter_map(reader).collect())
    }

    /// Writes: all statements in one entry.
    ///
    /// # Errors
    /// Where it was refused, or is not done, or not in time.
    pub async fn write(&self, statements: &[One], around: Around<'_>) -> Result<Done, Error> {
        let turn = self.replicas.turn(around.due).await.map_err(|error| self.not_begun(error))?;
        let Prepared { entry, spans, returns, ids, .. } = self.prepare(&turn, statements, around).await?;
        let logged: Vec<String> = entry.statements.iter().map(|statement| statement.sql.clone()).collect();
        if entry.statements.is_empty() {
            let position = turn.last(around.due).await.map_err(|error| self.not_begun(error))?;
            let effects =
                returns.iter().map(|returns| Effect { affected: Some(0), returned: returns.then(Returned::default) });
            return Ok(Done { position, effects: effects.collect(), nodes: Vec::new(), logged });
        }
        {
            // While it is still its turn: the next one may be prepared before this returns. Numbers of an entry that then has
            // no place are left out.
            let mut memory = self.memory();
            memory.keep(&ids);
            if entry.kind == Kind::Schema {
                memory.forget_tables();
                self.repairs.make_way();
            }
        }
        let submitted = turn.submit(entry, &ids).await.map_err(|error| self.not_begun(error))?;
        let done = submitted.acknowledged(around.due).await.map_err(|error| self.not_done(error))?;
        let Acknowledged { position, affected, rows, nodes } = done;
        let effects =
            spans.iter().zip(returns).map(|(span, returns)| effect(span, returns, &affected, rows.as_deref()));
        Ok(Done { position, effects: effects.collect(), nodes, logged })
    }

    /// What a write would be logged as now.
    ///
    /// # Errors
    /// Where it would be refused.
    pub async fn explain(&self, statements: &[One], around: Around<'_>) -> Result<Prepared, Error> {
        let turn = self.replicas.turn(around.due).await.map_err(|error| self.not_begun(error))?;
        self.prepare(&turn, statements, around).await
    }

    async fn prepare(&self, turn: &Turn<'_>, statements: &[One], around: Around<'_>) -> Result<Prepared, Error> {
        let kind = self.kind(statements)?;
        let (moment, mut chance) = {
            let mut memory = self.memory();
            (memory.moment(), memory.chance())
        };
        let mut random = move || chance.u64(..);
        let entry = Entry { statements: Vec::new(), kind, moment };
        let mut made =
            Prepared { entry, found_by: Vec::new(), spans: Vec::new(), returns: Vec::new(), ids: Vec::new() };
        let mut ids = Ids::default();
        for one in statements {
            let tables = self.tables(turn, &one.parsed, around).await?;
            let drafts = match determine(&one.parsed, &one.params, &tables, Moment(moment), &mut random)? {
                Determined::Logged(draft) => vec![draft],
                Determined::Rows(plan) => {
                    made.found_by.push(plan.query().to_owned());
                    let (columns, rows) = self.found(turn, &plan, &made.entry, around).await?;
                    plan.statements(&columns, rows, &mut random)?
                }
            };
            let begin = made.entry.statements.len();
            made.returns.push(drafts.first().map_or_else(|| answers(&one.parsed), Draft::returns));
            for draft in drafts {
                made.entry.statements.push(self.numbered(turn, &draft, &mut ids, around).await?);
            }
            made.spans.push(begin..made.entry.statements.len());
        }
        made.ids = ids.into_list();
        Ok(made)
    }

    /// What the statements of one entry are, together.
    fn kind(&self, statements: &[One]) -> Result<Kind, Refusal> {
        let mut kind = Kind::Change;
        for one in statements {
            if class(&one.parsed, &self.functions.writers)? == Class::Schema {
                kind = Kind::Schema;
            }
        }
        if kind == Kind::Schema && statements.len() > 1 {
            let why = "some databases make it lasting at once, so that it cannot be done or taken back with the others: \
                       send it by itself";
            return Err(Refusal::new("a change of tables among other statements", why));
        }
        Ok(kind)
    }

    /// What must be known of the tables that a statement names.
    async fn tables(&self, turn: &Turn<'_>, parsed: &Parsed, around: Around<'_>) -> Result<Tables, Error> {
        let mut tables = Tables::new();
        tables.trust(self.functions.trusted.iter().cloned());
        for name in names(parsed) {
            let known = self.memory().table(&name).cloned();
            let found: Option<Table> = match known {
                Some(table) => Some(table),
                None => {
                    let facts = facts(self.dialect, &name);
                    let (_, rows) = self.asked(turn, (facts.sql, &facts.params), around).await?;
                    let found = determine::table(&rows)?;
                    if let Some(table) = &found {
                        self.memory().learn(name.clone(), table.clone());
                    }
                    found
                }
            };
            if let Some(table) = found {
                tables.insert(name, table);
            }
        }
        Ok(tables)
    }

    /// The rows that a write is to become, as they are after what its entry does before it.
    async fn found(&self, turn: &Turn<'_>, plan: &RowsPlan, entry: &Entry, around: Around<'_>) -> Result<Found, Error> {
        let last = turn.last(around.due).await.map_err(|error| self.not_begun(error))?;
        let (before, moment) = (entry.statements.as_slice(), entry.moment);
        let question = Question { sql: plan.query(), params: plan.params(), before, moment };
        self.ask(last, &question, around).await
    }

    async fn asked(
        &self,
        turn: &Turn<'_>,
        (sql, params): (&str, &[Value]),
        around: Around<'_>,
    ) -> Result<Found, Error> {
        let last = turn.last(around.due).await.map_err(|error| self.not_begun(error))?;
        let moment = self.memory().moment();
        self.ask(last, &Question { sql, params, before: &[], moment }, around).await
    }

    /// A statement with its numbers, which are nobody else's from now on.
    async fn numbered(
        &self,
        turn: &Turn<'_>,
        draft: &Draft,
        ids: &mut Ids,
        around: Around<'_>,
    ) -> Result<Statement, Error> {
        for counter in draft.counters() {
            if !ids.knows(counter) {
                ids.begin(counter, self.next(turn, counter, around).await?);
            }
        }
        let exhausted = || Refusal::new("a number for a new row", "the counter has none left");
        ids.take(draft).ok_or_else(|| exhausted().into())
    }

    /// The next number of a counter: at its first use, and when tables have changed, a node is asked.
    async fn next(&self, turn: &Turn<'_>, counter: &Counter, around: Around<'_>) -> Result<i64, Error> {
        if let Some(next) = self.memory().counter(&counter.name) {
            return Ok(next);
        }
        let (_, rows) = self.asked(turn, (&counter.start, &[]), around).await?;
        let next = Counter::begun(&rows);
        let unknown = || Error::Internal(format!("where the numbers of {} begin is not known", counter.name));
        Ok(self.memory().begin(&counter.name, next.ok_or_else(unknown)?))
    }

    pub(super) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn nobody(&self, no: NoReader) -> Error {
        Error::Nobody(Unready { why: no.to_string(), nodes: self.standings() })
    }

    fn standings(&self) -> Vec<(String, String)> {
        let standing = |node: super::replicas::NodeStatus| {
            let why = node.state.why();
            (
                node.name,
                if why.is_empty() { node.state.name().to_owned() } else { format!("{} ({why})", node.state.name()) },
            )
        };
        self.status().nodes.into_iter().map(standing).collect()
    }

    /// Of a write that is not in the log.
    fn not_begun(&self, error: WriteError) -> Error {
        match error {
            WriteError::Late { .. } => Error::Deadline { late: Vec::new() },
            other => self.not_done(other),
        }
    }

    fn not_done(&self, error: WriteError) -> Error {
        match error {
            WriteError::Refused { class: _, message, position } => Error::Declined { position, message },
            WriteError::Late { position } => Error::Unacknowledged { position },
            WriteError::Ending => Error::Unacknowledged { position: None },
            WriteError::Log(error) => Error::Log(error),
            WriteError::TooFew { .. } | WriteError::Fenced(_) | WriteError::Older(_) => {
                Error::Nobody(Unready { why: error.to_string(), nodes: self.standings() })
            }
        }
    }
}

/// Whether a statement whose rows were not there would have answered some.
fn answers(parsed: &Parsed) -> bool {
    use sqlparser::ast::Statement as Tree;
    match &parsed.statement {
        Tree::Insert(insert) => insert.returning.is_some(),
        Tree::Update(update) => update.returning.is_some(),
        Tree::Delete(delete) => delete.returning.is_some(),
        _ => false,
    }
}

/// What came of the statements that one of a client has become, together.
fn effect(span: &Range<usize>, returns: bool, affected: &[u64], rows: Option<&[Option<Returned>]>) -> Effect {
    let affected = affected.get(span.clone()).map(|counts| counts.iter().sum());
    let affected = if span.is_empty() { Some(0) } else { affected };
    let none: &[Option<Returned>] = &[];
    // Where the nodes that knew the rows have gone, none are told, which is not that there were none.
    let parts = if span.is_empty() { Some(none) } else { rows.and_then(|rows| rows.get(span.clone())) };
    let returned = parts.filter(|_| returns).map(|parts| {
        parts.iter().flatten().fold(Returned::default(), |mut all, part| {
            all.columns.clone_from(&part.columns);
            all.rows.extend(part.rows.iter().cloned());
            all
        })
    });
    Effect { affected, returned }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_became_several_statements_is_told_as_one() {
        let row = |number| Returned { columns: Vec::new(), rows: vec![vec![Value::Integer(number)]] };
        let rows = [None, Some(row(1)), Some(row(2))];
        let all = |span, returns| effect(&span, returns, &[1, 2, 3], Some(&rows));
        assert_eq!(all(0..1, false), Effect { affected: Some(1), returned: None });
        let both = all(1..3, true);
        assert_eq!((both.affected, both.returned.map(|all| all.rows.len())), (Some(5), Some(2)));
        assert_eq!(all(3..3, true), Effect { affected: Some(0), returned: Some(Returned::default()) });
        let done = Effect { affected: None, returned: None };
        assert_eq!(effect(&(0..1), true, &[], None), done, "only that it was done is known");
    }
}
