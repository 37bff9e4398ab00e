//! Owns changes of tables and indexes, which are logged as they are or refused, and queries that call functions that write.

use sqlparser::ast::{
    AlterColumnOperation, AlterTable, AlterTableOperation, CascadeOption, ColumnDef, ColumnOption, CreateTable,
    CreateTableOptions, DataType, Expr, Ident, Query, SqlOption, Statement, Visit,
};

use super::Determined;
use super::change::as_it_is;
use super::look::{Look, Task, Times};
use super::numbers::Numbers;
use crate::sql::dialect::Dialect;
use crate::sql::plan::Refusal;
use crate::sql::shape::{ColumnShape, Kind};
use crate::sql::write;

/// Determines a query that calls functions of the user's own, which are said to do the same on every node.
pub(super) fn call(task: &Task<'_>, query: &Query, random: &mut dyn FnMut() -> u64) -> Result<Determined, Refusal> {
    let mut look = Look::new(task, random);
    look.through(query, Times::Once)?;
    match look.found.rows {
        Some(reason) => Err(reason),
        None => as_it_is(task, &look.found.edits, true, Numbers::default()).map(Determined::Logged),
    }
}

/// Determines a change of tables or indexes.
pub(super) fn schema(task: &Task<'_>, random: &mut dyn FnMut() -> u64) -> Result<Determined, Refusal> {
    if write::class(task.parsed)? != write::Class::Schema {
        return Err(Refusal::new("the statement", "it changes no table"));
    }
    let is_concurrent = |at: usize| task.parsed.word(at).is_some_and(|word| word.eq_ignore_ascii_case("concurrently"));
    if (0..task.parsed.pieces.len().min(5)).any(is_concurrent) {
        return Err(Refusal::new("CONCURRENTLY", "each change of tables is a transaction of its own"));
    }
    let mut look = Look::new(task, random);
    match &task.parsed.statement {
        Statement::CreateTable(table) => create(&mut look, table)?,
        Statement::AlterTable(table) => alter(&mut look, table)?,
        Statement::CreateIndex(index) => {
            steady(&mut look, &index.columns)?;
            steady(&mut look, &index.predicate)?;
        }
        Statement::Truncate(truncate) => {
            if truncate.cascade == Some(CascadeOption::Cascade) {
                return Err(Refusal::new(
                    "TRUNCATE … CASCADE",
                    "it empties tables that it does not name: name them all",
                ));
            }
            for target in &truncate.table_names {
                super::insert::table(task, &target.name)?;
            }
        }
        other => look.moments(other)?,
    }
    as_it_is(task, &look.found.edits, false, Numbers::default()).map(Determined::Logged)
}

/// What is computed for each row whenever it is written, or for each that is there: it must be the same everywhere and always.
fn steady(look: &mut Look<'_, '_>, part: &impl Visit) -> Result<(), Refusal> {
    look.through(part, Times::Each)?;
    if let Some(reason) = look.found.rows.take() {
        return Err(reason);
    }
    if look.found.edits.is_empty() {
        return Ok(());
    }
    Err(Refusal::new("a clock in the making of a table", "it would be read on each node by itself"))
}

fn create(look: &mut Look<'_, '_>, table: &CreateTable) -> Result<(), Refusal> {
    if table.query.is_some() {
        return Err(Refusal::new("CREATE TABLE … AS", "make the table, then fill it with INSERT"));
    }
    if table.temporary {
        return Err(Refusal::new(
            "CREATE TEMPORARY TABLE",
            "it belongs to a session, and statements have none that lasts",
        ));
    }
    if table.inherits.is_some() {
        return Err(Refusal::new("INHERITS", "a key would not be one of all rows: make a partitioned table"));
    }
    if table.unlogged {
        return Err(Refusal::new("CREATE UNLOGGED TABLE", "it is empty after a crash of its node"));
    }
    if let Some(engine) = engine(table) {
        return Err(Refusal::new(format!("ENGINE = {engine}"), "only InnoDB takes back what was not committed"));
    }
    for column in &table.columns {
        options(look, column)?;
    }
    look.moments(&CreateTable { columns: Vec::new(), ..table.clone() })?;
    steady(look, &table.constraints)
}

/// Another engine than InnoDB.
fn engine(table: &CreateTable) -> Option<&Ident> {
    let CreateTableOptions::Plain(options) = &table.table_options else { return None };
    let mut named = options.iter().filter_map(|option| match option {
        SqlOption::NamedParenthesizedList(list) if list.key.value.eq_ignore_ascii_case("engine") => list.name.as_ref(),
        _ => None,
    });
    named.find(|name| !name.value.eq_ignore_ascii_case("innodb"))
}

/// A default is looked at when a row leaves its column out, but for texts that the server reads as moments when it is made.
fn options(look: &mut Look<'_, '_>, column: &ColumnDef) -> Result<(), Refusal> {
    let declared = column.data_type.to_string().to_ascii_lowercase();
    let shape = ColumnShape { name: column.name.value.clone(), declared, collation: String::new() };
    let is_text = matches!(look.dialect().rules().column_kind(&shape), Kind::Text | Kind::Padded);
    for option in &column.options {
        match &option.option {
            ColumnOption::Default(Expr::Value(_)) if is_text => {}
            ColumnOption::Default(default) => look.moments(default)?,
            _ => {}
        }
    }
    let looked = column.options.iter().map(|option| &option.option);
    let looked = looked.filter(|option| !matches!(option, ColumnOption::Default(_) | ColumnOption::OnUpdate(_)));
    looked.cloned().try_for_each(|option| steady(look, &option))
}

fn alter(look: &mut Look<'_, '_>, table: &AlterTable) -> Result<(), Refusal> {
    use AlterTableOperation as Operation;
    for operation in &table.operations {
        match operation {
            Operation::AddColumn { column_def, .. } => added(look, column_def)?,
            Operation::AlterColumn { op: AlterColumnOperation::SetDefault { value }, .. } => look.moments(value)?,
            Operation::AlterColumn { op: AlterColumnOperation::AddGenerated { .. }, .. } => {
                return Err(Refusal::new(
                    "ADD GENERATED",
                    "numbers of rows are given out by the host: make a new table",
                ));
            }
            Operation::ModifyColumn { .. } | Operation::ChangeColumn { .. } if numbers(&operation.to_string()) => {
                return Err(numbered());
            }
            Operation::AddConstraint { .. }
            | Operation::AlterColumn { .. }
            | Operation::DropColumn { .. }
            | Operation::DropConstraint { .. }
            | Operation::RenameColumn { .. }
            | Operation::RenameTable { .. }
            | Operation::RenameConstraint { .. }
            | Operation::ValidateConstraint { .. }
            | Operation::ModifyColumn { .. }
            | Operation::ChangeColumn { .. }
            | Operation::DropPrimaryKey { .. }
            | Operation::DropForeignKey { .. }
            | Operation::DropIndex { .. }
            | Operation::Algorithm { .. }
            | Operation::Lock { .. }
            | Operation::AutoIncrement { .. }
            | Operation::OwnerTo { .. } => steady(look, operation)?,
            other => {
                let word = other.to_string().split_whitespace().take(2).collect::<Vec<_>>().join(" ");
                return Err(Refusal::new(format!("ALTER TABLE … {word}"), "not a change that is known"));
            }
        }
    }
    Ok(())
}

/// A column that is added gives a value to every row that is there.
fn added(look: &mut Look<'_, '_>, column: &ColumnDef) -> Result<(), Refusal> {
    if numbers(&column.to_string()) {
        return Err(numbered());
    }
    let has_default = column.options.iter().any(|option| matches!(option.option, ColumnOption::Default(_)));
    if look.dialect() == Dialect::Postgres && matches!(column.data_type, DataType::Custom(..)) && !has_default {
        let why = "its type may have a default of its own, which differs by node: write DEFAULT NULL, or another";
        return Err(Refusal::new(format!("ADD COLUMN {}", column.name), why));
    }
    for option in &column.options {
        if let ColumnOption::Default(default) = &option.option {
            let why = "the rows that are there would get another one on each node: add the column, then UPDATE";
            let refused = |refusal: Refusal| Refusal::new(format!("ADD COLUMN … DEFAULT {}", refusal.construct), why);
            steady(look, default).map_err(refused)?;
        }
    }
    options(look, column)
}

fn numbered() -> Refusal {
    Refusal::new("a column that numbers the rows that are there", "in another order on each node: make a new table")
}

/// Whether a column numbers rows. The text is only looked at.
fn numbers(declared: &str) -> bool {
    let declared = declared.to_ascii_uppercase();
    ["SERIAL", "AUTO_INCREMENT", "AUTOINCREMENT", "IDENTITY", "NEXTVAL"].iter().any(|word| declared.contains(word))
}
