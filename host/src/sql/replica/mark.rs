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
const PASSED: &str = "-";

/// What a node says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The log that it follows.
    pub log: String,
    /// The last writer that it has seen.
    pub epoch: u64,
    /// Up to where it has applied that log.
    pub position: Position,
    /// What the last entries up to that position did: those that were applied together.
    pub last: Vec<Last>,
    /// A change of the schema that was begun after that position, where that is lasting at once.
    pub pending: Option<Pending>,
}

impl Mark {
    /// It has been moved.
    pub(super) fn moved(&mut self, step: Move) {
        (self.position, self.last, self.pending) = (step.to(), step.did, None);
    }

    /// The places of the last entries, and what each did.
    pub(super) fn trail(&self) -> impl Iterator<Item = (Position, &Last)> {
        let first = self.position.0.saturating_sub(length(&self.last));
        self.last.iter().zip(first + 1..).map(|(last, at)| (Position(at), last))
    }
}

/// What an entry did on a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Last {
    /// It was applied, and its statements changed so many rows each.
    Applied(Vec<u64>),
    /// It was passed, as it was refused everywhere.
    Passed,
}

impl Last {
    fn text(&self) -> String {
        match self {
            Self::Applied(affected) => affected.iter().map(u64::to_string).collect::<Vec<_>>().join("+"),
            Self::Passed => PASSED.to_owned(),
        }
    }

    fn read(text: &str) -> Option<Self> {
        match text {
            PASSED => Some(Self::Passed),
            _ => text.split('+').map(|count| count.parse().ok()).collect::<Option<_>>().map(Self::Applied),
        }
    }
}

/// What entries did, as a node keeps it.
fn kept(did: &[Last]) -> Value {
    Value::Text(did.iter().map(Last::text).collect::<Vec<_>>().join(","))
}

fn length(did: &[Last]) -> u64 {
    did.len().try_into().unwrap_or(u64::MAX)
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// Where the node must stand.
    pub from: Position,
    /// What the entries after that did, each.
    pub did: Vec<Last>,
}

impl Move {
    /// Past one entry.
    pub fn past(position: Position, last: Last) -> Self {
        Self { from: Position(position.0.saturating_sub(1)), did: vec![last] }
    }

    /// Where the node stands afterwards.
    pub fn to(&self) -> Position {
        Position(self.from.0.saturating_add(length(&self.did)))
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
        let (engine, text) =
            if self.dialect == Dialect::MySql { (" ENGINE = InnoDB", "MEDIUMTEXT") } else { ("", "TEXT") };
        let [entry, log, epoch, position, affected, pending] = COLUMNS.map(|column| self.dialect.quote(column));
        let sql = format!(
            "CREATE TABLE IF NOT EXISTS {TABLE} ({entry} VARCHAR(63) PRIMARY KEY, {log} VARCHAR(64) NOT NULL, \
             {epoch} BIGINT NOT NULL, {position} BIGINT NOT NULL, {affected} {text} NOT NULL, \
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
        (from, last): (Position, &[Last]),
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
            kept(last),
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
    pub async fn advance(&self, session: &mut dyn Session, step: &Move, due: Instant) -> Result<bool, Fault> {
        self.change(session, (integer(step.to().0), kept(&step.did), Value::Null), step.from, due).await
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
        let to = (integer(mark.position.0), kept(&mark.last), Value::Text(pending.text()));
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
    let [Value::Text(log), Value::Integer(epoch), Value::Integer(position), Value::Text(affected), pending] =
        row.as_slice()
    else {
        return None;
    };
    let pending = match pending {
        Value::Null => None,
        Value::Text(text) => Some(Pending::read(text)?),
        _ => return None,
    };
    let last = affected.split(',').filter(|text| !text.is_empty()).map(Last::read).collect::<Option<_>>()?;
    let (epoch, position) = (u64::try_from(*epoch).ok()?, Position(u64::try_from(*position).ok()?));
    Some(Mark { log: log.clone(), epoch, position, last, pending })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_read_as_it_was_written_and_nonsense_is_no_mark() {
        let row = |affected: &str, pending| {
            let affected = Value::Text(affected.into());
            vec![Value::Text("log".into()), Value::Integer(3), Value::Integer(7), affected, pending]
        };
        let mark = read(&row("2,-,1+3", Value::Text("8:abc:d".into()))).unwrap();
        let pending = Pending { position: Position(8), print: "abc:d".into() };
        assert_eq!(Pending::read(&pending.text()), Some(pending.clone()));
        let did = [Last::Applied(vec![2]), Last::Passed, Last::Applied(vec![1, 3])];
        assert_eq!((mark.last.as_slice(), mark.pending.as_ref()), (did.as_slice(), Some(&pending)));
        assert_eq!(kept(&did), Value::Text("2,-,1+3".into()));
        assert!(mark.trail().map(|(at, _)| at.0).eq([5, 6, 7]));
        assert_eq!(read(&row("", Value::Null)).unwrap().last, []);
        for nonsense in ["-2", "1,x", "1,+", "+"] {
            assert_eq!(read(&row(nonsense, Value::Null)), None, "{nonsense}");
        }
        assert_eq!(read(&row("1", Value::Text("x".into()))), None);
    }
}
