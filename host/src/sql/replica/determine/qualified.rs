//! Owns which names with a table before them are columns. PostgreSQL takes `t.f` for `f(t)` where the table has no such column:
//! what is not proven to be a column may be a call of any function.

use std::ops::ControlFlow;

use sqlparser::ast::{
    AccessExpr, Expr, FromTable, Ident, ObjectName, Query, SelectItem, SetExpr, Statement, TableAlias, TableFactor,
    TableObject, TableWithJoins, Visit, Visitor,
};

use super::look::{Look, Task};
use super::place;
use super::tables::Table;
use crate::sql::dialect::Rules;

/// What a row has beside the tables: as it would be written, as it was, as it is.
const ROWS: [&str; 3] = ["excluded", "old", "new"];

/// Looks at a name with a table before it.
pub(super) fn name(look: &mut Look<'_, '_>, parts: &[Ident]) {
    let [.., table, column] = parts else { return };
    if look.dialect().rules().names().rows_and_calls && !is_column(look.task, table, column) {
        let shown = parts.iter().map(Ident::to_string).collect::<Vec<_>>().join(".");
        unsure(look, shown);
    }
}

/// Looks at a field of a value, or at the elements of a list.
pub(super) fn field(look: &mut Look<'_, '_>, whole: &Expr, root: &Expr, chain: &[AccessExpr]) {
    let are_elements = |chain: &[AccessExpr]| chain.iter().all(|access| matches!(access, AccessExpr::Subscript(_)));
    let is_sure = match (root, chain) {
        (_, elements) if are_elements(elements) => true,
        (Expr::Identifier(table), [AccessExpr::Dot(Expr::Identifier(column)), elements @ ..]) => {
            are_elements(elements) && is_column(look.task, table, column)
        }
        _ => false,
    };
    if look.dialect().rules().names().rows_and_calls && !is_sure {
        unsure(look, whole.to_string());
    }
}

fn unsure(look: &mut Look<'_, '_>, shown: String) {
    look.by_rows(shown, "it is no column of a table that is known, and may be a call of a function");
}

/// Whether everything that a statement calls by a table's name has such a column.
fn is_column(task: &Task<'_>, table: &Ident, column: &Ident) -> bool {
    let mut named = Named { task, table, column, is_found: false, ctes: Vec::new() };
    let statement = &task.parsed.statement;
    if statement.visit(&mut named).is_break() {
        return false;
    }
    let (_, write) = place::written(statement);
    let (target, alias) = match write {
        Statement::Insert(insert) => match &insert.table {
            TableObject::TableName(name) => (Some(name), insert.table_alias.as_ref().map(|alias| &alias.alias)),
            _ => (None, None),
        },
        Statement::Update(update) => (plain(&update.table), None),
        Statement::Delete(delete) => match &delete.from {
            FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from) => (from.first().and_then(plain), None),
        },
        _ => (None, None),
    };
    let Some(target) = target else { return named.is_found };
    let shown = alias.or_else(|| target.0.last().and_then(|part| part.as_ident()));
    let is_target = matches!(write, Statement::Insert(_)) && shown.is_some_and(|shown| named.is(shown, table));
    let is_row = !named.is_found && ROWS.contains(&named.rules().fold(table).as_str());
    let has = || task.tables.get(task.parsed.dialect(), target).is_some_and(|known| named.is_of(known));
    if is_target || is_row { has() } else { named.is_found }
}

/// A table that is written to, by its name.
fn plain(tables: &TableWithJoins) -> Option<&ObjectName> {
    match &tables.relation {
        TableFactor::Table { name, args: None, .. } => Some(name),
        _ => None,
    }
}

/// Breaks where something is called by the table's name that is not known to have the column.
struct Named<'n> {
    task: &'n Task<'n>,
    table: &'n Ident,
    column: &'n Ident,
    is_found: bool,
    /// The names that WITH gives, each with whether what it names shows the column.
    ctes: Vec<(Ident, bool)>,
}

impl Named<'_> {
    fn rules(&self) -> &'static dyn Rules {
        self.task.parsed.dialect().rules()
    }

    fn is(&self, one: &Ident, other: &Ident) -> bool {
        self.rules().same_name(&self.rules().fold(one), &self.rules().fold(other))
    }

    fn is_of(&self, table: &Table) -> bool {
        table.place(self.task.parsed.dialect(), self.column).is_some()
    }

    fn is_listed(&self, alias: &TableAlias) -> bool {
        alias.columns.iter().any(|column| self.is(&column.name, self.column))
    }

    /// Whether a query shows the column under its name.
    fn is_shown(&self, query: &Query) -> bool {
        let SetExpr::Select(select) = query.body.as_ref() else { return false };
        select.projection.iter().any(|item| match item {
            SelectItem::ExprWithAlias { alias, .. } => self.is(alias, self.column),
            SelectItem::UnnamedExpr(Expr::Identifier(name)) => self.is(name, self.column),
            SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => {
                parts.last().is_some_and(|name| self.is(name, self.column))
            }
            _ => false,
        })
    }

    /// Whether a table, or what WITH names so, has the column.
    fn has(&self, name: &ObjectName) -> bool {
        if let Some(known) = self.task.tables.get(self.task.parsed.dialect(), name) {
            return self.is_of(known);
        }
        let [own] = name.0.as_slice() else { return false };
        let is_it = |(cte, _): &&(Ident, bool)| own.as_ident().is_some_and(|own| self.is(cte, own));
        let mut ctes = self.ctes.iter().filter(is_it).peekable();
        ctes.peek().is_some() && ctes.all(|(_, is_shown)| *is_shown)
    }
}

impl Visitor for Named<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            let is_shown = self.is_listed(&cte.alias) || (cte.alias.columns.is_empty() && self.is_shown(&cte.query));
            self.ctes.push((cte.alias.name.clone(), is_shown));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        let (own, alias, has) = match factor {
            TableFactor::Table { name, alias, args: None, .. } => (name.0.last(), alias, self.has(name)),
            TableFactor::Table { name, alias, .. } | TableFactor::Function { name, alias, .. } => {
                (name.0.last(), alias, false)
            }
            TableFactor::Derived { subquery, alias, .. } => (None, alias, self.is_shown(subquery)),
            TableFactor::UNNEST { alias, .. } | TableFactor::NestedJoin { alias, .. } => (None, alias, false),
            _ => return ControlFlow::Break(()),
        };
        let shown = alias.as_ref().map(|alias| &alias.name).or_else(|| own.and_then(|part| part.as_ident()));
        if !shown.is_some_and(|shown| self.is(shown, self.table)) {
            return ControlFlow::Continue(());
        }
        let is_sure = alias.as_ref().map_or(has, |alias| self.is_listed(alias) || (alias.columns.is_empty() && has));
        self.is_found |= is_sure;
        if is_sure { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }
}
