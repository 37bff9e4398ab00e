//! Owns cutting a statement into its clauses by token position. It must not decide anything: [`super::super::plan`] does, and
//! only after each piece was read again and compared with the tree.

use std::ops::Range;

use sqlparser::{keywords::Keyword, tokenizer::Token};

use super::super::parse::Parsed;

/// Where the clauses of one statement stand, as ranges of tokens. Empty where there is none.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Clauses {
    /// The select list, an item each.
    pub(in super::super) items: Vec<Range<usize>>,
    /// After `FROM`.
    pub(in super::super) from: Range<usize>,
    /// After `WHERE`.
    pub(in super::super) filter: Range<usize>,
    /// After `GROUP BY`, an expression each.
    pub(in super::super) group: Vec<Range<usize>>,
    /// After `HAVING`.
    pub(in super::super) having: Range<usize>,
    /// After `ORDER BY`, a term each.
    pub(in super::super) order: Vec<Range<usize>>,
    /// Everything before `ORDER BY` and `LIMIT`.
    pub(in super::super) body: Range<usize>,
}

#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Clause {
    Items,
    From,
    Filter,
    Group,
    Having,
    Order,
    Limit,
}

impl Clauses {
    /// Cuts a statement that begins with `SELECT`. A word that is a name here and opens a clause elsewhere spoils the cut: then the
    /// pieces are not what the tree says, and whoever cuts gathers. Of one with `UNION` only `order` and `body` mean anything.
    pub(in super::super) fn cut(parsed: &Parsed) -> Option<Self> {
        if parsed.keyword(0) != Keyword::SELECT {
            return None;
        }
        let first = if matches!(parsed.keyword(1), Keyword::DISTINCT | Keyword::ALL) { 2 } else { 1 };
        let total = parsed.pieces.len();
        let mut cuts = vec![(Clause::Items, first, first)];
        let (mut at, mut is_union) = (first, false);
        while at < total {
            if parsed.at(at, &Token::LParen) {
                at = parsed.closing(at)?;
                continue;
            }
            is_union |= matches!(parsed.keyword(at), Keyword::UNION | Keyword::INTERSECT | Keyword::EXCEPT);
            if let Some((clause, width)) = clause_at(parsed, at) {
                // LIMIT and OFFSET in either order; everything else stands once and in its place.
                let is_next = cuts.last().is_none_or(|(last, ..)| *last < clause || *last == Clause::Limit || is_union);
                if !is_next {
                    return None;
                }
                cuts.push((clause, at, at + width));
            }
            at += 1;
        }
        let mut clauses = Self::default();
        let mut body_end = total;
        for (index, (clause, keyword, start)) in cuts.iter().enumerate() {
            let end = cuts.get(index + 1).map_or(total, |(_, next, _)| *next);
            let range = *start..end;
            match clause {
                Clause::Items => clauses.items = split(parsed, range)?,
                Clause::From => clauses.from = range,
                Clause::Filter => clauses.filter = range,
                Clause::Group => clauses.group = split(parsed, range)?,
                Clause::Having => clauses.having = range,
                Clause::Order => {
                    clauses.order = split(parsed, range)?;
                    body_end = body_end.min(*keyword);
                }
                Clause::Limit => body_end = body_end.min(*keyword),
            }
        }
        clauses.body = 0..body_end;
        Some(clauses)
    }
}

/// The clause that begins at a token, and how many words say so.
fn clause_at(parsed: &Parsed, at: usize) -> Option<(Clause, usize)> {
    let before = |back: usize| at.checked_sub(back).map_or(Keyword::NoKeyword, |index| parsed.keyword(index));
    let by = parsed.keyword(at + 1) == Keyword::BY;
    if at.checked_sub(1).is_some_and(|index| parsed.at(index, &Token::Period)) {
        return None;
    }
    match parsed.keyword(at) {
        // `a IS [NOT] DISTINCT FROM b` opens no clause.
        Keyword::FROM if before(1) == Keyword::DISTINCT && matches!(before(2), Keyword::IS | Keyword::NOT) => None,
        Keyword::FROM => Some((Clause::From, 1)),
        Keyword::WHERE => Some((Clause::Filter, 1)),
        Keyword::GROUP if by => Some((Clause::Group, 2)),
        Keyword::HAVING => Some((Clause::Having, 1)),
        Keyword::ORDER if by => Some((Clause::Order, 2)),
        Keyword::LIMIT | Keyword::OFFSET | Keyword::FETCH | Keyword::WINDOW | Keyword::FOR => Some((Clause::Limit, 1)),
        _ => None,
    }
}

/// Splits a range at its commas outside parentheses.
fn split(parsed: &Parsed, range: Range<usize>) -> Option<Vec<Range<usize>>> {
    let mut parts = Vec::new();
    let (mut start, mut at) = (range.start, range.start);
    while at < range.end {
        if parsed.at(at, &Token::LParen) {
            at = parsed.closing(at)?;
            continue;
        }
        if parsed.at(at, &Token::Comma) {
            parts.push(start..at);
            start = at + 1;
        }
        at += 1;
    }
    parts.push(start..range.end);
    Some(parts)
}
