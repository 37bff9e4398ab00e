//! Owns UPDATE and DELETE: as they are where every node would do the same, by the keys of the rows or with their values where
//! one node must find them out for all.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Assignment, AssignmentTarget, Delete, Expr, FromTable, ObjectName, SqliteOnConflict, TableFactor, TableWithJoins,
    Update, UpdateTableFromKind, visit_expressions, visit_relations,
};

use super::Determined;
use super::defaults::{Instead, instead};
use super::edit::{Edits, place_of};
use super::functions;
use super::insert::{is_default, is_plain_text, scope, table};
use super::keyed::{self, Search};
use super::look::{Look, Task, Times};
use super::numbers::{Given, Numbers, written};
use super::order::Shown;
use super::tables::{Auto, path};
use super::text::{Draft, Part, Text};
use crate::sql::alike::reads_as;
use crate::sql::dialect::Dialect;
use crate::sql::plan::Refusal;

/// Determines an UPDATE.
pub(super) fn update(task: &Task<'_>, update: &Update, random: &mut dyn FnMut() -> u64) -> Result<Determined, Refusal> {
    if update.output.is_some() || !update.table.joins.is_empty() {
        return Err(Refusal::new("UPDATE of a join", "write it as UPDATE of one table, with a subquery"));
    }
    let shown = target(task, &update.table)?;
    let from = others(update);
    let is_one = from.is_empty()
        && update.selection.as_ref().is_some_and(|condition| shown.is_one_row(condition, task.params, &|_| false));
    let times = if is_one { Times::Once } else { Times::Each };
    let mut look = Look::new(task, random);
    look.scopes.push(scope(task, shown.table, Some(&shown.name)));
    // What it names may be in values, too.
    look.through_with()?;
    let mut numbers = Numbers::default();
    // Where what an index has is computed, all columns are in it, and the same value for all rows is not the same there.
    let mut moves_keys = !is_one && shown.table.columns.iter().all(|column| column.is_unique || column.is_generated);
    for assigned in &update.assignments {
        let moves = assign(&mut look, &shown, assigned, times, &mut numbers)?;
        moves_keys |= moves && !is_one;
    }
    reads_itself(&mut look, &shown, update);
    let reads_tables = reads_tables(task, update);
    let of_values = look.found.rows.take();
    look.through(&update.selection, Times::Each)?;
    look.through(&from.to_vec(), Times::Each)?;
    look.through(&update.order_by, Times::Each)?;
    look.through(&update.limit, Times::Each)?;
    window(&mut look, &shown, update.limit.is_some(), &mut update.order_by.iter().map(|term| &term.expr));
    let of_rows = look.found.rows.take();
    look.through(&update.returning, Times::Answer)?;
    let by_each = each(update.or.as_ref(), moves_keys)?;
    let of_join =
        (!from.is_empty()).then(|| Refusal::new("UPDATE … FROM", "which of several rows it takes may differ by node"));
    let edits = look.found.edits;
    let search = |reason: Refusal, values: bool, is_each: bool| {
        let search = Search { shown: &shown, from, condition: update.selection.as_ref(), values, is_each, reason };
        let given = (edits.clone(), numbers.raises.clone());
        keyed::update(task, update, search, given).map(|plan| Determined::Rows(Box::new(plan)))
    };
    match (of_values.or(of_join), of_rows, by_each) {
        (Some(reason), ..) => search(reason, true, true),
        (None, None, None) => {
            as_it_is(task, &edits, update.returning.is_some(), numbers.clone()).map(Determined::Logged)
        }
        (None, of_rows, by_each) => {
            let is_each = by_each.is_some();
            let reason = of_rows.or(by_each).unwrap_or_else(|| Refusal::new("UPDATE", "its rows may differ by node"));
            // Behind the first of its statements a table may have other rows: such values are found with the rows.
            search(reason, reads_tables, is_each || reads_tables)
        }
    }
}

/// SQLite computes a subquery for a row when others have been changed already; PostgreSQL and MariaDB take what was there before.
fn reads_itself(look: &mut Look<'_, '_>, shown: &Shown<'_>, update: &Update) {
    let (tables, dialect) = (look.task.tables, look.dialect());
    if dialect != Dialect::Sqlite {
        return;
    }
    let is_own = |name: &ObjectName| tables.get(dialect, name).is_none_or(|table| table.name == shown.table.name);
    let found = visit_relations(&update.assignments, |name| match is_own(name) {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    });
    if found.is_break() {
        look.times = Times::Each;
        look.by_rows(
            "a subquery of what is updated",
            "it sees rows that were changed before, whose order differs by node",
        );
    }
}

/// Whether a value is read from a table, whichever: an UPDATE also changes others, by foreign keys and as parts of the whole.
/// What a function of the user's own reads is not seen.
fn reads_tables(task: &Task<'_>, update: &Update) -> bool {
    let dialect = task.parsed.dialect();
    let is_own = |name: &ObjectName| functions::name(dialect, name).is_some_and(|name| task.tables.trusts(&name));
    let calls = visit_expressions(&update.assignments, |part| match part {
        Expr::Function(call) if is_own(&call.name) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    calls.is_break() || visit_relations(&update.assignments, |_| ControlFlow::Break(())).is_break()
}

/// Determines a DELETE.
pub(super) fn delete(task: &Task<'_>, delete: &Delete, random: &mut dyn FnMut() -> u64) -> Result<Determined, Refusal> {
    let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
    let using = delete.using.as_deref().unwrap_or_default();
    let mut look = Look::new(task, random);
    let single = match from.as_slice() {
        [only] if delete.tables.is_empty() && using.is_empty() && only.joins.is_empty() => Some(target(task, only)?),
        _ => None,
    };
    let is_limited = !delete.order_by.is_empty() || delete.limit.is_some();
    if delete.output.is_some() || (single.is_none() && is_limited) {
        return Err(Refusal::new("DELETE", "not in a form that is known"));
    }
    match &single {
        Some(shown) => look.scopes.push(scope(task, shown.table, Some(&shown.name))),
        None => {
            of_join(task, delete, from)?;
            // Of the others none may have triggers, either.
            for factor in from.iter().chain(using).flat_map(factors) {
                if let TableFactor::Table { name, args: None, .. } = factor {
                    table(task, name)?;
                }
            }
            look.scopes.push(super::order::scope(&look, &[from.as_slice(), using].concat()));
        }
    }
    look.through_with()?;
    look.through(from, Times::Each)?;
    look.through(&using.to_vec(), Times::Each)?;
    look.through(&delete.selection, Times::Each)?;
    look.through(&delete.order_by, Times::Each)?;
    look.through(&delete.limit, Times::Each)?;
    if let Some(shown) = &single {
        window(&mut look, shown, delete.limit.is_some(), &mut delete.order_by.iter().map(|term| &term.expr));
    }
    let reason = look.found.rows.take().or_else(|| in_turn(task, delete, single.as_ref()?));
    look.through(&delete.returning, Times::Answer)?;
    let edits = look.found.edits;
    let Some(reason) = reason else {
        return as_it_is(task, &edits, delete.returning.is_some(), Numbers::default()).map(Determined::Logged);
    };
    let Some(shown) = single else { return Err(reason) };
    let condition = delete.selection.as_ref();
    let is_each = shown.table.traits.refers_to_itself;
    let search = Search { shown: &shown, from: &[], condition, values: false, is_each, reason };
    keyed::delete(task, delete, search, edits).map(|plan| Determined::Rows(Box::new(plan)))
}

/// Why rows must be deleted one after the other: where they refer to each other, the order decides whether one can be deleted,
/// and how many are counted.
fn in_turn(task: &Task<'_>, delete: &Delete, shown: &Shown<'_>) -> Option<Refusal> {
    let is_one = delete.selection.as_ref().is_some_and(|one| shown.is_one_row(one, task.params, &|_| false));
    // Only MySQL deletes in this order.
    let is_ordered = task.parsed.dialect() == Dialect::MySql
        && shown.orders_totally(&mut delete.order_by.iter().map(|term| &term.expr));
    let is_sure = !shown.table.traits.refers_to_itself || is_one || is_ordered;
    (!is_sure).then(|| {
        let why = "its rows refer to each other, and in which order they are deleted decides what comes of it";
        Refusal::new("DELETE", why)
    })
}

/// Refuses a DELETE of a join that does not take the rows of one of its tables. Modifiers (`DELETE QUICK FROM …`) are read as
/// names of tables, too.
fn of_join(task: &Task<'_>, delete: &Delete, from: &[TableWithJoins]) -> Result<(), Refusal> {
    let (dialect, using) = (task.parsed.dialect(), delete.using.as_deref().unwrap_or_default());
    let target = match (delete.tables.as_slice(), from) {
        ([name], _) if using.is_empty() => name,
        ([], [TableWithJoins { relation: TableFactor::Table { name, .. }, joins }]) if joins.is_empty() => name,
        _ => return Err(Refusal::new("DELETE from several tables", "write one for each")),
    };
    if dialect == Dialect::Postgres {
        return Ok(());
    }
    let rules = dialect.rules();
    let is_target = |factor: &&TableFactor| {
        let TableFactor::Table { name, alias, args: None, .. } = factor else { return false };
        let own = name.0.last().and_then(|part| part.as_ident());
        let shown = alias.as_ref().map(|alias| &alias.name).or(own);
        match (target.0.as_slice(), shown) {
            ([part], Some(shown)) => {
                part.as_ident().is_some_and(|part| rules.same_name(&rules.fold(part), &rules.fold(shown)))
            }
            _ => alias.is_none() && path(dialect, name).is_some() && path(dialect, name) == path(dialect, target),
        }
    };
    let sources = if using.is_empty() { from } else { using };
    let found = sources.iter().flat_map(factors).find(is_target);
    let Some(TableFactor::Table { name, .. }) = found else {
        return Err(Refusal::new(format!("DELETE {target}"), "it is none of the tables that are joined"));
    };
    if table(task, name)?.traits.refers_to_itself {
        return Err(Refusal::new(format!("DELETE {target}"), "its rows refer to each other: write it without a join"));
    }
    Ok(())
}

fn factors(tables: &TableWithJoins) -> Vec<&TableFactor> {
    let joined = tables.joins.iter().map(|join| &join.relation);
    let all = std::iter::once(&tables.relation).chain(joined).map(|factor| match factor {
        TableFactor::NestedJoin { table_with_joins, .. } => factors(table_with_joins),
        factor => vec![factor],
    });
    all.flatten().collect()
}

/// The only table that is written to.
fn target<'a>(task: &Task<'a>, tables: &TableWithJoins) -> Result<Shown<'a>, Refusal> {
    let TableFactor::Table { name, args: None, sample: None, .. } = &tables.relation else {
        return Err(Refusal::new("a write", "its target is no table"));
    };
    let table = table(task, name)?;
    let shown = Shown::of(task.parsed.dialect(), &tables.relation, table);
    shown.ok_or_else(|| Refusal::new(format!("table {name}"), "its columns are given other names"))
}

fn others(update: &Update) -> &[TableWithJoins] {
    match &update.from {
        None => &[],
        Some(UpdateTableFromKind::BeforeSet(tables) | UpdateTableFromKind::AfterSet(tables)) => tables,
    }
}

/// LIMIT chooses the same rows everywhere only behind a total order.
fn window(look: &mut Look<'_, '_>, shown: &Shown<'_>, is_limited: bool, terms: &mut dyn Iterator<Item = &Expr>) {
    if is_limited && !shown.orders_totally(terms) {
        look.times = Times::Each;
        look.by_rows("LIMIT", "without ORDER BY of the whole primary key its rows may differ by node");
    }
}

/// Why each row must be changed by a statement of its own.
fn each(or: Option<&SqliteOnConflict>, moves_keys: bool) -> Result<Option<Refusal>, Refusal> {
    let why = "in which order rows are changed decides what comes of it";
    match or {
        Some(or @ (SqliteOnConflict::Fail | SqliteOnConflict::Rollback)) => {
            Err(Refusal::new(format!("UPDATE {or}"), "it is done whole or not at all"))
        }
        Some(or @ (SqliteOnConflict::Ignore | SqliteOnConflict::Replace)) => {
            Ok(Some(Refusal::new(format!("UPDATE {or}"), why)))
        }
        _ if moves_keys => Ok(Some(Refusal::new("UPDATE of a unique column by what it was", why))),
        _ => Ok(None),
    }
}

/// Looks at what is assigned; answers whether the order of rows decides whether it can be.
fn assign(
    look: &mut Look<'_, '_>,
    shown: &Shown<'_>,
    assigned: &Assignment,
    times: Times,
    numbers: &mut Numbers,
) -> Result<bool, Refusal> {
    let names = match &assigned.target {
        AssignmentTarget::ColumnName(name) => std::slice::from_ref(name),
        AssignmentTarget::Tuple(names) => names.as_slice(),
    };
    // Where the table has a rule for conflicts, one of several rows with the same value stays.
    let settles = shown.table.traits.settles_conflicts;
    let mut is_unique = false;
    for name in names {
        let at =
            name.0.last().and_then(|part| part.as_ident()).and_then(|name| shown.table.place(look.dialect(), name));
        let column = at.and_then(|at| shown.table.columns.get(at));
        let column = column.ok_or_else(|| {
            Refusal::new(format!("column {name}"), format!("{} has no such column", shown.table.name))
        })?;
        is_unique |= column.is_unique;
        let is_single = names.len() == 1 && matches!(assigned.target, AssignmentTarget::ColumnName(_));
        if is_single && is_default(&assigned.value) {
            let parts = match instead(look.task, shown.table, column, times, look.random)? {
                Instead::Nothing => return Ok(is_unique && settles),
                Instead::Literal(text) => vec![Part::Text(text)],
                Instead::Number => {
                    return Err(Refusal::new(format!("{name} = DEFAULT"), "it would number a row that has a number"));
                }
            };
            let at =
                place_of(&assigned.value).ok_or_else(|| Refusal::new("DEFAULT", "cannot be told apart in the text"))?;
            look.found.edits.replace(look.task.parsed, at, &assigned.value, parts)?;
            return Ok(is_unique && settles);
        }
        if column.auto != Auto::No {
            match written(look.task, column, &assigned.value) {
                given @ Given::Number(_) if is_single => numbers.take(look.task, shown.table, column, given)?,
                _ => {
                    let why = "it numbers rows: give a number, as a literal or a parameter";
                    return Err(Refusal::new(format!("column {name}"), why));
                }
            }
        }
        if is_single && is_plain_text(look, column, &assigned.value) {
            return Ok(is_unique && settles);
        }
    }
    look.through(&assigned.value, times)?;
    Ok(is_unique && (settles || !is_constant(&assigned.value)))
}

fn is_constant(expr: &Expr) -> bool {
    let found = visit_expressions(expr, |part| match part {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Subquery(_) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    found.is_continue()
}

/// The statement as it came, with what was put in.
pub(super) fn as_it_is(task: &Task<'_>, edits: &Edits, returns: bool, numbers: Numbers) -> Result<Draft, Refusal> {
    let dialect: Dialect = task.parsed.dialect();
    let mut text = Text::new(task.parsed, task.params);
    text.tokens(0..task.parsed.pieces.len(), edits)?;
    let draft = Draft { raises: numbers.raises, ..text.draft(returns) };
    if !reads_as(dialect, &draft.sample(), &edits.applied(&task.parsed.statement)) {
        return Err(Refusal::new("the statement", "with literals in place of calls it would not read as it does"));
    }
    Ok(draft)
}
