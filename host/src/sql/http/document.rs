//! An answer as one JSON document, which is complete or is not sent: it is written down whole before its first byte leaves.

use std::time::Instant;

use bytes::Bytes;
use futures_util::StreamExt;

use super::write::{self, Singles};
use crate::sql::dialect::Dialect;
use crate::sql::error::{Cap, Error};
use crate::sql::replica::Effect;
use crate::sql::run::{Explanation, Logged, Rows};
use crate::sql::write::{Returned, Written};

/// The rows of an answer, when they fit into so many bytes, and how many they are.
pub(super) async fn rows(mut rows: Rows, dialect: Dialect, most: usize, began: Instant) -> Result<(Bytes, u64), Error> {
    let singles = Singles::of(dialect, &rows.columns);
    let mut out = Vec::with_capacity(1024);
    out.extend_from_slice(b"{\"columns\":");
    write::columns(&mut out, &rows.columns);
    out.extend_from_slice(b",\"rows\":[");
    let mut count = 0;
    while let Some(batch) = rows.batches.next().await {
        for row in batch? {
            if count > 0 {
                out.push(b',');
            }
            write::row(&mut out, &row, &singles);
            count += 1;
            if out.len() > most {
                return Err(Error::Cap(Cap::AnswerBytes(most)));
            }
        }
    }
    out.extend_from_slice(b"],");
    write::closing(&mut out, count, began.elapsed(), &rows.report.read());
    out.extend_from_slice(b"}\n");
    Ok((Bytes::from(out), count))
}

/// What was written.
pub(super) fn written(written: &Written, dialect: Dialect, began: Instant) -> Bytes {
    let mut out = Vec::with_capacity(1024);
    out.extend_from_slice(b"{\"affected\":");
    write::count(&mut out, written.affected);
    returned(&mut out, written.returned.as_ref(), dialect);
    out.extend_from_slice(b",\"elapsed_ms\":");
    write::millis(&mut out, began.elapsed());
    out.extend_from_slice(b",\"nodes\":");
    write::list(&mut out, &written.nodes, write::node);
    out.extend_from_slice(b"}\n");
    Bytes::from(out)
}

/// What was written by way of the log: the members of the one statement, or a list of results.
pub(super) fn logged(logged: &Logged, dialect: Dialect, began: Instant) -> Bytes {
    let mut out = Vec::with_capacity(1024);
    let effect = |out: &mut Vec<u8>, effect: &Effect| {
        out.extend_from_slice(b"\"affected\":");
        match effect.affected {
            Some(affected) => write::count(out, affected),
            // It was done, and the nodes that knew how many rows that are have gone.
            None => out.extend_from_slice(b"null"),
        }
        returned(out, effect.returned.as_ref(), dialect);
    };
    out.push(b'{');
    match logged.effects.as_slice() {
        [only] if !logged.is_list => effect(&mut out, only),
        effects => {
            out.extend_from_slice(b"\"results\":");
            write::list(&mut out, effects, |out, one| {
                out.push(b'{');
                effect(out, one);
                out.push(b'}');
            });
        }
    }
    out.extend_from_slice(b",\"position\":");
    write::count(&mut out, logged.position.0);
    out.extend_from_slice(b",\"elapsed_ms\":");
    write::millis(&mut out, began.elapsed());
    out.extend_from_slice(b",\"nodes\":");
    write::list(&mut out, &logged.nodes, write::node);
    out.extend_from_slice(b"}\n");
    Bytes::from(out)
}

/// The rows that a write has answered, if it was to.
fn returned(out: &mut Vec<u8>, returned: Option<&Returned>, dialect: Dialect) {
    let Some(returned) = returned else { return };
    out.extend_from_slice(b",\"columns\":");
    write::columns(out, &returned.columns);
    out.extend_from_slice(b",\"rows\":");
    let singles = Singles::of(dialect, &returned.columns);
    write::list(out, &returned.rows, |out, row| write::row(out, row, &singles));
    out.extend_from_slice(b",\"row_count\":");
    write::count(out, returned.rows.len() as u64);
}

/// What would be done.
pub(super) fn explanation(explanation: &Explanation) -> Bytes {
    let mut out = Vec::with_capacity(1024);
    out.extend_from_slice(b"{\"plan\":");
    write::course(&mut out, &explanation.course);
    out.extend_from_slice(b",\"nodes\":");
    write::list(&mut out, &explanation.nodes, |out, node| {
        out.extend_from_slice(b"{\"name\":");
        write::text(out, &node.name);
        out.extend_from_slice(b",\"shard\":");
        write::text(out, &node.shard);
        out.extend_from_slice(b",\"sql\":");
        write::text(out, &node.sql);
        out.push(b'}');
    });
    if let Some(last) = &explanation.last {
        out.extend_from_slice(b",\"last\":");
        write::text(&mut out, last);
    }
    out.extend_from_slice(b"}\n");
    Bytes::from(out)
}
