//! Owns running one statement on a seat: reading it, binding, carrying its rows out in batches, and what a failure of it means.
//! Blocks; called by tasks only.

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, Statement, ToSql};
use tokio::sync::mpsc;

use super::worker::Seat;
use crate::sql::backend::{Fault, FaultKind, ROW_BYTES};
use crate::sql::value::{Column, Row, Value};

/// A batch is sent on when it has so many rows, or so many bytes.
const BATCH_ROWS: usize = 512;
const BATCH_BYTES: usize = 128 * 1024;

/// What a statement may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Allowed {
    /// What changes nothing, or is part of a transaction.
    Reading,
    /// All that the guard lets pass.
    All,
}

/// What becomes of the rows of a statement.
pub(super) trait Sink {
    /// The columns; answers whether anybody still listens.
    fn begin(&mut self, columns: Vec<Column>) -> bool;
    /// Some rows; answers whether anybody still listens.
    fn rows(&mut self, rows: Vec<Row>) -> bool;
}

/// Rows on their way to a stream.
pub(super) struct Channel {
    pub(super) columns: Option<tokio::sync::oneshot::Sender<Vec<Column>>>,
    pub(super) batches: mpsc::Sender<Vec<Row>>,
}

impl Sink for Channel {
    fn begin(&mut self, columns: Vec<Column>) -> bool {
        self.columns.take().is_some_and(|waits| waits.send(columns).is_ok())
    }

    fn rows(&mut self, rows: Vec<Row>) -> bool {
        self.batches.blocking_send(rows).is_ok()
    }
}

/// Rows that nobody wants.
pub(super) struct Nowhere;

impl Sink for Nowhere {
    fn begin(&mut self, _columns: Vec<Column>) -> bool {
        true
    }

    fn rows(&mut self, _rows: Vec<Row>) -> bool {
        true
    }
}

/// Runs one statement to its end; answers how many rows it changed.
pub(super) fn run(
    seat: &mut Seat,
    sql: &str,
    params: &[Value],
    allowed: Allowed,
    sink: &mut dyn Sink,
) -> Result<u64, Fault> {
    seat.check()?;
    let allowed = if seat.in_transaction { Allowed::All } else { allowed };
    let before = seat.connection.total_changes();
    let ran = bound(&seat.connection, sql, params, allowed).and_then(|mut statement| step(&mut statement, sink));
    match ran {
        // What changes no rows, such as CREATE TABLE, leaves the number of the statement before it.
        Ok(()) if seat.connection.total_changes() == before => Ok(0),
        Ok(()) => Ok(seat.connection.changes()),
        Err(error) => Err(error.into_fault(seat)),
    }
}

/// Why a statement failed.
pub(super) enum Failure {
    Sqlite(rusqlite::Error),
    Fault(Fault),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Failure {
    pub(super) fn new(kind: FaultKind, message: impl Into<String>) -> Self {
        Self::Fault(Fault::new(kind, message))
    }

    /// What it means for whoever asked, and for the connection.
    pub(super) fn into_fault(self, seat: &mut Seat) -> Fault {
        match self {
            Self::Fault(fault) => fault,
            Self::Sqlite(error) => fault(seat, &error),
        }
    }
}

fn fault(seat: &mut Seat, error: &rusqlite::Error) -> Fault {
    let message = message(error);
    let kind = match error.sqlite_error_code() {
        Some(ErrorCode::OperationInterrupted | ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
            if seat.watch.is_late() =>
        {
            return Fault::new(FaultKind::TimedOut, format!("it was not done in time ({message})"));
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => FaultKind::Conflict,
        Some(ErrorCode::OperationInterrupted) if seat.watch.is_full() => FaultKind::TooLarge,
        Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::DiskFull) if seat.is_engine() => {
            seat.is_broken = true;
            let needs = "it needs room in a folder for temporary files: TMPDIR, /var/tmp or /tmp";
            return Fault::new(FaultKind::Failed, format!("{needs} ({message})"));
        }
        Some(ErrorCode::DiskFull | ErrorCode::OutOfMemory) => FaultKind::Failed,
        Some(
            ErrorCode::SystemIoFailure | ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::CannotOpen,
        ) => {
            seat.is_broken = true;
            FaultKind::Lost
        }
        Some(ErrorCode::AuthorizationForStatementDenied) => {
            let what = seat.guard.refused().unwrap_or(message);
            return Fault::new(FaultKind::Statement, format!("{what} is not allowed here"));
        }
        Some(ErrorCode::TooBig) => return Fault::long_row(),
        _ if message == "integer overflow" => FaultKind::Overflow,
        _ => FaultKind::Statement,
    };
    Fault::new(kind, message)
}

/// SQLite's own words, without the text of the statement.
pub(super) fn message(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        rusqlite::Error::MultipleStatement => "the text has more than one statement".to_owned(),
        other => other.to_string(),
    }
}

fn bound<'c>(
    connection: &'c Connection,
    sql: &str,
    params: &[Value],
    allowed: Allowed,
) -> Result<Statement<'c>, Failure> {
    // SQLite would stop reading there, and run what stands before it.
    if sql.contains('\0') {
        return Err(Failure::new(FaultKind::Statement, "the text has a zero byte"));
    }
    let mut statement = connection.prepare(sql)?;
    if allowed == Allowed::Reading && !statement.readonly() {
        return Err(Failure::new(FaultKind::Statement, "the statement writes, and only reading is allowed here"));
    }
    let takes = statement.parameter_count();
    if params.len() < takes {
        let message = format!("the statement takes {takes} parameters, {} given", params.len());
        return Err(Failure::new(FaultKind::Statement, message));
    }
    for (index, param) in params.iter().take(takes).enumerate() {
        statement.raw_bind_parameter(index + 1, Parameter::of(param)?)?;
    }
    Ok(statement)
}

/// A value as it is bound. What SQLite would change on the way is not taken.
pub(super) struct Parameter<'a>(ValueRef<'a>);

impl<'a> Parameter<'a> {
    pub(super) fn of(value: &'a Value) -> Result<Self, Failure> {
        let value = match value {
            Value::Null => ValueRef::Null,
            Value::Bool(value) => ValueRef::Integer(i64::from(*value)),
            Value::Integer(value) => ValueRef::Integer(*value),
            Value::Real(value) if value.is_nan() => {
                return Err(Failure::new(FaultKind::Unsupported, "SQLite has no NaN"));
            }
            Value::Real(value) => ValueRef::Real(*value),
            Value::Decimal(_) => {
                return Err(Failure::new(FaultKind::Unsupported, "SQLite has no decimal numbers"));
            }
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Blob(bytes) => ValueRef::Blob(bytes),
        };
        Ok(Self(value))
    }
}

impl ToSql for Parameter<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(self.0))
    }
}

/// Steps through a statement. Its columns are told after the first step: until then SQLite may read the text anew, since
/// another may have changed the table.
fn step(statement: &mut Statement<'_>, sink: &mut dyn Sink) -> Result<(), Failure> {
    let mut batch = Batch::default();
    let mut has_begun = false;
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next()? {
        let values = read(row)?;
        if !has_begun && !sink.begin(columns(row.as_ref())) {
            return Ok(());
        }
        has_begun = true;
        if batch.add(values) && !sink.rows(batch.take()) {
            return Ok(());
        }
    }
    drop(rows);
    if !has_begun {
        sink.begin(columns(statement));
    }
    if !batch.rows.is_empty() {
        sink.rows(batch.take());
    }
    Ok(())
}

fn columns(statement: &Statement<'_>) -> Vec<Column> {
    let column = |column: rusqlite::Column<'_>| Column {
        name: column.name().to_owned(),
        declared: column.decl_type().unwrap_or_default().to_owned(),
    };
    statement.columns().map(column).collect()
}

fn read(row: &rusqlite::Row<'_>) -> Result<Row, Failure> {
    let count = row.as_ref().column_count();
    let mut values = Vec::with_capacity(count);
    let mut bytes = 0;
    for index in 0..count {
        let value = row.get_ref(index)?;
        if let ValueRef::Text(text) | ValueRef::Blob(text) = value {
            bytes += text.len();
        }
        if bytes > ROW_BYTES {
            return Err(Failure::Fault(Fault::long_row()));
        }
        values.push(match value {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(value) => Value::Integer(value),
            ValueRef::Real(value) => Value::Real(value),
            ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => Value::Text(text.to_owned()),
                Err(_) => {
                    let message = format!("column {} has a text that is no UTF-8", index + 1);
                    return Err(Failure::new(FaultKind::Unsupported, message));
                }
            },
            ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
        });
    }
    Ok(values)
}

/// Rows that are sent on together.
#[derive(Default)]
struct Batch {
    rows: Vec<Row>,
    bytes: usize,
}

impl Batch {
    /// Adds a row; answers whether it is enough.
    fn add(&mut self, row: Row) -> bool {
        self.bytes += row.iter().map(|value| value.bytes() + size_of::<Value>()).sum::<usize>();
        self.rows.push(row);
        self.rows.len() >= BATCH_ROWS || self.bytes >= BATCH_BYTES
    }

    fn take(&mut self) -> Vec<Row> {
        self.bytes = 0;
        std::mem::take(&mut self.rows)
    }
}
