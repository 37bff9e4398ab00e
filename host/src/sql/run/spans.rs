//! The spans of a statement: its plan, the choice among nodes, each session with a node, a write by way of the log, and what
//! becomes of rows. The names of what they
//! tell are OpenTelemetry's where it has one. No value of a client's is told: a text has `?` for each.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::stream::{Stream, StreamExt};
use tokio::time::Instant as Clock;

use super::course::{course, write_course};
use super::last::Batches;
use super::nodes::Nodes;
use super::report::Course;
use crate::model::{Address, ClusterName, EndpointName, OpenSpan, SpanKind, Trace};
use crate::sql::backend::{Fault, FaultKind};
use crate::sql::dialect::Dialect;
use crate::sql::error::Error;
use crate::sql::masked::{joined, masked_text};
use crate::sql::plan::Plan;
use crate::sql::replica::{Done, One};
use crate::sql::topology::Shard;
use crate::sql::value::Row;
use crate::sql::write::Change;

/// The span of a plan.
pub(super) fn planning(trace: Option<&Arc<Trace>>) -> Option<OpenSpan> {
    trace.map(|trace| trace.open("sql.plan", SpanKind::Internal, Clock::now().into_std()))
}

/// Tells what came of planning a read; `is_kept` says that the plan was there already.
pub(super) fn planned(span: Option<OpenSpan>, planned: &Result<Arc<Plan>, Error>, is_kept: bool, nodes: &Nodes) {
    let Some(mut span) = span else { return };
    span.tell("leverframe.sql.cached", is_kept);
    let planned = planned.as_ref().map(|plan| (course(plan), plan.nodes.iter().map(|node| node.shard).collect()));
    tell_planned(span, planned, nodes);
}

/// Tells what came of planning a write whose rows are known.
pub(super) fn planned_write(span: Option<OpenSpan>, planned: Result<&Change, &Error>, nodes: &Nodes) {
    let Some(span) = span else { return };
    let shards = |change: &Change| change.statements.iter().map(|statement| statement.shard).collect();
    tell_planned(span, planned.map(|change| (write_course(change, nodes), shards(change))), nodes);
}

/// Tells how a statement is carried out where every node holds everything.
pub(super) fn planned_replicated(span: Option<OpenSpan>, is_read: Result<bool, &Error>, nodes: &Nodes) {
    let Some(span) = span else { return };
    let course = |is_read| match is_read {
        true => Course { class: "single", tier: "pass-through", why: String::new(), merge: Vec::new() },
        false => Course { class: "full", tier: "write", why: String::new(), merge: Vec::new() },
    };
    tell_planned(span, is_read.map(|is_read| (course(is_read), vec![Shard(0)])), nodes);
}

fn tell_planned(mut span: OpenSpan, planned: Result<(Course, Vec<Shard>), &Error>, nodes: &Nodes) {
    tell_system(&mut span, nodes.backend().dialect());
    match planned {
        Ok((course, mut shards)) => {
            span.tell("leverframe.sql.tier", course.tier);
            span.tell("leverframe.sql.class", course.class);
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

/// The span of a write by way of the log, until it is acknowledged.
pub(super) fn logging(trace: Option<&Arc<Trace>>, statements: &[One], dialect: Dialect) -> Option<OpenSpan> {
    let mut span = trace?.open("sql.log", SpanKind::Internal, Clock::now().into_std());
    tell_system(&mut span, dialect);
    let text = joined(statements.iter().map(|one| one.parsed.masked()).collect::<Vec<_>>().iter().map(|text| &**text));
    match statements {
        [_] => tell_text(&mut span, text),
        _ => {
            span.tell("db.operation.batch.size", statements.len());
            span.tell("db.query.text", text);
        }
    }
    Some(span.unless_ended("cancelled"))
}

/// Tells what came of it. What a node says of a statement may have the client's values in it.
pub(super) fn logged(span: Option<OpenSpan>, done: &Result<Done, Error>) {
    let Some(mut span) = span else { return };
    match done {
        Ok(done) => {
            span.tell("leverframe.sql.position", done.position.0);
            span.tell("leverframe.sql.nodes", done.nodes.join(", "));
        }
        Err(Error::Refused(refusal)) => span.fail("refused", refusal.why.clone()),
        Err(Error::Unacknowledged { .. }) => span.fail("not-acknowledged", "the nodes did not acknowledge it in time"),
        Err(_) => span.fail("not-written", "the write was not acknowledged"),
    }
    span.end(Clock::now().into_std());
}

/// The span of choosing one of the nodes that may be asked.
pub(super) fn picking(trace: Option<&Arc<Trace>>, cluster: &ClusterName, among: usize) -> Option<OpenSpan> {
    let mut span = trace?.open("pick", SpanKind::Internal, Clock::now().into_std());
    span.tell("leverframe.cluster", cluster.as_str().to_owned());
    span.tell("leverframe.sql.candidates", among);
    Some(span)
}

/// Tells how a pick came out: the node, or why there is none.
pub(super) fn picked(span: Option<OpenSpan>, chosen: Result<&EndpointName, &str>) {
    let Some(mut span) = span else { return };
    match chosen {
        Ok(name) => span.tell("leverframe.endpoint", name.as_str().to_owned()),
        Err(why) => span.fail("rejected", why.to_owned()),
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
    tell_text(span, masked_text(dialect, sql));
}

/// Tells a text without values in it, if there is one.
fn tell_text(span: &mut OpenSpan, text: String) {
    if let Some(operation) = operation(&text) {
        span.tell("db.operation.name", operation);
    }
    if !text.is_empty() {
        span.tell("db.query.text", text);
    }
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

/// What a text without values does: its first word.
fn operation(masked: &str) -> Option<String> {
    let word = masked.trim_start_matches(['(', ' ']).split([' ', '(', ';']).next()?;
    let is_word = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphabetic());
    is_word.then(|| word.to_ascii_uppercase())
}

fn tell_system(span: &mut OpenSpan, dialect: Dialect) {
    let system = match dialect {
        Dialect::Sqlite => "sqlite",
        Dialect::Postgres => "postgresql",
        Dialect::MySql => "mysql",
    };
    span.tell("db.system.name", system);
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
    use std::sync::Mutex;

    use http::HeaderMap;

    use super::*;
    use crate::model::{Sampling, Span, SpanSink, Taken, Tracer};

    #[derive(Default)]
    struct Kept(Mutex<Vec<Span>>);

    impl SpanSink for Kept {
        fn take(&self, span: Span) {
            self.0.lock().unwrap().push(span);
        }
    }

    fn asked(dialect: Dialect, sql: &str) -> String {
        let kept = Arc::new(Kept::default());
        let tracer = Tracer::new(Sampling::ALL, Arc::clone(&kept) as Arc<dyn SpanSink>);
        let taken = tracer.take(&mut HeaderMap::new(), std::time::Instant::now());
        let Taken::Traced(trace) = taken else { panic!("all are") };
        let mut span = trace.open("sql.node", SpanKind::Client, std::time::Instant::now());
        asks(&mut span, dialect, sql);
        drop(span);
        let span = kept.0.lock().unwrap().pop().unwrap();
        format!("{:?}", span.facts)
    }

    #[test]
    fn no_value_is_told() {
        for (dialect, sql) in [
            (Dialect::Sqlite, "select a FROM t -- secret\n WHERE a = 'secret' /* secret */ AND b = \"secret\""),
            (Dialect::Postgres, "SELECT a FROM \"T\" WHERE a = $$secret$$ AND b = E'secret'"),
            (Dialect::MySql, "(SELECT a FROM `t` WHERE a = \"secret\")"),
            (Dialect::MySql, "SELECT 'never closed secret"),
        ] {
            let told = asked(dialect, sql);
            let is_read = !sql.contains("never");
            assert!(!told.contains("secret"), "{told}");
            assert_eq!((told.contains("\"SELECT\""), told.contains("a = ?")), (is_read, is_read), "{told}");
        }
    }
}
