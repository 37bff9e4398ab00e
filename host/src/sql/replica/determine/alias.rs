//! Owns which bare names of an ORDER BY are names of columns: what the SELECT shows under the same name goes before them.

use sqlparser::ast::{Expr, Ident, SelectItem, SelectItemQualifiedWildcardKind};

use super::order::Shown;
use crate::sql::dialect::Dialect;

/// Whether a term of ORDER BY may be something else that is shown under the name of a column.
pub(super) fn is_shown(dialect: Dialect, shown: &Shown<'_>, projection: &[SelectItem], term: &Expr) -> bool {
    match term {
        Expr::Nested(inner) => is_shown(dialect, shown, projection, inner),
        Expr::Identifier(name) => projection.iter().any(|item| may_be(dialect, shown, item, name)),
        _ => false,
    }
}

fn may_be(dialect: Dialect, shown: &Shown<'_>, item: &SelectItem, name: &Ident) -> bool {
    let rules = dialect.rules();
    let is_same = |other: &Ident| rules.same_name(&rules.fold(other), &rules.fold(name));
    let is_itself = |expr: &Expr| shown.column(expr).is_some_and(|at| shown.table.place(dialect, name) == Some(at));
    match item {
        SelectItem::ExprWithAlias { expr, alias } => is_same(alias) && !is_itself(expr),
        SelectItem::UnnamedExpr(expr) => match expr {
            Expr::Identifier(_) | Expr::Value(_) | Expr::BinaryOp { .. } => false,
            Expr::CompoundIdentifier(parts) => parts.last().is_none_or(is_same) && !is_itself(expr),
            // PostgreSQL names it after a function, a type, a field.
            _ => dialect == Dialect::Postgres,
        },
        SelectItem::Wildcard(_) => false,
        SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(of), _) => {
            of.0.last().and_then(|part| part.as_ident()).is_none_or(|of| !shown.is_named(of))
        }
        _ => true,
    }
}
