//! Owns what is put into a client's text: expressions in place of others, and text between tokens. What comes of it is read
//! again and compared with the tree that is meant; what differs is refused, never logged.

use std::collections::HashMap;
use std::ops::{ControlFlow, Range};

use sqlparser::ast::{Expr, Query, Spanned, Statement, VisitMut, VisitorMut};
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Location, Token};

use super::text::{Part, written};
use crate::sql::alike::reads_as;
use crate::sql::dialect::Dialect;
use crate::sql::parse::Parsed;
use crate::sql::plan::Refusal;

/// One of them.
#[derive(Clone, Debug)]
pub(super) struct Edit {
    /// The tokens that it takes the place of; empty where it is put before one.
    pub(super) place: Range<usize>,
    /// What is put there.
    pub(super) parts: Vec<Part>,
    /// What it is in the tree, where it takes the place of an expression.
    meant: Option<(Location, Expr)>,
}

/// All of a statement.
#[derive(Clone, Debug, Default)]
pub(super) struct Edits(Vec<Edit>);

impl Edits {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is put before a token.
    pub(super) fn put_before(&self, at: usize) -> impl Iterator<Item = &Edit> {
        self.0.iter().filter(move |edit| edit.place.is_empty() && edit.place.start == at)
    }

    /// What stands in place of a token and those behind it.
    pub(super) fn in_place_of(&self, at: usize) -> Option<&Edit> {
        self.0.iter().find(|edit| !edit.place.is_empty() && edit.place.start == at)
    }

    /// Puts text before a token.
    pub(super) fn put(&mut self, before: usize, parts: Vec<Part>) {
        self.0.push(Edit { place: before..before, parts, meant: None });
    }

    /// Puts text in place of tokens.
    pub(super) fn put_over(&mut self, place: Range<usize>, parts: Vec<Part>) {
        self.0.push(Edit { place, parts, meant: None });
    }

    /// Puts words before the VALUES that was put in place of `DEFAULT VALUES`.
    pub(super) fn put_into_defaults(&mut self, words: &str) {
        let put = self.0.iter_mut().find(|edit| edit.meant.is_none() && !edit.place.is_empty());
        if let Some(edit) = put {
            let at = edit.parts.len().min(1);
            edit.parts.insert(at, Part::Text(words.to_owned()));
        }
    }

    /// Puts an expression in place of the one that starts at `place` of the tree.
    pub(super) fn replace(
        &mut self,
        parsed: &Parsed,
        place: Location,
        expr: &Expr,
        parts: Vec<Part>,
    ) -> Result<(), Refusal> {
        let unclear = || Refusal::new("the statement", "a part of it cannot be told apart in its text");
        let start = parsed.token_at(place).ok_or_else(unclear)?;
        let end = match expr {
            Expr::Function(call) => {
                // A schema stands before the name, with a dot between.
                let name = start + 2 * call.name.0.len().saturating_sub(1) + 1;
                if parsed.at(name, &Token::LParen) { parsed.closing(name).ok_or_else(unclear)? } else { name }
            }
            _ => start + 1,
        };
        if !parsed.is(&(start..end), expr) {
            return Err(unclear());
        }
        let text = written(&parts, |_, _| Some(1)).ok_or_else(unclear)?;
        let meant = expression(parsed.dialect(), &text).ok_or_else(unclear)?;
        self.0.push(Edit { place: start..end, parts, meant: Some((place, meant)) });
        Ok(())
    }

    /// A part of the tree as it is meant to be with these edits.
    pub(super) fn applied<T: VisitMut + Clone>(&self, part: &T) -> T {
        let mut part = part.clone();
        let meant: HashMap<(u64, u64), &Expr> = self
            .0
            .iter()
            .filter_map(|edit| edit.meant.as_ref())
            .map(|(at, expr)| ((at.line, at.column), expr))
            .collect();
        if !meant.is_empty() {
            let _ = part.visit(&mut Apply(meant));
        }
        part
    }
}

struct Apply<'a>(HashMap<(u64, u64), &'a Expr>);

impl VisitorMut for Apply<'_> {
    type Break = ();

    // Behind its parts, whose places are then still those of the text.
    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let is_leaf = matches!(expr, Expr::Function(_) | Expr::Value(_) | Expr::Identifier(_));
        let at = place_of(expr).filter(|_| is_leaf);
        if let Some(meant) = at.and_then(|at| self.0.get(&(at.line, at.column))) {
            *expr = (*meant).clone();
        }
        ControlFlow::Continue(())
    }
}

/// Where a call, a literal or a name begins.
pub(super) fn place_of(expr: &Expr) -> Option<Location> {
    match expr {
        Expr::Function(function) => Some(function.name.0.first()?.as_ident()?.span.start),
        Expr::Value(value) => Some(value.span.start),
        Expr::Identifier(name) => Some(name.span.start),
        other => Some(other.span().start),
    }
}

/// The expression that a text is.
pub(super) fn expression(dialect: Dialect, text: &str) -> Option<Expr> {
    let mut parser = Parser::new(dialect.grammar()).try_with_sql(text).ok()?;
    let found = parser.parse_expr().ok()?;
    (parser.peek_token().token == Token::EOF).then_some(found)
}

/// Whether a text is this query.
pub(super) fn is_query(dialect: Dialect, text: &str, meant: &Query) -> bool {
    reads_as(dialect, text, &Statement::Query(Box::new(meant.clone())))
}
