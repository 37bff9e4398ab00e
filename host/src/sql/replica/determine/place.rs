//! Owns where the clauses of a write stand in its text. What is found by words is compared with the tree by whoever uses it.

use std::ops::Range;

use sqlparser::ast::{Query, SetExpr, Statement, With};
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::Token;

use crate::sql::parse::Parsed;

/// The write of a statement, and the WITH before it.
pub(super) fn written(statement: &Statement) -> (Option<&With>, &Statement) {
    let Statement::Query(query) = statement else { return (None, statement) };
    match bare(query) {
        Some(inner) => (query.with.as_ref(), inner),
        None => (None, statement),
    }
}

/// The write that is all of a query but its WITH.
fn bare(query: &Query) -> Option<&Statement> {
    let is_bare = query.order_by.is_none() && query.limit_clause.is_none() && query.fetch.is_none();
    match query.body.as_ref() {
        SetExpr::Insert(inner) | SetExpr::Update(inner) | SetExpr::Delete(inner) if is_bare => Some(inner),
        _ => None,
    }
}

/// A statement whose write is changed.
pub(super) fn with_write(statement: &Statement, change: impl FnOnce(&mut Statement)) -> Statement {
    let mut whole = statement.clone();
    let is_wrapped = matches!(&whole, Statement::Query(query) if bare(query).is_some());
    match &mut whole {
        Statement::Query(query) if is_wrapped => {
            if let SetExpr::Insert(inner) | SetExpr::Update(inner) | SetExpr::Delete(inner) = query.body.as_mut() {
                change(inner);
            }
        }
        other => change(other),
    }
    whole
}

/// The tokens outside of parentheses; an opening one stands for what it encloses.
pub(super) fn outer(parsed: &Parsed, range: Range<usize>) -> Option<Vec<usize>> {
    let mut outer = Vec::new();
    let mut at = range.start;
    while at < range.end {
        outer.push(at);
        at = if parsed.at(at, &Token::LParen) { parsed.closing(at)? } else { at + 1 };
    }
    Some(outer)
}

/// Where the clauses of UPDATE and DELETE are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Clauses {
    /// The word that it begins with.
    pub(super) start: usize,
    /// What is assigned, without SET.
    pub(super) set: Range<usize>,
    /// The tables behind FROM: the target of DELETE, other tables of UPDATE.
    pub(super) from: Range<usize>,
    /// What stands between UPDATE and SET.
    pub(super) target: Range<usize>,
    /// The condition, without WHERE.
    pub(super) condition: Range<usize>,
    /// ORDER BY, with its words.
    pub(super) order: Range<usize>,
    /// LIMIT, with its word.
    pub(super) limit: Range<usize>,
    /// RETURNING, with its word.
    pub(super) returning: Range<usize>,
}

/// Finds them.
pub(super) fn clauses(parsed: &Parsed) -> Option<Clauses> {
    let outer = outer(parsed, 0..parsed.pieces.len())?;
    let start = outer.iter().copied().find(|at| matches!(parsed.keyword(*at), Keyword::UPDATE | Keyword::DELETE))?;
    let is_update = parsed.keyword(start) == Keyword::UPDATE;
    let mut marks = vec![(Keyword::UPDATE, start)];
    for at in outer.into_iter().filter(|at| *at > start) {
        let word = parsed.keyword(at);
        let seen = |keyword: Keyword| marks.iter().any(|(mark, _)| *mark == keyword);
        let is_mark = match word {
            Keyword::SET => is_update && !seen(Keyword::SET),
            Keyword::FROM => {
                (!is_update || seen(Keyword::SET))
                    && !seen(Keyword::FROM)
                    && parsed.keyword(at - 1) != Keyword::DISTINCT
            }
            Keyword::ORDER => parsed.keyword(at + 1) == Keyword::BY,
            Keyword::WHERE | Keyword::LIMIT | Keyword::RETURNING => true,
            _ => false,
        };
        if is_mark {
            if seen(word) {
                return None;
            }
            marks.push((word, at));
        }
    }
    let mut found = Clauses { start, ..Clauses::default() };
    for (index, (word, at)) in marks.iter().enumerate() {
        let end = marks.get(index + 1).map_or(parsed.pieces.len(), |(_, next)| *next);
        let inside = at + 1..end;
        match word {
            // SQLite's rule for conflicts stands between: OR and a word.
            Keyword::UPDATE if parsed.keyword(at + 1) == Keyword::OR => found.target = at + 3..end,
            Keyword::UPDATE => found.target = inside,
            Keyword::SET => found.set = inside,
            Keyword::FROM => found.from = inside,
            Keyword::WHERE => found.condition = inside,
            Keyword::ORDER => found.order = *at..end,
            Keyword::LIMIT => found.limit = *at..end,
            _ => found.returning = *at..end,
        }
    }
    Some(found)
}

/// The parts of a list that is divided by commas.
pub(super) fn divided(parsed: &Parsed, range: Range<usize>) -> Option<Vec<Range<usize>>> {
    let mut parts = Vec::new();
    let mut from = range.start;
    for at in outer(parsed, range.clone())? {
        if parsed.at(at, &Token::Comma) {
            parts.push(from..at);
            from = at + 1;
        }
    }
    parts.push(from..range.end);
    Some(parts)
}
