//! Owns changes of tables and indexes: which are carried out, on every shard alike, and looking afterwards whether the
//! shards agree. A table must be known to the topology before it is made, because nobody else could tell where its rows lie.

use std::ops::ControlFlow;
use std::time::Instant;

use sqlparser::ast::{
    AlterTable, AlterTableOperation, ColumnDef, ColumnOption, CreateIndex, CreateTable, Expr, Ident, IndexColumn,
    ObjectName, ObjectType, Statement, TableConstraint, visit_expressions,
};
use sqlparser::tokenizer::Token;

use super::commit::in_doubt;
use super::cut::Text;
use super::execute::open;
use super::{Change, Count, Held, ShardStatement, Shards, Verify, Written};
use crate::sql::backend::{Bound, Fault, FaultKind};
use crate::sql::catalog::Catalog;
use crate::sql::dialect::{Dialect, Nature};
use crate::sql::error::{Error, Unlike};
use crate::sql::parse::Parsed;
use crate::sql::plan::Refusal;
use crate::sql::run::{NodeReport, NodeStatus};
use crate::sql::shape::{ColumnShape, shown, unlike};
use crate::sql::topology::{Holding, Shard};

/// Plans a change of tables.
pub(super) fn schema(parsed: &Parsed, catalog: &Catalog<'_>) -> Result<Change, Refusal> {
    let maker = Maker { parsed, catalog };
    if catalog.topology.is_split() {
        return Err(Refusal::new(maker.words(), "every node holds every row, and is not written to from here"));
    }
    if parsed.parameters > 0 {
        return Err(Refusal::new("parameters", "a change of tables takes none"));
    }
    let verify = match &parsed.statement {
        Statement::CreateTable(create) => maker.create(create)?,
        Statement::AlterTable(alter) => maker.alter(alter)?,
        Statement::CreateIndex(index) => maker.index(index)?,
        Statement::Truncate(truncate) => {
            let names = truncate.table_names.iter().map(|target| maker.known(&target.name));
            Verify { tables: names.collect::<Result<_, _>>()?, exist: Some(true) }
        }
        Statement::Drop { object_type: ObjectType::Table, names, temporary: false, .. } => {
            let names = names.iter().map(|name| maker.known(name));
            Verify { tables: names.collect::<Result<_, _>>()?, exist: Some(false) }
        }
        Statement::Drop { object_type: ObjectType::Index, table, .. } => {
            let tables = table.iter().map(|name| maker.known(name));
            Verify { tables: tables.collect::<Result<_, _>>()?, exist: Some(true) }
        }
        _ => return Err(Refusal::new(maker.words(), "no change of tables that is carried out")),
    };
    let (sql, params) = Text::whole(parsed)?.bound(&[])?;
    let statement = |shard| ShardStatement { shard, sql: sql.clone(), params: params.clone() };
    let statements = catalog.shards().into_iter().map(statement).collect();
    let (dialect, verify) = (parsed.dialect(), Some(verify));
    Ok(Change { dialect, statements, count: Count::Same, returns: false, questions: Vec::new(), verify })
}

struct Maker<'a> {
    parsed: &'a Parsed,
    catalog: &'a Catalog<'a>,
}

impl Maker<'_> {
    fn words(&self) -> String {
        let words: Vec<String> = (0..2).filter_map(|at| self.parsed.word(at)).map(str::to_ascii_uppercase).collect();
        words.join(" ")
    }

    /// The name under which a table is listed.
    fn known(&self, name: &ObjectName) -> Result<String, Refusal> {
        let topology = self.catalog.topology;
        match (topology.holding(name), topology.listed_name(name)) {
            (Some(_), Some(path)) => Ok(path),
            _ => {
                let why = "not in the topology: list it there first, with its key or as a table that every shard holds";
                Err(Refusal::new(format!("table {name}"), why))
            }
        }
    }

    /// The engine that a table of MySQL is to have, if that is not InnoDB and there are several shards.
    fn engine(&self) -> Option<String> {
        if self.parsed.dialect() != Dialect::MySql || self.catalog.shards().len() <= 1 {
            return None;
        }
        // Not the name of a column, which stands in parentheses.
        let is_outside = |at: usize| {
            let before = self.parsed.pieces.get(..at).unwrap_or_default();
            let count = |token: &Token| before.iter().filter(|piece| piece.token == *token).count();
            count(&Token::LParen) == count(&Token::RParen)
        };
        let is_word = |at: usize| self.parsed.word(at).is_some_and(|word| word.eq_ignore_ascii_case("engine"));
        let at = (3..self.parsed.pieces.len()).rfind(|at| is_word(*at) && is_outside(*at))? + 1;
        let at = if self.parsed.at(at, &Token::Eq) { at + 1 } else { at };
        let engine = match self.parsed.pieces.get(at).map(|piece| &piece.token) {
            Some(Token::SingleQuotedString(text) | Token::DoubleQuotedString(text)) => text.clone(),
            _ => self.parsed.word(at)?.to_owned(),
        };
        (!engine.eq_ignore_ascii_case("innodb")).then_some(engine)
    }

    /// The key, where the table is partitioned.
    fn key(&self, name: &ObjectName) -> Option<&str> {
        match self.catalog.topology.holding(name)? {
            Holding::Partitioned(partition) => Some(&partition.key),
            Holding::Reference => None,
        }
    }

    fn create(&self, create: &CreateTable) -> Result<Verify, Refusal> {
        let refuse = |what: &str| Err(Refusal::new(what, "a table is made from its columns, the same on every shard"));
        if create.temporary || create.or_replace || create.external {
            return refuse("CREATE TABLE with TEMPORARY, OR REPLACE or EXTERNAL");
        }
        if create.query.is_some() || create.like.is_some() || create.clone.is_some() {
            return refuse("CREATE TABLE AS or LIKE");
        }
        if create.partition_of.is_some() || create.inherits.is_some() || create.partition_by.is_some() {
            return refuse("CREATE TABLE with partitions or INHERITS");
        }
        if let Some(engine) = self.engine() {
            let why = "over several shards only tables of InnoDB can take a write back";
            return Err(Refusal::new(format!("ENGINE = {engine}"), why));
        }
        let table = self.known(&create.name)?;
        if let Some(key) = self.key(&create.name) {
            let is_key = |name: &Ident| self.catalog.topology.is_column(name, key);
            if !create.columns.iter().any(|column| is_key(&column.name)) {
                return Err(Refusal::new(format!("table {table}"), format!("it must have the column {key}, its key")));
            }
            create.columns.iter().try_for_each(|column| self.unique_column(column, key))?;
            create.constraints.iter().try_for_each(|constraint| self.unique_constraint(constraint, key))?;
        }
        Ok(Verify { tables: vec![table], exist: Some(true) })
    }

    fn alter(&self, alter: &AlterTable) -> Result<Verify, Refusal> {
        let table = self.known(&alter.name)?;
        let key = self.key(&alter.name);
        for operation in &alter.operations {
            self.operation(operation, key)?;
        }
        self.steady()?;
        Ok(Verify { tables: vec![table], exist: Some(true) })
    }

    fn operation(&self, operation: &AlterTableOperation, key: Option<&str>) -> Result<(), Refusal> {
        let is_key = |name: &Ident| key.is_some_and(|key| self.catalog.topology.is_column(name, key));
        let (touched, made): (Vec<&Ident>, Option<&ColumnDef>) = match operation {
            AlterTableOperation::AddColumn { column_def, .. } => (vec![&column_def.name], Some(column_def)),
            AlterTableOperation::DropColumn { column_names, .. } => (column_names.iter().collect(), None),
            AlterTableOperation::RenameColumn { old_column_name, new_column_name } => {
                (vec![old_column_name, new_column_name], None)
            }
            AlterTableOperation::ChangeColumn { old_name, new_name, .. } => (vec![old_name, new_name], None),
            AlterTableOperation::ModifyColumn { col_name, .. } => (vec![col_name], None),
            AlterTableOperation::AlterColumn { column_name, .. } => (vec![column_name], None),
            AlterTableOperation::AddConstraint { constraint, .. } => {
                return key.map_or(Ok(()), |key| self.unique_constraint(constraint, key));
            }
            AlterTableOperation::DropConstraint { .. }
            | AlterTableOperation::DropForeignKey { .. }
            | AlterTableOperation::DropIndex { .. }
            | AlterTableOperation::RenameConstraint { .. } => (Vec::new(), None),
            _ => return Err(Refusal::new("ALTER TABLE", "only columns and constraints are changed from here")),
        };
        if let Some(name) = touched.into_iter().find(|name| is_key(name)) {
            return Err(Refusal::new(format!("ALTER TABLE … {name}"), "it says on which shard a row lies"));
        }
        match (made, key) {
            (Some(column), Some(key)) => self.unique_column(column, key),
            _ => Ok(()),
        }
    }

    fn index(&self, index: &CreateIndex) -> Result<Verify, Refusal> {
        let table = self.known(&index.table_name)?;
        if index.concurrently {
            return Err(Refusal::new("CONCURRENTLY", "it cannot be taken back when another shard refuses"));
        }
        if let (true, Some(key)) = (index.unique, self.key(&index.table_name)) {
            self.has_key(&index.columns, key)?;
        }
        self.steady()?;
        Ok(Verify { tables: vec![table], exist: Some(true) })
    }

    fn unique_column(&self, column: &ColumnDef, key: &str) -> Result<(), Refusal> {
        let is_unique = |option: &ColumnOption| matches!(option, ColumnOption::Unique(_) | ColumnOption::PrimaryKey(_));
        let unique = column.options.iter().any(|option| is_unique(&option.option));
        if unique && !self.catalog.topology.is_column(&column.name, key) {
            return Err(not_unique(key));
        }
        Ok(())
    }

    fn unique_constraint(&self, constraint: &TableConstraint, key: &str) -> Result<(), Refusal> {
        match constraint {
            TableConstraint::Unique(unique) => self.has_key(&unique.columns, key),
            TableConstraint::PrimaryKey(primary) => self.has_key(&primary.columns, key),
            TableConstraint::ForeignKey(_) | TableConstraint::Check(_) | TableConstraint::Index(_) => Ok(()),
            _ => Err(Refusal::new("this constraint", "whether it holds over all shards is not known")),
        }
    }

    fn has_key(&self, columns: &[IndexColumn], key: &str) -> Result<(), Refusal> {
        let is_key = |column: &IndexColumn| match &column.column.expr {
            Expr::Identifier(name) => self.catalog.topology.is_column(name, key),
            _ => false,
        };
        if columns.iter().any(is_key) { Ok(()) } else { Err(not_unique(key)) }
    }

    /// What fills old rows must be the same on every shard.
    fn steady(&self) -> Result<(), Refusal> {
        let found = visit_expressions(&self.parsed.statement, |expr| match expr {
            Expr::Function(function) if self.parsed.dialect().rules().nature(function) != Nature::Steady => {
                ControlFlow::Break(function.name.to_string())
            }
            _ => ControlFlow::Continue(()),
        });
        match found {
            ControlFlow::Break(name) => Err(Refusal::new(format!("{name}()"), "it may differ by shard or by moment")),
            ControlFlow::Continue(()) => Ok(()),
        }
    }
}

fn not_unique(key: &str) -> Refusal {
    let why = format!("over several shards only what has the key {key} among its columns can be kept unique");
    Refusal::new("UNIQUE or PRIMARY KEY", why)
}

/// Whether all shards have the same columns, some or none as told.
pub(super) fn alike(table: &str, exist: Option<bool>, shapes: &[(String, Vec<ColumnShape>)]) -> Result<(), Unlike> {
    if let Some(unlike) = unlike(table, shapes) {
        return Err(unlike);
    }
    let other = shapes.iter().find(|(_, shape)| exist.is_some_and(|exist| shape.is_empty() == exist));
    match other {
        None => Ok(()),
        Some((other, shape)) => Err(Unlike {
            what: format!("the columns of {table}"),
            one: "the statement".to_owned(),
            this: if exist == Some(true) { "some" } else { "none" }.to_owned(),
            other: other.clone(),
            that: shown(shape),
        }),
    }
}

/// Where a change of a table is lasting at once: one shard after the other, up to the first that refuses. On a task of its
/// own, as commits are: a client that leaves in the middle must not leave the shards unlike.
pub(super) async fn step_by_step<S: Shards>(change: &Change, shards: &S, due: Instant) -> Result<Written, Error> {
    let of_each: Vec<Shard> = change.statements.iter().map(|statement| statement.shard).collect();
    let held = open(&of_each, shards, due).await?;
    let names: Vec<String> = held.iter().map(|held| held.node().to_owned()).collect();
    let (change, making) = (change.clone(), shards.lasting().begin());
    let task = async move {
        let written = on_each(change, held, due).await;
        drop(making);
        written
    };
    tokio::spawn(task).await.unwrap_or_else(|error| Err(in_doubt(names, &error)))
}

async fn on_each<H: Held>(change: Change, mut held: Vec<H>, due: Instant) -> Result<Written, Error> {
    let (mut nodes, mut committed) = (Vec::new(), Vec::new());
    for at in 0..held.len() {
        let (Some(one), Some(statement)) = (held.get_mut(at), change.statements.get(at)) else { continue };
        let started = Instant::now();
        let bound = Bound { sql: &statement.sql, params: &statement.params, due };
        match one.session().execute(bound).await {
            Ok(rows) => {
                let (name, sql) = (one.node().to_owned(), statement.sql.clone());
                committed.push(name.clone());
                nodes.push(NodeReport { name, sql, rows, elapsed: started.elapsed(), status: NodeStatus::Done });
            }
            Err(fault) => return Err(stopped(held, at, committed, fault)),
        }
    }
    let verified = verified(&change, &mut held, due).await;
    held.into_iter().for_each(|one| one.finish(Ok(())));
    match verified {
        Ok(()) => Ok(Written { affected: 0, returned: None, nodes }),
        Err(unlike) => Err(done_and_unlike(committed, unlike)),
    }
}

async fn verified<H: Held>(change: &Change, held: &mut [H], due: Instant) -> Result<(), Unlike> {
    let Some(verify) = &change.verify else { return Ok(()) };
    for table in &verify.tables {
        let mut shapes = Vec::new();
        for one in held.iter_mut() {
            // It is done: that one cannot be looked at now does not make it undone.
            if let Ok(shape) = one.session().shape(table, due).await {
                shapes.push((one.node().to_owned(), shape));
            }
        }
        alike(table, verify.exist, &shapes)?;
    }
    Ok(())
}

/// What is to be said where all have done it, and have not come out alike.
fn done_and_unlike(mut committed: Vec<String>, unlike: Unlike) -> Error {
    committed.retain(|node| *node != unlike.other);
    let fault = Fault::new(FaultKind::Statement, format!("it was carried out there, and yet {unlike}"));
    Error::HalfCommitted { committed, missing: Vec::new(), unknown: vec![(unlike.other, fault)] }
}

/// What is to be said where the shard at `at` has failed.
fn stopped<H: Held>(held: Vec<H>, at: usize, committed: Vec<String>, fault: Fault) -> Error {
    let (mut missing, mut unknown) = (Vec::new(), Vec::new());
    for (index, one) in held.into_iter().enumerate() {
        let name = one.node().to_owned();
        if index == at {
            let is_unknown = matches!(fault.kind, FaultKind::Lost | FaultKind::TimedOut);
            if is_unknown { &mut unknown } else { &mut missing }.push((name, fault.clone()));
            one.finish(Err(&fault));
            continue;
        }
        if index > at {
            missing.push((name, Fault::new(FaultKind::Statement, "not told to, as another has failed")));
        }
        one.finish(Ok(()));
    }
    if committed.is_empty() && unknown.is_empty() {
        return Error::of_nodes(missing.into_iter().take(1).collect());
    }
    Error::HalfCommitted { committed, missing, unknown }
}
