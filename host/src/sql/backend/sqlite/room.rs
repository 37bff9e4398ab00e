//! Owns the bound of what an engine in memory writes down for the time being. SQLite keeps sorters and temporary tables in
//! files once they outgrow its cache, which bounds its memory, and does not bound the files. The thread of a connection does
//! nothing but what its statement needs, so what the kernel says that the thread has written is what they have.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

/// Linux counts here what the thread has written; others, and containers that hide it, do not tell.
const COUNTS: &str = "/proc/thread-self/io";

/// The line of the bytes that were handed to the kernel, in caches or not.
const WRITTEN: &str = "wchar: ";

/// Looks between two readings; SQLite has one looked some ten thousand times a second.
const SPARED: u32 = 32;

/// What one task may write.
#[derive(Debug)]
pub(super) struct Room {
    counts: Option<File>,
    most: u64,
    /// What had been written when the task began; none before its first look.
    before: Option<u64>,
    looks: u32,
    is_full: bool,
}

impl Room {
    /// So many bytes, on this thread. Where they are not told, the deadline is the only bound.
    pub(super) fn of_this_thread(most: u64) -> Self {
        Self { counts: File::open(COUNTS).ok(), most, before: None, looks: 0, is_full: false }
    }

    /// A task begins.
    pub(super) fn begin(&mut self) {
        (self.before, self.looks, self.is_full) = (None, 0, false);
    }

    /// Looks now and then how much there is; on the thread itself.
    pub(super) fn look(&mut self) {
        let is_due = self.looks.is_multiple_of(SPARED);
        self.looks = self.looks.wrapping_add(1);
        if let (true, Some(written)) = (is_due, self.written()) {
            let before = *self.before.get_or_insert(written);
            self.is_full = written.saturating_sub(before) > self.most;
        }
    }

    /// Whether it was too much.
    pub(super) fn is_full(&self) -> bool {
        self.is_full
    }

    fn written(&self) -> Option<u64> {
        let mut text = [0; 512];
        let read = self.counts.as_ref()?.read_at(&mut text, 0).ok()?;
        let text = std::str::from_utf8(text.get(..read)?).ok()?;
        text.lines().find_map(|line| line.strip_prefix(WRITTEN))?.trim().parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::database::Database;
    use super::super::guard::Guard;
    use super::super::watch::Watch;
    use super::*;

    #[test]
    fn a_sorter_that_outgrows_its_room_is_stopped_and_the_next_statement_is_not() {
        let watch = Arc::new(Watch::default());
        let connection = Database::Private.open(&watch, &Guard::default()).unwrap();
        watch.bound(Room::of_this_thread(100 << 20));
        let sorted = |task, rows: &str| {
            assert!(watch.begin(task, None));
            let numbers = format!("WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n {rows})");
            let sql = format!("{numbers} SELECT hex(zeroblob(500)) || x FROM n ORDER BY 1");
            connection.query_row(&sql, [], |row| row.get::<_, String>(0))
        };
        let endless = sorted(1, "").unwrap_err();
        assert_eq!(endless.sqlite_error_code(), Some(rusqlite::ErrorCode::OperationInterrupted));
        assert!(watch.is_full());
        assert!(sorted(2, "LIMIT 1000").is_ok());
        assert!(!watch.is_full());
    }
}
