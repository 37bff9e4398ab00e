//! Owns LIMIT and OFFSET over rows that come in batches. Pure.

use crate::sql::plan::Window;
use crate::sql::value::Row;

/// What is still to be left out and to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    skip: u64,
    left: Option<u64>,
}

impl Cut {
    pub(super) fn of(window: Window) -> Self {
        Self { skip: window.offset, left: window.limit }
    }

    /// Whether no row can be kept any more.
    pub(super) fn is_over(&self) -> bool {
        self.left == Some(0)
    }

    /// Whether the next row is kept.
    pub(super) fn keeps_one(&mut self) -> bool {
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        match &mut self.left {
            None => true,
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }

    /// What is kept of the next rows.
    pub(super) fn keeps(&mut self, mut rows: Vec<Row>) -> Vec<Row> {
        if self.skip > 0 {
            let skipped = usize::try_from(self.skip).map_or(rows.len(), |skip| skip.min(rows.len()));
            rows.drain(..skipped);
            self.skip -= skipped as u64;
        }
        if let Some(left) = &mut self.left {
            let kept = usize::try_from(*left).map_or(rows.len(), |left| left.min(rows.len()));
            rows.truncate(kept);
            *left -= kept as u64;
        }
        rows
    }
}
