//! Owns routing a write: each row of an INSERT to its shard, UPDATE and DELETE to the shards where rows may match.
//! Rows never move: a statement that may change a key is refused.

use sqlparser::ast::{
    Assignment, AssignmentTarget, Delete, Expr, FromTable, Insert, ObjectName, OnConflictAction, OnInsert, SetExpr,
    TableFactor, TableObject, TableWithJoins, Update, UpdateTableFromKind,
};

use super::literal::Literals;
use super::reads::{Finder, Reads};
use super::scope::Scope;
use super::{Refusal, Route};
use crate::sql::topology::{Holding, Partition, Shard, Topology};

pub(super) struct Writes<'a> {
    pub(super) topology: &'a Topology,
    pub(super) literals: Literals<'a>,
}

impl<'a> Writes<'a> {
    pub(super) fn insert(&self, insert: &Insert) -> Result<Route, Refusal> {
        let TableObject::TableName(name) = &insert.table else {
            return Err(Refusal::Construct("INSERT into what is not a table"));
        };
        let (table, holding) = self.target(name)?;
        let mut finder = Finder::new(self.topology, self.literals);
        finder.look(&insert.source)?;
        finder.look(&insert.on)?;
        finder.look(&insert.returning)?;
        let reads = Reads::of(self.topology, finder.finish()?)?;
        let Holding::Partitioned(partition) = holding else { return Ok(Route::Copied { table, reads }) };
        match &insert.on {
            None => {}
            Some(OnInsert::DuplicateKeyUpdate(assignments)) => self.keeps_key(&table, partition, assignments)?,
            Some(OnInsert::OnConflict(conflict)) => {
                if let OnConflictAction::DoUpdate(update) = &conflict.action {
                    self.keeps_key(&table, partition, &update.assignments)?;
                }
            }
            Some(_) => return Err(Refusal::Construct("this ON clause of an INSERT")),
        }
        if !insert.assignments.is_empty() {
            let value = insert.assignments.iter().find(|assigned| self.assigns(assigned, partition));
            let value = value.ok_or_else(|| missing(&table, partition))?;
            let rows = vec![self.shard_of(&table, partition, &value.value)?];
            return Ok(Route::Insert { table, rows, reads });
        }
        let at = self.place_of_key(insert, partition).ok_or_else(|| missing(&table, partition))?;
        let source = insert.source.as_ref().ok_or_else(|| missing(&table, partition))?;
        let is_plain = source.with.is_none() && source.limit_clause.is_none() && source.fetch.is_none();
        let SetExpr::Values(values) = source.body.as_ref() else {
            return Ok(Route::InsertSelect { table, key_at: at, reads });
        };
        if !is_plain {
            return Err(Refusal::Construct("VALUES with WITH, LIMIT or FETCH"));
        }
        let row = |row: &Vec<Expr>| match row.get(at) {
            Some(value) if row.len() == insert.columns.len() => self.shard_of(&table, partition, value),
            _ => Err(Refusal::Construct("a row of another length than the list of columns")),
        };
        let rows = values.rows.iter().map(|values| row(&values.content)).collect::<Result<_, _>>()?;
        Ok(Route::Insert { table, rows, reads })
    }

    pub(super) fn update(&self, update: &'a Update) -> Result<Route, Refusal> {
        let more: &[TableWithJoins] = match &update.from {
            None => &[],
            Some(UpdateTableFromKind::BeforeSet(tables) | UpdateTableFromKind::AfterSet(tables)) => tables,
        };
        let name = only_table(&update.table)?;
        let (table, holding) = self.target(name)?;
        if let Holding::Partitioned(partition) = holding {
            self.keeps_key(&table, partition, &update.assignments)?;
        }
        let mut finder = Finder::new(self.topology, self.literals);
        finder.look(update)?;
        let others = Change { target: &update.table, more, predicate: update.selection.as_ref() };
        self.change(table, holding, &others, finder)
    }

    pub(super) fn delete(&self, delete: &'a Delete) -> Result<Route, Refusal> {
        let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
        let [target] = from.as_slice() else { return Err(Refusal::Construct("DELETE from several tables")) };
        if !delete.tables.is_empty() {
            return Err(Refusal::Construct("DELETE from several tables"));
        }
        let (table, holding) = self.target(only_table(target)?)?;
        let mut finder = Finder::new(self.topology, self.literals);
        finder.look(delete)?;
        let more = delete.using.as_deref().unwrap_or_default();
        let others = Change { target, more, predicate: delete.selection.as_ref() };
        self.change(table, holding, &others, finder)
    }

    fn change(
        &self,
        table: String,
        holding: &Holding,
        change: &Change<'a>,
        mut finder: Finder<'_>,
    ) -> Result<Route, Refusal> {
        let mut scope = Scope::new(self.topology, self.literals);
        scope.add(change.target);
        change.more.iter().for_each(|tables| scope.add(tables));
        if let Some(predicate) = change.predicate {
            scope.add_where(predicate);
        }
        // The target is the first that the scope names.
        let before = finder.occurrences.len();
        finder.take(scope);
        let mut occurrences = finder.finish()?;
        if matches!(holding, Holding::Reference) {
            return Ok(Route::Copied { table, reads: Reads::of(self.topology, occurrences)? });
        }
        let mut others = occurrences.split_off(before.min(occurrences.len()));
        let rest = others.split_off(others.len().min(1));
        let target = others.pop().ok_or(Refusal::Construct("a write to what is not a table"))?;
        occurrences.extend(rest);
        let group = target.group;
        let routing = Reads::of(self.topology, vec![target])?.routing;
        Ok(Route::Change { table, routing, group, reads: Reads::of(self.topology, occurrences)? })
    }

    fn target(&self, name: &ObjectName) -> Result<(String, &'a Holding), Refusal> {
        if self.topology.is_split() {
            return Err(Refusal::Construct("a write where every node holds every row"));
        }
        let holding = self.topology.holding(name).ok_or_else(|| Refusal::UnknownTable(name.to_string()))?;
        Ok((self.topology.listed_name(name).unwrap_or_default(), holding))
    }

    /// Which value of a row is the key.
    fn place_of_key(&self, insert: &Insert, partition: &Partition) -> Option<usize> {
        insert.columns.iter().position(|column| self.is_key(column, partition))
    }

    fn shard_of(&self, table: &str, partition: &Partition, value: &Expr) -> Result<Shard, Refusal> {
        let value = self.literals.value(value);
        let key = value.and_then(|value| partition.kind.stored(&value));
        let key = key.ok_or_else(|| Refusal::NoKey { table: table.to_owned(), key: partition.key.clone() })?;
        if self.topology.shards().get() > 1 && key.may_be_numbered(self.topology.dialect()) {
            return Err(Refusal::ZeroKey { table: table.to_owned(), key: partition.key.clone() });
        }
        partition
            .placement
            .shard_of(&key)
            .map_err(|out_of_range| Refusal::OutOfRange { table: table.to_owned(), out_of_range })
    }

    fn keeps_key(&self, table: &str, partition: &Partition, assigned: &[Assignment]) -> Result<(), Refusal> {
        if assigned.iter().any(|assigned| self.assigns(assigned, partition)) {
            return Err(Refusal::KeyChange { table: table.to_owned(), key: partition.key.clone() });
        }
        Ok(())
    }

    fn assigns(&self, assigned: &Assignment, partition: &Partition) -> bool {
        match &assigned.target {
            AssignmentTarget::ColumnName(name) => self.is_key(name, partition),
            AssignmentTarget::Tuple(names) => names.iter().any(|name| self.is_key(name, partition)),
        }
    }

    fn is_key(&self, name: &ObjectName, partition: &Partition) -> bool {
        let last = name.0.last().and_then(|part| part.as_ident());
        last.is_some_and(|ident| self.topology.is_column(ident, &partition.key))
    }
}

/// What UPDATE and DELETE have in common.
struct Change<'a> {
    target: &'a TableWithJoins,
    more: &'a [TableWithJoins],
    predicate: Option<&'a Expr>,
}

fn only_table(tables: &TableWithJoins) -> Result<&ObjectName, Refusal> {
    match (&tables.relation, tables.joins.as_slice()) {
        (TableFactor::Table { name, args: None, .. }, []) => Ok(name),
        _ => Err(Refusal::Construct("a write to a join")),
    }
}

fn missing(table: &str, partition: &Partition) -> Refusal {
    Refusal::NoKey { table: table.to_owned(), key: partition.key.clone() }
}
