//! Metrics written down: the two texts that Prometheus reads, and JSON for everyone else. The older text says what a counter
//! is by the name of its samples, OpenMetrics by the name of the family and, where there is one, its unit; the samples are
//! the same in both, so that a series stays the same whichever is asked for.

use std::fmt::Write;

use serde_json::{Map, Value as Json, json};

use super::families::{Family, Kind, Sample, Value};

/// A text that Prometheus reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextFormat {
    /// Version 0.0.4 of its own.
    Prometheus,
    /// Version 1.0.0 of OpenMetrics.
    OpenMetrics,
}

impl TextFormat {
    /// The media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The units that a name may end in.
const UNITS: [&str; 3] = ["bytes", "ratio", "seconds"];

/// The text that Prometheus reads.
pub fn to_text(families: &[Family], format: TextFormat) -> String {
    let mut page = Page { text: String::new(), format };
    families.iter().for_each(|family| page.family(family));
    if format == TextFormat::OpenMetrics {
        page.text.push_str("# EOF\n");
    }
    page.text
}

struct Page {
    text: String,
    format: TextFormat,
}

// Writing to a string cannot fail.
impl Page {
    fn family(&mut self, family: &Family) {
        let suffix = match (family.kind, self.format) {
            (Kind::Counter, TextFormat::Prometheus) => "_total",
            _ => "",
        };
        let (name, kind) = (&family.name, family.kind.as_str());
        let help = match self.format {
            // Quotes end nothing there, and are written as they are.
            TextFormat::Prometheus => family.help.replace('\\', "\\\\").replace('\n', "\\n"),
            TextFormat::OpenMetrics => escaped(family.help),
        };
        let _ = writeln!(self.text, "# HELP {name}{suffix} {help}");
        let _ = writeln!(self.text, "# TYPE {name}{suffix} {kind}");
        let unit = UNITS.iter().find(|unit| name.strip_suffix(**unit).is_some_and(|rest| rest.ends_with('_')));
        if let (Some(unit), TextFormat::OpenMetrics) = (unit, self.format) {
            let _ = writeln!(self.text, "# UNIT {name} {unit}");
        }
        family.samples.iter().for_each(|sample| self.sample(name, sample));
    }

    fn sample(&mut self, name: &str, sample: &Sample) {
        let labels = &sample.labels;
        match &sample.value {
            Value::Count(count) => self.line((name, "_total"), labels, None, &count.to_string()),
            Value::Total(total) => self.line((name, "_total"), labels, None, &number(*total)),
            Value::Level(level) => self.line((name, ""), labels, None, &number(*level)),
            Value::Summary { sum, count } => self.sum(name, labels, (*sum, *count)),
            Value::Histogram { buckets, sum, count } => {
                for (bound, upto) in buckets {
                    self.line((name, "_bucket"), labels, Some(*bound), &upto.to_string());
                }
                self.line((name, "_bucket"), labels, Some(f64::INFINITY), &count.to_string());
                self.sum(name, labels, (*sum, *count));
            }
        }
    }

    fn sum(&mut self, name: &str, labels: &[(&'static str, String)], (sum, count): (f64, u64)) {
        self.line((name, "_sum"), labels, None, &number(sum));
        self.line((name, "_count"), labels, None, &count.to_string());
    }

    fn line(&mut self, name: (&str, &str), labels: &[(&'static str, String)], bound: Option<f64>, value: &str) {
        self.text.push_str(name.0);
        self.text.push_str(name.1);
        let mut before = '{';
        for (label, value) in labels {
            let _ = write!(self.text, "{before}{label}=\"{}\"", escaped(value));
            before = ',';
        }
        if let Some(bound) = bound {
            let _ = write!(self.text, "{before}le=\"{}\"", number(bound));
            before = ',';
        }
        if before == ',' {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }
}

fn number(number: f64) -> String {
    match number {
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        number => format!("{number:?}"),
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// The same as one JSON object: by name, each with its kind, help and samples.
pub fn to_json(families: &[Family]) -> Json {
    let family = |family: &Family| {
        let samples = family.samples.iter().map(|sample| {
            let labels: Map<_, _> =
                sample.labels.iter().map(|(name, value)| ((*name).to_owned(), Json::from(value.clone()))).collect();
            json!({ "labels": labels, "value": value(&sample.value) })
        });
        let samples: Vec<_> = samples.collect();
        (family.name.clone(), json!({ "type": family.kind.as_str(), "help": family.help, "samples": samples }))
    };
    Json::Object(families.iter().map(family).collect())
}

fn value(value: &Value) -> Json {
    match value {
        Value::Count(count) => json!(count),
        Value::Level(value) | Value::Total(value) => json!(value),
        Value::Summary { sum, count } => json!({ "sum": sum, "count": count }),
        Value::Histogram { buckets, sum, count } => {
            let buckets: Vec<_> = buckets.iter().map(|(le, count)| json!({ "le": le, "count": count })).collect();
            json!({ "buckets": buckets, "sum": sum, "count": count })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn families() -> Vec<Family> {
        let mut requests = Family::new(Kind::Counter, "leverframe_requests", "Requests.");
        requests.push(&[("cluster", &"we\"b\n")], Value::Count(3));
        let mut times = Family::new(Kind::Histogram, "leverframe_time_seconds", "Time.");
        times.push(&[], Value::histogram(&[1, 10], &[3, 2, 1], 42, 1.0));
        let mut own = Family::new(Kind::Summary, "leverframe_own", "The \"own\".");
        own.push(&[("name", &"a"), ("plugin", &"b")], Value::Summary { sum: f64::INFINITY, count: 2 });
        vec![requests, times, own]
    }

    fn has(text: &str, lines: &[&str]) {
        for line in lines {
            assert!(text.lines().any(|found| found == *line), "no line {line:?} in\n{text}");
        }
    }

    const SAMPLES: [&str; 8] = [
        r#"leverframe_requests_total{cluster="we\"b\n"} 3"#,
        r#"leverframe_time_seconds_bucket{le="1.0"} 3"#,
        r#"leverframe_time_seconds_bucket{le="10.0"} 5"#,
        r#"leverframe_time_seconds_bucket{le="+Inf"} 6"#,
        "leverframe_time_seconds_sum 42.0",
        "leverframe_time_seconds_count 6",
        r#"leverframe_own_sum{name="a",plugin="b"} +Inf"#,
        r#"leverframe_own_count{name="a",plugin="b"} 2"#,
    ];

    #[test]
    fn prometheus_reads_a_counter_by_the_name_of_its_samples() {
        let text = to_text(&families(), TextFormat::Prometheus);
        has(&text, &["# HELP leverframe_requests_total Requests.", "# TYPE leverframe_requests_total counter"]);
        has(&text, &SAMPLES);
        has(&text, &[r#"# HELP leverframe_own The "own"."#]);
        assert!(!text.contains("# EOF") && !text.contains("# UNIT"));
    }

    #[test]
    fn openmetrics_reads_a_counter_by_the_name_of_its_family_and_knows_units() {
        let text = to_text(&families(), TextFormat::OpenMetrics);
        has(&text, &["# HELP leverframe_requests Requests.", "# TYPE leverframe_requests counter"]);
        has(&text, &["# TYPE leverframe_own summary", "# UNIT leverframe_time_seconds seconds"]);
        has(&text, &[r#"# HELP leverframe_own The \"own\"."#]);
        has(&text, &SAMPLES);
        assert!(text.ends_with("\n# EOF\n") && text.matches("# UNIT").count() == 1);
    }

    #[test]
    fn the_json_has_the_same_figures() {
        let json = to_json(&families());
        assert_eq!(json["leverframe_requests"]["samples"][0]["value"], 3);
        assert_eq!(json["leverframe_time_seconds"]["samples"][0]["value"]["buckets"][1]["count"], 5);
        assert_eq!(json["leverframe_own"]["samples"][0]["value"]["count"], 2);
    }
}
