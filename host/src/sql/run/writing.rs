//! Owns writes on their way through an entry: they are planned and carried out by `write`; what they need of reads is
//! here.

use std::sync::Arc;

use futures_util::stream::TryStreamExt;

use super::budget::Budget;
use super::course::explained_write;
use super::entry::{Answer, Asked};
use super::reading::tables_of;
use super::shapes::Columns;
use super::spans;
use super::spread::Spread;
use crate::sql::catalog::Catalog;
use crate::sql::error::Error;
use crate::sql::route::{Parameters, Route, route};
use crate::sql::shape::ColumnShape;
use crate::sql::value::Row;
use crate::sql::write::{self, Change, Count, Fill, WritePlan};

impl Spread {
    /// Carries out INSERT, UPDATE or DELETE.
    pub(super) async fn change(self: &Arc<Self>, asked: &Asked) -> Result<Answer, Error> {
        let span = spans::planning(asked.trace.as_ref());
        let change = match self.write_plan(asked).await {
            Ok((WritePlan::Fill(fill), _)) if asked.explain => return self.explained_fill(asked, &fill).await,
            Ok((WritePlan::Fill(fill), shapes)) => self.filled(asked, &fill, &shapes).await,
            Ok((WritePlan::Change(change), _)) => Ok(change),
            Err(error) => Err(error),
        };
        spans::planned_write(span, change.as_ref(), &asked.nodes);
        self.carry_out(asked, change?).await
    }

    /// An INSERT of the rows that its query finds.
    async fn filled(self: &Arc<Self>, asked: &Asked, fill: &Fill, shapes: &Columns) -> Result<Change, Error> {
        let catalog = Catalog { topology: &asked.nodes.layout().topology, shapes };
        let rows = self.found(asked, fill, catalog.columns(fill.table()).unwrap_or_default()).await?;
        Ok(fill.change(rows)?)
    }

    /// The plan of a write, and what it needed to know of tables.
    async fn write_plan(self: &Arc<Self>, asked: &Asked) -> Result<(WritePlan, Arc<Columns>), Error> {
        let layout = asked.nodes.layout();
        let parameters = Parameters { positional: &asked.params };
        let route = route(&asked.parsed.statement, parameters, &layout.topology)?;
        let mut tables = tables_of(asked).to_vec();
        // Its name may have a schema before it, which those of a read have not.
        if let Route::Change { table, .. } | Route::Insert { table, .. } | Route::InsertSelect { table, .. } = &route {
            tables.push(table.clone());
        }
        self.fits(asked, &tables).await?;
        let shapes = match &route {
            Route::Copied { .. } | Route::InsertSelect { .. } => {
                self.shapes.of(&asked.nodes, tables_of(asked), asked.due).await?
            }
            Route::Read(_) | Route::Change { .. } | Route::Insert { .. } => Arc::<Columns>::default(),
        };
        let catalog = Catalog { topology: &layout.topology, shapes: &shapes };
        Ok((write::plan(&asked.parsed, &route, &asked.params, &catalog)?, shapes))
    }

    /// Carries out a change of tables.
    pub(super) async fn reshape(self: &Arc<Self>, asked: &Asked) -> Result<Answer, Error> {
        let (topology, shapes) = (&asked.nodes.layout().topology, Columns::default());
        let span = spans::planning(asked.trace.as_ref());
        let change = write::schema(&asked.parsed, &Catalog { topology, shapes: &shapes }).map_err(Error::from);
        spans::planned_write(span, change.as_ref(), &asked.nodes);
        let change = change?;
        let _forgets = (!asked.explain).then(|| Forgets(self));
        self.carry_out(asked, change).await
    }

    async fn carry_out(&self, asked: &Asked, mut change: Change) -> Result<Answer, Error> {
        let limits = &self.spec.limits;
        let mut shards: Vec<_> = change.statements.iter().map(|statement| statement.shard).collect();
        shards.dedup();
        // What every shard holds is written on every shard: no predicate can narrow that.
        let is_full = change.count == Count::Sum && shards.len() >= asked.nodes.layout().shards.len();
        self.bound_spread(shards.len(), is_full)?;
        if asked.explain {
            return Ok(Answer::Explained(explained_write(&change, &asked.nodes)));
        }
        // It holds connections to some nodes while it waits for those to others, as reads do.
        let _permit = match shards.len() {
            0 | 1 => None,
            _ => Some(self.permit(asked.due, 1).await?),
        };
        self.settled.relieve(asked.layout_version, &mut change);
        let written =
            write::execute(&change, (&asked.nodes, asked.trace.clone()), asked.due, limits.answer_bytes).await?;
        self.settled.note(asked.layout_version, &change);
        Ok(Answer::Written(written))
    }

    /// The rows that are to be inserted: all of them, or none.
    async fn found(self: &Arc<Self>, asked: &Asked, fill: &Fill, target: &[ColumnShape]) -> Result<Vec<Row>, Error> {
        let limits = &self.spec.limits;
        let Answer::Rows(mut rows) = self.read(&query_of(asked, fill)).await? else {
            return Err(Error::Internal("a query without rows".into()));
        };
        fill.fits(&rows.columns, target)?;
        let (mut found, mut budget) = (Vec::new(), Budget::new(limits.gather_rows, limits.gather_bytes));
        while let Some(batch) = rows.batches.try_next().await? {
            budget.spend(&batch).map_err(Error::Cap)?;
            found.extend(batch);
        }
        Ok(found)
    }

    async fn explained_fill(self: &Arc<Self>, asked: &Asked, fill: &Fill) -> Result<Answer, Error> {
        let mut answer = self.read(&query_of(asked, fill)).await?;
        if let Answer::Explained(explanation) = &mut answer {
            let into = fill.table();
            explanation.course.tier = "write";
            explanation.course.merge.push(format!("insert what was found into {into}, each row where it belongs"));
        }
        Ok(answer)
    }
}

/// Forgets all that is known of tables at the end of a change of some, also where the client leaves before it.
struct Forgets<'a>(&'a Spread);

impl Drop for Forgets<'_> {
    fn drop(&mut self) {
        self.0.shapes.clear();
        self.0.fit.clear();
        self.0.settled.clear();
    }
}

/// The query of an INSERT as a statement of its own, of which nothing may be missing.
fn query_of(asked: &Asked, fill: &Fill) -> Asked {
    Asked {
        parsed: Arc::new(fill.query.clone()),
        params: Arc::new(fill.params.clone()),
        allow_partial: false,
        ..asked.clone()
    }
}
