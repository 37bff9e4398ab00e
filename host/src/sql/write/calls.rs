//! Owns what a write over several shards may compute: looking through the parts of a statement for what would not be the
//! same as on one database.

use std::ops::ControlFlow;

use sqlparser::ast::{Distinct, Expr, Function, GroupByExpr, Ident, Query, Select, SetExpr, Visit, Visitor};

use super::Task;
use crate::sql::dialect::Nature;
use crate::sql::plan::Refusal;
use crate::sql::shape::ColumnShape;

/// Functions that make a value anew at each call or read the clock: right where a row is computed once.
const PER_ROW: &[&str] = &[
    "random",
    "randomblob",
    "rand",
    "uuid",
    "gen_random_uuid",
    "now",
    "current_timestamp",
    "current_date",
    "current_time",
    "localtime",
    "localtimestamp",
    "clock_timestamp",
    "statement_timestamp",
    "transaction_timestamp",
    "sysdate",
    "curdate",
    "curtime",
    "utc_timestamp",
    "utc_date",
    "utc_time",
    "unix_timestamp",
    "date",
    "time",
    "datetime",
    "julianday",
    "unixepoch",
    "strftime",
];

/// Columns that a server makes by itself, each one in its own way.
pub(super) const ROW_NUMBERS: &[&str] =
    &["rowid", "oid", "_rowid_", "ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"];

/// How much a part of a statement may compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Allowed {
    /// A value of a row that is written once, on one shard.
    PerRow,
    /// What must be the same wherever and whenever it is computed.
    Same,
}

/// Looks through parts of a statement that several shards are sent.
pub(super) struct Look<'a> {
    task: &'a Task<'a>,
    allowed: Allowed,
    /// Whether a subquery may give a value: only where it is computed once.
    takes_subqueries: bool,
}

impl<'a> Look<'a> {
    pub(super) fn new(task: &'a Task<'a>, allowed: Allowed) -> Self {
        Self { task, allowed, takes_subqueries: false }
    }

    /// For values that are computed once whatever the number of shards.
    pub(super) fn computed_once(task: &'a Task<'a>) -> Self {
        Self { takes_subqueries: true, ..Self::new(task, Allowed::PerRow) }
    }

    pub(super) fn through(&mut self, part: &impl Visit) -> Result<(), Refusal> {
        match part.visit(self) {
            ControlFlow::Break(refusal) => Err(refusal),
            ControlFlow::Continue(()) => Ok(()),
        }
    }

    fn call(&self, function: &Function) -> Option<Refusal> {
        let name = function.name.to_string().to_ascii_lowercase();
        let refuse = |why: &str| Some(Refusal::new(format!("{name}()"), why));
        let is_computed_once = self.takes_subqueries;
        match self.task.parsed.dialect().rules().nature(function) {
            Nature::Steady => None,
            Nature::Aggregate if matches!(name.as_str(), "count" | "min" | "max") || is_computed_once => None,
            Nature::Window | Nature::Ordered | Nature::Whole if is_computed_once => None,
            Nature::Aggregate | Nature::Window | Nature::Ordered | Nature::Whole => {
                refuse("its answer may depend on the order of rows, which differs by shard")
            }
            Nature::Volatile | Nature::Unknown if PER_ROW.contains(&name.as_str()) => match self.allowed {
                Allowed::PerRow => None,
                Allowed::Same => refuse("it would differ by shard or by moment; bind its value as a parameter"),
            },
            Nature::Volatile => refuse("it would differ by shard or by moment"),
            Nature::Unknown => refuse("not a function that is known to answer the same on every shard"),
        }
    }

    fn name(&self, name: &Ident) -> Option<Refusal> {
        let is_row_number = ROW_NUMBERS.iter().any(|known| known.eq_ignore_ascii_case(&name.value));
        let declared =
            |columns: &Vec<ColumnShape>| columns.iter().any(|column| column.name.eq_ignore_ascii_case(&name.value));
        let refused = is_row_number && !self.task.catalog.shapes.values().any(declared);
        refused.then(|| Refusal::new(&name.value, "each shard numbers its rows by itself"))
    }
}

fn stop_at(refusal: Option<Refusal>) -> ControlFlow<Refusal> {
    refusal.map_or(ControlFlow::Continue(()), ControlFlow::Break)
}

impl Visitor for Look<'_> {
    type Break = Refusal;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Refusal> {
        if self.takes_subqueries {
            return ControlFlow::Continue(());
        }
        let refuse = |what: &str| ControlFlow::Break(Refusal::new(what, "its rows may differ by shard"));
        if query.limit_clause.is_some() || query.fetch.is_some() {
            return refuse("LIMIT in a subquery");
        }
        if !query.locks.is_empty() {
            return refuse("FOR UPDATE in a subquery");
        }
        match query.body.as_ref() {
            SetExpr::Select(_) | SetExpr::Query(_) | SetExpr::Values(_) | SetExpr::SetOperation { .. } => {
                ControlFlow::Continue(())
            }
            _ => refuse("this subquery"),
        }
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Refusal> {
        let is_grouped = match &select.group_by {
            GroupByExpr::Expressions(by, more) => !by.is_empty() || !more.is_empty(),
            GroupByExpr::All(_) => true,
        };
        if !self.takes_subqueries && (is_grouped || has_distinct_on(select)) {
            return ControlFlow::Break(Refusal::new("GROUP BY in a subquery", "its rows may differ by shard"));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Refusal> {
        match expr {
            Expr::Function(function) => stop_at(self.call(function)),
            Expr::Identifier(name) => stop_at(self.name(name)),
            Expr::CompoundIdentifier(parts) => stop_at(parts.last().and_then(|name| self.name(name))),
            Expr::Subquery(_) if !self.takes_subqueries => {
                ControlFlow::Break(Refusal::new("a subquery for a value", "its value may differ by shard"))
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

fn has_distinct_on(select: &Select) -> bool {
    matches!(select.distinct, Some(Distinct::On(_)))
}
