//! Owns what is known of the tables that a write names: their columns with defaults, counters and keys, and their triggers. It is
//! read from a node by [`super::catalog`]; what is not known here is never guessed at.

use std::collections::{BTreeMap, BTreeSet};

use sqlparser::ast::{Ident, ObjectName};

use crate::sql::dialect::Dialect;
use crate::sql::shape::ColumnShape;

/// The tables behind one entry, as far as they were asked for, and what else a write may use.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    known: BTreeMap<String, Table>,
    functions: BTreeSet<String>,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name, the same however a statement writes it, quoted so that a statement may use it.
    pub name: String,
    /// Its columns, in order.
    pub columns: Vec<TableColumn>,
    /// What else runs when its rows change: triggers and rules, its own and those of tables that its changes reach by foreign
    /// keys.
    pub triggers: Vec<String>,
    /// What else is to be known of it.
    pub traits: Traits,
}

/// What is to be known of a table as a whole; what a dialect does not have is not set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traits {
    /// SQLite: its definition may say what becomes of conflicts (`UNIQUE ON CONFLICT REPLACE`).
    pub settles_conflicts: bool,
    /// MySQL: it has columns that are given no value where none are listed (`INVISIBLE`).
    pub hides_columns: bool,
    /// SQLite and MySQL: its rows refer to others of it by a foreign key that is checked, or takes effect, row by row.
    pub refers_to_itself: bool,
    /// SQLite and MySQL: how many unique indexes and keys it has.
    pub keys: usize,
    /// How many of them have the column that numbers rows.
    pub numbered_keys: usize,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableColumn {
    /// Its name, type and collation.
    pub shape: ColumnShape,
    /// The text of its default.
    pub default: Option<String>,
    /// Whether it numbers rows by itself.
    pub auto: Auto,
    /// Whether it is computed from other columns, and cannot be written.
    pub is_generated: bool,
    /// Its place in the primary key, from 1; 0 where it is no part of it.
    pub key: usize,
    /// Whether it is in the primary key or another unique index, or one excludes rows by something that may be computed from it:
    /// an index of an expression, of a computed column, of a part of the rows.
    pub is_unique: bool,
    /// Whether it may be NULL; SQLite allows it also in most primary keys.
    pub is_nullable: bool,
}

/// How a column numbers rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auto {
    /// It does not.
    No,
    /// SQLite's INTEGER PRIMARY KEY: NULL is the next number.
    Rowid {
        /// Whether numbers are never used again (AUTOINCREMENT).
        is_kept: bool,
    },
    /// MySQL's AUTO_INCREMENT: NULL and 0 are the next number.
    Increment,
    /// A sequence of PostgreSQL: `serial`, an identity, or `nextval()` as the default.
    Sequence {
        /// The sequence, quoted, with its schema.
        name: String,
        /// By how much it counts.
        step: i64,
        /// Whether no other value may be written (`GENERATED ALWAYS`).
        is_always: bool,
    },
}

/// What numbers are given out by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Counter {
    /// Its name, the same for all tables that share it.
    pub name: String,
    /// A query that answers the next number, by what a node has: for the first use.
    pub start: String,
}

impl Tables {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a table under the name that [`super::names`] gave for it.
    pub fn insert(&mut self, name: String, table: Table) {
        self.known.insert(name, table);
    }

    /// Names functions of the user's own that do the same on every node, given equal data.
    pub fn trust(&mut self, functions: impl IntoIterator<Item = String>) {
        self.functions.extend(functions.into_iter().map(|name| name.to_ascii_lowercase()));
    }

    pub(super) fn get(&self, dialect: Dialect, name: &ObjectName) -> Option<&Table> {
        self.known.get(&path(dialect, name)?)
    }

    pub(super) fn trusts(&self, function: &str) -> bool {
        self.functions.contains(function)
    }

    /// Whether all tables have a column of this name.
    pub(super) fn declare(&self, column: &str) -> bool {
        let is = |declared: &TableColumn| declared.shape.name.eq_ignore_ascii_case(column);
        self.known.values().all(|table| table.columns.iter().any(is)) && !self.known.is_empty()
    }
}

/// A table's name as [`super::names`] gives it; `None` where it is none, or has a dot within, as two would be one.
pub(super) fn path(dialect: Dialect, name: &ObjectName) -> Option<String> {
    let part = |part: &sqlparser::ast::ObjectNamePart| part.as_ident().map(|name| dialect.rules().fold(name));
    let parts: Vec<String> = name.0.iter().map(part).collect::<Option<_>>()?;
    if parts.iter().any(|part| part.contains('.')) {
        return None;
    }
    match parts.as_slice() {
        [schema, table] if dialect == Dialect::Sqlite && schema.eq_ignore_ascii_case("main") => Some(table.clone()),
        _ => Some(parts.join(".")),
    }
}

impl Table {
    /// The columns of the primary key, in its order.
    pub(super) fn key(&self) -> Vec<&TableColumn> {
        let mut key: Vec<&TableColumn> = self.columns.iter().filter(|column| column.key > 0).collect();
        key.sort_by_key(|column| column.key);
        key
    }

    pub(super) fn place(&self, dialect: Dialect, name: &Ident) -> Option<usize> {
        let rules = dialect.rules();
        let name = rules.fold(name);
        self.columns.iter().position(|column| rules.same_name(&column.shape.name, &name))
    }

    /// What a column takes its numbers from.
    pub(super) fn counter(&self, dialect: Dialect, column: &TableColumn) -> Option<Counter> {
        let (table, own) = (&self.name, dialect.quote(&column.shape.name));
        let last = format!("(SELECT coalesce(max({own}), 0) FROM {table})");
        let text = |text: &str| format!("'{}'", text.replace('\'', "''"));
        Some(match &column.auto {
            Auto::No => return None,
            Auto::Rowid { is_kept: false } => Counter { name: table.clone(), start: format!("SELECT {last} + 1") },
            Auto::Rowid { is_kept: true } => {
                let bare = text(&bare(table));
                let kept =
                    format!("(SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = {bare} COLLATE NOCASE)");
                Counter { name: table.clone(), start: format!("SELECT max({last}, {kept}) + 1") }
            }
            Auto::Increment => {
                let kept = format!(
                    "(SELECT coalesce(max(auto_increment), 1) FROM information_schema.tables \
                     WHERE table_schema = database() AND table_name = {})",
                    text(&bare(table))
                );
                Counter { name: table.clone(), start: format!("SELECT greatest({last} + 1, {kept})") }
            }
            Auto::Sequence { name, .. } => {
                let kept = format!("(SELECT CASE WHEN is_called THEN last_value + 1 ELSE last_value END FROM {name})");
                Counter { name: name.clone(), start: format!("SELECT greatest({last} + 1, {kept})") }
            }
        })
    }
}

/// A quoted name without its quotes.
fn bare(quoted: &str) -> String {
    let mut inside = quoted.chars();
    match (inside.next(), inside.next_back()) {
        (Some(mark @ ('"' | '`')), Some(_)) => inside.as_str().replace(&format!("{mark}{mark}"), &mark.to_string()),
        _ => quoted.to_owned(),
    }
}
