//! What is counted of the logs of replicated databases, and how far their nodes are.

use super::super::families::{Family, Kind, Value};
use super::super::served::Served;
use super::Labels;
use crate::sql::replica::{NodeStatus, Stage, Status};

/// What a family tells of a log, or of a node of it.
type Of<T> = fn(&T) -> Value;

pub(super) fn logs(served: &Served) -> Vec<Family> {
    let mut of_logs = of_logs();
    let mut of_nodes = of_nodes();
    let mut open = Family::new(Kind::Gauge, "leverframe_sql_log_open", "Whether the log of writes is open here.");
    let mut stages = Family::new(Kind::Gauge, "leverframe_sql_log_stage", "1 for the stage that the log is in.");
    let mut states = Family::new(Kind::Gauge, "leverframe_sql_log_node_state", "1 for the state that a node is in.");
    for (name, entry) in &served.sql {
        let Some(seat) = entry.entry.seat() else { continue };
        let stage = seat.stage();
        stages.push(&[("entry", name), ("stage", &stage.as_str())], Value::Level(1.0));
        let Stage::Open(sequencer) = &stage else {
            open.push(&[("entry", name)], Value::Level(0.0));
            continue;
        };
        open.push(&[("entry", name)], Value::Level(1.0));
        let status = sequencer.status();
        for (family, read) in &mut of_logs {
            family.push(&[("entry", name)], read(&status));
        }
        for node in &status.nodes {
            let labels: Labels<'_> = &[("entry", name), ("node", &node.name), ("state", &node.state.name())];
            states.push(labels, Value::Level(1.0));
            for (family, read) in &mut of_nodes {
                family.push(&[("entry", name), ("node", &node.name)], read(node));
            }
        }
    }
    let mut all = vec![open, stages, states];
    all.extend(of_logs.into_iter().map(|(family, _)| family));
    all.extend(of_nodes.into_iter().map(|(family, _)| family));
    all
}

fn of_logs() -> [(Family, Of<Status>); 6] {
    let gauge = |name, help| Family::new(Kind::Gauge, name, help);
    let counter = |name, help| Family::new(Kind::Counter, name, help);
    [
        (gauge("leverframe_sql_log_position", "The last entry of the log."), |log| Value::Level(log.last.0 as f64)),
        (gauge("leverframe_sql_log_acknowledged", "The last entry that was acknowledged."), |log| {
            Value::Level(log.acknowledged.0 as f64)
        }),
        (gauge("leverframe_sql_log_entries", "Entries that the log keeps."), |log| {
            Value::Level(log.last.0.saturating_sub(log.trimmed.0) as f64)
        }),
        (gauge("leverframe_sql_log_bytes", "Bytes of the log that are in use."), |log| Value::Level(log.bytes as f64)),
        (counter("leverframe_sql_log_appended", "Entries appended to the log."), |log| Value::Count(log.appended.0)),
        (counter("leverframe_sql_log_fsyncs", "Times that the log was flushed to its disk."), |log| {
            Value::Count(log.appended.1)
        }),
    ]
}

fn of_nodes() -> [(Family, Of<NodeStatus>); 3] {
    let gauge = |name, help| Family::new(Kind::Gauge, name, help);
    [
        (gauge("leverframe_sql_log_node_position", "The last entry that a node has applied."), |node| {
            Value::Level(node.position.0 as f64)
        }),
        (gauge("leverframe_sql_log_node_lag", "Entries that a node lacks."), |node| Value::Level(node.lag as f64)),
        (gauge("leverframe_sql_log_node_readable", "Whether a node may be read from."), |node| {
            Value::flag(node.is_readable)
        }),
    ]
}
