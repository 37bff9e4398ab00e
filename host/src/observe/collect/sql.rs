//! What the SQL entries count: statements by tier or reason, time, what each node did, what the kept plans saved.

use super::super::families::{Family, Kind, Value};
use super::super::served::Served;
use super::{Labels, MICROSECONDS};
use crate::sql::figures::{NodeReading, Reading, TIME_BOUNDS_US, Times};

pub(super) fn entries(served: &Served) -> Vec<Family> {
    let mut families = Families::new();
    for (name, entry) in &served.sql {
        families.entry(&name, &entry.figures.read());
    }
    let Families { under_way, answered, failed, partial, explained, steps, nodes } = families;
    let mut all = vec![under_way, answered, failed, partial, explained, steps];
    all.extend(nodes.map(|(family, _)| family));
    all.extend(caches(served));
    all.extend(super::logs::logs(served));
    all
}

/// What a family of a node's tells of it.
type OfNode = fn(&NodeReading) -> Value;

struct Families {
    under_way: Family,
    answered: Family,
    failed: Family,
    partial: Family,
    explained: Family,
    steps: Family,
    nodes: [(Family, OfNode); 4],
}

impl Families {
    fn new() -> Self {
        Self {
            under_way: Family::new(Kind::Gauge, "leverframe_sql_under_way", "Statements under way."),
            answered: Family::new(
                Kind::Histogram,
                "leverframe_sql_time_seconds",
                "Time from a statement to the end of its answer, by tier and class.",
            ),
            failed: Family::new(Kind::Counter, "leverframe_sql_failures", "Statements without an answer, by reason."),
            partial: Family::new(
                Kind::Counter,
                "leverframe_sql_partial",
                "Answers without the rows of nodes that failed, as their clients allowed.",
            ),
            explained: Family::new(Kind::Counter, "leverframe_sql_explained", "Statements that only were explained."),
            steps: Family::new(Kind::Histogram, "leverframe_sql_step_time_seconds", "Time of each step of answering."),
            nodes: [
                (Family::new(Kind::Counter, "leverframe_sql_node_statements", "Statements sent to a node."), |node| {
                    Value::Count(node.statements)
                }),
                (
                    Family::new(Kind::Counter, "leverframe_sql_node_failures", "Statements that a node failed."),
                    |node| Value::Count(node.failures),
                ),
                (Family::new(Kind::Counter, "leverframe_sql_node_rows", "Rows that came from a node."), |node| {
                    Value::Count(node.rows)
                }),
                (
                    Family::new(Kind::Histogram, "leverframe_sql_node_time_seconds", "Time of a node's statements."),
                    |node| Value::histogram(&TIME_BOUNDS_US, &node.times, node.time_us, MICROSECONDS),
                ),
            ],
        }
    }

    fn entry(&mut self, name: &dyn ToString, reading: &Reading) {
        self.under_way.push(&[("entry", name)], Value::Level(reading.under_way as f64));
        self.partial.push(&[("entry", name)], Value::Count(reading.partial));
        self.explained.push(&[("entry", name)], Value::Count(reading.explained));
        for ((tier, class), times) in &reading.answered {
            self.answered.push(&[("entry", name), ("tier", tier), ("class", class)], histogram(times));
        }
        for (reason, count) in &reading.failed {
            self.failed.push(&[("entry", name), ("reason", reason)], Value::Count(*count));
        }
        for (step, times) in &reading.steps {
            self.steps.push(&[("entry", name), ("step", &step.as_str())], histogram(times));
        }
        for (node, counts) in &reading.nodes {
            let labels: Labels<'_> = &[("entry", name), ("node", node)];
            for (family, read) in &mut self.nodes {
                family.push(labels, read(counts));
            }
        }
    }
}

fn histogram(times: &Times) -> Value {
    Value::histogram(&TIME_BOUNDS_US, &times.buckets, times.sum_us, MICROSECONDS)
}

/// How often what was kept of earlier statements helped.
fn caches(served: &Served) -> Vec<Family> {
    let mut lookups = Family::new(
        Kind::Counter,
        "leverframe_sql_cache_lookups",
        "Look-ups among the texts and plans that are kept, by result.",
    );
    let mut kept = Family::new(Kind::Gauge, "leverframe_sql_cached_plans", "Plans that are kept.");
    for (name, entry) in &served.sql {
        let figures = entry.entry.plan_figures();
        for (what, result, count) in [
            ("text", "hit", figures.text_hits),
            ("text", "miss", figures.text_misses),
            ("plan", "hit", figures.plan_hits),
            ("plan", "miss", figures.plan_misses),
        ] {
            lookups.push(&[("entry", name), ("what", &what), ("result", &result)], Value::Count(count));
        }
        kept.push(&[("entry", name)], Value::Level(figures.plans as f64));
    }
    vec![lookups, kept]
}
