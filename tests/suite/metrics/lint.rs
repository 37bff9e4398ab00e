//! The conventions of Prometheus for names, types, units and labels, one function for each rule, as promtool's linter has
//! them and where it has none as the documentation does. Each finding names the metric and what is wrong with it.

use std::collections::{BTreeMap, BTreeSet};

use super::page::{Family, Page, Sample};

/// Units that a name may be in, and those that stand for them but must not be used.
const BASE_UNITS: [(&str, &[&str]); 4] = [
    (
        "seconds",
        &["second", "milliseconds", "microseconds", "nanoseconds", "minutes", "hours", "days", "millis", "micros"],
    ),
    ("bytes", &["byte", "bits", "kilobytes", "megabytes", "gigabytes", "kibibytes", "mebibytes", "gibibytes"]),
    ("ratio", &["percent", "percents", "ratios", "permille"]),
    ("celsius", &["kelvin", "fahrenheit"]),
];

/// Short forms of units, which nobody can tell for sure.
const ABBREVIATIONS: [&str; 18] = [
    "s", "ms", "us", "ns", "sec", "secs", "msec", "usec", "min", "mins", "h", "hr", "b", "kb", "mb", "gb", "kib", "mib",
];

/// Every label that there is, and what bounds the number of its values.
pub(super) const LABELS: [(&str, &str); 22] = [
    ("call", "the calls of the contract"),
    ("class", "read, write, and the others of the program"),
    ("cluster", "[cluster.NAME] of the configuration"),
    ("endpoint", "the members of a cluster; one that has left is told no more"),
    ("entry", "[sql.NAME] of the configuration"),
    ("le", "the bounds of a histogram"),
    ("listener", "[[listener]] of the configuration"),
    ("name", "64 of a plugin, as the host allows it"),
    ("node", "the members of an entry's cluster, 1000 at most"),
    ("plugin", "the plugins that are embedded or in the folder"),
    ("reason", "the reasons of the program"),
    ("result", "two of each metric"),
    ("revision", "two of a plugin: the version that serves and the one before"),
    ("source", "the kinds of sources of the program"),
    ("stage", "the stages of the program"),
    ("state", "the states of the program"),
    ("status", "the classes of status"),
    ("step", "the steps of the program"),
    ("tier", "the tiers of the program"),
    ("version", "one of each revision"),
    ("what", "two: texts and plans"),
    ("world", "the worlds of the contract"),
];

/// What a page of metrics has that it should not have.
pub(super) fn findings(page: &Page) -> Vec<String> {
    let mut findings = Vec::new();
    for family in &page.families {
        let rules = [
            help(family),
            kind(family),
            name(family),
            units(family),
            suffixes(family),
            type_in_name(family),
            labels(family),
            values(family),
        ];
        let told = rules.into_iter().flatten().map(|what| format!("{}: {what}", family.name));
        findings.extend(told);
        if family.kind == "histogram" {
            findings.extend(histogram(family).into_iter().map(|what| format!("{}: {what}", family.name)));
        }
    }
    findings.extend(twice(page));
    findings
}

fn help(family: &Family) -> Option<String> {
    match family.help.as_deref() {
        None | Some("") => Some("no help text".to_owned()),
        Some(help) if !help.ends_with('.') => Some(format!("no sentence: {help}")),
        Some(_) => None,
    }
}

fn kind(family: &Family) -> Option<String> {
    let known = ["counter", "gauge", "histogram", "summary"].contains(&family.kind.as_str());
    (!known).then(|| format!("its type is {:?}", family.kind))
}

/// `[a-z][a-z0-9_]*`: no colon, which is for rules; no capitals; no doubled underscore, which is not for us.
fn name(family: &Family) -> Option<String> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if !family.name.chars().all(fits) || !family.name.starts_with(|c: char| c.is_ascii_lowercase()) {
        return Some("has other characters than a to z, 0 to 9 and _".to_owned());
    }
    let ours = ["leverframe_", "process_"].iter().any(|prefix| family.name.starts_with(prefix));
    match ours && !family.name.contains("__") && !family.name.ends_with('_') {
        true => None,
        false => Some("does not begin with leverframe_ or process_, or has an empty part".to_owned()),
    }
}

/// Base units, in full, at the end.
fn units(family: &Family) -> Option<String> {
    let parts: Vec<&str> = family.base().split('_').collect();
    for (at, part) in parts.iter().enumerate() {
        for (base, others) in BASE_UNITS {
            if others.contains(part) {
                return Some(format!("is in {part}; use {base}"));
            }
            if *part == base && at + 1 < parts.len() {
                return Some(format!("its unit {base} is not at its end"));
            }
        }
        if ABBREVIATIONS.contains(part) || part.starts_with("milli") || part.starts_with("micro") {
            return Some(format!("{part} is no unit in full"));
        }
    }
    let last = parts.last().copied().unwrap_or_default();
    // What sounds like a time or an amount of memory has its unit.
    let wants = ["time", "age", "latency", "duration", "timestamp", "memory", "size"].contains(&last);
    wants.then(|| "measures something, and does not say in which unit".to_owned())
}

/// `_total` is for counters, `_bucket`, `_sum`, `_count` for histograms, `_info` for what is always 1.
fn suffixes(family: &Family) -> Option<String> {
    let name = &family.name;
    for reserved in ["_bucket", "_sum", "_count", "_created"] {
        if name.ends_with(reserved) {
            return Some(format!("ends in {reserved}"));
        }
    }
    if family.kind != "counter" && name.ends_with("_total") {
        return Some("ends in _total and is no counter".to_owned());
    }
    let is_one = |sample: &Sample| sample.value == 1.0;
    if name.ends_with("_info") && !(family.kind == "gauge" && family.samples.iter().all(is_one)) {
        return Some("ends in _info and is not always 1".to_owned());
    }
    None
}

fn type_in_name(family: &Family) -> Option<String> {
    let types = ["counter", "gauge", "histogram", "summary", "untyped", "metric", "stateset"];
    let found = family.name.split('_').find(|part| types.contains(part));
    found.map(|part| format!("says its type, {part}"))
}

fn labels(family: &Family) -> Option<String> {
    for label in family.label_names() {
        if !LABELS.iter().any(|(known, _)| *known == label) {
            return Some(format!("the label {label} is not in the list of what bounds its values"));
        }
        if label == "le" && family.kind != "histogram" || label == "quantile" {
            return Some(format!("the label {label} is for histograms and summaries"));
        }
        if label.starts_with("__") || ["job", "instance"].contains(&label) {
            return Some(format!("the label {label} is Prometheus's own"));
        }
        let fits = |c: char| c.is_ascii_lowercase() || c == '_';
        if !label.chars().all(fits) || family.name.split('_').any(|part| part == label && label != "state") {
            // A name that repeats a label says nothing, unless it is what the metric is about: `endpoint_requests{endpoint=}`.
            let subject = ["call", "cluster", "endpoint", "node", "plugin", "stage", "step"].contains(&label);
            if !subject {
                return Some(format!("the label {label} is in the name, or not in lower case"));
            }
        }
    }
    // The labels of a family are the same on all its lines, or sums over them mean nothing.
    let of = |sample: &Sample| sample.labels.keys().filter(|label| *label != "le").cloned().collect::<BTreeSet<_>>();
    let kinds: BTreeSet<_> = family.samples.iter().map(of).collect();
    (kinds.len() > 1).then(|| format!("its lines have different labels: {kinds:?}"))
}

fn values(family: &Family) -> Option<String> {
    let monotone = family.kind != "gauge";
    let bad = family.samples.iter().find(|sample| !sample.value.is_finite() || monotone && sample.value < 0.0);
    bad.map(|sample| format!("{sample:?}"))
}

/// Buckets that add up, end in +Inf and agree with the count, and a sum, of every set of labels.
fn histogram(family: &Family) -> Vec<String> {
    let mut findings = Vec::new();
    let mut series: BTreeMap<_, Vec<&Sample>> = BTreeMap::new();
    for sample in &family.samples {
        let mut labels = sample.labels.clone();
        labels.remove("le");
        series.entry(labels).or_default().push(sample);
    }
    let mut all_bounds = BTreeSet::new();
    for (labels, samples) in series {
        let of = |suffix: &str| {
            let found: Vec<f64> =
                samples.iter().filter(|sample| sample.name.ends_with(suffix)).map(|sample| sample.value).collect();
            found
        };
        let (counts, sums, totals) = (of("_bucket"), of("_sum"), of("_count"));
        let bound = |sample: &&Sample| Some(sample.labels.get("le")?.parse::<f64>().expect("a number"));
        let bounds: Vec<f64> = samples.iter().filter_map(bound).collect();
        if bounds.len() < 3 || bounds.last() != Some(&f64::INFINITY) || counts.len() != bounds.len() {
            findings.push(format!("{labels:?}: bounds {bounds:?}"));
        }
        if !bounds.is_sorted_by(|a, b| a < b) || !counts.is_sorted() || counts.last() != totals.first() {
            findings.push(format!("{labels:?}: does not add up: {bounds:?} {counts:?} {totals:?}"));
        }
        if sums.len() != 1 || totals.len() != 1 || (totals == [0.0]) && sums != [0.0] {
            findings.push(format!("{labels:?}: sums {sums:?}, counts {totals:?}"));
        }
        all_bounds.insert(bounds.iter().map(|bound| format!("{bound:?}")).collect::<Vec<_>>());
    }
    if all_bounds.len() > 1 {
        findings.push("not all have the same bounds".to_owned());
    }
    findings
}

/// No name in two families, no series twice.
fn twice(page: &Page) -> Vec<String> {
    let mut findings = Vec::new();
    let mut names = BTreeMap::new();
    for family in &page.families {
        for name in family.sample_names().into_iter().chain([family.name.clone()]).collect::<BTreeSet<_>>() {
            if let Some(other) = names.insert(name.clone(), &family.name) {
                findings.push(format!("{name} is of {} and of {other}", family.name));
            }
        }
    }
    let mut series = BTreeSet::new();
    for sample in page.families.iter().flat_map(|family| &family.samples) {
        if !series.insert((&sample.name, &sample.labels)) {
            findings.push(format!("{} comes twice with {:?}", sample.name, sample.labels));
        }
    }
    findings
}

/// Each rule finds what it is for: a linter that finds nothing is of no use.
#[test]
fn every_rule_finds_what_it_is_for() {
    for (text, words) in [
        ("# HELP leverframe_a \n# TYPE leverframe_a gauge\nleverframe_a 1\n", "no help text"),
        ("# HELP leverframe_a A.\n# TYPE leverframe_a unknown\nleverframe_a 1\n", "its type is"),
        ("# HELP leverframe_aB A.\n# TYPE leverframe_aB gauge\nleverframe_aB 1\n", "other characters"),
        ("# HELP leverframe:a A.\n# TYPE leverframe:a gauge\nleverframe:a 1\n", "other characters"),
        ("# HELP other_a A.\n# TYPE other_a gauge\nother_a 1\n", "does not begin with"),
        ("# HELP leverframe_milliseconds A.\n# TYPE leverframe_milliseconds gauge\n", "use seconds"),
        ("# HELP leverframe_took_ms A.\n# TYPE leverframe_took_ms gauge\n", "no unit in full"),
        ("# HELP leverframe_bytes_sent A.\n# TYPE leverframe_bytes_sent gauge\n", "not at its end"),
        ("# HELP leverframe_idle_time A.\n# TYPE leverframe_idle_time gauge\n", "in which unit"),
        ("# HELP leverframe_a_total A.\n# TYPE leverframe_a_total gauge\n", "is no counter"),
        ("# HELP leverframe_a_count A.\n# TYPE leverframe_a_count gauge\n", "ends in _count"),
        ("# HELP leverframe_a_info A.\n# TYPE leverframe_a_info gauge\nleverframe_a_info 2\n", "not always 1"),
        ("# HELP leverframe_a_gauge A.\n# TYPE leverframe_a_gauge gauge\n", "says its type"),
        ("# HELP leverframe_a A.\n# TYPE leverframe_a gauge\nleverframe_a{user=\"x\"} 1\n", "what bounds its values"),
        ("# HELP leverframe_a A.\n# TYPE leverframe_a gauge\nleverframe_a{le=\"1\"} 1\n", "for histograms"),
        (
            "# HELP leverframe_a A.\n# TYPE leverframe_a gauge\nleverframe_a{plugin=\"x\"} 1\nleverframe_a 1\n",
            "different labels",
        ),
        ("# HELP leverframe_a A.\n# TYPE leverframe_a gauge\nleverframe_a NaN\n", "NaN"),
        ("# HELP leverframe_a A.\n# TYPE leverframe_a gauge\nleverframe_a 1\nleverframe_a 1\n", "comes twice"),
        (
            "# HELP leverframe_a A.\n# TYPE leverframe_a histogram\nleverframe_a_bucket{le=\"1.0\"} 2\n\
             leverframe_a_bucket{le=\"2.0\"} 1\nleverframe_a_bucket{le=\"+Inf\"} 3\nleverframe_a_sum 1\n\
             leverframe_a_count 3\n",
            "does not add up",
        ),
        (
            "# HELP leverframe_a A.\n# TYPE leverframe_a histogram\nleverframe_a_sum 1\nleverframe_a_count 1\n",
            "bounds []",
        ),
        (
            "# HELP leverframe_a A.\n# TYPE leverframe_a histogram\n# HELP leverframe_a_sum A.\n# TYPE leverframe_a_sum \
             gauge\n",
            "leverframe_a_sum is of",
        ),
    ] {
        let found = findings(&Page::read(text));
        assert!(found.iter().any(|finding| finding.contains(words)), "{words}: {found:?}");
    }
    let sound = "# HELP leverframe_sent_bytes_total A.\n# TYPE leverframe_sent_bytes_total counter\n\
                 leverframe_sent_bytes_total{listener=\"a\"} 1\n";
    assert_eq!(findings(&Page::read(sound)), [""; 0]);
}
