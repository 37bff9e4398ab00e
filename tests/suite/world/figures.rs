//! What the admin API counts, by name and labels.

use std::net::SocketAddr;

use http::StatusCode;
use serde_json::Value;

use super::client::fetch;

/// All metrics of one moment.
#[derive(Debug)]
pub(crate) struct Metrics(Value);

impl Metrics {
    pub(super) async fn read(admin: SocketAddr) -> Self {
        let reply = fetch(admin, "/metrics?format=json").await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
        Self(reply.json())
    }

    /// The sum of a counter or gauge over all samples that have these labels.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let family = &self.0[name];
        let samples = family["samples"].as_array().unwrap_or_else(|| panic!("no metric {name}"));
        let has_labels = |sample: &&Value| labels.iter().all(|(key, value)| sample["labels"][key] == *value);
        samples.iter().filter(has_labels).map(|sample| sample["value"].as_f64().expect("a number") as u64).sum()
    }

    /// A counter of one plugin, over its versions: `traps`, `deadlines`, `bad_answers`, `fallbacks`, `picks`.
    pub(crate) fn plugin(&self, plugin: &str, counter: &str) -> u64 {
        self.sum(&format!("leverframe_plugin_{counter}"), &[("plugin", plugin)])
    }

    /// Requests that endpoints failed, over all of them.
    pub(crate) fn endpoint_failures(&self) -> u64 {
        self.sum("leverframe_endpoint_failures", &[])
    }

    /// Requests sent to endpoints, over all of them.
    pub(crate) fn endpoint_requests(&self) -> u64 {
        self.sum("leverframe_endpoint_requests", &[])
    }
}

/// One plugin in the answer of `GET /api/plugins`; null when it is not there.
pub(crate) fn plugin_entry(answer: &Value, name: &str) -> Value {
    let plugins = answer["plugins"].as_array().expect("a list of plugins");
    plugins.iter().find(|plugin| plugin["name"] == name).cloned().unwrap_or_default()
}
