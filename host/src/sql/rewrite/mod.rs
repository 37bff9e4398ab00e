//! Owns making the statement of the nodes and the final stage out of a SELECT, by cutting its own text (see [`clauses`]).

use sqlparser::ast::{
    Distinct, Expr, GroupByExpr, LimitClause, OrderByExpr, OrderByKind, OrderBySort, Query, Select, SelectItem,
    SetExpr, Value as Literal, Visit,
};

use super::{
    dialect::Rules,
    plan::{Blocked, NodeText, Plan, Task, Window},
    value::Value,
};

mod aggregate;
mod argument;
pub(super) mod bare;
pub(super) mod clauses;
pub(super) mod from;
mod grouped;
pub(super) mod items;
mod rows;
pub(super) mod union;

use clauses::Clauses;
use from::Sources;

/// A SELECT with all that was found out about it.
struct Work<'a> {
    task: &'a Task<'a>,
    select: &'a Select,
    sources: &'a Sources,
    clauses: Clauses,
    window: Window,
    order: Vec<OrderByExpr>,
}

/// Plans the merge of a single SELECT over sources that can be joined by shard.
pub(super) fn select(task: &Task<'_>, sources: &Sources) -> Result<Plan, Blocked> {
    let SetExpr::Select(select) = &*task.query.body else { return Err(Blocked::gather("not a plain SELECT")) };
    plain(select)?;
    let clauses = checked_clauses(task, select)?;
    let (window, order) = (window(task)?, order(task.query)?);
    let work = Work { task, select, sources, clauses, window, order };
    let is_grouped = !matches!(&select.group_by, GroupByExpr::Expressions(list, _) if list.is_empty());
    if is_grouped && select.distinct.is_none() && grouped::is_whole(&work) {
        return rows::plan(&work);
    }
    if task.survey.has_whole {
        return Err(Blocked::gather("an aggregate that needs all rows in one place"));
    }
    if is_grouped || select.having.is_some() || finds_aggregate(task.query, task.rules) {
        return aggregate::plan(&work);
    }
    match &select.distinct {
        Some(Distinct::Distinct) => rows::distinct(&work),
        Some(Distinct::On(_)) => Err(Blocked::gather("DISTINCT ON")),
        Some(Distinct::All) | None => rows::plan(&work),
    }
}

/// Only clauses that are known here.
fn plain(select: &Select) -> Result<(), Blocked> {
    let odd = select.top.is_some()
        || select.into.is_some()
        || select.exclude.is_some()
        || !select.lateral_views.is_empty()
        || select.prewhere.is_some()
        || !select.connect_by.is_empty()
        || !select.named_window.is_empty()
        || select.qualify.is_some()
        || select.select_modifiers.is_some();
    if odd { Err(Blocked::gather("an unusual clause")) } else { Ok(()) }
}

/// Cuts the text, and makes sure that each piece is what the tree says.
fn checked_clauses(task: &Task<'_>, select: &Select) -> Result<Clauses, Blocked> {
    let parsed = task.parsed;
    let mismatch = || Blocked::gather("a text that could not be cut for certain");
    let clauses = Clauses::cut(parsed).ok_or_else(mismatch)?;
    let GroupByExpr::Expressions(group, modifiers) = &select.group_by else { return Err(mismatch()) };
    let filter = select.selection.as_ref().is_none_or(|filter| parsed.is(&clauses.filter, filter));
    let having = select.having.as_ref().is_none_or(|having| parsed.is(&clauses.having, having));
    let groups = group.len() == clauses.group.len()
        && modifiers.is_empty()
        && group.iter().zip(&clauses.group).all(|(expr, range)| parsed.is(range, expr));
    let items = select.projection.len() == clauses.items.len();
    let same = filter && having && groups && items && clauses.filter.is_empty() == select.selection.is_none();
    if same { Ok(clauses) } else { Err(mismatch()) }
}

/// The terms of ORDER BY.
fn order(query: &Query) -> Result<Vec<OrderByExpr>, Blocked> {
    let Some(order) = &query.order_by else { return Ok(Vec::new()) };
    match &order.kind {
        OrderByKind::Expressions(terms) if order.interpolate.is_none() => {
            let odd = terms
                .iter()
                .any(|term| term.with_fill.is_some() || matches!(term.options.sort, Some(OrderBySort::Using(_))));
            if odd { Err(Blocked::gather("an unusual ORDER BY")) } else { Ok(terms.clone()) }
        }
        _ => Err(Blocked::gather("an unusual ORDER BY")),
    }
}

fn is_descending(term: &OrderByExpr) -> bool {
    matches!(term.options.sort, Some(OrderBySort::Desc))
}

fn nulls_first(term: &OrderByExpr, rules: &dyn Rules) -> bool {
    term.options.nulls_first.unwrap_or_else(|| rules.nulls_first(is_descending(term)))
}

/// The direction of a term, written anew.
fn direction(term: &OrderByExpr, rules: &dyn Rules) -> Result<String, Blocked> {
    rules
        .direction(is_descending(term), nulls_first(term, rules))
        .ok_or_else(|| Blocked::gather("an order of NULL that cannot be written"))
}

/// LIMIT and OFFSET, where they are plain integers or parameters.
fn window(task: &Task<'_>) -> Result<Window, Blocked> {
    let (query, params) = (task.query, task.params);
    if query.fetch.is_some() || !query.locks.is_empty() {
        return Err(Blocked::gather("FETCH or FOR UPDATE"));
    }
    let (limit, offset) = match &query.limit_clause {
        None => (None, None),
        Some(LimitClause::LimitOffset { limit, offset, limit_by }) if limit_by.is_empty() => {
            (limit.as_ref(), offset.as_ref().map(|offset| &offset.value))
        }
        Some(LimitClause::OffsetCommaLimit { offset, limit }) => (Some(limit), Some(offset)),
        Some(_) => return Err(Blocked::gather("LIMIT BY")),
    };
    let count = |expr: Option<&Expr>| expr.map(|expr| integer(expr, params)).transpose();
    let (limit, offset) = (count(limit)?, count(offset)?);
    let is_negative = |count: Option<i64>| count.is_some_and(i64::is_negative);
    if !task.rules.allows_negative_window() && (is_negative(limit) || is_negative(offset)) {
        return Err(Blocked::gather("a negative LIMIT or OFFSET"));
    }
    let limit = limit.and_then(|limit| u64::try_from(limit).ok());
    let offset = offset.and_then(|offset| u64::try_from(offset).ok()).unwrap_or(0);
    Ok(Window { limit, offset })
}

fn integer(expr: &Expr, params: &[Value]) -> Result<i64, Blocked> {
    let blocked = || Blocked::gather("a LIMIT that is no plain integer");
    match expr {
        Expr::Value(value) => match &value.value {
            Literal::Number(text, _) => text.parse().map_err(|_| blocked()),
            Literal::Placeholder(mark) => {
                let at = mark.trim_start_matches(['?', '$']).parse::<usize>().ok().and_then(|at| at.checked_sub(1));
                match at.and_then(|at| params.get(at)) {
                    Some(Value::Integer(number)) => Ok(*number),
                    _ => Err(blocked()),
                }
            }
            _ => Err(blocked()),
        },
        Expr::UnaryOp { op: sqlparser::ast::UnaryOperator::Minus, expr } => {
            integer(expr, params)?.checked_neg().ok_or_else(blocked)
        }
        _ => Err(blocked()),
    }
}

/// The number of a term that is an ordinal; refuses to tell where parentheses, signs or `COLLATE` leave doubt.
fn ordinal(expr: &Expr) -> Result<Option<usize>, Blocked> {
    fn inside(expr: &Expr) -> &Expr {
        match expr {
            Expr::Nested(inner) | Expr::UnaryOp { expr: inner, .. } | Expr::Collate { expr: inner, .. } => {
                inside(inner)
            }
            other => other,
        }
    }
    let is_number = |expr: &Expr| match expr {
        Expr::Value(value) => match &value.value {
            Literal::Number(text, _) => text.parse().ok(),
            _ => None,
        },
        _ => None,
    };
    // SQLite takes `0x1` for the first column.
    let is_hex = matches!(inside(expr), Expr::Value(value) if matches!(value.value, Literal::HexStringLiteral(_)));
    match (is_number(expr), is_number(inside(expr))) {
        (Some(number), _) => Ok(Some(number)),
        (None, None) if !is_hex => Ok(None),
        (None, _) => Err(Blocked::gather("a number in disguise as a term of GROUP BY or ORDER BY")),
    }
}

/// Whether an aggregate stands anywhere in a tree.
fn finds_aggregate(tree: &impl Visit, rules: &dyn Rules) -> bool {
    sqlparser::ast::visit_expressions(tree, |expr| match expr {
        Expr::Function(function) if function.over.is_none() && rules.nature(function).is_aggregate() => {
            std::ops::ControlFlow::Break(())
        }
        _ => std::ops::ControlFlow::Continue(()),
    })
    .is_break()
}

impl Work<'_> {
    fn rules(&self) -> &'static dyn Rules {
        self.task.rules
    }

    /// A statement of the nodes: this select list, FROM and WHERE as they were written, and what comes after.
    fn node(&self, items: &str, after: String) -> NodeText {
        let (parsed, clauses) = (self.task.parsed, &self.clauses);
        NodeText {
            before: format!("{items}\nFROM {}", parsed.slice(&clauses.from)),
            filter: parsed.slice(&clauses.filter).to_owned(),
            after,
            key: self.sources.key(self.task),
        }
    }

    /// GROUP BY and HAVING as they were written.
    fn grouping(&self) -> &str {
        let end = self.clauses.filter.end.max(self.clauses.from.end);
        self.task.parsed.slice(&(end..self.clauses.body.end))
    }

    /// Everything up to the end of the select list.
    fn head(&self) -> &str {
        let last = self.clauses.items.last().map_or(0, |range| range.end);
        self.task.parsed.slice(&(0..last))
    }
}

/// Whether an item of the select list is a wildcard.
fn is_wildcard(item: &SelectItem) -> bool {
    matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..))
}
