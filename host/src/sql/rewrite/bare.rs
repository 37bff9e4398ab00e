//! Owns finding columns that are neither grouped nor aggregated: SQLite gives them the value of an arbitrary row, PostgreSQL takes
//! them only where a primary key is grouped by, so over several shards there is no right answer. Names are compared by their last
//! part, so a column of an outer query may be refused, too.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, GroupByExpr, Ident, OrderBy, Query, Select, SelectItem, SetExpr, Value as Literal, Visit, Visitor,
};

use super::super::{
    dialect::Rules,
    plan::Refusal,
    shape::{ColumnRef, Scope},
};

/// Refuses a query in which some SELECT has such a column. A column goes before an alias of its name, so an alias counts only
/// where `is_column` knows no column of that name.
pub(in super::super) fn refuse_bare_columns(
    query: &Query,
    rules: &'static dyn Rules,
    is_column: &dyn Fn(&str) -> bool,
) -> Result<(), Refusal> {
    struct Walk<'a>(&'static dyn Rules, &'a dyn Fn(&str) -> bool);
    impl Visitor for Walk<'_> {
        type Break = String;
        fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<String> {
            bare_column(select, None, self.0, self.1).map_or(ControlFlow::Continue(()), ControlFlow::Break)
        }
        fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<String> {
            let (SetExpr::Select(select), Some(order)) = (query.body.as_ref(), &query.order_by) else {
                return ControlFlow::Continue(());
            };
            bare_column(select, Some(order), self.0, self.1).map_or(ControlFlow::Continue(()), ControlFlow::Break)
        }
    }
    match query.visit(&mut Walk(rules, is_column)) {
        ControlFlow::Break(name) => Err(refusal(&name)),
        ControlFlow::Continue(()) => Ok(()),
    }
}

/// The refusal of such a column.
pub(super) fn refusal(name: &str) -> Refusal {
    let why = "neither grouped nor aggregated: its value would be that of an arbitrary row";
    Refusal::new(format!("column {name}"), why)
}

fn last(expr: &Expr) -> Option<&Ident> {
    match expr {
        Expr::Nested(inner) => last(inner),
        Expr::Identifier(name) => Some(name),
        Expr::CompoundIdentifier(parts) => parts.last(),
        _ => None,
    }
}

fn bare_column(
    select: &Select,
    order: Option<&OrderBy>,
    rules: &'static dyn Rules,
    is_column: &dyn Fn(&str) -> bool,
) -> Option<String> {
    let GroupByExpr::Expressions(group, _) = &select.group_by else { return Some("GROUP BY ALL".to_owned()) };
    let mut finder = Finder::new(rules, Vec::new(), Vec::new());
    for item in &select.projection {
        let _ = item.visit(&mut finder);
    }
    let _ = select.having.visit(&mut finder);
    let _ = order.map(|order| order.visit(&mut finder));
    if group.is_empty() && !finder.aggregates {
        return None;
    }
    let group: Vec<&Expr> = group.iter().flat_map(grouping_set).collect();
    let mut known: Vec<String> = Vec::new();
    let mut grouped: Vec<Expr> = Vec::new();
    for expr in group {
        let meant = match ordinal(select, expr) {
            Some(SelectItem::UnnamedExpr(item) | SelectItem::ExprWithAlias { expr: item, .. }) => item,
            _ => expr,
        };
        match last(meant) {
            Some(name) => {
                known.push(name.value.to_ascii_lowercase());
                let alias = select.projection.iter().find_map(|item| match item {
                    SelectItem::ExprWithAlias { expr, alias } if alias.value.eq_ignore_ascii_case(&name.value) => {
                        Some(expr)
                    }
                    _ => None,
                });
                grouped.extend(alias.cloned());
            }
            None => grouped.push(meant.clone()),
        }
    }
    known.extend(select.projection.iter().filter_map(|item| match item {
        SelectItem::ExprWithAlias { alias, .. } if !is_column(&alias.value) => Some(alias.value.to_ascii_lowercase()),
        _ => None,
    }));
    let mut finder = Finder::new(rules, known, grouped);
    for item in &select.projection {
        if matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)) {
            return Some("*".to_owned());
        }
        let _ = item.visit(&mut finder);
    }
    let _ = select.having.visit(&mut finder);
    if finder.bare.is_some() {
        return finder.bare;
    }
    // There an alias goes before a column.
    finder.known.extend(select.projection.iter().filter_map(|item| match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(alias.value.to_ascii_lowercase()),
        SelectItem::UnnamedExpr(expr) if rules.names().shown_names => rules.shown_name(expr, ""),
        _ => None,
    }));
    let _ = order.map(|order| order.visit(&mut finder));
    finder.bare
}

/// The item of the select list that a number means.
fn ordinal<'a>(select: &'a Select, expr: &Expr) -> Option<&'a SelectItem> {
    let Expr::Value(value) = expr else { return None };
    let number = match &value.value {
        Literal::HexStringLiteral(digits) => usize::from_str_radix(digits, 16),
        other => other.to_string().parse::<usize>(),
    };
    select.projection.get(number.ok()?.checked_sub(1)?)
}

/// The expressions of a term of GROUP BY.
fn grouping_set(expr: &Expr) -> Vec<&Expr> {
    match expr {
        Expr::Rollup(sets) | Expr::Cube(sets) | Expr::GroupingSets(sets) => sets.iter().flatten().collect(),
        other => vec![other],
    }
}

/// The first column of `scope` in an expression that is not one of `columns` and not within one of the grouped expressions.
pub(super) fn bare_within(expr: &Expr, scope: &Scope, columns: &[ColumnRef], grouped: Vec<Expr>) -> Option<String> {
    let mut outside = Outside { finder: Finder::new(scope.rules, Vec::new(), grouped), scope, columns };
    let _ = expr.visit(&mut outside);
    outside.finder.bare
}

/// A [`Finder`] that knows the columns.
struct Outside<'a> {
    finder: Finder,
    scope: &'a Scope,
    columns: &'a [ColumnRef],
}

impl Visitor for Outside<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        let is_fine =
            last(expr).is_some() && self.scope.column(expr).is_none_or(|column| self.columns.contains(&column));
        if is_fine { ControlFlow::Continue(()) } else { self.finder.pre_visit_expr(expr) }
    }

    fn post_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        let is_fine =
            last(expr).is_some() && self.scope.column(expr).is_none_or(|column| self.columns.contains(&column));
        if is_fine { ControlFlow::Continue(()) } else { self.finder.post_visit_expr(expr) }
    }
}

/// Walks expressions outside aggregates and subqueries.
struct Finder {
    rules: &'static dyn Rules,
    known: Vec<String>,
    grouped: Vec<Expr>,
    depth: usize,
    aggregates: bool,
    bare: Option<String>,
}

impl Finder {
    fn new(rules: &'static dyn Rules, known: Vec<String>, grouped: Vec<Expr>) -> Self {
        Self { rules, known, grouped, depth: 0, aggregates: false, bare: None }
    }

    fn is_aggregate(&self, expr: &Expr) -> bool {
        matches!(expr, Expr::Function(function)
            if function.over.is_none() && self.rules.nature(function).is_aggregate())
    }
}

impl Visitor for Finder {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth = self.depth.saturating_sub(1);
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if self.is_aggregate(expr) {
            self.aggregates |= self.depth == 0;
            self.depth += 1;
        } else if self.grouped.contains(expr) {
            self.depth += 1;
        } else if self.depth == 0
            && self.bare.is_none()
            && let Some(name) = last(expr)
            && !self.known.contains(&name.value.to_ascii_lowercase())
        {
            self.bare = Some(name.value.clone());
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if self.is_aggregate(expr) || self.grouped.contains(expr) {
            self.depth = self.depth.saturating_sub(1);
        }
        ControlFlow::Continue(())
    }
}
