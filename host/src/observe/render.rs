//! Metrics written down: the OpenMetrics text that Prometheus reads, and JSON for everyone else.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use serde_json::{Map, Value as Json, json};

use super::families::{Family, Kind, Value};

/// The media type of the text.
pub const PROMETHEUS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Debug)]
struct Families(Vec<Family>);

impl Collector for Families {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for family in &self.0 {
            let kind = match family.kind {
                Kind::Counter => MetricType::Counter,
                Kind::Gauge => MetricType::Gauge,
                Kind::Histogram => MetricType::Histogram,
            };
            let mut metric = encoder.encode_descriptor(&family.name, family.help, None, kind)?;
            for sample in &family.samples {
                // A family without labels would be written with empty braces.
                if sample.labels.is_empty() {
                    encode(&mut metric, &sample.value)?;
                } else {
                    encode(&mut metric.encode_family(&sample.labels)?, &sample.value)?;
                }
            }
        }
        Ok(())
    }
}

fn encode(encoder: &mut MetricEncoder<'_>, value: &Value) -> Result<(), fmt::Error> {
    match value {
        Value::Count(count) => encoder.encode_counter::<NoLabelSet, _, u64>(count, None),
        Value::Level(level) => encoder.encode_gauge(level),
        Value::Histogram { buckets, sum, count } => {
            // The text wants counts per bucket, the unbounded one included, and adds them up itself.
            let mut below = 0;
            let mut each: Vec<(f64, u64)> = Vec::with_capacity(buckets.len() + 1);
            for (bound, upto) in buckets {
                each.push((*bound, upto - below));
                below = *upto;
            }
            each.push((f64::INFINITY, count - below));
            encoder.encode_histogram::<NoLabelSet>(*sum, *count, &each, None)
        }
    }
}

/// The text that Prometheus reads.
pub fn to_prometheus(families: Vec<Family>) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Families(families)));
    let mut page = String::new();
    // Writing to a string cannot fail, and every value has a form.
    let _ = text::encode(&mut page, &registry);
    page
}

/// The same as one JSON object: by name, each with its kind, help and samples.
pub fn to_json(families: &[Family]) -> Json {
    let family = |family: &Family| {
        let samples = family.samples.iter().map(|sample| {
            let labels: Map<_, _> =
                sample.labels.iter().map(|(name, value)| ((*name).to_owned(), Json::from(value.clone()))).collect();
            let value = match &sample.value {
                Value::Count(count) => json!(count),
                Value::Level(level) => json!(level),
                Value::Histogram { buckets, sum, count } => {
                    let buckets: Vec<_> =
                        buckets.iter().map(|(le, count)| json!({ "le": le, "count": count })).collect();
                    json!({ "buckets": buckets, "sum": sum, "count": count })
                }
            };
            json!({ "labels": labels, "value": value })
        });
        let samples: Vec<_> = samples.collect();
        let kind = match family.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        (family.name.clone(), json!({ "type": kind, "help": family.help, "samples": samples }))
    };
    Json::Object(families.iter().map(family).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn families() -> Vec<Family> {
        let mut requests = Family::new(Kind::Counter, "leverframe_requests", "Requests.");
        requests.push(&[("cluster", &"we\"b")], Value::Count(3));
        let mut times = Family::new(Kind::Histogram, "leverframe_time_seconds", "Time.");
        times.push(&[], Value::histogram(&[1, 10], &[3, 2, 1], 42, 1.0));
        vec![requests, times]
    }

    #[test]
    fn the_text_is_what_prometheus_reads() {
        let text = to_prometheus(families());
        for line in [
            "# HELP leverframe_requests Requests.",
            "# TYPE leverframe_requests counter",
            r#"leverframe_requests_total{cluster="we\"b"} 3"#,
            r#"leverframe_time_seconds_bucket{le="1.0"} 3"#,
            r#"leverframe_time_seconds_bucket{le="10.0"} 5"#,
            r#"leverframe_time_seconds_bucket{le="+Inf"} 6"#,
            "leverframe_time_seconds_sum 42.0",
            "leverframe_time_seconds_count 6",
            "# EOF",
        ] {
            assert!(text.lines().any(|found| found == line), "no line {line:?} in\n{text}");
        }
    }

    #[test]
    fn the_json_has_the_same_figures() {
        let json = to_json(&families());
        assert_eq!(json["leverframe_requests"]["samples"][0]["value"], 3);
        assert_eq!(json["leverframe_time_seconds"]["samples"][0]["value"]["buckets"][1]["count"], 5);
    }
}
