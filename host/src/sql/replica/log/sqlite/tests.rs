//! The file itself: cut, damaged, full, or somebody else's.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::sql::replica::log::tests::{entry, hold, place, records};
use crate::sql::replica::log::{Log, Outcome, Position, Record};

fn append(storage: &mut SqliteStorage, records: &[Record]) -> Result<(), LogError> {
    storage.commit(&Changes { records: records.to_vec(), flush: Flush::Now, ..Changes::default() })
}

fn read(storage: &SqliteStorage) -> Result<Vec<Record>, LogError> {
    storage.reader()?.read(storage.standing().trimmed, usize::MAX, usize::MAX)
}

/// A log with the records 1 to `count`, closed.
fn filled(count: u64) -> (TempDir, PathBuf) {
    let (folder, path) = place();
    let mut storage = SqliteStorage::open(&path).unwrap();
    append(&mut storage, &records(1, (1..=count).map(|n| n.to_string()))).unwrap();
    (folder, path)
}

fn journal(path: &Path) -> PathBuf {
    path.with_extension("sqlite-wal")
}

/// What a process finds that opens the file and so much of its journal.
fn found(file: &[u8], journal_bytes: &[u8]) -> Result<(TempDir, SqliteStorage), LogError> {
    let (folder, path) = place();
    fs::write(&path, file).unwrap();
    fs::write(journal(&path), journal_bytes).unwrap();
    Ok((folder, SqliteStorage::open(&path)?))
}

/// Numbers that look random and are the same each time.
fn numbers() -> impl FnMut(usize) -> usize {
    let mut random = fastrand::Rng::with_seed(7);
    move |below| random.usize(..below)
}

#[test]
fn a_journal_that_is_cut_anywhere_leaves_all_that_was_durable_before_and_no_part_of_more() {
    let (_folder, path) = place();
    let mut storage = SqliteStorage::open(&path).unwrap();
    storage.connection.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
    let names = (1..=60).map(|n| format!("{n} {}", "x".repeat(if n % 7 == 0 { 20_000 } else { n * 11 })));
    let all = records(1, names);
    let mut durable = vec![];
    for batch in all.chunk_by(|one, _| one.position.0 % 3 != 0) {
        append(&mut storage, batch).unwrap();
        durable.push((fs::metadata(journal(&path)).unwrap().len() as usize, batch.last().unwrap().position.0 as usize));
    }
    let (file, whole) = (fs::read(&path).unwrap(), fs::read(journal(&path)).unwrap());
    let mut below = numbers();
    let ends = durable.iter().flat_map(|(end, _)| [end - 1, *end, end + 1]);
    let mut cuts: Vec<usize> =
        ends.chain([0, 1, 31, 32, 33, 56, 4_152]).chain((0..60).map(|_| below(whole.len()))).collect();
    cuts.retain(|cut| *cut <= whole.len());
    for cut in cuts {
        let expected = durable.iter().take_while(|(end, _)| *end <= cut).last().map_or(0, |(_, last)| *last);
        // A file may also have grown before what belongs there was written.
        for rest in [0, 1 + below(9_000)] {
            let mut journal = whole[..cut].to_vec();
            // What follows is not what belongs there: its first byte least of all.
            journal.extend((0..rest).map(|_| below(256) as u8));
            if let (Some(first), Some(right)) = (journal.get_mut(cut), whole.get(cut)) {
                *first = !right;
            }
            let (_folder, mut storage) = found(&file, &journal).unwrap();
            assert_eq!(storage.standing().last, Position(expected as u64), "cut at {cut}, {rest} more");
            assert_eq!(read(&storage).unwrap(), all[..expected], "cut at {cut}, {rest} more");
            let next = Record { position: Position(expected as u64 + 1), epoch: 2, entry: entry("next").into() };
            append(&mut storage, &[next]).unwrap();
        }
    }
}

#[test]
fn a_record_that_was_changed_moved_or_lost_is_an_error_that_names_its_position() {
    let cases = [
        ("UPDATE entries SET statements = replace(statements, 'INTO t', 'INTO u') WHERE position = 4", 4),
        ("UPDATE entries SET epoch = 2 WHERE position = 5", 5),
        ("UPDATE entries SET moment = moment + 1 WHERE position = 6", 6),
        ("UPDATE entries SET kind = 'schema' WHERE position = 7", 7),
        ("UPDATE entries SET kind = 'other' WHERE position = 7", 7),
        ("UPDATE entries SET sum = zeroblob(32) WHERE position = 8", 8),
        ("UPDATE entries SET sum = x'00' WHERE position = 8", 8),
        ("DELETE FROM entries WHERE position = 1", 1),
        ("DELETE FROM entries WHERE position = 5", 5),
        ("DELETE FROM entries WHERE position = 9", 9),
        ("DELETE FROM entries", 1),
        ("UPDATE entries SET position = 10 WHERE position = 9", 9),
        (
            "UPDATE log SET identity = 'other'; DELETE FROM entries WHERE position <= 3;
          UPDATE log SET trimmed = 3, trimmed_sum = (SELECT sum FROM entries WHERE position = 4)",
            4,
        ),
    ];
    for (damage, expected) in cases {
        let (_folder, path) = filled(9);
        let storage = SqliteStorage::open(&path).unwrap();
        Connection::open(&path).unwrap().execute_batch(damage).unwrap();
        let is_named = |error| match error {
            Err(LogError::Corrupt { position, .. }) => assert_eq!(position, Position(expected), "{damage}"),
            other => panic!("{damage}: {other:?}"),
        };
        if !damage.contains("trimmed") {
            is_named(read(&storage).map(drop));
        }
        drop(storage);
        is_named(SqliteStorage::open(&path).map(drop));
    }
}

#[test]
fn what_lies_before_a_damaged_record_is_read_and_nothing_after_it() {
    let (_folder, path) = filled(9);
    let storage = SqliteStorage::open(&path).unwrap();
    let damage = "UPDATE entries SET statements = '[]' WHERE position = 5";
    Connection::open(&path).unwrap().execute_batch(damage).unwrap();
    let mut reader = storage.reader().unwrap();
    assert_eq!(reader.read(Position(0), 4, usize::MAX).unwrap().len(), 4);
    for after in 0..5 {
        let read = reader.read(Position(after), 9, usize::MAX);
        assert!(matches!(read, Err(LogError::Corrupt { position: Position(5), .. })), "{read:?}");
    }
    // One after it is whole, and chained to what should be there.
    assert_eq!(reader.read(Position(5), 1, usize::MAX).unwrap().len(), 1);
}

#[test]
fn an_outcome_that_was_changed_is_an_error() {
    let (_folder, path) = filled(2);
    let mut storage = SqliteStorage::open(&path).unwrap();
    let outcomes = vec![(Position(2), Outcome::Applied { affected: vec![1] })];
    storage.commit(&Changes { outcomes, ..Changes::default() }).unwrap();
    let mut reader = storage.reader().unwrap();
    assert_eq!(reader.outcomes(Position(0), Position(2)).unwrap().len(), 1);
    let damage = "UPDATE entries SET outcome = '{\"applied\":[2]}' WHERE position = 2";
    Connection::open(&path).unwrap().execute_batch(damage).unwrap();
    let read = reader.outcomes(Position(0), Position(2));
    assert!(matches!(read, Err(LogError::Corrupt { position: Position(2), .. })), "{read:?}");
}

#[test]
fn a_read_is_bounded_by_bytes_and_has_one_record_at_least() {
    let (_folder, path) = filled(9);
    let storage = SqliteStorage::open(&path).unwrap();
    let mut reader = storage.reader().unwrap();
    let size = reader.read(Position(0), 1, 1).unwrap()[0].entry.bytes();
    assert_eq!(reader.read(Position(3), 9, 1).unwrap().len(), 1);
    assert_eq!(reader.read(Position(3), 9, size * 2).unwrap().len(), 2);
}

#[test]
fn a_position_that_does_not_follow_is_refused() {
    let (_folder, path) = filled(2);
    let mut storage = SqliteStorage::open(&path).unwrap();
    for wrong in [1, 2, 4] {
        let record = Record { position: Position(wrong), epoch: 2, entry: entry("x").into() };
        assert!(append(&mut storage, &[record]).is_err());
    }
    assert_eq!(storage.standing().last, Position(2));
}

#[test]
fn a_file_of_something_else_is_refused_and_not_touched() {
    for sql in ["CREATE TABLE t (a)", "PRAGMA user_version = 1", "PRAGMA application_id = 5"] {
        let (_folder, path) = place();
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        let before = fs::read(&path).unwrap();
        assert!(matches!(SqliteStorage::open(&path), Err(LogError::Unknown(_))), "{sql}");
        assert_eq!(fs::read(&path).unwrap(), before);
    }
    let (_folder, path) = filled(1);
    Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 2").unwrap();
    assert!(matches!(SqliteStorage::open(&path), Err(LogError::Unknown(_))));
}

#[tokio::test]
async fn a_database_that_is_full_refuses_appends_until_there_is_room() {
    let (_folder, path) = place();
    let (room, rooms) = std::sync::mpsc::channel();
    room.send(60).unwrap();
    /// A storage that is told how many pages it may have.
    struct Limited(SqliteStorage, std::sync::mpsc::Receiver<u32>);
    impl Storage for Limited {
        fn standing(&self) -> Standing {
            self.0.standing()
        }
        fn commit(&mut self, changes: &Changes) -> Result<(), LogError> {
            for pages in self.1.try_iter() {
                self.0.connection.pragma_update(None, "max_page_count", pages).unwrap();
            }
            self.0.commit(changes)
        }
        fn bytes(&self) -> Result<u64, LogError> {
            self.0.bytes()
        }
        fn reader(&self) -> Result<Box<dyn Reader>, LogError> {
            self.0.reader()
        }
    }
    let (file, lease) = (path.clone(), hold(&path).await);
    let log = Log::start(move || Ok(Limited(SqliteStorage::open(&file)?, rooms)), lease).await.unwrap();
    let large = "x".repeat(3_000);
    let mut last = Position(0);
    let full = loop {
        match log.append(entry(&large), &[("t".to_owned(), last.0 as i64 + 1)]).await {
            Ok(position) => last = position,
            Err(error) => break error,
        }
    };
    assert_eq!(full, LogError::Storage("database or disk is full".to_owned()));
    assert!(last > Position(20));
    for _ in 0..3 {
        let appending = futures_util::future::join_all((0..9).map(|_| log.append(entry(&large), &[]))).await;
        assert!(appending.iter().all(|one| *one == Err(full.clone())), "{appending:?}");
    }
    assert_eq!((log.durable(), log.counters().await.unwrap()["t"]), (last, last.0 as i64));
    // Room of entries that were removed is room.
    log.trim(Position(10)).await.unwrap();
    assert_eq!(log.append(entry(&large), &[]).await.unwrap(), last.next());
    room.send(1_000).unwrap();
    for n in 2..50 {
        assert_eq!(log.append(entry(&large), &[]).await.unwrap(), Position(last.0 + n));
    }
    log.close().await;
    assert_eq!(SqliteStorage::open(&path).unwrap().standing().last, Position(last.0 + 49));
}

#[test]
fn a_commit_that_failed_and_yet_lies_in_the_journal_is_overwritten_before_it_can_be_found() {
    let (_folder, path) = filled(3);
    let mut storage = SqliteStorage::open(&path).unwrap();
    append(&mut storage, &[Record { position: Position(4), epoch: 2, entry: entry("4").into() }]).unwrap();
    // A transaction that this writer knows nothing of, where its next one would begin: as after an fsync that failed.
    let (file, bytes) = (fs::read(&path).unwrap(), fs::read(journal(&path)).unwrap());
    let (_elsewhere, copy) = place();
    fs::write(&copy, &file).unwrap();
    fs::write(journal(&copy), &bytes).unwrap();
    let other = Connection::open(&copy).unwrap();
    other.execute_batch("UPDATE log SET epoch = 1 << 60; INSERT INTO counters VALUES ('left', 1)").unwrap();
    let longer = fs::read(journal(&copy)).unwrap();
    assert!(longer.starts_with(&bytes) && longer.len() > bytes.len());
    fs::write(journal(&path), &longer).unwrap();
    let epoch = |journal_bytes: &[u8]| found(&file, journal_bytes).unwrap().1.standing().epoch;
    assert_eq!(epoch(&fs::read(journal(&path)).unwrap()), (1 << 60) + 1);

    storage.is_in_doubt = true;
    storage.void().unwrap();
    assert!(!storage.is_in_doubt);
    assert!(epoch(&fs::read(journal(&path)).unwrap()) < 1 << 60);
    append(&mut storage, &[Record { position: Position(5), epoch: 2, entry: entry("5").into() }]).unwrap();
    assert_eq!(read(&storage).unwrap().len(), 5);
}

#[test]
fn a_commit_that_failed_and_cannot_be_overwritten_is_in_doubt_until_it_is() {
    let (_folder, path) = filled(1);
    let mut storage = SqliteStorage::open(&path).unwrap();
    storage.is_in_doubt = true;
    storage.connection.pragma_update(None, "query_only", true).unwrap();
    let failed = LogError::Storage("disk I/O error".to_owned());
    assert!(storage.settled(failed.clone()).is_in_doubt());
    let next = [Record { position: Position(2), epoch: 2, entry: entry("2").into() }];
    assert!(append(&mut storage, &next).is_err_and(|error| !error.is_in_doubt()));
    storage.connection.pragma_update(None, "query_only", false).unwrap();
    append(&mut storage, &next).unwrap();
    let voided: i64 = storage.connection.query_row("SELECT voided FROM log", [], |row| row.get(0)).unwrap();
    assert_eq!((voided, read(&storage).unwrap().len()), (1, 2));
    assert_eq!(storage.settled(failed.clone()), failed);
}
