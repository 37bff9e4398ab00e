//! Owns one FROM clause: which partitioned tables it names, what the ON and WHERE predicates leave of the key of each,
//! and which of them are joined on their keys.
//!
//! A row may be left out of a scan when the result is the same without it. So ON of an outer join narrows only the
//! side whose rows it may lose, and a predicate that NULL may fulfil never narrows a side that is filled up with NULL.

use std::ops::Range;

use sqlparser::ast::{
    BinaryOperator, Expr, Join, JoinConstraint, JoinOperator, ObjectName, TableAlias, TableFactor, TableWithJoins,
};

use super::literal::Literals;
use super::predicate::{KeyColumn, conjuncts};
use crate::sql::dialect::Dialect;
use crate::sql::topology::{Holding, KeySet, Partition, Topology};

/// A partitioned table in a FROM clause.
#[derive(Clone, Debug)]
pub(super) struct Occurrence<'a> {
    pub(super) table: String,
    pub(super) partition: &'a Partition,
    /// The keys whose rows matter.
    pub(super) keys: KeySet,
    /// The same number: joined on the key.
    pub(super) group: usize,
}

/// One entry of a FROM clause; what is no partitioned table is kept for its name.
#[derive(Debug)]
struct Item<'a> {
    table: Option<(String, &'a Partition)>,
    /// What may stand before a dot, and what no other entry may be called.
    called: Option<String>,
    nullable: bool,
}

/// A predicate, and the entries that it narrows.
struct Condition<'a> {
    predicate: &'a Expr,
    narrows: Range<usize>,
    reach: Range<usize>,
    /// Where the right side of its join begins.
    middle: usize,
    /// Of every entry so far: whether it was filled up with NULL before.
    nullable: Vec<bool>,
}

impl Condition<'_> {
    /// Whether an equality of two keys in it means that only rows of one key meet.
    ///
    /// Not for two tables of the side that an outer join keeps whole, whose rows meet all the same; so of that side
    /// one group may be tied, `kept`, and not two by way of a table that is missing where they differ.
    fn ties(&self, (one, other): (usize, usize), groups: &[usize], kept: &mut Option<usize>) -> bool {
        let outside = match (self.narrows.contains(&one), self.narrows.contains(&other)) {
            (true, true) => return true,
            (true, false) => other,
            (false, true) => one,
            // Both sides are kept.
            (false, false) => return (one < self.middle) != (other < self.middle) && kept.replace(one).is_none(),
        };
        let group = groups.get(outside).copied();
        if kept.is_none() {
            *kept = group;
        }
        group.is_some() && *kept == group
    }
}

/// USING or NATURAL, and the entries that it narrows.
struct Merge<'a> {
    constraint: &'a JoinConstraint,
    left: Range<usize>,
    right: Range<usize>,
    narrows: Range<usize>,
}

/// Reads one FROM clause.
pub(super) struct Scope<'a> {
    topology: &'a Topology,
    literals: Literals<'a>,
    items: Vec<Item<'a>>,
    conditions: Vec<Condition<'a>>,
    has_outer: bool,
    merges: Vec<Merge<'a>>,
    /// Something that is not understood: nothing is narrowed.
    is_opaque: bool,
}

impl<'a> Scope<'a> {
    pub(super) fn new(topology: &'a Topology, literals: Literals<'a>) -> Self {
        let (items, conditions, merges) = (Vec::new(), Vec::new(), Vec::new());
        Self { topology, literals, items, conditions, has_outer: false, merges, is_opaque: false }
    }

    /// Adds what stands between two commas. A comma binds less than JOIN, but as much to SQLite: there the left side of
    /// a join is all that came before.
    pub(super) fn add(&mut self, tables: &'a TableWithJoins) {
        let start = if self.topology.dialect() == Dialect::Sqlite { 0 } else { self.items.len() };
        self.add_joins(start, tables);
    }

    fn add_joins(&mut self, start: usize, tables: &'a TableWithJoins) {
        self.add_factor(&tables.relation);
        for join in &tables.joins {
            self.add_join(start, join);
        }
    }

    /// Adds WHERE, after everything else.
    pub(super) fn add_where(&mut self, predicate: &'a Expr) {
        let all = 0..self.items.len();
        self.add_condition(predicate, all.clone(), all, 0);
    }

    fn add_factor(&mut self, factor: &'a TableFactor) {
        match factor {
            TableFactor::Table { name, alias, args: None, .. } => self.add_table(name, alias.as_ref()),
            TableFactor::NestedJoin { table_with_joins, alias } => {
                self.is_opaque |= alias.is_some();
                self.add_joins(self.items.len(), table_with_joins);
            }
            TableFactor::Derived { alias, .. } => {
                let called = alias.as_ref().map(|alias| self.topology.folded(&alias.name));
                self.items.push(Item { table: None, called, nullable: false });
            }
            // Functions and the like: no rows of a shard, but perhaps a name that is also a table's.
            _ => self.is_opaque = true,
        }
    }

    fn add_table(&mut self, name: &ObjectName, alias: Option<&TableAlias>) {
        let own = name.0.last().and_then(|part| part.as_ident());
        let called = alias.map(|alias| &alias.name).or(own);
        let called = called.map(|called| self.topology.folded(called));
        // Columns may have new names, and the key's name may mean another.
        self.is_opaque |= alias.is_some_and(|alias| !alias.columns.is_empty());
        let table = match (self.topology.listed_name(name), self.topology.holding(name)) {
            (Some(path), Some(Holding::Partitioned(partition))) => Some((path, partition)),
            _ => None,
        };
        self.items.push(Item { table, called, nullable: false });
    }

    fn add_join(&mut self, start: usize, join: &'a Join) {
        let middle = self.items.len();
        self.add_factor(&join.relation);
        let end = self.items.len();
        let (constraint, narrows, nulled) = match &join.join_operator {
            JoinOperator::Join(constraint)
            | JoinOperator::Inner(constraint)
            | JoinOperator::CrossJoin(constraint)
            | JoinOperator::StraightJoin(constraint) => (constraint, start..end, end..end),
            JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => {
                (constraint, middle..end, middle..end)
            }
            JoinOperator::Right(constraint) | JoinOperator::RightOuter(constraint) => {
                (constraint, start..middle, start..middle)
            }
            JoinOperator::FullOuter(constraint) => (constraint, end..end, start..end),
            _ => {
                self.is_opaque = true;
                return;
            }
        };
        match constraint {
            JoinConstraint::On(predicate) => self.add_condition(predicate, narrows, start..end, middle),
            JoinConstraint::Using(_) | JoinConstraint::Natural => {
                self.merges.push(Merge { constraint, left: start..middle, right: middle..end, narrows });
            }
            JoinConstraint::None => {}
        }
        self.has_outer |= !nulled.is_empty();
        for item in self.items.iter_mut().take(nulled.end).skip(nulled.start) {
            item.nullable = true;
        }
    }

    fn add_condition(&mut self, predicate: &'a Expr, narrows: Range<usize>, reach: Range<usize>, middle: usize) {
        let nullable = self.items.iter().map(|item| item.nullable).collect();
        self.conditions.push(Condition { predicate, narrows, reach, middle, nullable });
    }

    /// The partitioned tables, narrowed.
    pub(super) fn occurrences(self) -> Vec<Occurrence<'a>> {
        let columns: Vec<Option<KeyColumn<'_>>> = (0..self.items.len()).map(|at| self.column(at)).collect();
        let mut keys = vec![KeySet::everything(); self.items.len()];
        let mut groups: Vec<usize> = (0..self.items.len()).collect();
        if !self.is_opaque {
            let is_empty = self.narrow(&columns, &mut keys);
            let edges = self.edges(&columns, &mut groups);
            follow(&edges, &mut keys);
            let is_lost = |(item, keys): (&Item<'_>, &KeySet)| keys.is_empty() && !item.nullable;
            // Where one side of it has no row, the whole FROM clause has none.
            if is_empty || self.items.iter().zip(&keys).any(is_lost) {
                keys.fill(KeySet::nothing());
            }
        }
        let found = self.items.into_iter().zip(keys).zip(groups);
        found
            .filter_map(|((item, keys), group)| {
                let (table, partition) = item.table?;
                Some(Occurrence { table, partition, keys, group })
            })
            .collect()
    }

    /// Its key column, when it is a partitioned table.
    fn column(&self, at: usize) -> Option<KeyColumn<'a>> {
        let item = self.items.get(at)?;
        let (_, partition) = item.table.as_ref()?;
        let alike = self.items.iter().filter(|other| other.called == item.called).count();
        Some(KeyColumn {
            topology: self.topology,
            literals: self.literals,
            name: &partition.key,
            kind: partition.kind,
            called: item.called.clone().filter(|_| alike == 1),
            // A bare name that two tables have is refused by the server; but a column that USING made of two is
            // that of one side, or of neither, under an outer join.
            is_bare: self.merges.is_empty() || !self.has_outer,
        })
    }

    /// Applies every condition by itself; true when no row fulfils them.
    fn narrow(&self, columns: &[Option<KeyColumn<'_>>], keys: &mut [KeySet]) -> bool {
        let mut is_empty = false;
        for condition in &self.conditions {
            let narrows_all = condition.narrows == (0..self.items.len());
            let within = columns.iter().zip(keys.iter_mut()).zip(&condition.nullable);
            let within = within.skip(condition.narrows.start).take(condition.narrows.len());
            for ((column, keys), is_nullable) in within {
                let Some(column) = column else { continue };
                let holds = column.verdict(condition.predicate).holds;
                is_empty |= narrows_all && holds.is_empty();
                if !(*is_nullable && holds.has_null()) {
                    *keys = KeySet::intersection([std::mem::replace(keys, KeySet::nothing()), holds]);
                }
            }
        }
        is_empty && !self.has_outer
    }

    /// Which tables are joined on their keys: pairs of one whose keys lie among those of the other. Both of a pair are
    /// in one group when they are placed alike.
    fn edges(&self, columns: &[Option<KeyColumn<'_>>], groups: &mut [usize]) -> Vec<(usize, usize)> {
        let mut edges = Vec::new();
        for condition in &self.conditions {
            let mut kept = None;
            for part in conjuncts(condition.predicate) {
                let Expr::BinaryOp { left, op: BinaryOperator::Eq, right } = part else { continue };
                let Some(pair) = pair(columns, &condition.reach, left, right) else { continue };
                let narrowed: Vec<_> = directed(pair, &condition.narrows).collect();
                if condition.ties(pair, groups, &mut kept) {
                    self.group(pair, groups);
                }
                edges.extend(narrowed);
            }
        }
        // In a longer chain with an outer join the merged column is not always that of the table.
        if !self.has_outer || self.items.len() == 2 {
            for (pair, narrows) in self.merges.iter().flat_map(|merge| self.merged(merge)) {
                self.group(pair, groups);
                edges.extend(directed(pair, narrows));
            }
        }
        edges
    }

    /// The pairs of tables whose keys a USING or NATURAL makes equal.
    fn merged<'m>(&'m self, merge: &'m Merge<'a>) -> impl Iterator<Item = ((usize, usize), &'m Range<usize>)> {
        let keyed = |at: usize| self.items.get(at).and_then(|item| item.table.as_ref()).map(|(_, held)| (at, *held));
        let is_merged = |key: &str| match merge.constraint {
            JoinConstraint::Using(names) => names.iter().any(|name| {
                name.0.iter().any(|part| part.as_ident().is_some_and(|name| self.topology.is_column(name, key)))
            }),
            _ => true,
        };
        let lefts = merge.left.clone().filter_map(keyed).filter(move |(_, held)| is_merged(&held.key));
        lefts.flat_map(move |(one, first)| {
            let rights = merge.right.clone().filter_map(keyed);
            let same = move |second: &Partition| second.key == first.key && first.kind.equal_means_same(second.kind);
            rights.filter(move |(_, second)| same(second)).map(move |(other, _)| ((one, other), &merge.narrows))
        })
    }

    fn group(&self, (one, other): (usize, usize), groups: &mut [usize]) {
        let placement = |at: usize| self.items.get(at).and_then(|item| item.table.as_ref()).map(|(_, held)| held);
        let (Some(first), Some(second)) = (placement(one), placement(other)) else { return };
        let (Some(from), Some(to)) = (groups.get(other).copied(), groups.get(one).copied()) else { return };
        if first.placement == second.placement {
            for group in groups.iter_mut().filter(|group| **group == from) {
                *group = to;
            }
        }
    }
}

/// Which of a pair is narrowed by the other.
fn directed((one, other): (usize, usize), narrows: &Range<usize>) -> impl Iterator<Item = (usize, usize)> + use<> {
    let ends = [(one, other), (other, one)];
    let narrows = narrows.clone();
    ends.into_iter().filter(move |(narrowed, _)| narrows.contains(narrowed))
}

/// The two tables whose keys are compared.
fn pair(columns: &[Option<KeyColumn<'_>>], reach: &Range<usize>, left: &Expr, right: &Expr) -> Option<(usize, usize)> {
    let find = |expr: &Expr| {
        let mut found = reach.clone().filter_map(|at| {
            let column = columns.get(at)?.as_ref()?;
            column.is(expr).then_some((at, column.kind))
        });
        // A bare name that means two is none.
        found.next().filter(|_| found.next().is_none())
    };
    let ((one, kind), (other, second)) = (find(left)?, find(right)?);
    (one != other && kind.equal_means_same(second)).then_some((one, other))
}

/// Narrows each by the others that it is joined with, until nothing changes: at the latest after as many rounds as
/// there are tables.
fn follow(edges: &[(usize, usize)], keys: &mut [KeySet]) {
    for _ in 0..keys.len() {
        for (narrowed, by) in edges {
            let Some(by) = keys.get(*by).cloned() else { continue };
            if let Some(keys) = keys.get_mut(*narrowed) {
                *keys = KeySet::intersection([std::mem::replace(keys, KeySet::nothing()), by.without_null()]);
            }
        }
    }
}
