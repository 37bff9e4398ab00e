//! The log as its users have it, and what they share to test it.

mod crash;
mod encode;
mod lease;
mod writer;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::sql::value::Value;

/// A folder of its own with the path of a log in it.
pub(super) fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("statements.sqlite");
    (folder, path)
}

/// An entry that is told from others by a name.
pub(super) fn entry(name: &str) -> Entry {
    let sql = "INSERT INTO t VALUES (?)".to_owned();
    let params = vec![Value::Text(name.to_owned())];
    let statement = Statement { sql, params, returns: false, insert_id: None, named: None };
    Entry { statements: vec![statement], kind: Kind::Change, moment: 1_700_000_000_000_000 }
}

/// The name of an entry.
pub(super) fn name(record: &Record) -> String {
    let [statement] = record.entry.statements.as_slice() else { panic!("{record:?}") };
    let [Value::Text(name)] = statement.params.as_slice() else { panic!("{record:?}") };
    name.clone()
}

/// The records of entries with these names, from the first position on.
pub(super) fn records(epoch: u64, names: impl IntoIterator<Item = String>) -> Vec<Record> {
    let record =
        |(name, position): (String, u64)| Record { position: Position(position), epoch, entry: Arc::new(entry(&name)) };
    names.into_iter().zip(1..).map(record).collect()
}

/// The lease of a log, which nobody else may hold.
pub(super) async fn hold(path: &Path) -> Arc<dyn Hold> {
    match FileLease::beside(path).claim().await.unwrap() {
        Claim::Held(hold) => hold,
        Claim::Taken(holder) => panic!("held by {holder}"),
    }
}

async fn open(path: &Path) -> Log {
    Log::open(path, hold(path).await).await.unwrap()
}

async fn names(log: &Log) -> Vec<String> {
    let (mut all, mut after) = (Vec::new(), log.figures().trimmed);
    loop {
        let records = log.read(after, 7).await.unwrap();
        let Some(last) = records.last() else { return all };
        assert!(records.iter().zip(after.0 + 1..).all(|(record, expected)| record.position.0 == expected));
        after = last.position;
        all.extend(records.iter().map(name));
    }
}

#[tokio::test]
async fn what_is_appended_is_read_in_order_also_after_it_is_opened_again() {
    let (_folder, path) = place();
    let log = open(&path).await;
    assert_eq!(log.durable(), Position(0));
    let first = log.epoch();
    let (identity, mut watch) = (log.identity().clone(), log.watch());
    for n in 1..=20 {
        assert_eq!(log.append(entry(&n.to_string()), &[]).await.unwrap(), Position(n));
    }
    assert!(watch.has_changed().unwrap());
    assert_eq!(*watch.borrow_and_update(), Position(20));
    let expected: Vec<String> = (1..=20).map(|n| n.to_string()).collect();
    assert_eq!(names(&log).await, expected);
    let recent = log.read(Position(3), 10).await.unwrap();
    assert_eq!(recent.len(), 10);
    log.close().await;

    let log = open(&path).await;
    assert_eq!((log.durable(), log.identity()), (Position(20), &identity));
    assert!(log.epoch() > first);
    assert_eq!(names(&log).await, expected);
    // From the file now, and not from memory.
    assert_eq!(log.read(Position(3), 10).await.unwrap(), recent);
    assert_eq!(log.append(entry("21"), &[]).await.unwrap(), Position(21));
    assert_eq!(log.read(Position(20), 10).await.unwrap()[0].epoch, log.epoch());
    assert!(log.read(Position(21), 10).await.unwrap().is_empty());
    assert!(log.read(Position(99), 10).await.unwrap().is_empty());

    let (_folder, elsewhere) = place();
    assert_ne!(open(&elsewhere).await.identity(), &identity);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(&path.with_extension("sqlite-wal"))), (0o600, 0o600));
}

#[tokio::test]
async fn an_outcome_that_was_settled_stays() {
    let (_folder, path) = place();
    let log = open(&path).await;
    log.append(entry("a"), &[]).await.unwrap();
    let applied = Outcome::Applied { affected: vec![1] };
    let refused = Outcome::Refused { class: "unique".to_owned(), message: "it is there".to_owned() };
    for outcome in [&applied, &refused] {
        log.note(vec![], vec![(Position(1), outcome.clone())], Flush::Now).await.unwrap();
    }
    assert_eq!(log.outcomes(Position(0), Position(1)).await.unwrap(), [(Position(1), applied)].into());
}

#[tokio::test]
async fn the_writer_of_an_older_copy_has_an_epoch_that_none_before_it_had() {
    let (_folder, path) = place();
    open(&path).await.close().await;
    let backup = std::fs::read(&path).unwrap();
    let mut before = 0;
    for _ in 0..3 {
        let log = open(&path).await;
        before = log.epoch();
        log.close().await;
    }
    std::fs::write(&path, backup).unwrap();
    // A clock of milliseconds.
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    let log = open(&path).await;
    assert!(log.epoch() > before, "{} after {before}", log.epoch());
}

#[tokio::test]
async fn counters_outcomes_and_marks_outlive_the_process() {
    let (_folder, path) = place();
    let log = open(&path).await;
    log.append(entry("a"), &[("t".to_owned(), 5), ("u".to_owned(), 2)]).await.unwrap();
    log.append(entry("b"), &[("t".to_owned(), 4)]).await.unwrap();
    log.append(entry("c"), &[]).await.unwrap();
    let applied = Outcome::Applied { affected: vec![1, u64::MAX] };
    let refused = Outcome::Refused { class: "unique".to_owned(), message: "\"b\"\nis there".to_owned() };
    let settled = vec![(Position(1), applied.clone()), (Position(2), refused.clone()), (Position(9), applied.clone())];
    log.note(vec![], settled, Flush::Now).await.unwrap();
    let mark = NodeMark { watermark: Position(2), state: Some("inconsistent".to_owned()) };
    log.note(vec![("n1".to_owned(), Some(mark.clone()))], vec![], Flush::Later).await.unwrap();
    log.note(vec![("n2".to_owned(), Some(NodeMark::default()))], vec![], Flush::Later).await.unwrap();
    log.note(vec![("n2".to_owned(), None)], vec![], Flush::Later).await.unwrap();
    log.close().await;

    let log = open(&path).await;
    assert_eq!(log.counters().await.unwrap(), [("t".to_owned(), 5), ("u".to_owned(), 2)].into());
    assert_eq!(log.nodes().await.unwrap(), [("n1".to_owned(), mark)].into());
    let all = log.outcomes(Position(0), Position(9)).await.unwrap();
    assert_eq!(all, [(Position(1), applied), (Position(2), refused.clone())].into());
    assert_eq!(log.outcomes(Position(1), Position(2)).await.unwrap(), [(Position(2), refused)].into());
}

#[tokio::test]
async fn entries_that_are_removed_leave_their_room_and_positions_go_on() {
    let (_folder, path) = place();
    let log = open(&path).await;
    let appending = (1..=5_000).map(|n| log.submit(entry(&format!("{n} {:200}", "")), &[]));
    let appending = futures_util::future::join_all(appending).await;
    futures_util::future::join_all(appending.into_iter().map(|one| one.unwrap().durable())).await;
    let full = log.figures().bytes;
    log.trim(Position(4_990)).await.unwrap();
    let figures = log.figures();
    assert_eq!((figures.trimmed, figures.last), (Position(4_990), Position(5_000)));
    assert!(figures.bytes < full / 10, "{} of {full}", figures.bytes);
    log.close().await;

    let log = open(&path).await;
    assert_eq!(log.read(Position(100), 10).await, Err(LogError::Trimmed(Position(4_990))));
    assert_eq!(log.read(Position(4_990), 99).await.unwrap().len(), 10);
    log.trim(Position(9_999)).await.unwrap();
    assert_eq!(log.figures().trimmed, Position(5_000));
    log.close().await;
    let log = open(&path).await;
    assert_eq!(log.durable(), Position(5_000));
    assert_eq!(log.append(entry("next"), &[]).await.unwrap(), Position(5_001));
    assert_eq!(names(&log).await, ["next"]);
}

#[tokio::test]
async fn a_person_reads_statements_and_parameters_in_the_file() {
    let (_folder, path) = place();
    let log = open(&path).await;
    let one = Statement {
        sql: "UPDATE t SET a = $1, b = 'it''s'".to_owned(),
        params: vec![Value::Integer(7), Value::Decimal("1.50".to_owned()), Value::Blob(vec![0, 255])],
        returns: true,
        insert_id: Some(12),
        named: None,
    };
    let two =
        Statement { sql: "DELETE FROM u".to_owned(), params: vec![], returns: false, insert_id: None, named: None };
    let entry = Entry { statements: vec![one, two], kind: Kind::Schema, moment: 1_700_000_000_123_456 };
    log.append(entry, &[]).await.unwrap();
    let connection = rusqlite::Connection::open(&path).unwrap();
    let mut select = connection.prepare("SELECT * FROM statements").unwrap();
    let text =
        |row: &rusqlite::Row<'_>, column| row.get::<_, rusqlite::types::Value>(column).map(|it| format!("{it:?}"));
    let rows = select.query_map([], |row| (0..7).map(|column| text(row, column)).collect::<Result<Vec<_>, _>>());
    let rows: Vec<_> = rows.unwrap().map(Result::unwrap).collect();
    assert_eq!(
        rows[0],
        [
            "Integer(1)",
            "Integer(1)",
            "Text(\"2023-11-14T22:13:20.123Z\")",
            "Text(\"schema\")",
            "Text(\"UPDATE t SET a = $1, b = 'it''s'\")",
            r#"Text("[7,{\"decimal\":\"1.50\"},{\"blob\":\"AP8=\"}]")"#,
            "Null"
        ]
    );
    assert_eq!(rows[1][1..5], ["Integer(2)", &rows[0][2], "Text(\"schema\")", "Text(\"DELETE FROM u\")"]);
}

#[tokio::test]
async fn an_entry_that_is_too_large_is_refused_and_troubles_nobody() {
    let (_folder, path) = place();
    let log = open(&path).await;
    let large = log.append(entry(&" ".repeat(128 << 20)), &[]).await;
    assert!(matches!(large, Err(LogError::TooLarge { .. })), "{large:?}");
    assert_eq!(log.append(entry("small"), &[]).await.unwrap(), Position(1));
}
