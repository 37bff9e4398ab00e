//! Owns what a node's SQL does with a request: reads it, has a session run it, and sends the rows on as they come. A client that
//! leaves ends its statement.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::header::ACCEPT;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use rusqlite::Connection;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::sync::{mpsc, oneshot};

use super::answer::{Form, SqlBody, Writer, failed, json, problem};
use super::keys;
use super::transactions::{Taken, Transactions};
use super::{DatabaseSettings, Users};
use crate::demo::query::value;
use crate::sql::backend::http::wire::{Beginning, Begun, IDEMPOTENCY_KEY, Question, Shape, ShapeColumn};
use crate::sql::backend::sqlite::{Database, Keeper, Sqlite, SqliteSession};
use crate::sql::backend::{Bound, Fault, FaultKind, Session as _, Step};
use crate::sql::shape::ColumnShape;

/// How many statements run at once; more wait.
const CONNECTIONS: usize = 16;
/// How long a statement may take that does not say.
const USUAL_TIME: Duration = Duration::from_secs(30);
/// The longest that it may ask for: a client must not be able to hold a node for ever.
const LONGEST_TIME: Duration = Duration::from_secs(600);
/// The longest question.
const MAX_QUESTION: usize = 16 * 1024 * 1024;
/// So many pieces of an answer wait for the client.
const PIECES: usize = 2;

/// The SQL of one node.
#[derive(Debug)]
pub(in crate::demo) struct SqlService {
    backend: Sqlite,
    database: Database,
    transactions: Transactions,
    /// Keeps a database that is in memory.
    _keeper: Option<Keeper>,
}

impl SqlService {
    /// Opens the database, and fills it as it is told.
    pub(in crate::demo) async fn open(settings: DatabaseSettings, name: &str) -> io::Result<Arc<Self>> {
        let DatabaseSettings { file, users } = settings;
        let unique = format!("{name}-{:016x}", fastrand::u64(..));
        let opened = tokio::task::spawn_blocking(move || -> rusqlite::Result<_> {
            let (database, keeper) = match file {
                Some(file) => {
                    fill(&mut Connection::open(&file)?, users)?;
                    (Database::File(file), None)
                }
                None => {
                    let (database, keeper) = Database::keep(&unique)?;
                    fill(&mut database.connect()?, users)?;
                    (database, Some(keeper))
                }
            };
            Ok((database, keeper))
        });
        let (database, _keeper) = opened.await.map_err(io::Error::other)?.map_err(io::Error::other)?;
        let (backend, transactions) = (Sqlite::new(CONNECTIONS), Transactions::default());
        Ok(Arc::new(Self { backend, database, transactions, _keeper }))
    }

    /// Whether a path is one that this answers.
    pub(in crate::demo) fn has(path: &str) -> bool {
        matches!(path, "/query" | "/shape" | "/transactions") || path.starts_with("/transactions/")
    }

    /// Answers a request.
    pub(in crate::demo) async fn answer(&self, request: Request<Incoming>) -> Response<SqlBody> {
        let (head, body) = request.into_parts();
        let path = head.uri.path();
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        let answered = match (&head.method, parts.as_slice()) {
            (&Method::POST, ["query"]) => match key(&head.headers) {
                Ok(key) => self.query(body, Form::accepted(head.headers.get(ACCEPT)), key).await,
                Err(fault) => Err(fault),
            },
            (&Method::GET, ["shape"]) => self.shape(head.uri.query().unwrap_or_default()).await,
            (&Method::POST, ["transactions"]) => self.begin(body).await,
            (&Method::POST, ["transactions", id, "commit"]) => match key(&head.headers) {
                Ok(key) => self.commit(id, key).await,
                Err(fault) => Err(fault),
            },
            (&Method::POST, ["transactions", id, "rollback"]) => self.roll_back(id).await,
            _ => {
                let fault = Fault::new(FaultKind::Statement, format!("no {} of {path}", head.method));
                return problem(StatusCode::METHOD_NOT_ALLOWED, &fault);
            }
        };
        answered.unwrap_or_else(|fault| failed(&fault))
    }

    /// Runs a statement. A write that has a key is done once, and answers how many rows it has changed, and no rows.
    async fn query(&self, body: Incoming, form: Form, key: Option<&str>) -> Result<Response<SqlBody>, Fault> {
        let question: Question<'static> = read(&whole(body).await?)?;
        let time = question.timeout_ms.map_or(USUAL_TIME, Duration::from_millis).min(LONGEST_TIME);
        let due = Instant::now() + time;
        if let (Some(key), None, false) = (key, &question.transaction, question.read_only) {
            let mut session = self.backend.lease(&self.database, due).await?;
            let bound = Bound { sql: &question.sql, params: &question.params.0, due };
            let affected = keys::once(&mut session, key, bound).await?;
            let (pieces, body) = mpsc::channel(PIECES);
            let writer = Writer::new(form);
            for piece in [writer.columns(Vec::new()), writer.done(affected)] {
                // There is room for both.
                let _ = pieces.try_send(piece);
            }
            return Ok(form.answer(body));
        }
        let seat = match &question.transaction {
            None => Seat::Own(self.backend.lease(&self.database, due).await?),
            Some(id) => Seat::Taken(self.taken(id, due).await?),
        };
        let (tells, told) = oneshot::channel();
        let (pieces, body) = mpsc::channel(PIECES);
        tokio::spawn(run(seat, (question, due), Writer::new(form), (tells, pieces)));
        match told.await {
            Ok(Ok(())) => Ok(form.answer(body)),
            Ok(Err(fault)) => Err(fault),
            Err(_) => Err(Fault::new(FaultKind::Lost, "the statement was given up")),
        }
    }

    /// A transaction, as soon as nobody else uses it.
    async fn taken(&self, id: &str, due: Instant) -> Result<Taken, Fault> {
        match tokio::time::timeout_at(due.into(), self.transactions.take(id)).await {
            Ok(taken) => taken.ok_or_else(|| no_transaction(id)),
            Err(_) => Err(Fault::new(FaultKind::TimedOut, "its transaction was busy with another question")),
        }
    }

    async fn begin(&self, body: Incoming) -> Result<Response<SqlBody>, Fault> {
        let body = whole(body).await?;
        let asked: Beginning = if body.is_empty() { Beginning::default() } else { read(&body)? };
        let due = Instant::now() + USUAL_TIME;
        if let Some(owner) = &asked.owner {
            let late = |_| Fault::new(FaultKind::TimedOut, "the transaction from before was busy with a question");
            tokio::time::timeout_at(due.into(), self.transactions.take_back(owner)).await.map_err(late)?;
        }
        let mut session = self.backend.lease(&self.database, due).await?;
        let step = if asked.snapshot { Step::Snapshot } else { Step::Begin };
        session.transact(step, due).await?;
        let transaction = self.transactions.keep(session, asked.timeout_ms.map(Duration::from_millis), asked.owner);
        Ok(json(StatusCode::OK, &Begun { transaction }))
    }

    /// Makes a transaction lasting. One that is gone was made so where its key says that.
    async fn commit(&self, id: &str, key: Option<&str>) -> Result<Response<SqlBody>, Fault> {
        let due = Instant::now() + USUAL_TIME;
        match (self.transactions.end(id).await, key) {
            (Some(mut session), key) => {
                if let Some(key) = key {
                    keys::keep(&mut session, key, 0, due).await?;
                }
                session.transact(Step::Commit, due).await?;
            }
            (None, Some(key)) => {
                let mut session = self.backend.lease(&self.database, due).await?;
                keys::done(&mut session, key, due).await?.ok_or_else(|| no_transaction(id))?;
            }
            (None, None) => return Err(no_transaction(id)),
        }
        Ok(json(StatusCode::OK, &json!({ "transaction": id, "status": "committed" })))
    }

    async fn roll_back(&self, id: &str) -> Result<Response<SqlBody>, Fault> {
        let mut session = self.transactions.end(id).await.ok_or_else(|| no_transaction(id))?;
        session.transact(Step::Rollback, Instant::now() + USUAL_TIME).await?;
        Ok(json(StatusCode::OK, &json!({ "transaction": id, "status": "rolled back" })))
    }

    async fn shape(&self, query: &str) -> Result<Response<SqlBody>, Fault> {
        let named = value(query, "table").and_then(unescaped);
        let table =
            named.ok_or_else(|| Fault::new(FaultKind::Statement, "a shape is asked for as /shape?table=NAME"))?;
        let due = Instant::now() + USUAL_TIME;
        let mut seat = match value(query, "transaction").and_then(unescaped) {
            None => Seat::Own(self.backend.lease(&self.database, due).await?),
            Some(id) => Seat::Taken(self.taken(&id, due).await?),
        };
        let session = seat.session().ok_or_else(|| Fault::new(FaultKind::Statement, "the transaction has ended"))?;
        let columns = session.shape(&table, due).await?;
        let column = |ColumnShape { name, declared, collation }| ShapeColumn { name, declared, collation };
        Ok(json(StatusCode::OK, &Shape { columns: columns.into_iter().map(column).collect() }))
    }
}

/// The key of a write, if it has one.
fn key(headers: &HeaderMap) -> Result<Option<&str>, Fault> {
    headers.get(IDEMPOTENCY_KEY).map(|value| keys::checked(value.to_str().unwrap_or_default())).transpose()
}

async fn whole(body: Incoming) -> Result<Bytes, Fault> {
    let whole = Limited::new(body, MAX_QUESTION).collect().await;
    Ok(whole.map_err(|error| no_question(&error))?.to_bytes())
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(body).map_err(|error| no_question(&error))
}

fn no_question(error: &dyn std::fmt::Display) -> Fault {
    Fault::new(FaultKind::Statement, format!("no question: {error}"))
}

fn fill(connection: &mut Connection, users: Option<Users>) -> rusqlite::Result<()> {
    users.map_or(Ok(()), |users| users.fill(connection))
}

fn no_transaction(id: &str) -> Fault {
    Fault::new(FaultKind::Statement, format!("there is no transaction {id}; one that is idle is taken back"))
}

/// The session that runs a statement.
enum Seat {
    Own(SqliteSession),
    Taken(Taken),
}

impl Seat {
    fn session(&mut self) -> Option<&mut SqliteSession> {
        match self {
            Self::Own(session) => Some(session),
            Self::Taken(taken) => taken.session(),
        }
    }
}

/// To whom an answer goes: whether there is one, and its pieces. Both are closed when the client leaves.
type Client = (oneshot::Sender<Result<(), Fault>>, mpsc::Sender<io::Result<Bytes>>);

/// Runs a question to its end, or until nobody listens.
async fn run(mut seat: Seat, (question, due): (Question<'static>, Instant), writer: Writer, client: Client) {
    let (tells, pieces) = client;
    let Some(session) = seat.session() else { return };
    let bound = Bound { sql: &question.sql, params: &question.params.0, due };
    let told = tokio::select! {
        ran = session.run(bound, question.read_only) => ran,
        () = pieces.closed() => return,
    };
    let ran = match told {
        Ok(ran) => ran,
        Err(fault) => {
            // A client that has left needs no reason.
            let _ = tells.send(Err(fault));
            return;
        }
    };
    if tells.send(Ok(())).is_ok() {
        // A send fails when the client has left, and ends the statement.
        let _ = send(ran, writer, &pieces).await;
    }
}

async fn send(
    mut ran: crate::sql::backend::sqlite::Ran<'_>,
    mut writer: Writer,
    pieces: &mpsc::Sender<io::Result<Bytes>>,
) -> Result<(), mpsc::error::SendError<io::Result<Bytes>>> {
    pieces.send(writer.columns(std::mem::take(&mut ran.rows.columns))).await?;
    loop {
        let batch = tokio::select! {
            batch = ran.rows.batches.next() => batch,
            () = pieces.closed() => return Ok(()),
        };
        match batch {
            Some(Ok(rows)) => pieces.send(writer.rows(&rows)).await?,
            Some(Err(fault)) => return pieces.send(writer.failed(&fault)).await,
            None => return pieces.send(writer.done(ran.affected.await.unwrap_or_default())).await,
        }
    }
}

/// A value of a query whose `%XX` stand for bytes; none where they do not, or are no text.
fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        rest = behind;
        bytes.push(match first {
            b'%' => {
                let (digits, behind) = rest.split_at_checked(2)?;
                rest = behind;
                u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?
            }
            b'+' => b' ',
            other => *other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_be_escaped() {
        assert_eq!(unescaped("users").as_deref(), Some("users"));
        assert_eq!(unescaped("a%20b+%C3%A9").as_deref(), Some("a b é"));
        for wrong in ["%", "%4", "%zz", "%ff"] {
            assert_eq!(unescaped(wrong), None, "{wrong}");
        }
    }
}
