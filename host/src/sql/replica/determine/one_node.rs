//! Owns calls that one node carries out for all: of a library of its own, and those that answer several rows.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, Statement};

use super::look::{Look, refuse};
use super::place;
use crate::sql::dialect::Dialect;
use crate::sql::plan::Refusal;
use crate::sql::shape::Kind;

/// What a library of the node computes. PostgreSQL computes exact numbers by itself.
pub(super) fn computed(look: &mut Look<'_, '_>, construct: &str, given: &[&Expr]) {
    let kinds: Vec<Kind> = given.iter().map(|one| look.kind(one)).collect();
    let is_decimal = |kind: &Kind| matches!(kind, Kind::Numeric | Kind::Decimal);
    let is_exact = |kind: &Kind| is_decimal(kind) || matches!(kind, Kind::Integer | Kind::Big);
    let is_own = look.dialect() == Dialect::Postgres && kinds.iter().all(is_exact) && kinds.iter().any(is_decimal);
    if !is_own {
        look.by_rows(construct, "a library of the node computes it, whose last digits or bytes may differ");
    }
}

/// What answers several rows: a row that is given becomes as many. A value of an UPDATE does not.
pub(super) fn several(look: &mut Look<'_, '_>, name: &str) -> ControlFlow<Refusal> {
    if look.is_in_query() {
        return ControlFlow::Continue(());
    }
    let (_, write) = place::written(&look.task.parsed.statement);
    if !matches!(write, Statement::Insert(_)) {
        return refuse(format!("{name}()"), "it answers rows: write it into FROM");
    }
    look.by_rows(format!("{name}()"), "it answers rows, which are written one by one");
    ControlFlow::Continue(())
}
