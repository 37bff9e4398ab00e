//! Owns what the planner knows of a table's columns, and resolving names to them. Shapes are read from a node; what a declared
//! type means is the dialect's to say. A name that does not resolve is never guessed at: the statement is gathered instead.

use sqlparser::ast::{Expr, Ident};

use super::{dialect::Rules, error::Unlike};

/// One column of a table, as declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnShape {
    /// Its name as declared.
    pub name: String,
    /// Its declared type; empty where there is none.
    pub declared: String,
    /// Its collation. SQLite: `BINARY` where none was declared. PostgreSQL: empty for a type that has none, the real name of the
    /// database's own, those of users quoted with their schema.
    pub collation: String,
}

impl ColumnShape {
    /// Whether it has no collation but SQLite's plain one, or none at all.
    pub fn is_binary(&self) -> bool {
        self.collation.is_empty() || self.collation.eq_ignore_ascii_case("BINARY")
    }
}

/// A table's columns in words.
pub fn shown(columns: &[ColumnShape]) -> String {
    let each = columns.iter().map(|column| {
        let parts = [column.name.as_str(), &column.declared, &column.collation];
        parts.iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join(" ")
    });
    if columns.is_empty() { "none".to_owned() } else { each.collect::<Vec<_>>().join(", ") }
}

/// The first two nodes that do not have the same columns of a table, in the same order.
pub fn unlike(table: &str, shapes: &[(String, Vec<ColumnShape>)]) -> Option<Unlike> {
    let ((one, this), others) = shapes.split_first()?;
    let (other, that) = others.iter().find(|(_, that)| that != this)?;
    Some(Unlike {
        what: format!("the columns of {table}"),
        one: one.clone(),
        this: shown(this),
        other: other.clone(),
        that: shown(that),
    })
}

/// What values a column or an expression can have; NULL aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Integers of 64 bits (SQLite), or at most 32 (PostgreSQL).
    Integer,
    /// Integers of 64 bits, where sums of them are of another type than sums of smaller ones.
    Big,
    /// Exact numbers, one number always written one way: SQLite's `NUMERIC` affinity, decimals of a fixed scale.
    Numeric,
    /// Exact numbers, where `1.0` and `1.00` are equal and written differently.
    Decimal,
    /// Floats of 32 bits.
    Single,
    /// Doubles.
    Real,
    /// True and false, where they are a type.
    Bool,
    /// Text.
    Text,
    /// Text filled up with blanks that do not count.
    Padded,
    /// Days.
    Date,
    /// Moments, with or without a time zone.
    Timestamp,
    /// Times of day.
    Time,
    /// UUIDs.
    Uuid,
    /// Bytes.
    Bytes,
    /// Some other type of fixed meaning that is no text: intervals, JSON.
    Other,
    /// Nothing but NULL.
    Null,
    /// Not known.
    Any,
}

/// A table under the name that the statement gives it.
#[derive(Clone, Debug)]
pub struct Bound {
    /// The table's name.
    pub table: String,
    /// The name it has in the statement, folded.
    pub alias: String,
    /// Its columns.
    pub columns: Vec<ColumnShape>,
    /// The key by which it is partitioned; none for a reference table.
    pub key: Option<String>,
    /// Whether an outer join may make its columns NULL.
    pub nullable: bool,
}

/// The tables that a SELECT names, in order.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    /// The dialect's.
    pub(super) rules: &'static dyn Rules,
    /// The tables.
    pub(super) tables: Vec<Bound>,
}

/// A column found: the table's index and the column's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnRef {
    /// Index in `Scope::tables`.
    pub table: usize,
    /// Index in [`Bound::columns`].
    pub column: usize,
}

impl Scope {
    /// No tables yet.
    pub(super) fn new(rules: &'static dyn Rules) -> Self {
        Self { rules, tables: Vec::new() }
    }

    /// The column that an expression is, parentheses aside.
    pub(super) fn column(&self, expr: &Expr) -> Option<ColumnRef> {
        match expr {
            Expr::Nested(inner) => self.column(inner),
            Expr::Identifier(name) => self.named(None, name),
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [table, name] => self.named(Some(table), name),
                _ => None,
            },
            _ => None,
        }
    }

    fn named(&self, table: Option<&Ident>, name: &Ident) -> Option<ColumnRef> {
        let (table, name) = (table.map(|table| self.rules.fold(table)), self.rules.fold(name));
        let mut found = None;
        for (index, bound) in self.tables.iter().enumerate() {
            if table.as_ref().is_some_and(|table| !self.rules.same_name(table, &bound.alias)) {
                continue;
            }
            let at = bound.columns.iter().position(|column| self.rules.same_name(&column.name, &name));
            let Some(column) = at else { continue };
            match found {
                None => found = Some(ColumnRef { table: index, column }),
                Some(_) => return None,
            }
        }
        found
    }

    /// The shape of a column that was found.
    pub(super) fn shape(&self, column: ColumnRef) -> Option<&ColumnShape> {
        self.tables.get(column.table)?.columns.get(column.column)
    }

    /// The shape of the column that an expression is.
    pub(super) fn shape_of(&self, expr: &Expr) -> Option<&ColumnShape> {
        self.column(expr).and_then(|column| self.shape(column))
    }

    /// What values an expression can have.
    pub(super) fn kind(&self, expr: &Expr) -> Kind {
        match (self.column(expr), expr) {
            (Some(column), _) => self.shape(column).map_or(Kind::Any, |shape| self.rules.column_kind(shape)),
            (None, Expr::Nested(inner)) => self.kind(inner),
            (None, Expr::Collate { expr: inner, .. }) => self.kind(inner),
            (None, other) => self.rules.expression_kind(other, self),
        }
    }

    /// Whether an expression is the partition key of the table at `index`.
    pub(super) fn is_key(&self, index: usize, expr: &Expr) -> bool {
        let Some(column) = self.column(expr).filter(|column| column.table == index) else { return false };
        let key = self.tables.get(index).and_then(|bound| bound.key.as_ref());
        key.zip(self.shape(column)).is_some_and(|(key, shape)| self.rules.same_name(&shape.name, key))
    }

    /// The shape of the partition key of the table at `index`.
    pub(super) fn key_shape(&self, index: usize) -> Option<&ColumnShape> {
        let bound = self.tables.get(index)?;
        let key = bound.key.as_ref()?;
        bound.columns.iter().find(|shape| self.rules.same_name(&shape.name, key))
    }

    /// Whether equal values of an expression are always written the same way, so that it does not matter which one is shown.
    pub(super) fn has_one_spelling(&self, expr: &Expr) -> bool {
        self.rules.has_one_spelling(self.kind(expr)) && self.is_bytewise(expr)
    }

    /// Whether text that comes of an expression is equal only where its bytes are.
    pub(super) fn is_bytewise(&self, expr: &Expr) -> bool {
        use std::ops::ControlFlow;
        let told = sqlparser::ast::visit_expressions(expr, |part| match part {
            Expr::Collate { collation, .. } if !self.rules.is_bytewise(&collation.to_string()) => {
                ControlFlow::Break(())
            }
            Expr::Identifier(_) | Expr::CompoundIdentifier(_)
                if !self.shape_of(part).is_some_and(|shape| self.rules.is_bytewise(&shape.collation)) =>
            {
                ControlFlow::Break(())
            }
            _ => ControlFlow::Continue(()),
        });
        told.is_continue()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_node_whose_table_differs_is_told() {
        let column = |name: &str, collation: &str| ColumnShape {
            name: name.into(),
            declared: "TEXT".into(),
            collation: collation.into(),
        };
        let node = |name: &str, columns: &[ColumnShape]| (name.to_owned(), columns.to_vec());
        let (a, b) = (column("a", "BINARY"), column("b", ""));
        let same = [node("n0", &[a.clone(), b.clone()]), node("n1", &[a.clone(), b.clone()])];
        assert_eq!(unlike("t", &same), None);
        assert_eq!(unlike("t", &[]), None);
        let told = |that: &[ColumnShape]| {
            let nodes = [node("n0", &[a.clone(), b.clone()]), node("n1", &[a.clone(), b.clone()]), node("n2", that)];
            unlike("t", &nodes).unwrap().to_string()
        };
        let start = "the columns of t differ: n0 has a TEXT BINARY, b TEXT, n2 has";
        assert_eq!(told(&[b.clone(), a.clone()]), format!("{start} b TEXT, a TEXT BINARY"));
        assert_eq!(told(&[column("a", "NOCASE"), b.clone()]), format!("{start} a TEXT NOCASE, b TEXT"));
        assert_eq!(told(&[]), format!("{start} none"));
    }
}
