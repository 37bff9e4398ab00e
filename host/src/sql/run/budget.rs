//! Owns counting what is gathered against what may be. Pure.

use crate::sql::error::Cap;
use crate::sql::value::{Row, Value};

/// What may still be gathered for one statement.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    most_rows: usize,
    most_bytes: usize,
    rows: usize,
    bytes: usize,
}

impl Budget {
    pub(super) fn new(most_rows: usize, most_bytes: usize) -> Self {
        Self { most_rows, most_bytes, rows: 0, bytes: 0 }
    }

    /// Takes rows in and tells how many bytes they have, or which bound they break.
    pub(super) fn spend(&mut self, rows: &[Row]) -> Result<usize, Cap> {
        self.rows = self.rows.saturating_add(rows.len());
        if self.rows > self.most_rows {
            return Err(Cap::GatherRows(self.most_rows));
        }
        let bytes = rows.iter().flatten().map(Value::bytes).fold(0, usize::saturating_add);
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.most_bytes {
            return Err(Cap::GatherBytes(self.most_bytes));
        }
        Ok(bytes)
    }
}
