//! Owns finding that every group lies on one shard: the partition key is grouped by and cannot be NULL. Then the nodes answer whole
//! groups, whatever the aggregates, HAVING and LIMIT are.

use sqlparser::ast::{BinaryOperator, Expr, GroupByExpr};

use super::{super::topology::KeyKind, Work};
use crate::sql::{route::conjuncts, topology::Collation};

/// Whether the rows of each group lie on one shard.
pub(super) fn is_whole(work: &Work<'_>) -> bool {
    let GroupByExpr::Expressions(list, modifiers) = &work.select.group_by else { return false };
    let scope = &work.sources.scope;
    let is_plain = !list.iter().any(|expr| matches!(expr, Expr::Rollup(_) | Expr::Cube(_) | Expr::GroupingSets(_)));
    let keys = scope.tables.iter().enumerate().filter(|(_, bound)| bound.key.is_some() && !bound.nullable);
    modifiers.is_empty()
        && is_plain
        && keys.into_iter().any(|(index, bound)| {
            is_told_apart(work, &bound.table)
                && list.iter().any(|expr| scope.is_key(index, expr))
                && (work.task.catalog.topology.is_split()
                    || work.select.selection.as_ref().is_some_and(|filter| excludes_null(work, index, filter)))
        })
}

/// Whether keys that are equal are the same key, so that they lie on one shard.
fn is_told_apart(work: &Work<'_>, table: &str) -> bool {
    let partition = work.task.catalog.partition(table);
    partition.is_some_and(|partition| partition.kind != KeyKind::Text(Collation::Other))
}

/// Whether a predicate is not true for rows without a key. Those may lie on any shard.
fn excludes_null(work: &Work<'_>, index: usize, filter: &Expr) -> bool {
    let is_key = |expr: &Expr| work.sources.scope.is_key(index, expr);
    conjuncts(filter).into_iter().any(|part| match part {
        Expr::BinaryOp { left, op, right } => {
            use BinaryOperator as Op;
            let compares = matches!(op, Op::Eq | Op::NotEq | Op::Lt | Op::LtEq | Op::Gt | Op::GtEq);
            compares && (is_key(left) || is_key(right))
        }
        Expr::IsNotNull(expr) => is_key(expr),
        Expr::Between { expr, negated: false, .. } | Expr::InList { expr, negated: false, .. } => is_key(expr),
        _ => false,
    })
}
