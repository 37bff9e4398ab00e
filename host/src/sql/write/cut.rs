//! Owns cutting a write's text into what a shard is sent: pieces by token position, and parameters numbered anew.

use std::collections::HashMap;
use std::ops::Range;

use sqlparser::ast::Statement;
use sqlparser::tokenizer::Token;

use super::ShardStatement;
use crate::sql::alike::reads_as;
use crate::sql::dialect::Dialect;
use crate::sql::parse::Parsed;
use crate::sql::plan::Refusal;
use crate::sql::topology::Shard;
use crate::sql::value::Value;

/// A text in the making, and which parameters of the whole statement it takes.
#[derive(Debug)]
pub(super) struct Text<'a> {
    parsed: &'a Parsed,
    sql: String,
    taken: Vec<usize>,
    /// How many parameters of our own stand before them.
    before: usize,
    known: HashMap<usize, usize>,
}

impl<'a> Text<'a> {
    pub(super) fn new(parsed: &'a Parsed) -> Self {
        Self { parsed, sql: String::new(), taken: Vec::new(), before: 0, known: HashMap::new() }
    }

    /// The whole statement.
    pub(super) fn whole(parsed: &'a Parsed) -> Result<Self, Refusal> {
        let mut text = Self::new(parsed);
        text.tokens(0..parsed.pieces.len())?;
        Ok(text)
    }

    /// Adds text of our own.
    pub(super) fn push(&mut self, ours: &str) {
        self.sql.push_str(ours);
    }

    /// Adds some tokens, as they stand.
    pub(super) fn tokens(&mut self, range: Range<usize>) -> Result<(), Refusal> {
        let Some(first) = self.parsed.pieces.get(range.start) else { return Ok(()) };
        let mut from = first.start;
        for piece in self.parsed.pieces.get(range).unwrap_or_default() {
            if let Token::Placeholder(mark) = &piece.token {
                self.sql.push_str(self.parsed.text.get(from..piece.start).unwrap_or_default());
                self.parameter(mark)?;
            } else {
                self.sql.push_str(self.parsed.text.get(from..piece.end).unwrap_or_default());
            }
            from = piece.end;
        }
        Ok(())
    }

    fn parameter(&mut self, mark: &str) -> Result<(), Refusal> {
        let number = mark.trim_start_matches(['?', '$']).parse::<usize>().ok().and_then(|from_1| from_1.checked_sub(1));
        let number = number.ok_or_else(|| Refusal::new(format!("parameter {mark}"), "is not given by position"))?;
        let dialect = self.parsed.dialect();
        if dialect == Dialect::MySql {
            self.taken.push(number);
            self.sql.push('?');
            return Ok(());
        }
        let next = self.before + self.taken.len() + 1;
        let here = *self.known.entry(number).or_insert(next);
        if here == next {
            self.taken.push(number);
        }
        self.sql.push_str(&mark_of(dialect, here));
        Ok(())
    }

    /// Says that so many parameters of our own stand before those that follow.
    pub(super) fn number_from(&mut self, before: usize) {
        self.before = before;
    }

    /// The statement of a shard, if it reads as `meant`.
    pub(super) fn statement(
        self,
        shard: Shard,
        params: &[Value],
        meant: &Statement,
    ) -> Result<ShardStatement, Refusal> {
        let dialect = self.parsed.dialect();
        let (sql, params) = self.bound(params)?;
        if !reads_as(dialect, &sql, meant) {
            return Err(Refusal::new("the statement", "its parts do not read as they do within the whole"));
        }
        Ok(ShardStatement { shard, sql, params })
    }

    /// The text and its own values, not read again: for what is the whole text, or is read again by the caller.
    pub(super) fn bound(self, params: &[Value]) -> Result<(String, Vec<Value>), Refusal> {
        let value = |at: &usize| params.get(*at).cloned();
        let taken: Option<Vec<Value>> = self.taken.iter().map(value).collect();
        let taken = taken.ok_or_else(|| Refusal::new("parameters", "the statement takes more than are given"))?;
        Ok((self.sql, taken))
    }
}

/// How a parameter is written, counted from 1.
pub(super) fn mark_of(dialect: Dialect, number: usize) -> String {
    match dialect {
        Dialect::Sqlite => format!("?{number}"),
        Dialect::Postgres => format!("${number}"),
        Dialect::MySql => "?".into(),
    }
}
