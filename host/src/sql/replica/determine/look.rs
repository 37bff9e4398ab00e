//! Owns looking through the parts of a write for what would not be the same on every node: what can be computed now is
//! replaced by a literal, what must be computed by one node for all is told, the rest is refused.

use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, Ident, ObjectName, Query, Select, SetExpr,
    TableFactor, UnaryOperator, Value as Literal, Visit, Visitor, With, visit_expressions,
};

use super::clock::{Clock, Moment};
use super::edit::{Edits, place_of};
use super::functions::{Verdict, verdict};
use super::random::{self, Random};
use super::tables::Tables;
use super::text::{Part, number_of};
use super::{cast, dates, known, one_node, order, qualified};
use crate::sql::dialect::{Dialect, arguments};
use crate::sql::parse::Parsed;
use crate::sql::plan::Refusal;
use crate::sql::shape::{Kind, Scope};
use crate::sql::value::Value;

/// What determining looks at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Task<'a> {
    pub(super) parsed: &'a Parsed,
    pub(super) params: &'a [Value],
    pub(super) tables: &'a Tables,
    pub(super) moment: Moment,
    /// The WITH before the write.
    pub(super) with: Option<&'a With>,
}

/// How often a part of a statement is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Times {
    /// Once, or not at all.
    Once,
    /// For each row.
    Each,
    /// Only for the answer (RETURNING), which each node computes, and one gives.
    Answer,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    /// What is replaced.
    pub(super) edits: Edits,
    /// Why nodes could differ nevertheless, unless one computes it for all.
    pub(super) rows: Option<Refusal>,
}

/// Looks through parts of a statement.
pub(super) struct Look<'a, 'r> {
    pub(super) task: &'a Task<'a>,
    pub(super) random: &'r mut dyn FnMut() -> u64,
    pub(super) times: Times,
    pub(super) found: Found,
    /// The tables of the queries around, and those of the statement itself.
    pub(super) scopes: Vec<Scope>,
    queries: usize,
    ctes: Vec<String>,
}

impl<'a, 'r> Look<'a, 'r> {
    pub(super) fn new(task: &'a Task<'a>, random: &'r mut dyn FnMut() -> u64) -> Self {
        let ctes = order::ctes(&task.parsed.statement, task.parsed.dialect());
        Self { task, random, times: Times::Each, found: Found::default(), scopes: Vec::new(), queries: 0, ctes }
    }

    /// Looks through a part; what was found before stays found.
    pub(super) fn through(&mut self, part: &impl Visit, times: Times) -> Result<(), Refusal> {
        self.times = times;
        self.queries = 0;
        // Each node computes the answer, and could fail by itself.
        let before = if times == Times::Answer { self.found.rows.take() } else { None };
        if let ControlFlow::Break(refusal) = part.visit(self) {
            return Err(refusal);
        }
        if times != Times::Answer {
            return Ok(());
        }
        match std::mem::replace(&mut self.found.rows, before) {
            Some(reason) => Err(Refusal::new(format!("{} in RETURNING", reason.construct), reason.why)),
            None => Ok(()),
        }
    }

    /// Refuses texts that may be read as moments; nothing else is looked for.
    pub(super) fn moments(&self, part: &impl Visit) -> Result<(), Refusal> {
        let found = visit_expressions(part, |expr| match expr {
            Expr::Value(value) => self.moment(&value.value),
            Expr::TypedString(typed) => self.moment(&typed.value.value),
            _ => ControlFlow::Continue(()),
        });
        match found {
            ControlFlow::Break(refusal) => Err(refusal),
            ControlFlow::Continue(()) => Ok(()),
        }
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.task.parsed.dialect()
    }

    /// Whether what is looked at stands in a query within the write.
    pub(super) fn is_in_query(&self) -> bool {
        self.queries > 0
    }

    /// Looks through the WITH before the write.
    pub(super) fn through_with(&mut self) -> Result<(), Refusal> {
        match self.task.with {
            Some(with) => {
                self.through(with, Times::Each)?;
                order::with(self, with);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Says that one node must compute it for all.
    pub(super) fn by_rows(&mut self, construct: impl Into<String>, why: &str) {
        if self.found.rows.is_none() {
            self.found.rows = Some(Refusal::new(construct, why));
        }
    }

    /// Puts a literal in place of an expression.
    pub(super) fn freeze(&mut self, expr: &Expr, literal: String) -> ControlFlow<Refusal> {
        let placed =
            place_of(expr).ok_or_else(|| Refusal::new("the statement", "a call cannot be told apart in its text"));
        let put =
            placed.and_then(|place| self.found.edits.replace(self.task.parsed, place, expr, vec![Part::Text(literal)]));
        match put {
            Ok(()) => ControlFlow::Continue(()),
            Err(refusal) => ControlFlow::Break(refusal),
        }
    }

    /// What values an expression can have, by the tables of the innermost query.
    pub(super) fn kind(&self, expr: &Expr) -> Kind {
        self.scopes.last().map_or(Kind::Any, |scope| scope.kind(expr))
    }

    /// The value of a parameter.
    pub(super) fn parameter(&self, literal: &Literal) -> Option<&'a Value> {
        match literal {
            Literal::Placeholder(mark) => self.task.params.get(number_of(mark)?),
            _ => None,
        }
    }

    fn call(&mut self, function: &Function, expr: &Expr) -> ControlFlow<Refusal> {
        let name = function.name.to_string();
        let trusted = |name: &str| self.task.tables.trusts(name);
        match verdict(self.dialect(), function, &trusted) {
            Verdict::Steady => ControlFlow::Continue(()),
            Verdict::Refused(why) => ControlFlow::Break(Refusal::new(format!("{name}()"), why)),
            Verdict::Clock(clock) => self.clock(clock, function, expr),
            Verdict::Dates => dates::look(self, function, expr),
            Verdict::Random(kind) => self.random(kind, function, expr),
            Verdict::Aggregate => {
                order::aggregate(self, function);
                ControlFlow::Continue(())
            }
            Verdict::Library => {
                one_node::computed(self, &format!("{name}()"), &arguments(function).unwrap_or_default());
                ControlFlow::Continue(())
            }
            Verdict::Rows => one_node::several(self, &name),
            Verdict::Ordered => {
                self.by_rows(format!("{name}()"), "its answer may depend on the order of rows, which differs by node");
                ControlFlow::Continue(())
            }
        }
    }

    fn clock(&mut self, clock: Clock, function: &Function, expr: &Expr) -> ControlFlow<Refusal> {
        let given = arguments(function).unwrap_or_default();
        let digits = match given.as_slice() {
            [] => Some(None),
            [Expr::Value(value)] => match &value.value {
                Literal::Number(digits, _) => digits.parse::<u32>().ok().map(Some),
                _ => None,
            },
            _ => None,
        };
        let Some(digits) = digits else {
            let why = "how many digits it has must be written as a number";
            return ControlFlow::Break(Refusal::new(function.name.to_string(), why));
        };
        match self.task.moment.literal(self.dialect(), clock, digits) {
            Ok(literal) => self.freeze(expr, literal),
            Err(refusal) => ControlFlow::Break(refusal),
        }
    }

    fn random(&mut self, kind: Option<Random>, function: &Function, expr: &Expr) -> ControlFlow<Refusal> {
        let bytes = match arguments(function).unwrap_or_default().as_slice() {
            [Expr::Value(value)] => match (&value.value, self.parameter(&value.value)) {
                (_, Some(Value::Integer(number))) => Some(*number),
                (Literal::Number(digits, _), _) => digits.parse().ok(),
                _ => None,
            },
            _ => None,
        };
        let is_once = self.times == Times::Once && self.queries == 0;
        let literal = kind
            .filter(|_| is_once)
            .and_then(|kind| random::literal(self.dialect(), kind, bytes, self.task.moment, self.random));
        match literal {
            Some(literal) => self.freeze(expr, literal),
            None => {
                self.by_rows(format!("{}()", function.name), "it is another value for each row, and on each node");
                ControlFlow::Continue(())
            }
        }
    }

    fn name(&mut self, name: &Ident) -> ControlFlow<Refusal> {
        let is_plain = name.quote_style.is_none();
        let is = |word: &str| is_plain && name.value.eq_ignore_ascii_case(word);
        if is("default") {
            return refuse("DEFAULT", "it stands for a value only where a column is given one");
        }
        // MySQL's calls without parentheses, which follow the session's clock.
        let is_clock = self.dialect() == Dialect::MySql && (is("utc_timestamp") || is("utc_date") || is("utc_time"));
        let rules = self.dialect().rules();
        if !is_clock && rules.is_hidden_column(&name.value) && !self.task.tables.declare(&name.value) {
            return refuse(&name.value, "each node has its own: numbers of rows, of transactions, of sessions");
        }
        ControlFlow::Continue(())
    }

    /// A text that PostgreSQL takes for a moment where it expects one.
    pub(super) fn moment(&self, literal: &Literal) -> ControlFlow<Refusal> {
        let text = match (literal.clone().into_string(), self.parameter(literal)) {
            (_, Some(Value::Text(text))) => text.clone(),
            (Some(text), _) => text,
            _ => return ControlFlow::Continue(()),
        };
        if may_be_moment(self.dialect(), &text) {
            return refuse(
                format!("'{text}'"),
                "it may be read as a moment, which differs by node: write now() or the time",
            );
        }
        ControlFlow::Continue(())
    }
}

/// Whether PostgreSQL could read a text, or a part of it (a bound of a range, an element), as a moment that passes.
pub(super) fn may_be_moment(dialect: Dialect, text: &str) -> bool {
    let is_moment = |word: &str| dialect.rules().is_moment(word);
    text.split(|c: char| !c.is_ascii_alphabetic()).any(is_moment)
}

pub(super) fn refuse(construct: impl Into<String>, why: &str) -> ControlFlow<Refusal> {
    ControlFlow::Break(Refusal::new(construct, why))
}

impl Visitor for Look<'_, '_> {
    type Break = Refusal;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Refusal> {
        self.queries += 1;
        if !query.locks.is_empty() {
            return refuse("FOR UPDATE or FOR SHARE", "rows are locked on one node only");
        }
        match query.body.as_ref() {
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                return refuse("a write within a query", "write it as a statement of its own");
            }
            _ => {}
        }
        order::query(self, query);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<Refusal> {
        self.queries = self.queries.saturating_sub(1);
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Refusal> {
        if select.into.is_some() {
            return refuse("SELECT INTO", "a table is made with CREATE TABLE and filled with INSERT");
        }
        if self.dialect() == Dialect::Postgres {
            cast::refuse_types(&select.projection)?;
        }
        self.scopes.push(order::scope(self, &select.from));
        order::select(self, select);
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, _: &Select) -> ControlFlow<Refusal> {
        self.scopes.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<Refusal> {
        let dialect = self.dialect();
        let is_cte = || {
            let path = super::tables::path(dialect, relation);
            path.is_some_and(|path| self.ctes.iter().any(|cte| dialect.rules().same_name(cte, &path)))
        };
        if self.task.tables.get(dialect, relation).is_none() && !is_cte() {
            self.by_rows(
                format!("table {relation}"),
                "it is no plain table that is known, so one node must read it for all",
            );
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Refusal> {
        match factor {
            TableFactor::Table { sample: Some(_), .. } | TableFactor::Derived { sample: Some(_), .. } => {
                self.by_rows("TABLESAMPLE", "each node would take its own sample");
            }
            TableFactor::Table { name, args: Some(_), .. } | TableFactor::Function { name, .. } => {
                let known = order::is_steady_table(self, name);
                if !known {
                    return refuse(
                        format!("{name}()"),
                        "not a function that is known to answer the same on every node",
                    );
                }
            }
            TableFactor::Table { .. } | TableFactor::Derived { .. } | TableFactor::NestedJoin { .. } => {}
            TableFactor::UNNEST { .. } | TableFactor::JsonTable { .. } => {}
            other => return refuse(other.to_string(), "not a table that is known"),
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Refusal> {
        if let Some((construct, why)) = known::unknown(expr) {
            return refuse(construct, why);
        }
        match expr {
            Expr::Identifier(name) => self.name(name),
            Expr::CompoundIdentifier(parts) => {
                qualified::name(self, parts);
                parts.last().map_or(ControlFlow::Continue(()), |name| self.name(name))
            }
            Expr::CompoundFieldAccess { root, access_chain } => {
                qualified::field(self, expr, root, access_chain);
                ControlFlow::Continue(())
            }
            Expr::Function(function) => self.call(function, expr),
            Expr::Value(value) => self.moment(&value.value),
            Expr::TypedString(typed) => {
                self.moment(&typed.value.value)?;
                cast::typed(self, typed)
            }
            Expr::Cast { expr: inner, data_type, .. } => cast::cast(self, inner, data_type),
            Expr::BinaryOp { left, op: BinaryOperator::PGExp, right } => {
                one_node::computed(self, "^", &[&**left, &**right]);
                ControlFlow::Continue(())
            }
            Expr::UnaryOp { op: UnaryOperator::PGCubeRoot, expr } => {
                one_node::computed(self, "||/", &[&**expr]);
                ControlFlow::Continue(())
            }
            Expr::Subquery(query) => {
                order::one_value(self, query);
                ControlFlow::Continue(())
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

/// The arguments of a call as written, also names and stars.
pub(super) fn has_named_arguments(function: &Function) -> bool {
    let sqlparser::ast::FunctionArguments::List(list) = &function.args else { return false };
    list.args.iter().any(|argument| !matches!(argument, FunctionArg::Unnamed(FunctionArgExpr::Expr(_))))
}
