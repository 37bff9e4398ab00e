//! Owns what a proxy leaves behind that dies in the middle of writing to its log: what was durable before, and a part of what
//! was to follow.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use fastrand::Rng;

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Has the log of a proxy that was killed end in a part of one more record. What it had is written once more elsewhere, with the
/// record after it, as the proxy would have written it; of that as much is taken over as chance has it.
pub(super) fn tear(log: &Path, chance: &mut Rng) {
    let elsewhere = tempfile::tempdir().expect("a folder");
    let copy = elsewhere.path().join("log");
    fs::copy(log, &copy).expect("the log");
    if beside(log, "-wal").exists() {
        fs::copy(beside(log, "-wal"), beside(&copy, "-wal")).expect("its journal");
    }
    let writer = rusqlite::Connection::open(&copy).expect("the log");
    writer.pragma_update(None, "wal_autocheckpoint", 0).expect("a setting");
    let journal = beside(&copy, "-wal");
    writer.query_row("SELECT count(*) FROM entries", [], |_| Ok(())).expect("a log");
    let before = fs::read(&journal).unwrap_or_default();
    let statements = format!("[{{\"sql\": \"{}\"}}]", "x".repeat(chance.usize(10..20_000)));
    writer
        .execute_batch(&format!(
            "BEGIN IMMEDIATE;
            INSERT INTO entries SELECT last + 1, epoch, 'change', 0, '{statements}', zeroblob(32), NULL, NULL FROM log;
            UPDATE log SET last = last + 1, last_sum = zeroblob(32);
            COMMIT"
        ))
        .expect("a record");
    let whole = fs::read(&journal).expect("a journal");
    // What was written, and what was there before where the file is used again.
    let is_news = |at: &usize| before.get(*at) != whole.get(*at);
    let first = (0..whole.len()).find(is_news).expect("something was written");
    let last = (0..whole.len()).rev().find(is_news).expect("something was written");
    // The last of it is never there: with it the record would be whole.
    let cut = chance.usize(first..last);
    let mut torn = whole.get(..cut).expect("a part").to_vec();
    torn.extend(before.iter().skip(cut));
    if torn.len() < whole.len() && chance.bool() && whole.get(last) != Some(&0) {
        // The file has grown already, and has not got what belongs there.
        torn.resize(whole.len(), 0);
    }
    replace(&beside(log, "-wal"), &torn);
    // It is made anew from the journal.
    let _ = fs::remove_file(beside(log, "-shm"));
}

/// Puts a journal in the place of the one that is there. What was durable keeps its room; where the disk is full, the journal
/// ends where that has no more, which tears it as well.
fn replace(journal: &Path, torn: &[u8]) {
    let mut file = OpenOptions::new().create(true).write(true).truncate(false).open(journal).expect("a journal");
    let mut rest = torn;
    while !rest.is_empty() {
        match file.write(rest) {
            Err(error) if error.kind() == ErrorKind::StorageFull => break,
            written => rest = &rest[written.expect("its journal")..],
        }
    }
    file.set_len((torn.len() - rest.len()) as u64).expect("its journal");
}
