//! What became of spans and of the lines of the access log.

use super::super::families::{Family, Kind, Value};
use super::super::recording::RecordingCounts;

pub(super) fn recording(counts: &RecordingCounts) -> Vec<Family> {
    let counter = |name, help| Family::new(Kind::Counter, name, help);
    let dropped = |name, help, reasons: [&str; 2], counts: [u64; 2]| {
        let mut family = counter(name, help);
        for (reason, count) in reasons.iter().zip(counts) {
            family.push(&[("reason", reason)], Value::Count(count));
        }
        family
    };
    let mut exported = counter("leverframe_traces_exported", "Spans that the collector took.");
    exported.push(&[], Value::Count(counts.spans_exported()));
    let mut written = counter("leverframe_access_log_written", "Lines that were written to the access log.");
    written.push(&[], Value::Count(counts.lines_written()));
    let spans = "Spans that were dropped: there was no room for them, or the collector did not take them.";
    let lines = "Lines of the access log that were dropped: there was no room for them, or they could not be written.";
    vec![
        exported,
        dropped("leverframe_traces_dropped", spans, ["no-room", "not-taken"], counts.spans_dropped()),
        written,
        dropped("leverframe_access_log_dropped", lines, ["no-room", "not-written"], counts.lines_dropped()),
    ]
}
