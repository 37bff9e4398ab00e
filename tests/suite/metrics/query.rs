//! The names in a PromQL expression: which metrics it reads, which labels it picks them by, and which it groups by. Whether
//! the expression is one is for promtool to say.

use std::collections::{BTreeMap, BTreeSet};

/// Labels that Prometheus adds to whatever it scrapes.
pub(super) const OF_THE_TARGET: [&str; 2] = ["instance", "job"];

/// Words that are no metric.
const WORDS: [&str; 8] = ["and", "or", "unless", "bool", "offset", "inf", "nan", "atan2"];
/// Words before a list of labels.
const GROUPING: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];

/// What an expression names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Named {
    /// Metrics, each with the labels that it is picked by, and their values as they are written.
    pub(super) metrics: Vec<(String, BTreeMap<String, String>)>,
    /// The labels that it groups or joins by.
    pub(super) grouped: BTreeSet<String>,
}

/// Reads an expression.
pub(super) fn named(expression: &str) -> Named {
    let mut named = Named::default();
    let mut rest = expression;
    while let Some(c) = rest.chars().next() {
        match c {
            '"' | '\'' => rest = after_text(rest, c),
            '[' => rest = rest.split_once(']').map_or("", |(_, after)| after),
            '$' => rest = word(&rest[1..]).1,
            c if is_start(c) => {
                let (found, after) = word(rest);
                let next = after.trim_start();
                rest = match next.chars().next() {
                    Some('(') if GROUPING.contains(&found) => {
                        let (list, after) = next[1..].split_once(')').expect("a list ends");
                        named
                            .grouped
                            .extend(list.split(',').map(str::trim).filter(|it| !it.is_empty()).map(str::to_owned));
                        after
                    }
                    Some('(') => next,
                    _ if ["by", "without"].contains(&word(next).0) => next,
                    Some('{') => {
                        let (labels, after) = matchers(&next[1..]);
                        named.metrics.push((found.to_owned(), labels));
                        after
                    }
                    _ if WORDS.contains(&found.to_lowercase().as_str()) || GROUPING.contains(&found) => after,
                    _ => {
                        named.metrics.push((found.to_owned(), BTreeMap::new()));
                        after
                    }
                };
            }
            // A number takes its exponent with it.
            c if c.is_ascii_digit() => rest = rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '.'),
            c => rest = &rest[c.len_utf8()..],
        }
    }
    named
}

/// The labels up to the closing brace.
fn matchers(text: &str) -> (BTreeMap<String, String>, &str) {
    let (mut labels, mut rest, mut last) = (BTreeMap::new(), text, String::new());
    loop {
        let c = rest.chars().next().expect("the braces end");
        match c {
            '}' => return (labels, &rest[1..]),
            '"' | '\'' => {
                let after = after_text(rest, c);
                labels.insert(std::mem::take(&mut last), rest[1..rest.len() - after.len() - 1].to_owned());
                rest = after;
            }
            c if is_start(c) => {
                let (label, after) = word(rest);
                label.clone_into(&mut last);
                rest = after;
            }
            c => rest = &rest[c.len_utf8()..],
        }
    }
}

fn is_start(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || c == ':'
}

fn word(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !(is_start(c) || c.is_ascii_digit())).unwrap_or(text.len());
    text.split_at(end)
}

fn after_text(text: &str, quote: char) -> &str {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '\\' if !escaped => escaped = true,
            c if c == quote && !escaped => return &text[at + 1..],
            _ => escaped = false,
        }
    }
    ""
}

#[test]
fn metrics_labels_and_groups_are_told_apart() {
    let found = named(
        "sum by (cluster, le) (rate(a_total{status=~\"5..\", cluster=\"$x}\"}[$__rate_interval])) / on (job) group_left \
         (b) c > bool 1e3 and histogram_quantile(0.99, d_bucket) unless time() - e{} > 5",
    );
    let labels = |labels: &[&str]| labels.iter().map(|&label| label.to_owned()).collect::<BTreeSet<_>>();
    let picked =
        |of: &[(&str, &str)]| of.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect();
    let of_a = [("cluster", "$x}"), ("status", "5..")];
    let metrics = [("a_total", &of_a[..]), ("c", &[]), ("d_bucket", &[]), ("e", &[])];
    assert_eq!(found.metrics, metrics.map(|(name, of)| (name.to_owned(), picked(of))));
    assert_eq!(found.grouped, labels(&["b", "cluster", "job", "le"]));
}
