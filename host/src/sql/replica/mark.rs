//! Owns the watermark that a node keeps: its table, reading it, and the conditional update that moves it in the transaction
//! of what was applied. Decides nothing about what is found there.
//!
//! A move touches its row only where the node stands at the place that it starts from, in the same log, and has seen no later
//! writer. So of two that apply the same entry one is taken back, whoever they are and whatever became of their connections.

use std::time::Instant;

use futures_util::TryStreamExt as _;

use super::log::{Identity, Position};
use crate::sql::backend::http::wire::KEYS;
use crate::sql::backend::{Bound, Fault, FaultKind, Session};
use crate::sql::dialect::Dialect;
use crate::sql::value::{Row, Value};

/// The table, one on each node.
pub const TABLE: &str = "leverframe_watermark";
/// The tables on a node that are nobody's data.
pub(super) const OURS: [&str; 2] = [TABLE, KEYS];

/// Stands for the affected rows of an entry that was passed without being applied, as it was refused everywhere.
const PASSED: i64 = -1;

/// What a node says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The log that it follows.
    pub log: String,
    /// The last writer that it has seen.
    pub epoch: u64,
    /// Up to where it has applied that log.
    pub position: Position,
    /// What the entry at that position did.
    pub last: Last,
    /// A change of the schema that was begun after that position, where that is lasting at once.
    pub pending: Option<Pending>,
}

impl Mark {
    /// It has been moved.
    pub(super) fn moved(&mut self, position: Position, last: Last) {
        (self.position, self.last, self.pending) = (position, last, None);
    }
}

/// What an entry did on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Last {
    /// It was applied, and changed so many rows in all.
    Applied(u64),
    /// It was passed, as it was refused everywhere.
    Passed,
}

impl Last {
    /// As a node keeps it.
    fn value(self) -> Value {
        match self {
            Self::Applied(affected) => integer(affected),
            Self::Passed => Value::Integer(PASSED),
        }
    }
}

/// A change of the schema whose end nobody has recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Of the entry.
    pub position: Position,
    /// Of the schema before it.
    pub print: String,
}

impl Pending {
    fn text(&self) -> String {
        format!("{}:{}", self.position, self.print)
    }

    fn read(text: &str) -> Option<Self> {
        let (position, print) = text.split_once(':')?;
        Some(Self { position: Position(position.parse().ok()?), print: print.to_owned() })
    }
}

/// A move of a watermark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// Where the node must stand.
    pub from: Position,
    /// Where it stands afterwards.
    pub to: Position,
    /// What the last entry of it did.
    pub last: Last,
}

impl Move {
    /// Past one entry.
    pub fn past(position: Position, last: Last) -> Self {
        Self { from: Position(position.0.saturating_sub(1)), to: position, last }
    }
}

/// Reads and moves watermarks of one SQL entry.
#[derive(Clone, Debug)]
pub struct Marks {
    dialect: Dialect,
    /// The name of the SQL entry: a database may be a node of several.
    name: String,
    log: Identity,
    epoch: u64,
}

impl Marks {
    /// Those of nodes that follow a log, for its writer of this epoch.
    pub fn new(dialect: Dialect, name: impl Into<String>, log: Identity, epoch: u64) -> Self {
        Self { dialect, name: name.into(), log, epoch }
    }

    /// What the nodes speak.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The log that the nodes follow.
    pub fn log(&self) -> &Identity {
        &self.log
    }

    /// Whether a node with such a watermark follows this log, and knows of no later writer than this one.
    pub fn may_write(&self, found: &Mark) -> bool {
        found.log == self.log.0 && found.epoch <= self.epoch
    }

    /// The epoch of the writer.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Makes the table where there is none. Not within a transaction.
    ///
    /// # Errors
    /// Those of the session.
    pub async fn ensure(&self, session: &mut dyn Session, due: Instant) -> Result<(), Fault> {
        let engine = if self.dialect == Dialect::MySql { " ENGINE = InnoDB" } else { "" };
        let [entry, log, epoch, position, affected, pending] = COLUMNS.map(|column| self.dialect.quote(column));
        let sql = format!(
            "CREATE TABLE IF NOT EXISTS {TABLE} ({entry} VARCHAR(63) PRIMARY KEY, {log} VARCHAR(64) NOT NULL, \
             {epoch} BIGINT NOT NULL, {position} BIGINT NOT NULL, {affected} BIGINT NOT NULL, \
             {pending} VARCHAR(255) NULL){engine}"
        );
        session.execute(Bound { sql: &sql, params: &[], due }).await.map(drop)
    }

    /// The watermark; none where the node has none.
    ///
    /// # Errors
    /// Those of the session, and a row that makes no sense.
    pub async fn read(&self, session: &mut dyn Session, due: Instant) -> Result<Option<Mark>, Fault> {
        let [entry, log, epoch, position, affected, pending] = COLUMNS.map(|column| self.dialect.quote(column));
        let sql = format!(
            "SELECT {log}, {epoch}, {position}, {affected}, {pending} FROM {TABLE} WHERE {entry} = {}",
            self.place(1)
        );
        let params = [Value::Text(self.name.clone())];
        let rows = rows(session, Bound { sql: &sql, params: &params, due }).await?;
        let broken = || Fault::new(FaultKind::Failed, format!("the row of {TABLE} makes no sense"));
        rows.first().map(|row| read(row).ok_or_else(broken)).transpose()
    }

    /// Has a node that has no watermark follow the log from a position on.
    ///
    /// # Errors
    /// Those of the session; also where there is a watermark already.
    pub async fn adopt(
        &self,
        session: &mut dyn Session,
        (from, last): (Position, Last),
        due: Instant,
    ) -> Result<(), Fault> {
        let columns = COLUMNS.map(|column| self.dialect.quote(column)).join(", ");
        let places = [1, 2, 3, 4, 5].map(|place| self.place(place)).join(", ");
        let sql = format!("INSERT INTO {TABLE} ({columns}) VALUES ({places}, NULL)");
        let params = [
            Value::Text(self.name.clone()),
            Value::Text(self.log.0.clone()),
            integer(self.epoch),
            integer(from.0),
            last.value(),
        ];
        session.execute(Bound { sql: &sql, params: &params, due }).await.map(drop)
    }

    /// Takes away the watermark of a node that is to be filled anew.
    ///
    /// # Errors
    /// Those of the session.
    pub async fn forget(&self, session: &mut dyn Session, due: Instant) -> Result<(), Fault> {
        let sql = format!("DELETE FROM {TABLE} WHERE {} = {}", self.dialect.quote("entry"), self.place(1));
        let params = [Value::Text(self.name.clone())];
        session.execute(Bound { sql: &sql, params: &params, due }).await.map(drop)
    }

    /// Tells a node of this writer, so that those before it are kept out. False where it knows a later one.
    ///
    /// # Errors
    /// Those of the session.
    pub async fn raise(&self, session: &mut dyn Session, due: Instant) -> Result<bool, Fault> {
        let [entry, log, epoch] = ["entry", "log", "epoch"].map(|column| self.dialect.quote(column));
        let sql = format!(
            "UPDATE {TABLE} SET {epoch} = {} WHERE {entry} = {} AND {log} = {} AND {epoch} < {}",
            self.place(1),
            self.place(2),
            self.place(3),
            self.place(4)
        );
        let params =
            [integer(self.epoch), Value::Text(self.name.clone()), Value::Text(self.log.0.clone()), integer(self.epoch)];
        Ok(session.execute(Bound { sql: &sql, params: &params, due }).await? == 1)
    }

    /// Moves the watermark. False where the node does not stand where it must, or has seen a later writer: then what was done
    /// in the same transaction must be taken back.
    ///
    /// # Errors
    /// Those of the session.
    pub async fn advance(&self, session: &mut dyn Session, to: Move, due: Instant) -> Result<bool, Fault> {
        self.change(session, (integer(to.to.0), to.last.value(), Value::Null), to.from, due).await
    }

    /// Notes that a change of the schema begins that is lasting at once. False as for [`Self::advance`].
    ///
    /// # Errors
    /// Those of the session.
    pub async fn begin(
        &self,
        session: &mut dyn Session,
        mark: &Mark,
        pending: &Pending,
        due: Instant,
    ) -> Result<bool, Fault> {
        // A server that counts changed rows only would count none, were it noted already.
        if mark.pending.as_ref() == Some(pending) {
            return Ok(true);
        }
        let to = (integer(mark.position.0), mark.last.value(), Value::Text(pending.text()));
        self.change(session, to, mark.position, due).await
    }

    async fn change(
        &self,
        session: &mut dyn Session,
        (to, last, pending): (Value, Value, Value),
        from: Position,
        due: Instant,
    ) -> Result<bool, Fault> {
        let columns = ["position", "epoch", "affected", "pending", "entry", "log"];
        let [position, epoch, affected, note, entry, log] = columns.map(|column| self.dialect.quote(column));
        let [a, b, c, d, e, f, g, h] = [1, 2, 3, 4, 5, 6, 7, 8].map(|place| self.place(place));
        let sql = format!(
            "UPDATE {TABLE} SET {position} = {a}, {epoch} = {b}, {affected} = {c}, {note} = {d} \
             WHERE {entry} = {e} AND {log} = {f} AND {position} = {g} AND {epoch} <= {h}"
        );
        let params = [
            to,
            integer(self.epoch),
            last,
            pending,
            Value::Text(self.name.clone()),
            Value::Text(self.log.0.clone()),
            integer(from.0),
            integer(self.epoch),
        ];
        Ok(session.execute(Bound { sql: &sql, params: &params, due }).await? == 1)
    }

    fn place(&self, number: u8) -> String {
        match self.dialect {
            Dialect::Postgres => format!("${number}"),
            Dialect::Sqlite | Dialect::MySql => format!("?{number}"),
        }
    }
}

const COLUMNS: [&str; 6] = ["entry", "log", "epoch", "position", "affected", "pending"];

/// All rows of a small answer.
pub(super) async fn rows(session: &mut dyn Session, bound: Bound<'_>) -> Result<Vec<Row>, Fault> {
    session.query(bound).await?.batches.try_concat().await
}

/// As the servers keep numbers: none of these ever comes near the bound.
fn integer(number: u64) -> Value {
    Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

fn read(row: &Row) -> Option<Mark> {
    let [Value::Text(log), Value::Integer(epoch), Value::Integer(position), Value::Integer(affected), pending] =
        row.as_slice()
    else {
        return None;
    };
    let pending = match pending {
        Value::Null => None,
        Value::Text(text) => Some(Pending::read(text)?),
        _ => return None,
    };
    let last = if *affected == PASSED { Last::Passed } else { Last::Applied(u64::try_from(*affected).ok()?) };
    let (epoch, position) = (u64::try_from(*epoch).ok()?, Position(u64::try_from(*position).ok()?));
    Some(Mark { log: log.clone(), epoch, position, last, pending })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_read_as_it_was_written_and_nonsense_is_no_mark() {
        let row = |affected, pending| {
            vec![Value::Text("log".into()), Value::Integer(3), Value::Integer(7), Value::Integer(affected), pending]
        };
        let mark = read(&row(2, Value::Text("8:abc:d".into()))).unwrap();
        let pending = Pending { position: Position(8), print: "abc:d".into() };
        assert_eq!(Pending::read(&pending.text()), Some(pending.clone()));
        assert_eq!((mark.last, mark.pending), (Last::Applied(2), Some(pending)));
        assert_eq!(read(&row(-1, Value::Null)).unwrap().last, Last::Passed);
        assert_eq!(read(&row(-2, Value::Null)), None);
        assert_eq!(read(&row(1, Value::Text("x".into()))), None);
    }
}
