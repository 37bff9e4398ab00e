//! Owns what is known of the columns of tables: read from the nodes when a table is first asked for, compared across the
//! shards, and read again from time to time, and when a node answers as if a table had changed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::time::{Instant as Clock, timeout_at};

use super::asker::Asker;
use super::nodes::{Nodes, Wanted};
use crate::sql::backend::{Fault, FaultKind};
use crate::sql::catalog::Catalog;
use crate::sql::error::Error;
use crate::sql::plan::Refusal;
use crate::sql::shape::{ColumnShape, unlike};
use crate::sql::topology::Shard;

/// How old what is known may become.
const FRESH: Duration = Duration::from_secs(60);

/// The columns of tables, by their names in lower case.
pub(super) type Columns = BTreeMap<String, Vec<ColumnShape>>;

/// What is known at one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    columns: Arc<Columns>,
    read: BTreeMap<String, Instant>,
    /// When the next of them is too old.
    next: Option<Instant>,
    /// Counts how often something that was known turned out to be otherwise.
    version: u64,
}

/// What is known.
#[derive(Debug, Default)]
pub(super) struct Shapes(Mutex<Known>);

impl Shapes {
    /// The columns of these tables, and of others; reads those that are not known.
    pub(super) async fn of(&self, nodes: &Nodes, tables: &[String], due: Instant) -> Result<Arc<Columns>, Error> {
        let known = self.known();
        let missing: Vec<String> =
            tables.iter().filter(|table| !known.columns.contains_key(&table.to_ascii_lowercase())).cloned().collect();
        if missing.is_empty() {
            return Ok(known.columns);
        }
        let found = read(nodes, &missing, due).await?;
        self.change(|known| known.take(found));
        Ok(self.known().columns)
    }

    /// Stands for all that is known; what is learnt beside it does not change it.
    pub(super) fn version(&self) -> u64 {
        self.change(|known| known.version)
    }

    /// The tables whose columns were read too long ago. Costs next to nothing while there are none.
    pub(super) fn stale(&self) -> Vec<String> {
        let now = Clock::now().into_std();
        self.change(|known| match known.next {
            Some(next) if next <= now => {
                let old = known.read.iter().filter(|(_, read)| now.saturating_duration_since(**read) >= FRESH);
                old.map(|(table, _)| table.clone()).collect()
            }
            Some(_) | None => Vec::new(),
        })
    }

    /// Those of the tables whose columns were read so long ago.
    pub(super) fn older(&self, tables: &[String], age: Duration) -> Vec<String> {
        let now = Clock::now().into_std();
        let is_older = |known: &Known, table: &String| {
            let read = known.read.get(&table.to_ascii_lowercase());
            read.is_some_and(|read| now.saturating_duration_since(*read) >= age)
        };
        self.change(|known| tables.iter().filter(|table| is_older(known, table)).cloned().collect())
    }

    /// Reads the columns of tables again; tells whether they are others now. What cannot be read stays as it is.
    pub(super) async fn renew(&self, nodes: &Nodes, tables: &[String], due: Instant) -> Result<bool, Error> {
        // Whoever comes meanwhile need not do the same.
        let now = Clock::now().into_std();
        self.change(|known| known.is_read(tables.iter().map(|table| table.to_ascii_lowercase()), now));
        match read(nodes, tables, due).await {
            Ok(found) => Ok(self.change(|known| known.take(found))),
            Err(error @ (Error::Unlike(_) | Error::Refused(_))) => {
                // The next statement reads again, and fails with this.
                self.change(|known| known.forget(tables));
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        self.change(|known| *known = Known { version: known.version + 1, ..Known::default() });
    }

    fn known(&self) -> Known {
        self.change(|known| known.clone())
    }

    fn change<T>(&self, change: impl FnOnce(&mut Known) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Known {
    /// Takes in what was read; tells whether anything is other than it was known to be.
    fn take(&mut self, found: Columns) -> bool {
        self.is_read(found.keys().cloned(), Clock::now().into_std());
        let is_other =
            found.iter().any(|(table, columns)| self.columns.get(table).is_some_and(|known| known != columns));
        self.version += u64::from(is_other);
        Arc::make_mut(&mut self.columns).extend(found);
        is_other
    }

    fn is_read(&mut self, tables: impl Iterator<Item = String>, now: Instant) {
        self.read.extend(tables.map(|table| (table, now)));
        self.next = self.read.values().min().map(|oldest| *oldest + FRESH);
    }

    fn forget(&mut self, tables: &[String]) {
        let columns = Arc::make_mut(&mut self.columns);
        for table in tables.iter().map(|table| table.to_ascii_lowercase()) {
            columns.remove(&table);
            self.read.remove(&table);
        }
        self.version += 1;
    }
}

/// Whether a node's words sound as if its tables were not what they are taken to be.
pub(super) fn sounds_changed(failed: &[(String, Fault)]) -> bool {
    let words = ["no such", "does not exist", "doesn't exist", "unknown column", "unknown table", "has no column"];
    failed.iter().any(|(_, fault)| {
        let message = fault.message.to_ascii_lowercase();
        fault.kind == FaultKind::Statement && words.iter().any(|word| message.contains(word))
    })
}

/// A node, and the columns of the tables that it was asked for.
pub(super) type Answer = (String, Result<BTreeMap<String, Vec<ColumnShape>>, Fault>);

/// The columns of tables, on all shards that hold them and answer.
async fn read(nodes: &Nodes, tables: &[String], due: Instant) -> Result<Columns, Error> {
    let mut of_shards: BTreeMap<Shard, Vec<&String>> = BTreeMap::new();
    for table in tables {
        holders(nodes, table).into_iter().for_each(|shard| of_shards.entry(shard).or_default().push(table));
    }
    let answers = join_all(of_shards.iter().map(|(shard, tables)| ask(nodes, *shard, tables, due))).await;
    // No time is left to ask for rows.
    let late = answers.iter().filter(|(_, answer)| matches!(answer, Err(fault) if fault.kind == FaultKind::TimedOut));
    let late: Vec<String> = late.map(|(name, _)| name.clone()).collect();
    if !late.is_empty() && Clock::now() >= Clock::from_std(due) {
        return Err(Error::Deadline { late });
    }
    let mut columns = Columns::new();
    for table in tables {
        columns.insert(table.to_ascii_lowercase(), agreed(table, &answers)?);
    }
    Ok(columns)
}

/// Who has to have a table.
pub(super) fn holders(nodes: &Nodes, table: &str) -> Vec<Shard> {
    let (topology, shapes) = (&nodes.layout().topology, Columns::new());
    let catalog = Catalog { topology, shapes: &shapes };
    match (catalog.role(table), catalog.partition(table)) {
        (None, _) => Vec::new(),
        (Some(_), Some(partition)) if !topology.is_split() => partition.placement.shards().iter().copied().collect(),
        (Some(_), _) => catalog.shards().into_iter().collect(),
    }
}

pub(super) async fn ask(nodes: &Nodes, shard: Shard, tables: &[&String], due: Instant) -> Answer {
    let mut session = match nodes.session(Wanted::any(shard, &Asker::host()), due).await {
        Ok(session) => session,
        Err(unopened) => return (unopened.name, Err(unopened.fault)),
    };
    let mut found = BTreeMap::new();
    let mut failed = None;
    for table in tables {
        let asked = timeout_at(Clock::from_std(due), session.session().shape(table, due)).await;
        match asked.unwrap_or_else(|_| Err(Fault::late())) {
            Ok(columns) => drop(found.insert((*table).clone(), columns)),
            Err(fault) => {
                failed = Some(fault);
                break;
            }
        }
    }
    let name = session.name().to_owned();
    session.finish(failed.as_ref().map_or(Ok(()), Err));
    (name, failed.map_or(Ok(found), Err))
}

/// The columns that all nodes which answered have.
fn agreed(table: &str, answers: &[Answer]) -> Result<Vec<ColumnShape>, Error> {
    let found =
        answers.iter().filter_map(|(name, answer)| Some((name.clone(), answer.as_ref().ok()?.get(table)?.clone())));
    let found: Vec<(String, Vec<ColumnShape>)> = found.collect();
    if let Some(unlike) = unlike(table, &found) {
        return Err(Error::Unlike(unlike));
    }
    match found.into_iter().next() {
        Some((_, columns)) if columns.is_empty() => {
            Err(Refusal::new(format!("table {table}"), "no node has such a table").into())
        }
        Some((_, columns)) => Ok(columns),
        None => {
            let failed =
                answers.iter().filter_map(|(name, answer)| Some((name.clone(), answer.as_ref().err()?.clone())));
            let failed: Vec<_> = failed.collect();
            Err(match failed.is_empty() {
                true => Refusal::new(format!("table {table}"), "not a table of the topology").into(),
                false => Error::of_nodes(failed),
            })
        }
    }
}
