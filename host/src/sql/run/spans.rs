//! The spans of a statement: its plan, each session with a node, and what becomes of their rows. The names of what they
//! tell are OpenTelemetry's where it has one. No value of a client's is told: a text has `?` for each.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::stream::{Stream, StreamExt};
use sqlparser::tokenizer::{Token, Tokenizer, Whitespace};
use tokio::time::Instant as Clock;

use super::course::course;
use super::last::Batches;
use super::nodes::Nodes;
use crate::model::{Address, EndpointName, OpenSpan, SpanKind, Trace};
use crate::sql::backend::{Fault, FaultKind};
use crate::sql::dialect::Dialect;
use crate::sql::error::Error;
use crate::sql::plan::Plan;
use crate::sql::value::Row;

/// What is told of a text at the most, in characters.
const MOST_TEXT: usize = 2000;

/// The span of a plan.
pub(super) fn planning(trace: Option<&Arc<Trace>>) -> Option<OpenSpan> {
    trace.map(|trace| trace.open("sql.plan", SpanKind::Internal, Clock::now().into_std()))
}

/// Tells what came of planning; `is_kept` says that the plan was there already.
pub(super) fn planned(span: Option<OpenSpan>, planned: &Result<Arc<Plan>, Error>, is_kept: bool, nodes: &Nodes) {
    let Some(mut span) = span else { return };
    tell_system(&mut span, nodes.backend().dialect());
    span.tell("leverframe.sql.cached", is_kept);
    match planned {
        Ok(plan) => {
            let course = course(plan);
            span.tell("leverframe.sql.tier", course.tier);
            span.tell("leverframe.sql.class", course.class);
            let mut shards: Vec<_> = plan.nodes.iter().map(|node| node.shard).collect();
            shards.sort_unstable();
            shards.dedup();
            span.tell("leverframe.sql.shards", shards.len());
            let names: Vec<String> = shards.into_iter().map(|shard| nodes.shard_name(shard)).collect();
            span.tell("leverframe.sql.shard_names", names.join(", "));
            if !course.why.is_empty() {
                span.tell("leverframe.sql.why", course.why);
            }
        }
        Err(Error::Refused(refusal)) => span.fail("refused", refusal.why.clone()),
        Err(_) => span.fail("unplanned", "the statement cannot be planned"),
    }
    span.end(Clock::now().into_std());
}

/// The span of putting the rows of nodes together.
pub(super) fn merging(trace: Option<&Arc<Trace>>, plan: &Plan) -> Option<OpenSpan> {
    let mut span = trace?.open("sql.merge", SpanKind::Internal, Clock::now().into_std());
    let course = course(plan);
    span.tell("leverframe.sql.tier", course.tier);
    span.tell("leverframe.sql.steps", course.merge.join("; "));
    Some(span)
}

/// Rows, and the span that is over when they are.
pub(super) fn with_rows(batches: Batches, span: Option<OpenSpan>) -> Batches {
    match span {
        None => batches,
        Some(span) => Traced { batches, span: Some(span), rows: 0 }.boxed(),
    }
}

/// The span of a session with a node.
pub(super) fn session(
    trace: Option<&Arc<Trace>>,
    dialect: Dialect,
    (name, address): (&EndpointName, &Address),
) -> Option<Box<OpenSpan>> {
    let mut span = trace?.open("sql.node", SpanKind::Client, Clock::now().into_std());
    tell_system(&mut span, dialect);
    span.tell("server.address", address.host().to_owned());
    span.tell("server.port", address.port());
    span.tell("leverframe.endpoint", name.as_str().to_owned());
    Some(Box::new(span))
}

/// Tells what a node is asked.
pub(super) fn asks(span: &mut OpenSpan, dialect: Dialect, sql: &str) {
    let Some((operation, text)) = masked(dialect, sql) else { return };
    span.tell("db.operation.name", operation);
    span.tell("db.query.text", text);
}

/// Tells why a session with a node failed. What a node says of a statement may have the client's values in it.
pub(super) fn fails(span: &mut OpenSpan, fault: &Fault) {
    let (kind, is_told) = match fault.kind {
        FaultKind::Connect => ("connect", true),
        FaultKind::Busy => ("busy", true),
        FaultKind::Lost => ("lost", true),
        FaultKind::TimedOut => ("timeout", true),
        FaultKind::Failed => ("failed", false),
        FaultKind::TooLarge => ("too-large", false),
        FaultKind::Statement => ("statement", false),
        FaultKind::Conflict => ("conflict", false),
        FaultKind::Overflow => ("overflow", false),
        FaultKind::Unsupported => ("unsupported", false),
    };
    span.fail(kind, if is_told { fault.message.clone() } else { String::new() });
}

fn tell_system(span: &mut OpenSpan, dialect: Dialect) {
    let system = match dialect {
        Dialect::Sqlite => "sqlite",
        Dialect::Postgres => "postgresql",
        Dialect::MySql => "mysql",
    };
    span.tell("db.system.name", system);
}

/// What a statement does, and its text without the values in it; none where it cannot be told what is one.
fn masked(dialect: Dialect, sql: &str) -> Option<(String, String)> {
    let tokens = Tokenizer::new(dialect.grammar(), sql).tokenize().ok()?;
    let (mut operation, mut text) = (None, String::new());
    for token in &tokens {
        match token {
            Token::Word(word) if word.quote_style.is_none() => {
                operation.get_or_insert_with(|| word.value.to_ascii_uppercase());
                text.push_str(&word.value);
            }
            Token::Word(_)
            | Token::Comma
            | Token::Period
            | Token::LParen
            | Token::RParen
            | Token::Mul
            | Token::Eq
            | Token::Neq
            | Token::Lt
            | Token::Gt
            | Token::LtEq
            | Token::GtEq
            | Token::Plus
            | Token::Minus
            | Token::Div
            | Token::Mod
            | Token::StringConcat
            | Token::DoubleColon
            | Token::SemiColon => text.push_str(&token.to_string()),
            // A comment can hold anything.
            Token::Whitespace(Whitespace::Space | Whitespace::Newline | Whitespace::Tab) | Token::Whitespace(_) => {
                text.push(' ');
            }
            // A value, or what may hold one.
            _ => text.push('?'),
        }
    }
    let text: String = text.chars().take(MOST_TEXT).collect();
    Some((operation?, text))
}

/// Rows that are told of when they have ended.
struct Traced {
    batches: Batches,
    span: Option<OpenSpan>,
    rows: u64,
}

impl Stream for Traced {
    type Item = Result<Vec<Row>, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let polled = this.batches.poll_next_unpin(cx);
        match &polled {
            Poll::Ready(Some(Ok(rows))) => this.rows += rows.len() as u64,
            Poll::Ready(Some(Err(_))) => {
                if let Some(span) = &mut this.span {
                    span.fail("rows", "the rows ended before their time");
                }
            }
            Poll::Ready(None) => this.over(),
            Poll::Pending => {}
        }
        polled
    }
}

impl Traced {
    fn over(&mut self) {
        if let Some(mut span) = self.span.take() {
            span.tell("db.response.returned_rows", self.rows);
            span.end(Clock::now().into_std());
        }
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        self.over();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_is_left_in_a_text() {
        let masked = |dialect, sql| masked(dialect, sql).unwrap();
        for dialect in [Dialect::Sqlite, Dialect::Postgres, Dialect::MySql] {
            let (operation, text) = masked(
                dialect,
                "select a, b FROM t -- mine\n WHERE a = 'secret' AND b >= 42.5 /* secret */ AND c = x'42'",
            );
            assert_eq!(operation, "SELECT");
            assert!(!text.contains("secret") && !text.contains("42") && !text.contains("mine"), "{text}");
            assert!(text.starts_with("select a, b FROM t ") && text.contains("WHERE a = ? AND b >= ?"), "{text}");
        }
        assert_eq!(masked(Dialect::Postgres, "SELECT $$secret$$, E'secret', $1").1, "SELECT ?, ?, ?");
        assert!(!masked(Dialect::MySql, "SELECT \"secret\" FROM `t`").1.contains("secret"));
        assert_eq!(masked(Dialect::Sqlite, "INSERT INTO \"t\" VALUES (1, 'x')").1, "INSERT INTO \"t\" VALUES (?, ?)");
    }
}
