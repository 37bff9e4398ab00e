//! Owns putting the text of a logged statement together: tokens of the client's own text, texts of our own, values that are
//! bound, and places where numbers from a counter are written as soon as there are any. Parameters are numbered anew, so that
//! each statement has exactly the values that it takes.

use std::collections::HashMap;
use std::ops::Range;

use sqlparser::tokenizer::Token;

use super::edit::Edits;
use super::tables::Counter;
use crate::sql::dialect::Dialect;
use crate::sql::parse::Parsed;
use crate::sql::plan::Refusal;
use crate::sql::replica::log::Statement;
use crate::sql::value::Value;

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// As it stands.
    Text(String),
    /// The `nth` number, from 0, of those that a need asks for.
    Id { need: usize, nth: usize },
}

/// Numbers that a statement needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// From where.
    pub counter: Counter,
    /// How many, one after the other.
    pub count: usize,
}

/// A number that the client gave itself: its counter must go on behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raise {
    /// Which counter.
    pub counter: Counter,
    /// The number that was given.
    pub given: i64,
}

/// A statement to be logged, but for the numbers from counters that it needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    pub(super) parts: Vec<Part>,
    pub(super) params: Vec<Value>,
    pub(super) returns: bool,
    pub(super) needs: Vec<Need>,
    pub(super) raises: Vec<Raise>,
    pub(super) named: Option<usize>,
}

impl Draft {
    /// What numbers it needs; several of one counter follow each other.
    pub fn needs(&self) -> &[Need] {
        &self.needs
    }

    /// The numbers that the client gave itself.
    pub fn raises(&self) -> &[Raise] {
        &self.raises
    }

    /// Whose numbers these are.
    pub fn counters(&self) -> impl Iterator<Item = &Counter> {
        self.needs.iter().map(|need| &need.counter).chain(self.raises.iter().map(|raise| &raise.counter))
    }

    /// How many rows it names by their keys, where it does and the server counts them: as many must be touched.
    pub fn named(&self) -> Option<usize> {
        self.named
    }

    /// Whether it answers with rows.
    pub fn returns(&self) -> bool {
        self.returns
    }

    /// The statement, with `first[n]` and those that follow it for the need `n`; none where a number is missing or would be too
    /// large.
    pub fn statement(&self, first: &[i64]) -> Option<Statement> {
        let sql = written(&self.parts, |need, nth| first.get(need)?.checked_add(i64::try_from(nth).ok()?))?;
        let named = self.named.and_then(|named| u64::try_from(named).ok());
        Some(Statement { sql, params: self.params.clone(), returns: self.returns, named })
    }

    /// The text with 1 for each number, for reading it again.
    pub(super) fn sample(&self) -> String {
        written(&self.parts, |_, _| Some(1)).unwrap_or_default()
    }
}

/// The text of some parts.
pub(super) fn written(parts: &[Part], number: impl Fn(usize, usize) -> Option<i64>) -> Option<String> {
    let mut sql = String::new();
    for part in parts {
        match part {
            Part::Text(text) => sql.push_str(text),
            // A sign could make a comment of what stands before it.
            Part::Id { need, nth } => match number(*need, *nth)? {
                number if number < 0 => sql.push_str(&format!("({number})")),
                number => sql.push_str(&number.to_string()),
            },
        }
    }
    Some(sql)
}

/// A text in the making.
#[derive(Debug)]
pub(super) struct Text<'a> {
    parsed: &'a Parsed,
    params: &'a [Value],
    parts: Vec<Part>,
    values: Vec<Value>,
    known: HashMap<usize, usize>,
}

impl<'a> Text<'a> {
    pub(super) fn new(parsed: &'a Parsed, params: &'a [Value]) -> Self {
        Self { parsed, params, parts: Vec::new(), values: Vec::new(), known: HashMap::new() }
    }

    /// Adds text of our own.
    pub(super) fn push(&mut self, ours: &str) {
        match self.parts.last_mut() {
            Some(Part::Text(text)) => text.push_str(ours),
            _ => self.parts.push(Part::Text(ours.to_owned())),
        }
    }

    pub(super) fn part(&mut self, part: &Part) {
        match part {
            Part::Text(text) => self.push(text),
            id @ Part::Id { .. } => self.parts.push(id.clone()),
        }
    }

    /// Adds a value of our own; `cast` is the type that PostgreSQL is told, where it is not that of the column.
    pub(super) fn bind(&mut self, value: Value, cast: &str) -> Result<(), Refusal> {
        if let (Dialect::MySql, Value::Decimal(digits)) = (self.parsed.dialect(), &value) {
            // As a text it would be compared as a double.
            let is_plain = digits.chars().all(|sign| sign.is_ascii_digit() || matches!(sign, '-' | '.'));
            if !is_plain || digits.is_empty() {
                return Err(Refusal::new(digits.clone(), "not a number that can be written"));
            }
            self.push(&format!("({digits})"));
            return Ok(());
        }
        self.values.push(value);
        let mark = mark(self.parsed.dialect(), self.values.len());
        self.push(&mark);
        self.push(cast);
        Ok(())
    }

    /// Adds some tokens with their edits.
    pub(super) fn tokens(&mut self, range: Range<usize>, edits: &Edits) -> Result<(), Refusal> {
        let Some(first) = self.parsed.pieces.get(range.start).filter(|_| !range.is_empty()) else { return Ok(()) };
        let (mut from, mut at) = (first.start, range.start);
        while at < range.end {
            let Some(piece) = self.parsed.pieces.get(at) else { break };
            self.push(self.parsed.text.get(from..piece.start).unwrap_or_default());
            for edit in edits.put_before(at).filter(|_| at > range.start) {
                edit.parts.iter().for_each(|part| self.part(part));
            }
            if let Some(edit) = edits.in_place_of(at).filter(|edit| edit.place.end <= range.end) {
                edit.parts.iter().for_each(|part| self.part(part));
                at = edit.place.end;
            } else {
                match &piece.token {
                    Token::Placeholder(mark) => self.parameter(mark)?,
                    _ => self.push(self.parsed.text.get(piece.start..piece.end).unwrap_or_default()),
                }
                at += 1;
            }
            from = self.parsed.pieces.get(at.saturating_sub(1)).map_or(from, |piece| piece.end);
        }
        for edit in edits.put_before(range.end) {
            edit.parts.iter().for_each(|part| self.part(part));
        }
        Ok(())
    }

    fn parameter(&mut self, written: &str) -> Result<(), Refusal> {
        let at = number_of(written)
            .ok_or_else(|| Refusal::new(format!("parameter {written}"), "is not given by position"))?;
        let value = self.params.get(at).cloned();
        let value = value.ok_or_else(|| Refusal::new("parameters", "the statement takes more than are given"))?;
        let next = self.values.len() + 1;
        let here = *self.known.entry(at).or_insert(next);
        if here == next {
            self.values.push(value);
        }
        let mark = mark(self.parsed.dialect(), here);
        self.push(&mark);
        Ok(())
    }

    /// The finished text and its values.
    pub(super) fn finish(self) -> (Vec<Part>, Vec<Value>) {
        (self.parts, self.values)
    }

    /// The finished text as a statement without numbers.
    pub(super) fn draft(self, returns: bool) -> Draft {
        Draft { parts: self.parts, params: self.values, returns, needs: Vec::new(), raises: Vec::new(), named: None }
    }
}

/// The index of a parameter.
pub(super) fn number_of(mark: &str) -> Option<usize> {
    mark.trim_start_matches(['?', '$']).parse::<usize>().ok()?.checked_sub(1)
}

fn mark(dialect: Dialect, number: usize) -> String {
    match dialect {
        Dialect::Sqlite | Dialect::MySql => format!("?{number}"),
        Dialect::Postgres => format!("${number}"),
    }
}
