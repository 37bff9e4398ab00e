//! Owns planning UPDATE and DELETE, and writes to tables that every shard holds whole: the statement as it came, to every
//! shard that may have such rows. What would need more than that is refused.

use std::collections::BTreeSet;

use sqlparser::ast::{
    Delete, Expr, JoinOperator, SqliteOnConflict, Statement, TableWithJoins, Update, UpdateTableFromKind,
    visit_expressions,
};

use super::calls::{Allowed, Look};
use super::cut::Text;
use super::{Change, Count, ShardStatement, Task};
use crate::sql::plan::Refusal;
use crate::sql::route::{Reads, Routing};
use crate::sql::topology::Shard;

impl Task<'_> {
    /// The shards to tell; one of them where none has rows that matter, because what it answers is right.
    pub(super) fn shards(&self, routing: &Routing) -> BTreeSet<Shard> {
        match routing {
            Routing::All => self.catalog.shards(),
            Routing::Shards(shards) => shards.clone(),
            Routing::Nowhere => self.catalog.shards().into_iter().take(1).collect(),
        }
    }
}

/// The statement as it came.
pub(super) fn whole(task: &Task<'_>, shard: Shard) -> Result<ShardStatement, Refusal> {
    Text::whole(task.parsed)?.statement(shard, task.params, &task.parsed.statement)
}

/// What one shard is to read for itself must lie there.
pub(super) fn reads_lie_within(reads: &Reads, shard: Shard) -> Result<(), Refusal> {
    let elsewhere = reads.tables.iter().find(|read| match &read.routing {
        Routing::Nowhere => false,
        routing => routing.single() != Some(shard),
    });
    match elsewhere {
        Some(read) => Err(elsewhere_refused(&read.table)),
        None => Ok(()),
    }
}

fn elsewhere_refused(table: &str) -> Refusal {
    let why =
        "read by a write whose rows lie on other shards than its own; join it on the key, or ask for its rows first";
    Refusal::new(format!("table {table}"), why)
}

/// Plans UPDATE and DELETE of a partitioned table.
pub(super) fn change(
    task: &Task<'_>,
    table: &str,
    shards: &BTreeSet<Shard>,
    (group, reads): (usize, &Reads),
) -> Result<Change, Refusal> {
    let apart = reads.tables.iter().filter(|read| read.group != group);
    let is_alone = task.catalog.shards().len() <= 1;
    match shards.first() {
        None => return Err(Refusal::new(format!("table {table}"), "no shard holds it")),
        Some(_) if is_alone => {}
        Some(shard) if shards.len() == 1 => {
            let tables: Vec<_> = apart.cloned().collect();
            reads_lie_within(&Reads { tables, routing: reads.routing.clone() }, *shard)?;
        }
        Some(_) => {
            if let Some(read) = apart.into_iter().next() {
                return Err(elsewhere_refused(&read.table));
            }
            over_several(task, Allowed::PerRow)?;
        }
    }
    let statements = shards.iter().map(|shard| whole(task, *shard)).collect::<Result<_, _>>()?;
    Ok(finished(task, statements, Count::Sum))
}

/// Plans what one shard does alone, where there is only one.
pub(super) fn alone(task: &Task<'_>) -> Result<Change, Refusal> {
    let statements = task.catalog.shards().into_iter().take(1).map(|shard| whole(task, shard));
    Ok(finished(task, statements.collect::<Result<_, _>>()?, Count::Sum))
}

pub(super) fn finished(task: &Task<'_>, statements: Vec<ShardStatement>, count: Count) -> Change {
    let returns = match &task.parsed.statement {
        Statement::Insert(insert) => insert.returning.is_some(),
        Statement::Update(update) => update.returning.is_some(),
        Statement::Delete(delete) => delete.returning.is_some(),
        _ => false,
    };
    Change { dialect: task.parsed.dialect(), statements, count, returns, questions: Vec::new(), verify: None }
}

/// What the same text would not do on several shards as on one.
pub(super) fn over_several(task: &Task<'_>, values: Allowed) -> Result<(), Refusal> {
    let mut same = Look::new(task, Allowed::Same);
    let mut valued = Look::new(task, values);
    match &task.parsed.statement {
        Statement::Update(update) => {
            no_window(!update.order_by.is_empty(), update.limit.is_some())?;
            no_half(update.or.as_ref())?;
            let more = others(update);
            only_inner(more)?;
            if values == Allowed::Same && !more.is_empty() {
                let why = "which of several rows it takes may differ by shard";
                return Err(Refusal::new("UPDATE … FROM", why));
            }
            same.through(&more.to_vec())?;
            same.through(&update.table)?;
            same.through(&update.selection)?;
            valued.through(&update.assignments)?;
            valued.through(&update.returning)?;
            no_defaults(task, values)
        }
        Statement::Delete(delete) => {
            no_window(!delete.order_by.is_empty(), delete.limit.is_some())?;
            only_inner(delete.using.as_deref().unwrap_or_default())?;
            same_in_delete(&mut same, delete)?;
            valued.through(&delete.returning)
        }
        Statement::Insert(insert) => {
            no_half(insert.or.as_ref())?;
            valued.through(&task.parsed.statement)?;
            no_defaults(task, values)
        }
        _ => Err(Refusal::new("the statement", "neither INSERT, UPDATE nor DELETE")),
    }
}

fn same_in_delete(same: &mut Look<'_>, delete: &Delete) -> Result<(), Refusal> {
    same.through(&delete.using)?;
    same.through(&delete.from)?;
    same.through(&delete.selection)
}

fn no_window(is_ordered: bool, is_limited: bool) -> Result<(), Refusal> {
    let why = "over several shards it would choose rows on each of them";
    match (is_limited, is_ordered) {
        (true, _) => Err(Refusal::new("LIMIT", why)),
        (_, true) => Err(Refusal::new("ORDER BY", why)),
        _ => Ok(()),
    }
}

fn no_half(or: Option<&SqliteOnConflict>) -> Result<(), Refusal> {
    match or {
        Some(or @ (SqliteOnConflict::Fail | SqliteOnConflict::Rollback)) => {
            Err(Refusal::new(or.to_string(), "over several shards all rows are written or none"))
        }
        _ => Ok(()),
    }
}

/// `DEFAULT` in place of a value: what it stands for is not known here.
fn no_defaults(task: &Task<'_>, values: Allowed) -> Result<(), Refusal> {
    let found = visit_expressions(&task.parsed.statement, |expr| match expr {
        Expr::Identifier(name) if name.quote_style.is_none() && name.value.eq_ignore_ascii_case("default") => {
            std::ops::ControlFlow::Break(())
        }
        _ => std::ops::ControlFlow::Continue(()),
    });
    if values == Allowed::Same && found.is_break() {
        return Err(Refusal::new("DEFAULT", "its value may differ by shard; give the value"));
    }
    Ok(())
}

fn others(update: &Update) -> &[TableWithJoins] {
    match &update.from {
        None => &[],
        Some(UpdateTableFromKind::BeforeSet(tables) | UpdateTableFromKind::AfterSet(tables)) => tables,
    }
}

fn only_inner(tables: &[TableWithJoins]) -> Result<(), Refusal> {
    let inner = |operator: &JoinOperator| {
        matches!(operator, JoinOperator::Join(_) | JoinOperator::Inner(_) | JoinOperator::CrossJoin(_))
    };
    if tables.iter().flat_map(|tables| &tables.joins).all(|join| inner(&join.join_operator)) {
        return Ok(());
    }
    Err(Refusal::new("an outer join in a write", "over several shards each would fill up with NULL by itself"))
}
