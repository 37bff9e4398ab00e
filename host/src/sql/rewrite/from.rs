//! Owns what a SELECT reads: its tables, and whether their joins can be made shard by shard.
//!
//! Joins can be made by shard where the router has put every partitioned table into one group: rows that meet lie on one shard.
//! Nothing but reference tables may come besides, and `reference LEFT JOIN partitioned` cannot be: each shard would add its own
//! unmatched rows.

use sqlparser::ast::{Join, JoinConstraint, JoinOperator, Select, SetExpr, TableFactor};

use super::super::{
    catalog::Role,
    plan::{Blocked, Task},
    route::TableRead,
    shape::{Bound, Kind, Scope},
};

/// The tables of a SELECT, joined by shard.
#[derive(Debug)]
pub(in super::super) struct Sources {
    pub(in super::super) scope: Scope,
    /// How many of them are partitioned.
    pub(in super::super) spread: usize,
}

/// The sources of the statement's own SELECT.
pub(in super::super) fn sources(task: &Task<'_>) -> Result<Sources, Blocked> {
    match &*task.query.body {
        SetExpr::Select(select) => of_select(task, select, 0),
        _ => Err(Blocked::gather("not a plain SELECT")),
    }
}

/// The sources of one SELECT of a statement without subqueries; so many partitioned tables stand before it.
pub(in super::super) fn of_select(task: &Task<'_>, select: &Select, before: usize) -> Result<Sources, Blocked> {
    let mut scope = Scope::new(task.rules);
    for from in &select.from {
        scope.tables.push(bound(task, &from.relation, false)?);
        for join in &from.joins {
            add_join(task, &mut scope, join)?;
        }
    }
    let spread: Vec<usize> = indexes(&scope);
    if spread.is_empty() {
        return Err(Blocked::gather("no partitioned table"));
    }
    if !meets_by_shard(task, &scope, &spread, before) {
        return Err(Blocked::gather("a join that is not on the partition keys"));
    }
    Ok(Sources { spread: spread.len(), scope })
}

fn indexes(scope: &Scope) -> Vec<usize> {
    scope.tables.iter().enumerate().filter(|(_, bound)| bound.key.is_some()).map(|(index, _)| index).collect()
}

/// What a table is, under the name that a FROM clause gives it.
pub(in super::super) fn bound(task: &Task<'_>, factor: &TableFactor, nullable: bool) -> Result<Bound, Blocked> {
    let TableFactor::Table { name, alias, args: None, sample: None, .. } = factor else {
        return Err(Blocked::gather("a derived table"));
    };
    if alias.as_ref().is_some_and(|alias| !alias.columns.is_empty()) {
        return Err(Blocked::gather("renamed columns"));
    }
    let table = name.0.last().and_then(|part| part.as_ident()).map(|ident| task.rules.fold(ident)).unwrap_or_default();
    let columns =
        task.catalog.columns(&table).ok_or_else(|| Blocked::gather("a table without a known shape"))?.to_vec();
    let key = match task.catalog.role(&table) {
        Some(Role::Partitioned { key }) => Some(key),
        Some(Role::Reference) => None,
        None => return Err(Blocked::gather("a common table expression")),
    };
    let alias = alias.as_ref().map_or_else(|| table.clone(), |alias| task.rules.fold(&alias.name));
    Ok(Bound { table, alias, columns, key, nullable })
}

fn add_join(task: &Task<'_>, scope: &mut Scope, join: &Join) -> Result<(), Blocked> {
    let (constraint, is_left) = match &join.join_operator {
        JoinOperator::Join(on) | JoinOperator::Inner(on) | JoinOperator::CrossJoin(on) => (on, false),
        JoinOperator::Left(on) | JoinOperator::LeftOuter(on) => (on, true),
        _ => return Err(Blocked::gather("this kind of join")),
    };
    let had_spread = !indexes(scope).is_empty();
    let added = bound(task, &join.relation, is_left)?;
    if is_left && added.key.is_some() && !had_spread {
        return Err(Blocked::gather("a reference table LEFT JOIN a partitioned one"));
    }
    scope.tables.push(added);
    match constraint {
        JoinConstraint::On(_) => Ok(()),
        JoinConstraint::None if !is_left => Ok(()),
        _ => Err(Blocked::gather("NATURAL or USING")),
    }
}

/// Whether the router has tied these tables to each other, and their keys are of types that say the same of what is equal.
fn meets_by_shard(task: &Task<'_>, scope: &Scope, spread: &[usize], before: usize) -> bool {
    let bounds: Vec<&Bound> = spread.iter().filter_map(|index| scope.tables.get(*index)).collect();
    let Some(reads) = task.reads.tables.get(before..before + bounds.len()) else { return false };
    // The router finds the tables in the order of the text.
    let is_same = |(bound, read): (&&Bound, &TableRead)| task.rules.same_name(&bound.table, &read.table);
    let is_one = reads.iter().all(|read| reads.first().is_some_and(|first| first.group == read.group));
    bounds.iter().zip(reads).all(is_same) && is_one && (bounds.len() == 1 || are_alike(scope, spread))
}

fn are_alike(scope: &Scope, spread: &[usize]) -> bool {
    let rules = scope.rules;
    let kinds: Option<Vec<Kind>> = spread
        .iter()
        .map(|index| {
            let shape = scope.key_shape(*index).filter(|shape| rules.is_bytewise(&shape.collation))?;
            Some(rules.column_kind(shape))
        })
        .collect();
    kinds.is_some_and(|kinds| kinds.iter().zip(kinds.iter().skip(1)).all(|(one, other)| rules.same_keys(*one, *other)))
}

impl Sources {
    /// The key of the partitioned table, where there is but one, so that its scan can be divided.
    pub(in super::super) fn key(&self, task: &Task<'_>) -> Option<String> {
        let mut spread = self.scope.tables.iter().filter(|bound| bound.key.is_some());
        let (bound, None) = (spread.next()?, spread.next()) else { return None };
        let key = bound.key.as_ref().filter(|_| !bound.nullable)?;
        Some(format!("{}.{}", task.quote(&bound.alias), task.quote(key)))
    }
}
