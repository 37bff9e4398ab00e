//! What became of spans and lines: plain atomics, counted for as long as the process lives.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What became of spans and lines.
#[derive(Debug, Default)]
pub struct RecordingCounts {
    pub(super) spans_exported: AtomicU64,
    pub(super) spans_without_room: AtomicU64,
    pub(super) spans_not_taken: AtomicU64,
    pub(super) lines_written: AtomicU64,
    pub(super) lines_without_room: AtomicU64,
    pub(super) lines_not_written: AtomicU64,
}

impl RecordingCounts {
    /// Spans that the collector took.
    pub fn spans_exported(&self) -> u64 {
        self.spans_exported.load(Relaxed)
    }

    /// Spans that were dropped: for want of room, and because the collector did not take them.
    pub fn spans_dropped(&self) -> [u64; 2] {
        [self.spans_without_room.load(Relaxed), self.spans_not_taken.load(Relaxed)]
    }

    /// Lines that were written.
    pub fn lines_written(&self) -> u64 {
        self.lines_written.load(Relaxed)
    }

    /// Lines that were dropped: for want of room, and because they could not be written.
    pub fn lines_dropped(&self) -> [u64; 2] {
        [self.lines_without_room.load(Relaxed), self.lines_not_written.load(Relaxed)]
    }
}

pub(super) fn add(to: &AtomicU64, more: usize) {
    to.fetch_add(more as u64, Relaxed);
}
