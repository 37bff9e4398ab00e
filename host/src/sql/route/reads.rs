//! Owns finding every table that a statement reads, at any depth, and the shards where the rows that matter lie.
//!
//! Each SELECT is narrowed by its own predicates alone; what comes from outside it is not concluded inwards. A table
//! that is named anywhere else (or twice by what is narrowed once) counts whole.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use sqlparser::ast::{ObjectName, Query, Select, SetExpr, TableFactor, Visit, Visitor, With, visit_relations};

use super::literal::Literals;
use super::scope::{Occurrence, Scope};
use super::{Refusal, Routing};
use crate::sql::dialect::Dialect;
use crate::sql::topology::{Holding, KeySet, Shard, Topology};

/// A partitioned table in a statement; each mention counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableRead {
    /// Its name as it is listed.
    pub table: String,
    /// Where the rows that matter lie.
    pub routing: Routing,
    /// Tables of the same number are joined on their keys and placed alike: rows that meet lie on one shard.
    pub group: usize,
}

/// What a statement reads of partitioned tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reads {
    /// Each mention of such a table, in no order.
    pub tables: Vec<TableRead>,
    /// All shards that any of them needs.
    pub routing: Routing,
}

impl Reads {
    /// The one shard that holds everything that the statement needs: it may be sent there as it is.
    pub fn single(&self) -> Option<Shard> {
        self.routing.single()
    }

    /// A shard that can give the whole answer to the statement as it is: it holds the rows that matter, and has all tables,
    /// with rows or without. [`Shard::ANY`] where all shards answer alike.
    pub fn whole_at(&self, topology: &Topology) -> Option<Shard> {
        let all: BTreeSet<Shard> = (0..topology.shards().get()).map(Shard).collect();
        let partitions = self.tables.iter().filter_map(|read| topology.partition(&read.table));
        let able = partitions.fold(all.clone(), |able, held| &able & held.placement.shards());
        let is_alike = self.tables.is_empty() || self.routing == Routing::Nowhere;
        match self.single() {
            Some(shard) => Some(shard).filter(|shard| able.contains(shard)),
            None if is_alike && able == all => Some(Shard::ANY),
            // No row matters, but the tables must be there.
            None if is_alike => able.first().copied(),
            None => None,
        }
    }

    pub(super) fn of(topology: &Topology, occurrences: Vec<Occurrence<'_>>) -> Result<Self, Refusal> {
        let (mut tables, mut all) = (Vec::new(), BTreeSet::new());
        for found in occurrences {
            let shards = found
                .partition
                .placement
                .shards_of(&found.keys)
                .map_err(|out_of_range| Refusal::OutOfRange { table: found.table.clone(), out_of_range })?;
            all.extend(shards.iter().copied());
            tables.push(TableRead { table: found.table, routing: Routing::of(topology, shards), group: found.group });
        }
        Ok(Self { tables, routing: Routing::of(topology, all) })
    }
}

/// Everything that a statement names.
pub(super) struct Finder<'a> {
    topology: &'a Topology,
    literals: Literals<'a>,
    pub(super) occurrences: Vec<Occurrence<'a>>,
    groups: usize,
    /// Every relation, and whether WITH gives its name there.
    relations: Vec<(ObjectName, bool)>,
    /// The names that WITH gives in each query that is being walked.
    ctes: Vec<Vec<String>>,
    /// The next relation is the name of a function.
    is_function: bool,
}

impl<'a> Finder<'a> {
    pub(super) fn new(topology: &'a Topology, literals: Literals<'a>) -> Self {
        let (occurrences, relations) = (Vec::new(), Vec::new());
        Self { topology, literals, occurrences, groups: 0, relations, ctes: Vec::new(), is_function: false }
    }

    /// Without RECURSIVE a name means what it meant before, until its own query has ended; not so to SQLite.
    fn look_before_names(&self, with: &With) -> ControlFlow<Refusal> {
        if with.recursive || self.topology.dialect() == Dialect::Sqlite {
            return ControlFlow::Continue(());
        }
        let names: Vec<String> = with.cte_tables.iter().map(|cte| self.topology.folded(&cte.alias.name)).collect();
        for (at, cte) in with.cte_tables.iter().enumerate() {
            visit_relations(&cte.query, |relation| {
                let name = relation.0.last().and_then(|part| part.as_ident()).map(|name| self.topology.folded(name));
                let is_early = names.iter().skip(at).any(|later| name.as_ref() == Some(later));
                if is_early {
                    return ControlFlow::Break(Refusal::UnknownTable(relation.to_string()));
                }
                ControlFlow::Continue(())
            })?;
        }
        ControlFlow::Continue(())
    }

    /// Looks through a part of a statement.
    pub(super) fn look(&mut self, part: &impl Visit) -> Result<(), Refusal> {
        match part.visit(self) {
            ControlFlow::Break(refusal) => Err(refusal),
            ControlFlow::Continue(()) => Ok(()),
        }
    }

    /// Takes what a FROM clause names.
    pub(super) fn take(&mut self, scope: Scope<'_>) {
        let first = self.groups;
        for found in scope.occurrences() {
            let group = first + found.group;
            self.groups = self.groups.max(group + 1);
            let Some(partition) = self.topology.partition(&found.table) else { continue };
            self.occurrences.push(Occurrence { table: found.table, partition, keys: found.keys, group });
        }
    }

    /// Checks that nothing was missed, and that every name is known.
    pub(super) fn finish(mut self) -> Result<Vec<Occurrence<'a>>, Refusal> {
        let mut mentions: BTreeMap<String, usize> = BTreeMap::new();
        for (name, is_cte) in &self.relations {
            let path = self.topology.listed_name(name);
            match (self.topology.holding(name), path) {
                (Some(Holding::Partitioned(_)), Some(path)) => *mentions.entry(path).or_default() += 1,
                (Some(Holding::Reference), _) => {}
                _ if *is_cte => {}
                _ => return Err(Refusal::UnknownTable(name.to_string())),
            }
        }
        for (table, count) in mentions {
            let found = self.occurrences.iter().filter(|found| found.table == table).count();
            let Some(partition) = self.topology.partition(&table) else { continue };
            for _ in found..count {
                let keys = KeySet::everything();
                self.occurrences.push(Occurrence { table: table.clone(), partition, keys, group: self.groups });
                self.groups += 1;
            }
        }
        Ok(self.occurrences)
    }
}

impl Visitor for Finder<'_> {
    type Break = Refusal;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Refusal> {
        if let Some(with) = &query.with {
            self.look_before_names(with)?;
        }
        let with = query.with.iter().flat_map(|with| &with.cte_tables);
        self.ctes.push(with.map(|cte| self.topology.folded(&cte.alias.name)).collect());
        let mut open = vec![query.body.as_ref()];
        while let Some(body) = open.pop() {
            match body {
                SetExpr::SetOperation { left, right, .. } => open.extend([left.as_ref(), right.as_ref()]),
                SetExpr::Table(_) => return ControlFlow::Break(Refusal::Construct("TABLE in place of SELECT")),
                SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                    return ControlFlow::Break(Refusal::Construct("a write within a query"));
                }
                SetExpr::Select(_) | SetExpr::Query(_) | SetExpr::Values(_) => {}
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<Refusal> {
        self.ctes.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Refusal> {
        let mut scope = Scope::new(self.topology, self.literals);
        select.from.iter().for_each(|tables| scope.add(tables));
        if let Some(predicate) = &select.selection {
            scope.add_where(predicate);
        }
        self.take(scope);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Refusal> {
        self.is_function = matches!(factor, TableFactor::Table { args: Some(_), .. });
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<Refusal> {
        if !std::mem::take(&mut self.is_function) {
            let is_cte = match name.0.as_slice() {
                [only] => only.as_ident().is_some_and(|name| {
                    let name = self.topology.folded(name);
                    self.ctes.iter().flatten().any(|cte| *cte == name)
                }),
                _ => false,
            };
            self.relations.push((name.clone(), is_cte));
        }
        ControlFlow::Continue(())
    }
}
