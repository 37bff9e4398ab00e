//! Owns what makes the rows and values of a query depend on the order in which a node reads them: LIMIT without a total order,
//! sums of floats, which of several equal spellings is shown, a value taken from several rows.

use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator, Distinct, Expr, Function, GroupByExpr, Ident, ObjectName, OrderByKind, Query, Select, SelectItem,
    SetExpr, SetOperator, SetQuantifier, Statement, TableFactor, TableWithJoins, Value as Literal, Visit, Visitor,
    With, visit_relations,
};

use super::alias::is_shown;
use super::functions::{self, Verdict, verdict};
use super::look::Look;
use super::tables::{Table, TableColumn, path};
use super::text::number_of;
use crate::sql::dialect::{Dialect, arguments};
use crate::sql::shape::{Bound, Kind, Scope};
use crate::sql::value::Value;

/// The names that `WITH` gives anywhere in a statement.
pub(super) fn ctes(statement: &Statement, dialect: Dialect) -> Vec<String> {
    struct Names(Dialect, Vec<String>);
    impl Visitor for Names {
        type Break = ();

        fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
            let tables = query.with.iter().flat_map(|with| &with.cte_tables);
            self.1.extend(tables.map(|cte| self.0.rules().fold(&cte.alias.name)));
            ControlFlow::Continue(())
        }
    }
    let mut names = Names(dialect, Vec::new());
    let _ = statement.visit(&mut names);
    names.1
}

/// A name that WITH gives is a table's own where it stands before it is given: such a table is not looked at by that name.
pub(super) fn with(look: &mut Look<'_, '_>, with: &With) {
    let (rules, dialect) = (look.dialect().rules(), look.dialect());
    let names: Vec<String> = with.cte_tables.iter().map(|cte| rules.fold(&cte.alias.name)).collect();
    for (at, cte) in with.cte_tables.iter().enumerate() {
        let not_yet = names.iter().skip(at + usize::from(with.recursive)).collect::<Vec<_>>();
        let found = visit_relations(&cte.query, |name| match path(dialect, name) {
            Some(name) if not_yet.iter().any(|other| rules.same_name(other, &name)) => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        });
        if found.is_break() {
            look.by_rows("a name that WITH gives and reads", "it is also that of something else");
        }
    }
}

/// The tables of a FROM that are known.
pub(super) fn scope(look: &Look<'_, '_>, from: &[TableWithJoins]) -> Scope {
    let mut scope = Scope::new(look.dialect().rules());
    for tables in from {
        add(look, &tables.relation, &mut scope);
        tables.joins.iter().for_each(|join| add(look, &join.relation, &mut scope));
    }
    scope
}

fn add(look: &Look<'_, '_>, factor: &TableFactor, scope: &mut Scope) {
    let TableFactor::Table { name, alias, args: None, .. } = factor else { return };
    let Some(table) = look.task.tables.get(look.dialect(), name) else { return };
    let own = name.0.last().and_then(|part| part.as_ident());
    let Some(shown) = alias.as_ref().map(|alias| &alias.name).or(own) else { return };
    if alias.as_ref().is_some_and(|alias| !alias.columns.is_empty()) {
        return;
    }
    scope.tables.push(Bound {
        table: table.name.clone(),
        alias: look.dialect().rules().fold(shown),
        columns: table.columns.iter().map(|column| column.shape.clone()).collect(),
        key: None,
        nullable: false,
    });
}

/// Whether a function in FROM is known.
pub(super) fn is_steady_table(look: &Look<'_, '_>, name: &ObjectName) -> bool {
    let call = Function {
        name: name.clone(),
        uses_odbc_syntax: false,
        parameters: sqlparser::ast::FunctionArguments::None,
        args: sqlparser::ast::FunctionArguments::None,
        within_group: Vec::new(),
        filter: None,
        null_treatment: None,
        over: None,
    };
    matches!(verdict(look.dialect(), &call, &|name| look.task.tables.trusts(name)), Verdict::Steady | Verdict::Rows)
}

/// Looks at a query as a whole.
pub(super) fn query(look: &mut Look<'_, '_>, query: &Query) {
    if let SetExpr::SetOperation { op, set_quantifier, .. } = query.body.as_ref() {
        let is_all = matches!(set_quantifier, SetQuantifier::All | SetQuantifier::AllByName);
        if !(is_all && *op == SetOperator::Union) {
            look.by_rows(op.to_string(), "which of several equal rows it keeps may differ by node");
        }
    }
    if (query.limit_clause.is_some() || query.fetch.is_some()) && !is_total(look, query) {
        look.by_rows("LIMIT", "without ORDER BY of a whole primary key its rows may differ by node");
    }
    if query.with.is_some() {
        look.by_rows("WITH in a subquery", "one of its names may also be that of a table");
    }
    if query.for_clause.is_some() || !query.pipe_operators.is_empty() || query.settings.is_some() {
        look.by_rows("a query of this form", "not one that is known");
    }
}

/// Whether a query orders the rows of one table by its whole primary key.
fn is_total(look: &Look<'_, '_>, query: &Query) -> bool {
    let SetExpr::Select(select) = query.body.as_ref() else { return false };
    if aggregates(look, select) && is_ungrouped(select) {
        return true;
    }
    let [from] = select.from.as_slice() else { return false };
    let (TableFactor::Table { name, args: None, .. }, []) = (&from.relation, from.joins.as_slice()) else {
        return false;
    };
    let Some(table) = look.task.tables.get(look.dialect(), name) else { return false };
    let Some(OrderByKind::Expressions(terms)) = query.order_by.as_ref().map(|order| &order.kind) else { return false };
    let Some(shown) = Shown::of(look.dialect(), &from.relation, table) else { return false };
    let terms = terms.iter().map(|term| &term.expr);
    let terms = terms.filter(|term| !is_shown(look.dialect(), &shown, &select.projection, term));
    is_ungrouped(select) && select.distinct.is_none() && shown.orders_totally(terms)
}

/// A table under the name that a statement gives it.
#[derive(Clone, Debug)]
pub(super) struct Shown<'t> {
    dialect: Dialect,
    pub(super) table: &'t Table,
    pub(super) name: Ident,
}

impl<'t> Shown<'t> {
    pub(super) fn of(dialect: Dialect, factor: &TableFactor, table: &'t Table) -> Option<Self> {
        let TableFactor::Table { name, alias, .. } = factor else { return None };
        let own = name.0.last().and_then(|part| part.as_ident());
        let name = match alias {
            Some(alias) if !alias.columns.is_empty() => return None,
            Some(alias) => alias.name.clone(),
            None => own?.clone(),
        };
        Some(Self { dialect, table, name })
    }

    /// The column that an expression names.
    pub(super) fn column(&self, expr: &Expr) -> Option<usize> {
        match expr {
            Expr::Nested(inner) => self.column(inner),
            Expr::Identifier(name) => self.table.place(self.dialect, name),
            Expr::CompoundIdentifier(parts) => {
                let [.., table, name] = parts.as_slice() else { return None };
                self.table.place(self.dialect, name).filter(|_| self.is_named(table))
            }
            _ => None,
        }
    }

    pub(super) fn is_named(&self, name: &Ident) -> bool {
        let rules = self.dialect.rules();
        rules.same_name(&rules.fold(name), &rules.fold(&self.name))
    }

    /// Whether an order has every column of the primary key.
    pub(super) fn orders_totally<'e>(&self, terms: impl Iterator<Item = &'e Expr>) -> bool {
        let ordered: Vec<usize> = terms.filter_map(|term| self.column(term)).collect();
        let mut key = self.table.columns.iter().enumerate().filter(|(_, column)| column.key > 0).peekable();
        // SQLite takes NULL several times.
        key.peek().is_some() && key.all(|(at, column)| ordered.contains(&at) && !column.is_nullable)
    }

    /// Whether a condition holds for at most one row: it gives each column of the primary key one value of its own kind.
    /// `is_outer` says which other expressions are the same for all rows.
    pub(super) fn is_one_row(&self, condition: &Expr, params: &[Value], is_outer: &dyn Fn(&Expr) -> bool) -> bool {
        let mut parts = Vec::new();
        conjuncts(condition, &mut parts);
        let gives = |at: usize, kind: Kind| {
            parts.iter().any(|part| {
                let Expr::BinaryOp { left, op: BinaryOperator::Eq, right } = part else { return false };
                let fits = |key: &Expr, value: &Expr| {
                    self.column(key) == Some(at)
                        && ((is_outer(value) && kind == Kind::Integer) || is_plain(value, params, kind))
                };
                fits(left, right) || fits(right, left)
            })
        };
        let kinds = |(at, column): (usize, &TableColumn)| (at, self.dialect.rules().column_kind(&column.shape));
        let mut key = self.table.columns.iter().enumerate().filter(|(_, column)| column.key > 0).map(kinds).peekable();
        key.peek().is_some() && key.all(|(at, kind)| gives(at, kind))
    }
}

fn is_ungrouped(select: &Select) -> bool {
    matches!(&select.group_by, GroupByExpr::Expressions(by, more) if by.is_empty() && more.is_empty())
}

/// Looks at one SELECT.
pub(super) fn select(look: &mut Look<'_, '_>, select: &Select) {
    let why = "which of several equal spellings it shows may differ by node";
    if !is_ungrouped(select) {
        look.by_rows("GROUP BY in a write", why);
    }
    match &select.distinct {
        None | Some(Distinct::All) => {}
        Some(_) => look.by_rows("DISTINCT in a write", why),
    }
    if select.top.is_some()
        || select.qualify.is_some()
        || !select.connect_by.is_empty()
        || !select.lateral_views.is_empty()
    {
        look.by_rows("a SELECT of this form", "not one that is known");
    }
    if look.dialect() == Dialect::Sqlite && is_ungrouped(select) && aggregates(look, select) && has_bare(look, select) {
        look.by_rows("a column beside an aggregate", "from which row it comes may differ by node");
    }
}

fn is_aggregate(look: &Look<'_, '_>, expr: &Expr) -> bool {
    let Expr::Function(function) = expr else { return false };
    matches!(verdict(look.dialect(), function, &|_| false), Verdict::Aggregate | Verdict::Ordered)
}

/// Whether a SELECT has an aggregate of its own, so that it answers one row.
fn aggregates(look: &Look<'_, '_>, select: &Select) -> bool {
    let plain = select.projection.iter().all(|item| match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => is_of_aggregates(look, expr),
        _ => false,
    });
    plain && !select.projection.is_empty()
}

/// Whether an expression has an aggregate that is no other query's.
fn is_of_aggregates(look: &Look<'_, '_>, expr: &Expr) -> bool {
    match expr {
        Expr::Nested(inner) | Expr::UnaryOp { expr: inner, .. } | Expr::Cast { expr: inner, .. } => {
            is_of_aggregates(look, inner)
        }
        Expr::BinaryOp { left, right, .. } => is_of_aggregates(look, left) || is_of_aggregates(look, right),
        Expr::Function(function) => {
            let given = arguments(function).unwrap_or_default();
            is_aggregate(look, expr) && function.over.is_none() || given.iter().any(|one| is_of_aggregates(look, one))
        }
        _ => false,
    }
}

/// Whether a column stands beside aggregates.
fn has_bare(look: &Look<'_, '_>, select: &Select) -> bool {
    struct Bare<'l, 'a, 'r> {
        look: &'l Look<'a, 'r>,
        inside: usize,
    }
    impl Visitor for Bare<'_, '_, '_> {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            self.inside += usize::from(is_aggregate(self.look, expr));
            let is_column = matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
            if is_column && self.inside == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }

        fn post_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            self.inside -= usize::from(is_aggregate(self.look, expr));
            ControlFlow::Continue(())
        }
    }
    let mut bare = Bare { look, inside: 0 };
    select.projection.visit(&mut bare).is_break() || select.having.visit(&mut bare).is_break()
}

/// Looks at an aggregate.
pub(super) fn aggregate(look: &mut Look<'_, '_>, function: &Function) {
    let name = functions::name(look.dialect(), &function.name).unwrap_or_default();
    let given = arguments(function).unwrap_or_default();
    let is_sure = match (name.as_str(), given.as_slice()) {
        ("count", _) => true,
        ("min" | "max", [one]) => has_one_spelling(look, one),
        ("sum" | "avg" | "var_pop" | "var_samp" | "variance" | "stddev" | "stddev_pop" | "stddev_samp", [one]) => {
            is_exact(look.dialect(), &name, look.kind(one))
        }
        ("bool_and" | "bool_or" | "every" | "bit_and" | "bit_or" | "bit_xor", _) => true,
        _ => false,
    };
    if !sure_of(is_sure, function) {
        look.by_rows(
            format!("{name}()"),
            "its last digits or its spelling depend on the order of rows, which differs by node",
        );
    }
}

fn sure_of(is_sure: bool, function: &Function) -> bool {
    is_sure && function.within_group.is_empty()
}

fn is_exact(dialect: Dialect, name: &str, kind: Kind) -> bool {
    match dialect {
        // A column of integers may hold others.
        Dialect::Sqlite => false,
        Dialect::Postgres => matches!(kind, Kind::Integer | Kind::Big | Kind::Numeric | Kind::Decimal),
        Dialect::MySql => {
            matches!(name, "sum" | "avg") && matches!(kind, Kind::Integer | Kind::Big | Kind::Numeric | Kind::Decimal)
        }
    }
}

fn has_one_spelling(look: &Look<'_, '_>, expr: &Expr) -> bool {
    let Some(scope) = look.scopes.last() else { return false };
    let kind = scope.kind(expr);
    match look.dialect() {
        Dialect::MySql => match kind {
            Kind::Integer | Kind::Big | Kind::Numeric | Kind::Date | Kind::Timestamp => true,
            Kind::Text => scope.shape_of(expr).is_some_and(|shape| shape.collation.ends_with("_bin")),
            _ => false,
        },
        Dialect::Sqlite | Dialect::Postgres => {
            !matches!(kind, Kind::Real | Kind::Single) && scope.has_one_spelling(expr)
        }
    }
}

/// SQLite takes the first of several rows for a value; which one that is may differ.
pub(super) fn one_value(look: &mut Look<'_, '_>, query: &Query) {
    if look.dialect() != Dialect::Sqlite {
        return;
    }
    let is_one = match query.body.as_ref() {
        SetExpr::Select(select) if is_ungrouped(select) && aggregates(look, select) => true,
        SetExpr::Select(select) if select.from.is_empty() => true,
        SetExpr::Select(select) => is_keyed(look, select),
        _ => false,
    };
    let is_first = query.limit_clause.is_some() && is_total(look, query);
    if !is_one && !is_first {
        look.by_rows("a subquery for a value", "it may find several rows, and which is the first may differ by node");
    }
}

/// Whether a SELECT finds at most one row, by the whole primary key of its only table.
fn is_keyed(look: &Look<'_, '_>, select: &Select) -> bool {
    let [from] = select.from.as_slice() else { return false };
    let (TableFactor::Table { name, args: None, .. }, []) = (&from.relation, from.joins.as_slice()) else {
        return false;
    };
    let Some(table) = look.task.tables.get(look.dialect(), name) else { return false };
    let Some(shown) = Shown::of(look.dialect(), &from.relation, table) else { return false };
    let Some(selection) = &select.selection else { return false };
    let is_outer = |expr: &Expr| match expr {
        Expr::CompoundIdentifier(parts) => matches!(parts.as_slice(), [table, _] if !shown.is_named(table)),
        _ => false,
    };
    shown.is_one_row(selection, look.task.params, &is_outer)
}

fn conjuncts<'e>(expr: &'e Expr, parts: &mut Vec<&'e Expr>) {
    match expr {
        Expr::Nested(inner) => conjuncts(inner, parts),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            conjuncts(left, parts);
            conjuncts(right, parts);
        }
        other => parts.push(other),
    }
}

/// Whether a literal or a parameter is compared with a key as what the key is. A text compared as a number is equal to many.
fn is_plain(value: &Expr, params: &[Value], kind: Kind) -> bool {
    let Expr::Value(value) = value else { return false };
    let given = match &value.value {
        Literal::Placeholder(mark) => number_of(mark).and_then(|at| params.get(at)),
        _ => None,
    };
    match (&value.value, given, kind) {
        (_, Some(Value::Integer(_)), Kind::Integer | Kind::Big) => true,
        (_, Some(Value::Text(_)), Kind::Text | Kind::Uuid) => true,
        (Literal::Number(digits, _), _, Kind::Integer | Kind::Big) => digits.parse::<i64>().is_ok(),
        (Literal::SingleQuotedString(_), _, Kind::Text | Kind::Uuid) => true,
        _ => false,
    }
}
