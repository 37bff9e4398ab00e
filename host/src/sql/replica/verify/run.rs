//! Owns carrying out a comparison: each table is read on all nodes at once, a batch at a time, and nothing is kept but sums.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use futures_util::future::{join_all, try_join_all};
use tokio::sync::watch;

use super::compare::{Range, compare};
use super::digest::{Digest, Summed, Summing};
use super::report::{Check, Difference, Report, Running, TableReport};
use super::snapshot::{Seen, Still};
use crate::model::Work;
use crate::sql::backend::Fault;
use crate::sql::dialect::Dialect;
use crate::sql::replica::contents::{Held, contents};
use crate::sql::replica::patience::{Scan, due};
use crate::sql::replica::sequence::Sequencer;

/// How long the next rows of a table may be waited for; before the first it may have to be sorted.
const STALL: Duration = Duration::from_secs(600);
/// So many differences of a table are listed.
const MOST_SHOWN: usize = 100;

/// Compares nodes.
pub(in crate::sql::replica) struct Verifier {
    pub(in crate::sql::replica) dialect: Dialect,
    /// How far it is, for others.
    pub(in crate::sql::replica) check: Arc<Mutex<Option<Check>>>,
    /// The same, for operators.
    pub(in crate::sql::replica) work: Work,
}

impl Verifier {
    /// Runs to its end, or until the tables of the database change: a snapshot keeps others from changing them.
    pub(in crate::sql::replica) async fn run(self, sequencer: Weak<Sequencer>, mut changes: watch::Receiver<u64>) {
        let done = tokio::select! {
            biased;
            _ = changes.changed() => Err("tables were changed meanwhile: ask for it again".to_owned()),
            done = self.verify(&sequencer) => done,
        };
        match &done {
            Ok(report) if report.is_equal() => {
                tracing::info!(position = %report.position, nodes = report.nodes.len(), "all nodes hold the same");
            }
            Ok(report) => tracing::warn!(position = %report.position, "nodes do not hold the same"),
            Err(why) => tracing::warn!(why, "nodes could not be compared"),
        }
        let end = match done {
            Ok(report) => Check::Done(report),
            Err(why) => Check::Failed { why },
        };
        *self.check.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
    }

    async fn verify(&self, sequencer: &Weak<Sequencer>) -> Result<Report, String> {
        let began = Instant::now();
        let Still { position: at, mut nodes, left_out, held } = {
            // Not kept for longer: what applies the log ends with it.
            let sequencer = sequencer.upgrade().ok_or("the log is being handed over")?;
            sequencer.replicas().still().await?
        };
        let listing = nodes.iter_mut().map(|node| self.contents(node));
        let held_by = try_join_all(listing).await?;
        let names: BTreeSet<&String> = held_by.iter().flat_map(BTreeMap::keys).collect();
        self.progress(|running| (running.position, running.tables) = (Some(at), names.len()));
        let mut tables = Vec::with_capacity(names.len());
        for name in names {
            self.progress(|running| running.table = Some(name.clone()));
            let held: Vec<Option<&Held>> = held_by.iter().map(|tables| tables.get(name)).collect();
            tables.push(self.table(name, &mut nodes, &held).await?);
            self.progress(|running| running.done += 1);
        }
        let nodes = nodes.into_iter().map(|node| node.name).collect();
        Ok(Report { position: at, nodes, left_out, tables, held, took: began.elapsed() })
    }

    async fn contents(&self, node: &mut Seen) -> Result<BTreeMap<String, Held>, String> {
        let found = contents(node.session.as_mut(), self.dialect, due(STALL)).await;
        found.map_err(|fault| format!("{}: {fault}", node.name))
    }

    /// Compares one table.
    async fn table(&self, name: &str, nodes: &mut [Seen], held: &[Option<&Held>]) -> Result<TableReport, String> {
        let reading = nodes.iter_mut().zip(held).map(|(node, held)| async move {
            let Some(held) = held else { return Ok(None) };
            let summed = self.read(node, held).await;
            summed.map(Some).map_err(|fault| format!("{}: table {name}: {fault}", node.name))
        });
        let summed: Vec<Option<Summed>> = join_all(reading).await.into_iter().collect::<Result<_, String>>()?;
        let found: Vec<Option<Digest>> = summed.iter().map(|summed| summed.as_ref().map(Summed::whole)).collect();
        let (mut differences, mut more) = (Vec::new(), 0);
        let all: Option<Vec<&Held>> = held.iter().copied().collect();
        match (all, summed.into_iter().collect::<Option<Vec<Summed>>>()) {
            (Some(held), Some(_)) if !held.windows(2).all(|pair| alike(pair.first(), pair.last())) => {
                let columns = |held: &&Held| {
                    held.columns.iter().map(|(name, kind)| format!("{name} {kind}")).collect::<Vec<_>>().join(", ")
                };
                differences.push(Difference::Columns(held.iter().map(columns).collect()));
            }
            (_, Some(summed)) => {
                let ranges = compare(summed);
                more = ranges.len().saturating_sub(MOST_SHOWN);
                let shown = |Range { after, through, found }: Range| Difference::Rows { after, through, found };
                differences.extend(ranges.into_iter().take(MOST_SHOWN).map(shown));
            }
            (_, None) => differences.push(Difference::Missing),
        }
        Ok(TableReport { name: name.to_owned(), found, differences, more })
    }

    /// Sums up a table of a node.
    async fn read(&self, node: &mut Seen, held: &Held) -> Result<Summed, Fault> {
        let sql = held.query(self.dialect);
        let mut scan = Scan::begin(node.session.as_mut(), &sql, STALL).await?;
        let mut summing = Summing::new(held.key.clone());
        while let Some(batch) = scan.next().await? {
            batch.iter().for_each(|row| summing.push(row));
            self.progress(|running| running.rows += u64::try_from(batch.len()).unwrap_or_default());
        }
        Ok(summing.finish())
    }

    fn progress(&self, change: impl FnOnce(&mut Running)) {
        if let Some(Check::Running(running)) = self.check.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            change(running);
            self.work.is_at(running.done as u64, Some(running.tables as u64));
        }
    }
}

/// Whether two nodes have the same columns.
fn alike(one: Option<&&Held>, other: Option<&&Held>) -> bool {
    one.map(|held| &held.columns) == other.map(|held| &held.columns)
}
