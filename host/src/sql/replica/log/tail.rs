//! The last records in memory: appliers that keep up read what was just appended, each of them, and need no storage for it.

use std::collections::VecDeque;

use super::{Position, Record};

/// Records and bytes that are kept: what appliers are behind by while they keep up, with room.
const MOST: usize = 4_096;
const MOST_BYTES: usize = 8 << 20;

/// The last records.
#[derive(Debug, Default)]
pub(super) struct Tail {
    records: VecDeque<Record>,
    bytes: usize,
}

impl Tail {
    /// Adds the next one.
    pub(super) fn push(&mut self, record: Record) {
        self.bytes += record.entry.bytes();
        self.records.push_back(record);
        while self.records.len() > MOST || self.bytes > MOST_BYTES {
            let Some(oldest) = self.records.pop_front() else { return };
            self.bytes -= oldest.entry.bytes();
        }
    }

    /// The records after a position, if the next one is here.
    pub(super) fn after(&self, after: Position, most: usize) -> Option<Vec<Record>> {
        let first = self.records.front()?.position;
        let skipped = usize::try_from(after.next().0.checked_sub(first.0)?).ok()?;
        (skipped < self.records.len()).then(|| self.records.iter().skip(skipped).take(most).cloned().collect())
    }
}
