//! Owns the query that finds the rows of an UPDATE or DELETE, and what is to be written to them.

use std::ops::Range;

use sqlparser::ast::{
    Expr, LimitClause, OrderBy, OrderByExpr, OrderByKind, Query, SelectItem, SetExpr, Statement, TableWithJoins,
};

use super::edit::{Edits, expression, is_query};
use super::keyed::{Search, unclear};
use super::look::Task;
use super::place::{Clauses, written};
use super::text::Text;
use crate::sql::alike::statement;
use crate::sql::plan::Refusal;
use crate::sql::value::Value;

/// What the query is put together of.
pub(super) struct Finding<'a> {
    pub(super) places: &'a Clauses,
    /// ORDER BY and LIMIT.
    pub(super) order: (&'a [OrderByExpr], Option<&'a Expr>),
    /// The table that is written to: its place and its tree.
    pub(super) target: Range<usize>,
    pub(super) table: &'a TableWithJoins,
    /// The values that are found with the rows.
    pub(super) values: Vec<(Range<usize>, Expr)>,
}

/// The query that finds the rows.
pub(super) fn find(
    task: &Task<'_>,
    search: &Search<'_>,
    edits: &Edits,
    finding: &Finding<'_>,
) -> Result<(String, Vec<Value>), Refusal> {
    let (parsed, dialect, places) = (task.parsed, task.parsed.dialect(), finding.places);
    let mut text = Text::new(parsed, task.params);
    text.tokens(0..places.start, edits)?;
    text.push(" SELECT ");
    let shown = dialect.quote(&dialect.rules().fold(&search.shown.name));
    let key = search.shown.table.key();
    let names: Vec<String> = key.iter().map(|key| format!("{shown}.{}", dialect.quote(&key.shape.name))).collect();
    text.push(&names.join(", "));
    for (place, _) in &finding.values {
        text.push(", (");
        text.tokens(place.clone(), edits)?;
        text.push("\n)");
    }
    text.push(" FROM ");
    text.tokens(finding.target.clone(), edits)?;
    if !search.from.is_empty() {
        text.push(", ");
        text.tokens(places.from.clone(), edits)?;
    }
    if search.condition.is_some() {
        text.push(" WHERE ");
        text.tokens(places.condition.clone(), edits)?;
    }
    for place in [&places.order, &places.limit] {
        text.push(" ");
        text.tokens(place.clone(), edits)?;
    }
    let draft = text.draft(true);
    let meant = meant(task, search, edits, (finding, &names)).ok_or_else(unclear)?;
    let query = draft.sample().trim().to_owned();
    if !is_query(dialect, &query, &meant) {
        return Err(unclear());
    }
    Ok((query, draft.params))
}

/// The tree of that query.
fn meant(
    task: &Task<'_>,
    search: &Search<'_>,
    edits: &Edits,
    (finding, names): (&Finding<'_>, &[String]),
) -> Option<Query> {
    let dialect = task.parsed.dialect();
    let Statement::Query(mut query) = statement(dialect, "SELECT 1")? else { return None };
    query.with = written(&task.parsed.statement).0.map(|with| edits.applied(with));
    let SetExpr::Select(select) = query.body.as_mut() else { return None };
    let keys = names.iter().map(|name| expression(dialect, name).map(SelectItem::UnnamedExpr));
    let values = finding
        .values
        .iter()
        .map(|(_, value)| Some(SelectItem::UnnamedExpr(Expr::Nested(Box::new(edits.applied(value))))));
    select.projection = keys.chain(values).collect::<Option<_>>()?;
    select.from = std::iter::once(finding.table).chain(search.from).map(|tables| edits.applied(tables)).collect();
    select.selection = search.condition.map(|condition| edits.applied(condition));
    let (terms, limit) = finding.order;
    if !terms.is_empty() {
        let terms = terms.iter().map(|term| edits.applied(term)).collect();
        query.order_by = Some(OrderBy { kind: OrderByKind::Expressions(terms), interpolate: None });
    }
    query.limit_clause = limit.map(|limit| LimitClause::LimitOffset {
        limit: Some(edits.applied(limit)),
        offset: None,
        limit_by: Vec::new(),
    });
    Some(*query)
}
