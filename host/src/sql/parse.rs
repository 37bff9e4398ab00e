//! Owns reading a statement: its text without comments, its tokens with their places in that text, and its tree.
//!
//! Everything that is sent to a node is cut from this text by token position; a tree is never printed, because a printed tree
//! is not safe (`- -1` is printed as `--1`, a comment). Each piece that is cut is read again and compared with the tree it is
//! meant to be ([`Parsed::is`]); a piece that differs makes the planner gather instead. Bare `?` become `?1`, `?2`, … here, so
//! that pieces may be moved and left out while every statement is bound to the same list of parameters.

use std::{
    collections::{BTreeSet, HashMap},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    ops::{ControlFlow, Range},
    sync::{Arc, OnceLock},
};

use sqlparser::{
    ast::{Expr, Statement, visit_expressions},
    keywords::Keyword,
    parser::Parser,
    tokenizer::{Location, Token, TokenWithSpan, Tokenizer, Whitespace},
};

use super::{depth, dialect::Dialect, masked::masked, plan::Refusal, survey::Survey, write::Class};

/// The text is not one statement of the dialect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct SyntaxError {
    /// Line, from 1.
    pub line: u64,
    /// Column in characters, from 1.
    pub column: u64,
    /// What is wrong.
    pub message: String,
}

/// So many characters of a token that is not taken are shown: texts may be long.
const SHOWN: usize = 40;

/// Why a text is no statement that can be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// It is not one statement of the dialect.
    #[error("{0}")]
    Syntax(#[from] SyntaxError),
    /// It may well be one, and the server might read it otherwise than it is read here.
    #[error("{0}")]
    Refused(#[from] Refusal),
}

/// A token and where it stands in [`Parsed::text`], in bytes.
#[derive(Clone, Debug)]
pub struct Piece {
    /// The token; never white space or a comment.
    pub token: Token,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// A statement that was read.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// The text without comments and the closing semicolon, parameters numbered.
    pub text: String,
    /// Its tokens.
    pub pieces: Vec<Piece>,
    /// Its tree; positions in it are those of `text`.
    pub statement: Statement,
    /// How many parameters it takes.
    pub parameters: usize,
    dialect: Dialect,
    places: HashMap<(u64, u64), usize>,
    /// What follows from the rest, found out when it is first asked for: a statement is kept, and asked again.
    learnt: Learnt,
}

#[derive(Clone, Debug, Default)]
struct Learnt {
    survey: OnceLock<Survey>,
    class: OnceLock<Result<Class, Refusal>>,
    names: OnceLock<BTreeSet<usize>>,
    fingerprint: OnceLock<u64>,
    masked: OnceLock<Arc<str>>,
}

/// Reads `sql` as one statement.
pub fn parse(dialect: Dialect, sql: &str) -> Result<Parsed, ParseError> {
    if sql.contains('\0') {
        return Err(SyntaxError { line: 1, column: 1, message: "the text holds a NUL character".into() }.into());
    }
    let given = tokenize(dialect, sql)?;
    if let Some(Location { line, column }) = depth::too_deep(&given) {
        let message = format!("nested too deeply: one expression may have {} operators", depth::MOST_LINKS);
        return Err(SyntaxError { line, column, message }.into());
    }
    refuse_unlike(dialect, sql, &given)?;
    // The grammar is asked about the text as it came, so that an error names a place that the client knows.
    let read = grammar(dialect, given.clone()).map_err(|error| syntax(&error, sql))?;
    let (text, parameters) = clean(&given, sql)?;
    // Nearly always the text is as it came, and so is the tree with its places.
    let (tokens, mut statements) = if text == sql {
        (given, read)
    } else {
        let tokens = tokenize(dialect, &text)?;
        let read = grammar(dialect, tokens.clone()).map_err(|error| syntax(&error, &text))?;
        (tokens, read)
    };
    let (Some(statement), true) = (statements.pop(), statements.is_empty()) else {
        return Err(SyntaxError { line: 1, column: 1, message: "not exactly one statement".into() }.into());
    };
    let mut places = HashMap::new();
    let mut pieces = Vec::new();
    let mut walk = Walk::new(&text);
    for token in tokens {
        let start = walk.to(token.span.start);
        let end = walk.to(token.span.end);
        if matches!(token.token, Token::Whitespace(_) | Token::EOF) {
            continue;
        }
        places.insert((token.span.start.line, token.span.start.column), pieces.len());
        pieces.push(Piece { token: token.token, start, end });
    }
    Ok(Parsed { text, pieces, statement, parameters, dialect, places, learnt: Learnt::default() })
}

fn tokenize(dialect: Dialect, sql: &str) -> Result<Vec<TokenWithSpan>, SyntaxError> {
    Tokenizer::new(dialect.grammar(), sql).tokenize_with_location().map_err(|error| SyntaxError {
        line: error.location.line,
        column: error.location.column,
        message: error.message,
    })
}

fn grammar(dialect: Dialect, tokens: Vec<TokenWithSpan>) -> Result<Vec<Statement>, String> {
    let mut parser = Parser::new(dialect.grammar()).with_tokens_with_locations(tokens);
    parser.parse_statements().map_err(|error| error.to_string())
}

/// The text without comments and trailing semicolon, with numbered parameters.
fn clean(tokens: &[TokenWithSpan], sql: &str) -> Result<(String, usize), SyntaxError> {
    let mut walk = Walk::new(sql);
    let mut text = String::with_capacity(sql.len());
    let mut parameters = 0;
    for token in tokens {
        let start = walk.to(token.span.start);
        let end = walk.to(token.span.end);
        match &token.token {
            Token::Whitespace(Whitespace::SingleLineComment { .. } | Whitespace::MultiLineComment(_)) => text.push(' '),
            Token::Placeholder(mark) if mark == "?" => {
                parameters += 1;
                text.push_str(&format!("?{parameters}"));
            }
            Token::Placeholder(mark) => {
                let number = mark.trim_start_matches(['?', '$']).parse::<usize>().map_err(|_| SyntaxError {
                    line: token.span.start.line,
                    column: token.span.start.column,
                    message: format!("parameter {mark}: parameters are given by position, as ? or ?1"),
                })?;
                parameters = parameters.max(number);
                text.push_str(mark);
            }
            _ => text.push_str(sql.get(start..end).unwrap_or_default()),
        }
    }
    let kept = text.trim_end_matches(|c: char| c == ';' || c.is_whitespace()).trim_start().to_owned();
    Ok((kept, parameters))
}

/// Refuses a text that the dialect's server might read otherwise than the grammar does.
fn refuse_unlike(dialect: Dialect, sql: &str, tokens: &[TokenWithSpan]) -> Result<(), ParseError> {
    let mut walk = Walk::new(sql);
    let placed = tokens.iter().map(|token| (token.token.clone(), walk.to(token.span.start)..walk.to(token.span.end)));
    let placed: Vec<(Token, Range<usize>)> = placed.collect();
    match dialect.objection(sql, &placed) {
        None => Ok(()),
        Some((index, why)) => {
            let (line, column) =
                tokens.get(index).map_or((1, 1), |token| (token.span.start.line, token.span.start.column));
            match placed.get(index) {
                // What is bound is the client's to say in the way that is taken.
                Some((Token::Placeholder(_), _)) => Err(SyntaxError { line, column, message: why.to_owned() }.into()),
                Some((_, place)) => {
                    let construct: String = sql.get(place.clone()).unwrap_or_default().chars().take(SHOWN).collect();
                    Err(Refusal::new(construct, format!("{why} (line {line}, column {column})")).into())
                }
                None => Err(Refusal::new("the statement", why).into()),
            }
        }
    }
}

/// The place that a parser's message ends with, taken apart; the end of the text where it names none (`found: EOF`).
fn syntax(message: &str, sql: &str) -> SyntaxError {
    let place = message.rsplit_once(" at Line: ").and_then(|(text, place)| {
        let (line, column) = place.split_once(", Column: ")?;
        Some((text.to_owned(), line.trim().parse().ok()?, column.trim().parse().ok()?))
    });
    let (message, line, column) = place.unwrap_or_else(|| {
        let last = sql.lines().last().unwrap_or_default();
        (message.to_owned(), sql.lines().count() as u64, last.chars().count() as u64 + 1)
    });
    SyntaxError { line, column, message: message.trim_start_matches("sql parser error: ").to_owned() }
}

/// Turns lines and columns into bytes, going forward only.
struct Walk<'a> {
    rest: std::iter::Peekable<std::str::CharIndices<'a>>,
    length: usize,
    line: u64,
    column: u64,
}

impl<'a> Walk<'a> {
    fn new(text: &'a str) -> Self {
        Self { rest: text.char_indices().peekable(), length: text.len(), line: 1, column: 1 }
    }

    fn to(&mut self, place: Location) -> usize {
        while (self.line, self.column) < (place.line, place.column) {
            match self.rest.next() {
                Some((_, '\n')) => (self.line, self.column) = (self.line + 1, 1),
                Some(_) => self.column += 1,
                None => break,
            }
        }
        self.rest.peek().map_or(self.length, |(at, _)| *at)
    }
}

impl Parsed {
    /// What it holds.
    pub(super) fn survey(&self) -> &Survey {
        self.learnt.survey.get_or_init(|| Survey::of(&self.statement, self.dialect.rules()))
    }

    /// What kind of statement it is, as `classify` has it.
    pub(super) fn class(&self, classify: impl FnOnce() -> Result<Class, Refusal>) -> Result<Class, Refusal> {
        self.learnt.class.get_or_init(classify).clone()
    }

    /// The tokens at which the tree has the name of a column.
    pub(super) fn names(&self) -> &BTreeSet<usize> {
        self.learnt.names.get_or_init(|| {
            let mut names = BTreeSet::new();
            let _ = visit_expressions(&self.statement, |expr| {
                let first = match expr {
                    Expr::Identifier(name) => Some(name),
                    Expr::CompoundIdentifier(parts) => parts.first(),
                    _ => None,
                };
                names.extend(first.and_then(|name| self.token_at(name.span.start)));
                ControlFlow::<()>::Continue(())
            });
            names
        })
    }

    /// The same for statements that differ in literals only, in every process of one version of this program.
    pub(super) fn fingerprint(&self) -> u64 {
        *self.learnt.fingerprint.get_or_init(|| {
            let mut hash = DefaultHasher::new();
            for Piece { token, start, end } in &self.pieces {
                match token {
                    Token::Number(..) | Token::SingleQuotedString(_) | Token::Placeholder(_) => b"?".hash(&mut hash),
                    _ => self.text.get(*start..*end).hash(&mut hash),
                }
            }
            hash.finish()
        })
    }

    /// The statement as it may be shown to whoever watches: without the values in it, and cut where it is long.
    pub(super) fn masked(&self) -> Arc<str> {
        Arc::clone(self.learnt.masked.get_or_init(|| masked(self).into()))
    }

    /// The text of some tokens, with the white space between them.
    pub fn slice(&self, range: &Range<usize>) -> &str {
        let bounds = self.pieces.get(range.start).zip(range.end.checked_sub(1).and_then(|last| self.pieces.get(last)));
        bounds.and_then(|(first, last)| self.text.get(first.start..last.end)).unwrap_or_default()
    }

    /// Whether the text of some tokens is this expression and nothing else.
    pub fn is(&self, range: &Range<usize>, wanted: &Expr) -> bool {
        self.expression(range).is_some_and(|found| found == *wanted)
    }

    /// The expression that some tokens are, if they are one.
    pub fn expression(&self, range: &Range<usize>) -> Option<Expr> {
        let pieces = self.pieces.get(range.clone()).filter(|pieces| !pieces.is_empty())?;
        let tokens = pieces.iter().map(|piece| piece.token.clone()).collect();
        let mut parser = Parser::new(self.dialect.grammar()).with_tokens(tokens);
        let found = parser.parse_expr().ok()?;
        (parser.peek_token().token == Token::EOF).then_some(found)
    }

    /// The index of the token that starts at a place of the tree.
    pub fn token_at(&self, place: Location) -> Option<usize> {
        self.places.get(&(place.line, place.column)).copied()
    }

    /// The unquoted keyword at a token.
    pub fn keyword(&self, at: usize) -> Keyword {
        match self.pieces.get(at).map(|piece| &piece.token) {
            Some(Token::Word(word)) if word.quote_style.is_none() => word.keyword,
            _ => Keyword::NoKeyword,
        }
    }

    /// The word at a token, quoted or not.
    pub fn word(&self, at: usize) -> Option<&str> {
        match self.pieces.get(at).map(|piece| &piece.token) {
            Some(Token::Word(word)) => Some(&word.value),
            _ => None,
        }
    }

    /// Whether a token is this one.
    pub fn at(&self, at: usize, token: &Token) -> bool {
        self.pieces.get(at).is_some_and(|piece| piece.token == *token)
    }

    /// One past the parenthesis that closes the one at `open`.
    pub fn closing(&self, open: usize) -> Option<usize> {
        let mut depth = 0_usize;
        for (at, piece) in self.pieces.iter().enumerate().skip(open) {
            match piece.token {
                Token::LParen => depth += 1,
                Token::RParen => depth = depth.checked_sub(1)?,
                _ => {}
            }
            if depth == 0 {
                return Some(at + 1);
            }
        }
        None
    }

    /// The dialect it was read in.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }
}
