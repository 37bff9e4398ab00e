//! Owns a session with an HTTP node: a connection that one has to oneself, and the transaction that the node keeps under a name.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use futures_util::{StreamExt as _, stream};
use http::Method;

use super::answer::{Answer, Said};
use super::link::{Asked, Dial, Link, Trace};
use super::wire::{Beginning, Begun, Question, Shape, ShapeColumn, Tagged};
use crate::model::{Address, TraceContext};
use crate::sql::backend::pools::{Lent, dial};
use crate::sql::backend::{Bound, Fault, FaultKind, Rows, Session, Step};
use crate::sql::plan::Load;
use crate::sql::shape::ColumnShape;
use crate::sql::value::{Column, Row};

/// How long taking back the transaction of a session that is over may take. The node does so by itself after a while.
const TAKE_BACK: Duration = Duration::from_secs(1);

/// How much longer than it is due a transaction is to be kept by its node while nothing is asked of it: it may be due in the
/// middle of making it lasting, when two other nodes take as long over that as they are given.
const KEPT: Duration = Duration::from_secs(20);

/// A session with a node.
pub(super) struct HttpSession {
    /// None only while it is being dropped.
    link: Option<Lent<Dial>>,
    node: Address,
    /// How long opening another connection may take.
    within: Duration,
    transaction: Option<String>,
    /// Whose transactions are begun.
    owner: Option<String>,
    /// `traceparent` and `tracestate` of what is asked.
    trace: Option<Trace>,
}

impl HttpSession {
    pub(super) fn new(link: Lent<Dial>, node: Address, within: Duration) -> Self {
        Self { link: Some(link), node, within, transaction: None, owner: None, trace: None }
    }

    /// Asks, over a new connection where the one that there is cannot be used any more.
    async fn ask(&mut self, asked: Asked<'_>, due: Instant) -> Result<Answer<'_>, Fault> {
        let Self { link, node, within, trace, .. } = self;
        let asked = Asked { trace: trace.as_ref(), ..asked };
        let Some(link) = link else { return Err(Fault::new(FaultKind::Lost, "the session is over")) };
        renew(link, node, due, *within).await?;
        ask(link, asked, (node, due)).await
    }

    async fn question(&mut self, bound: Bound<'_>, read_only: bool) -> Result<Answer<'_>, Fault> {
        let Bound { sql, params, due } = bound;
        let question = Question {
            sql: Cow::Borrowed(sql),
            params: Tagged(Cow::Borrowed(params)),
            transaction: self.transaction.as_deref().map(Cow::Borrowed),
            timeout_ms: Some(millis(due.saturating_duration_since(Instant::now())).max(1)),
            read_only,
        };
        // Within a transaction it is the commit that counts.
        let key = (!read_only && self.transaction.is_none()).then(key);
        let asked = Asked { key: key.as_deref(), ..Asked::post("/query", body(&question)?) };
        self.ask(asked, due).await
    }

    /// Makes the transaction lasting. Where the answer is lost it is asked for once more: a node that keeps the key says that
    /// it was done. Whatever else that one says, nobody knows: the node may keep no keys.
    async fn commit(&mut self, path: &str, due: Instant) -> Result<(), Fault> {
        let key = key();
        let asked = Asked { key: Some(&key), ..Asked::post(path, String::new()) };
        match self.told(asked.clone(), due).await {
            Err(fault) if fault.kind == FaultKind::Lost => self.told(asked, due).await.map_err(|_| fault),
            told => told,
        }
    }

    /// Asks, and reads an answer that says nothing but that it was done.
    async fn told(&mut self, asked: Asked<'_>, due: Instant) -> Result<(), Fault> {
        self.ask(asked, due).await?.document().await.map(drop)
    }
}

/// Stands for a write; never the same for two.
fn key() -> String {
    format!("{:032x}", fastrand::u128(..))
}

fn body(asked: &impl serde::Serialize) -> Result<String, Fault> {
    serde_json::to_string(asked).map_err(|error| Fault::new(FaultKind::Unsupported, error.to_string()))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Opens a new connection where the one that there is cannot be used any more.
async fn renew(link: &mut Link, node: &Address, due: Instant, within: Duration) -> Result<(), Fault> {
    if link.is_usable() {
        return Ok(());
    }
    let late = |_| Fault::new(FaultKind::TimedOut, format!("{node}: no connection in time"));
    *link = tokio::time::timeout_at(due.into(), dial(&Dial, (node, &()), within)).await.map_err(late)??;
    Ok(())
}

async fn ask<'a>(
    link: &'a mut Link,
    asked: Asked<'_>,
    (node, due): (&'a Address, Instant),
) -> Result<Answer<'a>, Fault> {
    if Instant::now() >= due {
        return Err(Fault::new(FaultKind::TimedOut, "its time was over before it began"));
    }
    let in_lines = asked.path == "/query";
    let (response, underway) = link.ask(asked, (node, due)).await?;
    if in_lines {
        Answer::in_lines(&response, node)?;
    }
    Answer::of(response, underway, (node, due)).await
}

impl Session for HttpSession {
    fn query<'a>(&'a mut self, bound: Bound<'a>) -> BoxFuture<'a, Result<Rows<'a>, Fault>> {
        Box::pin(async move {
            let read_only = self.transaction.is_none();
            let mut answer = self.question(bound, read_only).await?;
            let columns = answer.columns().await?;
            let (width, sent) = (columns.len(), 0_u64);
            let batches = stream::unfold(Some((answer, sent)), move |state| async move {
                let (mut answer, mut sent) = state?;
                match answer.next(width).await {
                    Ok(Said::Rows(rows)) => {
                        sent += u64::try_from(rows.len()).unwrap_or(u64::MAX);
                        Some((Ok(rows), Some((answer, sent))))
                    }
                    Ok(Said::Done(done)) if done.rows == sent => None,
                    Ok(Said::Done(done)) => {
                        let message = format!("{sent} rows came of {} that were sent", done.rows);
                        Some((Err(Fault::new(FaultKind::Lost, message)), None))
                    }
                    Err(fault) => Some((Err(fault), None)),
                }
            });
            Ok(Rows { columns, batches: batches.boxed() })
        })
    }

    fn execute<'a>(&'a mut self, bound: Bound<'a>) -> BoxFuture<'a, Result<u64, Fault>> {
        Box::pin(async move {
            let mut answer = self.question(bound, false).await?;
            let width = answer.columns().await?.len();
            loop {
                if let Said::Done(done) = answer.next(width).await? {
                    return Ok(done.affected);
                }
            }
        })
    }

    fn transact(&mut self, step: Step, due: Instant) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(async move {
            let wrong = |message| Err(Fault::new(FaultKind::Statement, message));
            let path = match (step, &self.transaction) {
                (Step::Begin | Step::Snapshot, Some(_)) => return wrong("there is a transaction already"),
                (Step::Commit | Step::Rollback, None) => return wrong("there is no transaction"),
                (Step::Begin | Step::Snapshot, None) => "/transactions".to_owned(),
                (Step::Commit, Some(transaction)) => format!("/transactions/{transaction}/commit"),
                (Step::Rollback, Some(transaction)) => format!("/transactions/{transaction}/rollback"),
            };
            if step == Step::Commit {
                self.commit(&path, due).await?;
                self.transaction = None;
                return Ok(());
            }
            let begun = {
                let body = match step {
                    Step::Begin | Step::Snapshot => {
                        let kept = due.saturating_duration_since(Instant::now()) + KEPT;
                        let snapshot = step == Step::Snapshot;
                        body(&Beginning { timeout_ms: Some(millis(kept)), owner: self.owner.clone(), snapshot })?
                    }
                    Step::Commit | Step::Rollback => String::new(),
                };
                let mut answer = self.ask(Asked::post(&path, body), due).await?;
                let text = answer.document().await?;
                match step {
                    Step::Begin | Step::Snapshot => Some(answer.read::<Begun>(&text)?.transaction),
                    Step::Commit | Step::Rollback => None,
                }
            };
            self.transaction = begun;
            Ok(())
        })
    }

    fn within(&mut self, context: TraceContext, state: Option<&str>) {
        self.trace = Some(Trace { parent: context.to_string(), state: state.map(str::to_owned) });
    }

    fn own<'a>(&'a mut self, owner: &'a str, _due: Instant) -> BoxFuture<'a, Result<(), Fault>> {
        self.owner = Some(owner.to_owned());
        Box::pin(async { Ok(()) })
    }

    fn load<'a>(
        &'a mut self,
        _load: &'a Load,
        _columns: &'a [Column],
        _rows: Vec<Row>,
        _due: Instant,
    ) -> BoxFuture<'a, Result<(), Fault>> {
        // Final statements run in an engine of this process.
        Box::pin(async { Err(Fault::new(FaultKind::Unsupported, "rows are not loaded into HTTP nodes")) })
    }

    fn shape<'a>(&'a mut self, table: &'a str, due: Instant) -> BoxFuture<'a, Result<Vec<ColumnShape>, Fault>> {
        Box::pin(async move {
            let mut path = format!("/shape?table={}", escaped(table));
            // What a transaction has made, nobody else sees yet.
            if let Some(transaction) = &self.transaction {
                path.push_str(&format!("&transaction={}", escaped(transaction)));
            }
            let asked = Asked { method: Method::GET, ..Asked::post(&path, String::new()) };
            let mut answer = self.ask(asked, due).await?;
            let text = answer.document().await?;
            let Shape { columns } = answer.read(&text)?;
            let column = |ShapeColumn { name, declared, collation }| ColumnShape { name, declared, collation };
            Ok(columns.into_iter().map(column).collect())
        })
    }
}

/// A text as the value of a query: all but letters, digits and a few signs as `%XX`.
fn escaped(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'_' | b'-' | b'.' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

impl Drop for HttpSession {
    fn drop(&mut self) {
        let (Some(mut link), Some(transaction)) = (self.link.take(), self.transaction.take()) else { return };
        // Without a runtime the process is ending, and the node takes it back by itself.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (node, within) = (self.node.clone(), self.within);
        runtime.spawn(async move {
            let path = format!("/transactions/{transaction}/rollback");
            let due = Instant::now() + TAKE_BACK;
            if renew(&mut link, &node, due, within).await.is_ok()
                && let Ok(mut answer) = ask(&mut link, Asked::post(&path, String::new()), (&node, due)).await
            {
                // The connection goes back to its pool when the answer was read.
                let _ = answer.document().await;
            }
        });
    }
}
