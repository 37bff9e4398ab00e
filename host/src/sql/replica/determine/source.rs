//! Owns the query of an INSERT whose rows one node finds out: cutting it from the text, and what may stand around it.

use std::ops::{ControlFlow, Range};

use sqlparser::ast::{
    Expr, Function, OnInsert, Query, SelectItem, SetExpr, Statement, Value as Literal, Visit, Visitor,
};
use sqlparser::keywords::Keyword;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

use super::edit::{Edits, expression, is_query};
use super::insert::{List, Target, list, row};
use super::look::{Found, Task};
use super::place::{outer, written};
use super::rows::{Form, RowsPlan, unclear};
use super::text::{Draft, Part, Text};
use crate::sql::alike::statement;
use crate::sql::dialect::Dialect;
use crate::sql::parse::Parsed;
use crate::sql::plan::Refusal;

/// Plans an INSERT of what a query finds.
pub(super) fn select(task: &Task<'_>, target: &Target<'_>, given: &[usize], found: Found) -> Result<RowsPlan, Refusal> {
    let source = target.insert.source.as_deref().ok_or_else(unclear)?;
    if task.parsed.dialect() == Dialect::MySql && names_a_column(&target.insert.on) {
        let why =
            "behind a query a name in it may be a column of the query, too; write VALUES(column), or plain values";
        return Err(Refusal::new("ON DUPLICATE KEY UPDATE with a column", why));
    }
    let place = source_place(task.parsed, source).ok_or_else(unclear)?;
    let given = given_by(source, given);
    plan(task, target, (place.clone(), place), given, (source.clone(), found.edits))
}

/// Plans an INSERT of one row whose values one node finds out: they are asked for as a query without a table.
pub(super) fn values(task: &Task<'_>, target: &Target<'_>, given: &[usize], found: Found) -> Result<RowsPlan, Refusal> {
    let source = target.insert.source.as_deref().ok_or_else(unclear)?;
    let SetExpr::Values(values) = source.body.as_ref() else { return Err(unclear()) };
    let [values] = values.rows.as_slice() else { return Err(unclear()) };
    let place = row(task.parsed, values).ok_or_else(unclear)?;
    let word = place.start.checked_sub(1).ok_or_else(unclear)?;
    if !matches!(task.parsed.keyword(word), Keyword::VALUES | Keyword::VALUE) {
        return Err(unclear());
    }
    let Some(Statement::Query(mut meant)) = statement(task.parsed.dialect(), "SELECT 1") else { return Err(unclear()) };
    let SetExpr::Select(select) = meant.body.as_mut() else { return Err(unclear()) };
    select.projection = values.content.iter().cloned().map(SelectItem::UnnamedExpr).collect();
    let places = (word..place.end, place.start + 1..place.end - 1);
    plan(task, target, places, given.to_vec(), (*meant, found.edits))
}

/// Puts the plan together: `whole` are the tokens that the rows take the place of, `asked` those that are asked for.
fn plan(
    task: &Task<'_>,
    target: &Target<'_>,
    (whole, asked): (Range<usize>, Range<usize>),
    given: Vec<usize>,
    (query, edits): (Query, Edits),
) -> Result<RowsPlan, Refusal> {
    let before = outer(task.parsed, 0..whole.start).ok_or_else(unclear)?;
    let begins = |at: &usize| matches!(task.parsed.keyword(*at), Keyword::INSERT | Keyword::REPLACE);
    let start = before.into_iter().find(begins).ok_or_else(unclear)?;
    let (mut meant, mut asking) = (edits.applied(&query), edits.clone());
    if task.parsed.dialect() == Dialect::Postgres {
        typed(task, target, &given, (&mut meant, &mut asking))?;
    }
    let mut text = Text::new(task.parsed, task.params);
    text.tokens(0..start, &asking)?;
    text.push(if whole == asked { " " } else { " SELECT " });
    text.tokens(asked, &asking)?;
    let draft: Draft = text.draft(true);
    if let (Some(with), _) = written(&task.parsed.statement) {
        if meant.with.is_some() {
            return Err(unclear());
        }
        meant.with = Some(edits.applied(with));
    }
    if !is_query(task.parsed.dialect(), &draft.sample(), &meant) {
        return Err(unclear());
    }
    let list = target.insert.columns.first().map(|_| match list(task.parsed, target) {
        Some(List::Ends(at)) => Ok(at),
        _ => Err(unclear()),
    });
    let (list, tail) = (list.transpose()?, whole.end..task.parsed.pieces.len());
    Ok(RowsPlan {
        query: draft.sample().trim_start().to_owned(),
        query_params: draft.params,
        whole: task.parsed.clone(),
        bound: task.params.to_vec(),
        tables: task.tables.clone(),
        moment: task.moment,
        table: target.table.clone(),
        edits,
        form: Form::Insert { head: start..whole.start, tail, given, list },
    })
}

/// A parameter that is a whole value is told its type: that of its column, which a query by itself does not know.
fn typed(
    task: &Task<'_>,
    target: &Target<'_>,
    given: &[usize],
    (meant, asking): (&mut Query, &mut Edits),
) -> Result<(), Refusal> {
    let SetExpr::Select(select) = meant.body.as_mut() else { return Ok(()) };
    for (item, at) in select.projection.iter_mut().zip(given) {
        let SelectItem::UnnamedExpr(expr) = item else { continue };
        let Expr::Value(value) = &*expr else { continue };
        let (Literal::Placeholder(mark), Some(token)) = (&value.value, task.parsed.token_at(value.span.start)) else {
            continue;
        };
        let column = target.table.columns.get(*at).ok_or_else(unclear)?;
        // It is put before the next token, behind the white space.
        let cast = format!("::{} ", unbounded(&column.shape.declared));
        let whole = expression(task.parsed.dialect(), &format!("{mark}{cast}")).ok_or_else(unclear)?;
        asking.put(token + 1, vec![Part::Text(cast)]);
        *expr = whole;
    }
    Ok(())
}

/// A type without its length and precision: a value that does not fit is an error in the column, and would be cut by a cast.
fn unbounded(declared: &str) -> String {
    if ["character", "bpchar"].iter().any(|text| declared.starts_with(text)) && !declared.ends_with("[]") {
        return "text".to_owned();
    }
    if declared.starts_with("bit") && !declared.ends_with("[]") {
        return "bit varying".to_owned();
    }
    match (declared.find('('), declared.find(')')) {
        (Some(open), Some(close)) if open < close => {
            let (before, after) =
                (declared.get(..open).unwrap_or_default(), declared.get(close + 1..).unwrap_or_default());
            format!("{before}{after}")
        }
        _ => declared.to_owned(),
    }
}

/// PostgreSQL takes fewer columns than the table has; how many, the query's list says where it has no star.
fn given_by(source: &Query, given: &[usize]) -> Vec<usize> {
    let SetExpr::Select(select) = source.body.as_ref() else { return given.to_vec() };
    let has_star = |item: &SelectItem| !matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. });
    let width = if select.projection.iter().any(has_star) { given.len() } else { select.projection.len() };
    given.iter().copied().take(width).collect()
}

/// The tokens of the query within its INSERT.
fn source_place(parsed: &Parsed, source: &Query) -> Option<Range<usize>> {
    let total = parsed.pieces.len();
    let outer = outer(parsed, 0..total)?;
    let begins = |at: &usize| {
        matches!(parsed.keyword(*at), Keyword::SELECT | Keyword::WITH | Keyword::VALUES)
            || parsed.at(*at, &Token::LParen)
    };
    let ends = |at: &usize| matches!(parsed.keyword(*at), Keyword::ON | Keyword::RETURNING);
    let ends: Vec<usize> = outer.iter().copied().filter(ends).rev().collect();
    for start in outer.iter().copied().filter(begins).filter(|at| *at > 0) {
        for end in std::iter::once(total).chain(ends.iter().copied().filter(|end| *end > start)) {
            let parser = Parser::new(parsed.dialect().grammar()).try_with_sql(parsed.slice(&(start..end)));
            let Ok(mut parser) = parser else { continue };
            if parser.parse_query().is_ok_and(|found| *found == *source) && parser.peek_token().token == Token::EOF {
                return Some(start..end);
            }
        }
    }
    None
}

/// Whether a value is computed from a column other than by `VALUES(column)`.
fn names_a_column(part: &Option<OnInsert>) -> bool {
    struct Names(usize);
    impl Visitor for Names {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Function(call) if is_values(call) => self.0 += 1,
                Expr::Identifier(_) | Expr::CompoundIdentifier(_) if self.0 == 0 => {
                    return ControlFlow::Break(());
                }
                _ => {}
            }
            ControlFlow::Continue(())
        }

        fn post_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            if matches!(expr, Expr::Function(call) if is_values(call)) {
                self.0 = self.0.saturating_sub(1);
            }
            ControlFlow::Continue(())
        }
    }
    part.visit(&mut Names(0)).is_break()
}

fn is_values(call: &Function) -> bool {
    let name = call.name.to_string();
    name.eq_ignore_ascii_case("values") || name.eq_ignore_ascii_case("value")
}
