//! Values and names as JSON, written by hand: an answer may have millions. Exact: an integer that a reader of JSON would
//! take for another one, and every decimal, is a string of its digits.

use std::io::Write;
use std::time::Duration;

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;

use crate::sql::dialect::Dialect;
use crate::sql::run::{Course, NodeReport, Summary};
use crate::sql::value::{Column, Row, Value};

/// The largest integer that every reader of JSON tells from its neighbours: 2^53 - 1, as RFC 8259 (section 6) has it.
const MOST_SAFE: u64 = (1 << 53) - 1;

/// A text, quoted.
pub(super) fn text(out: &mut Vec<u8>, text: &str) {
    // Writing to memory does not fail, and neither does a text.
    let _ = serde_json::to_writer(out, text);
}

/// A number of the host's own.
pub(super) fn count(out: &mut Vec<u8>, count: u64) {
    let _ = write!(out, "{count}");
}

/// A time in milliseconds, to the microsecond.
pub(super) fn millis(out: &mut Vec<u8>, time: Duration) {
    let micros = time.as_micros();
    let _ = write!(out, "{}.{:03}", micros / 1000, micros % 1000);
}

/// A value.
pub(super) fn value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Integer(number) if number.unsigned_abs() <= MOST_SAFE => {
            // Several times as fast as formatting.
            let _ = serde_json::to_writer(out, number);
        }
        Value::Integer(number) => {
            let _ = write!(out, "\"{number}\"");
        }
        Value::Decimal(written) | Value::Text(written) => text(out, written),
        Value::Real(number) if number.is_finite() => {
            let _ = serde_json::to_writer(out, number);
        }
        Value::Real(number) if number.is_nan() => out.extend_from_slice(b"\"NaN\""),
        Value::Real(number) if *number > 0.0 => out.extend_from_slice(b"\"Infinity\""),
        Value::Real(_) => out.extend_from_slice(b"\"-Infinity\""),
        Value::Blob(bytes) => {
            out.push(b'"');
            // Piece by piece, without a text of its own.
            let _ = write!(out, "{}", Base64Display::new(bytes, &STANDARD));
            out.push(b'"');
        }
    }
}

/// Which columns of an answer are floats of 32 bits, column by column: they come as the doubles of the same value, and are
/// written with the digits that tell a float from its neighbours, as their server would.
#[derive(Clone, Debug, Default)]
pub(super) struct Singles(Vec<bool>);

impl Singles {
    /// By the types that servers have; in SQLite, types of those names are doubles.
    pub(super) fn of(dialect: Dialect, columns: &[Column]) -> Self {
        let single = match dialect {
            Dialect::Sqlite => return Self::default(),
            Dialect::Postgres => "real",
            Dialect::MySql => "float",
        };
        Self(columns.iter().map(|column| column.declared == single).collect())
    }
}

/// A float of 32 bits.
fn single(out: &mut Vec<u8>, number: f64) {
    let single = number as f32;
    if single.is_finite() && f64::from(single) == number {
        let _ = serde_json::to_writer(out, &single);
    } else {
        value(out, &Value::Real(number));
    }
}

/// A row, as an array.
pub(super) fn row(out: &mut Vec<u8>, row: &Row, singles: &Singles) {
    let mut singles = singles.0.iter();
    list(out, row, |out, item| match (item, singles.next()) {
        (Value::Real(number), Some(true)) => single(out, *number),
        _ => value(out, item),
    });
}

/// Something for each of many, as an array.
pub(super) fn list<T>(out: &mut Vec<u8>, items: &[T], mut each: impl FnMut(&mut Vec<u8>, &T)) {
    out.push(b'[');
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        each(out, item);
    }
    out.push(b']');
}

/// The columns of an answer.
pub(super) fn columns(out: &mut Vec<u8>, columns: &[Column]) {
    list(out, columns, |out, column| {
        out.extend_from_slice(b"{\"name\":");
        text(out, &column.name);
        out.extend_from_slice(b",\"type\":");
        text(out, &column.declared);
        out.push(b'}');
    });
}

/// What is told behind the rows; without the braces around it.
pub(super) fn closing(out: &mut Vec<u8>, rows: u64, elapsed: Duration, summary: &Summary) {
    out.extend_from_slice(b"\"row_count\":");
    count(out, rows);
    out.extend_from_slice(b",\"elapsed_ms\":");
    millis(out, elapsed);
    out.extend_from_slice(b",\"plan\":");
    course(out, &summary.course);
    out.extend_from_slice(b",\"nodes\":");
    list(out, &summary.nodes, node);
    if let Some(position) = summary.position {
        out.extend_from_slice(b",\"position\":");
        count(out, position.0);
    }
    if summary.partial {
        out.extend_from_slice(b",\"partial\":true");
    }
}

/// How it was answered.
pub(super) fn course(out: &mut Vec<u8>, course: &Course) {
    out.extend_from_slice(b"{\"class\":");
    text(out, course.class);
    out.extend_from_slice(b",\"tier\":");
    text(out, course.tier);
    if !course.why.is_empty() {
        out.extend_from_slice(b",\"why\":");
        text(out, &course.why);
    }
    if !course.merge.is_empty() {
        out.extend_from_slice(b",\"merge\":");
        list(out, &course.merge, |out, step| text(out, step));
    }
    out.push(b'}');
}

/// What a node did.
pub(super) fn node(out: &mut Vec<u8>, node: &NodeReport) {
    out.extend_from_slice(b"{\"name\":");
    text(out, &node.name);
    out.extend_from_slice(b",\"sql\":");
    text(out, &node.sql);
    out.extend_from_slice(b",\"rows\":");
    count(out, node.rows);
    out.extend_from_slice(b",\"elapsed_ms\":");
    millis(out, node.elapsed);
    out.extend_from_slice(b",\"status\":");
    text(out, node.status.as_str());
    if let Some(why) = node.status.why() {
        out.extend_from_slice(b",\"error\":");
        text(out, why);
    }
    out.push(b'}');
}
