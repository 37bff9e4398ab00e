//! Owns what kind of statement a text is where every node holds everything: whether one node answers it, or all must do it.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, Function, ObjectName, Query, Select, SetExpr, Statement, TableFactor, Visit, Visitor};

use super::{functions, place};
use crate::sql::dialect::Dialect;
use crate::sql::parse::Parsed;
use crate::sql::plan::Refusal;
use crate::sql::write;

/// What a statement does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// It reads: any node that is caught up answers it.
    Read,
    /// It reads, and locks what it reads until its transaction ends.
    Locking,
    /// It changes rows, or calls a function that changes something.
    Change,
    /// It changes tables or indexes, or empties tables.
    Schema,
}

/// What a statement does; `writers` are functions that write besides those that are known, by name. Refuses what is neither.
pub fn class(parsed: &Parsed, writers: &[String]) -> Result<Class, Refusal> {
    match place::written(&parsed.statement).1 {
        Statement::Insert(_) | Statement::Update(_) | Statement::Delete(_) => Ok(Class::Change),
        Statement::Query(query) => {
            let mut look = Look { dialect: parsed.dialect(), writers, class: Class::Read };
            match query.visit(&mut look) {
                ControlFlow::Break(refusal) => Err(refusal),
                ControlFlow::Continue(()) => Ok(look.class),
            }
        }
        _ => match write::class(parsed)? {
            write::Class::Read => Ok(Class::Read),
            write::Class::Change => Ok(Class::Change),
            write::Class::Schema => Ok(Class::Schema),
        },
    }
}

struct Look<'a> {
    dialect: Dialect,
    writers: &'a [String],
    class: Class,
}

impl Look<'_> {
    fn call(&mut self, name: &ObjectName) {
        let last = name.0.last().and_then(|part| part.as_ident()).map(|name| name.value.to_ascii_lowercase());
        let is_known = last.as_ref().is_some_and(|last| functions::writes(self.dialect, last));
        let whole = name.to_string().replace(['"', '`'], "");
        let is_listed = |writer: &String| {
            writer.eq_ignore_ascii_case(&whole) || last.as_ref().is_some_and(|last| writer.eq_ignore_ascii_case(last))
        };
        if is_known || self.writers.iter().any(is_listed) {
            self.class = Class::Change;
        }
    }
}

impl Visitor for Look<'_> {
    type Break = Refusal;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Refusal> {
        match query.body.as_ref() {
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                self.class = Class::Change
            }
            _ => {}
        }
        if !query.locks.is_empty() && self.class == Class::Read {
            self.class = Class::Locking;
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Refusal> {
        match &select.into {
            Some(_) => {
                let why = "a table is made with CREATE TABLE and filled with INSERT";
                ControlFlow::Break(Refusal::new("SELECT INTO", why))
            }
            None => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Refusal> {
        if let TableFactor::Table { name, args: Some(_), .. } | TableFactor::Function { name, .. } = factor {
            self.call(name);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Refusal> {
        if let Expr::Function(Function { name, .. }) = expr {
            self.call(name);
        }
        ControlFlow::Continue(())
    }
}
