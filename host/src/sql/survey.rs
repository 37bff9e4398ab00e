//! Owns one walk over a statement's tree: which tables it reads, which functions it calls, what makes it hard to distribute.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, Ident, JoinConstraint, JoinOperator,
    ObjectName, OrderByKind, Query, Select, SelectItem, SetExpr, Statement, TableFactor, Visit, Visitor,
};

use super::dialect::{Nature, Rules};

/// Tables that a statement may have to be divided: as many as SQLite joins.
const MOST_TABLES: usize = 64;
/// Terms of its select lists, of GROUP BY and of ORDER BY: as many as PostgreSQL has in one list.
const MOST_TERMS: usize = 1664;

/// What a statement holds.
#[derive(Clone, Debug)]
pub(super) struct Survey {
    rules: &'static dyn Rules,
    /// Every mention of a table, CTEs aside; folded.
    pub(super) tables: Vec<String>,
    /// The same, each once.
    pub(super) named: Vec<String>,
    /// Names given by `WITH`, folded.
    pub(super) ctes: Vec<String>,
    /// How many queries there are, the outermost one counted.
    pub(super) queries: usize,
    /// Window functions.
    pub(super) has_window: bool,
    /// `*` or `t.*` anywhere in a select list, or NATURAL joins: every column may be needed.
    pub(super) wants_all_columns: bool,
    /// An aggregate that needs all rows in one place.
    pub(super) has_whole: bool,
    /// The first call that keeps a statement from several shards, and what it is.
    pub(super) call: Option<(String, Nature)>,
    /// Another construct that does, and why.
    pub(super) hindrance: Option<(String, &'static str)>,
    /// Names of hidden columns: `rowid`, `ctid` and the like.
    pub(super) hidden_columns: Vec<String>,
    /// Tables that are no plain names: functions, other databases.
    pub(super) odd_table: Option<String>,
    /// What is written, where it writes.
    pub(super) writes: bool,
    /// Terms of all select lists, of GROUP BY and of ORDER BY.
    terms: usize,
    /// Names that tables have in the statement, and the tables where they are tables; folded.
    pub(super) aliases: Vec<(String, Option<String>)>,
    /// Names where a column is expected, folded, with what stands before the dot.
    pub(super) columns: Vec<(Option<String>, String)>,
}

impl Survey {
    /// Walks a statement.
    pub(super) fn of(statement: &Statement, rules: &'static dyn Rules) -> Self {
        let mut survey = Self {
            rules,
            tables: Vec::new(),
            named: Vec::new(),
            ctes: Vec::new(),
            queries: 0,
            has_window: false,
            wants_all_columns: false,
            has_whole: false,
            call: None,
            hindrance: None,
            hidden_columns: Vec::new(),
            odd_table: None,
            writes: false,
            terms: 0,
            aliases: Vec::new(),
            columns: Vec::new(),
        };
        let _ = statement.visit(&mut survey);
        let ctes = std::mem::take(&mut survey.ctes);
        survey.tables.retain(|table| !ctes.iter().any(|cte| rules.same_name(cte, table)));
        survey.ctes = ctes;
        survey.named.clone_from(&survey.tables);
        survey.named.sort();
        survey.named.dedup();
        survey
    }

    /// Whether it has so many parts that cutting it would take long.
    pub(super) fn is_long(&self) -> bool {
        self.tables.len() > MOST_TABLES || self.terms > MOST_TERMS
    }

    fn call(&mut self, function: &Function) {
        self.has_window |= function.over.is_some();
        // `f(t.*)` takes whole rows.
        if let FunctionArguments::List(list) = &function.args {
            self.wants_all_columns |= list.args.iter().any(|argument| {
                let FunctionArg::Unnamed(argument) = argument else { return true };
                matches!(argument, FunctionArgExpr::QualifiedWildcard(_))
            });
        }
        let nature = self.rules.nature(function);
        self.has_whole |= nature == Nature::Whole;
        if matches!(nature, Nature::Ordered | Nature::Volatile | Nature::Unknown) && self.call.is_none() {
            self.call = Some((function.name.to_string(), nature));
        }
    }

    fn hinder(&mut self, construct: impl Into<String>, why: &'static str) {
        if self.hindrance.is_none() {
            self.hindrance = Some((construct.into(), why));
        }
    }

    fn name(&mut self, table: Option<&Ident>, name: &Ident) {
        self.columns.push((table.map(|table| self.rules.fold(table)), self.rules.fold(name)));
        if self.rules.is_hidden_column(&name.value) {
            self.hidden_columns.push(name.value.clone());
        }
    }
}

impl Visitor for Survey {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.queries += 1;
        let with = query.with.iter().flat_map(|with| &with.cte_tables);
        self.ctes.extend(with.map(|cte| self.rules.fold(&cte.alias.name)));
        self.writes |=
            matches!(*query.body, SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_));
        self.terms += query.order_by.as_ref().map_or(0, |order| match &order.kind {
            OrderByKind::Expressions(terms) => terms.len(),
            OrderByKind::All(_) => 1,
        });
        if !query.locks.is_empty() {
            self.hinder("FOR UPDATE or FOR SHARE", "rows are locked within a transaction on one node only");
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        self.terms += select.projection.len();
        if let GroupByExpr::Expressions(terms, _) = &select.group_by {
            self.terms += terms.len();
        }
        self.wants_all_columns |= select
            .projection
            .iter()
            .any(|item| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)));
        let mut joins = select.from.iter().flat_map(|from| &from.joins);
        self.wants_all_columns |= joins.any(|join| is_natural(&join.join_operator));
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        match relation.0.as_slice() {
            [only] => match only.as_ident() {
                Some(name) => self.tables.push(self.rules.fold(name)),
                None => self.odd_table = Some(relation.to_string()),
            },
            _ => self.odd_table = Some(relation.to_string()),
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        let (alias, table, sample) = match factor {
            TableFactor::Table { name, args: None, alias, sample, with_ordinality, .. } => {
                // New names for columns go by their places.
                self.wants_all_columns |= alias.as_ref().is_some_and(|alias| !alias.columns.is_empty());
                if *with_ordinality {
                    self.odd_table = Some(factor.to_string());
                }
                let own = name.0.last().and_then(|part| part.as_ident());
                (alias.as_ref().map(|alias| &alias.name).or(own), own, sample)
            }
            TableFactor::Derived { alias, sample, .. } => (alias.as_ref().map(|alias| &alias.name), None, sample),
            TableFactor::NestedJoin { table_with_joins, .. } => {
                let mut joins = table_with_joins.joins.iter();
                self.wants_all_columns |= joins.any(|join| is_natural(&join.join_operator));
                return ControlFlow::Continue(());
            }
            other => {
                self.odd_table = Some(other.to_string());
                return ControlFlow::Continue(());
            }
        };
        if sample.is_some() {
            self.hinder("TABLESAMPLE", "each shard would take its own sample");
        }
        let table = table.map(|table| self.rules.fold(table));
        self.aliases.extend(alias.map(|alias| (self.rules.fold(alias), table)));
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Wildcard(_) | Expr::QualifiedWildcard(..) => self.wants_all_columns = true,
            Expr::Function(function) => self.call(function),
            Expr::Identifier(name) => self.name(None, name),
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [table, name] => self.name(Some(table), name),
                _ => self.odd_table = Some(expr.to_string()),
            },
            _ => {}
        }
        if let Some((construct, why)) = self.rules.hindrance(expr) {
            self.hinder(construct, why);
        }
        ControlFlow::Continue(())
    }
}

fn is_natural(operator: &JoinOperator) -> bool {
    match operator {
        JoinOperator::Join(on)
        | JoinOperator::Inner(on)
        | JoinOperator::Left(on)
        | JoinOperator::LeftOuter(on)
        | JoinOperator::Right(on)
        | JoinOperator::RightOuter(on)
        | JoinOperator::FullOuter(on)
        | JoinOperator::CrossJoin(on)
        | JoinOperator::StraightJoin(on) => matches!(on, JoinConstraint::Natural),
        _ => true,
    }
}
