//! `[traces]` and `[access_log]`: what is recorded of requests.

use serde::Deserialize;

use super::super::units::{Share, Switch};

/// `[traces]`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct Traces {
    pub(in crate::config) endpoint: Switch,
    pub(in crate::config) sample: Option<Share>,
    pub(in crate::config) service_name: Option<String>,
}

/// `[access_log]`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct AccessLog {
    pub(in crate::config) to: Option<String>,
    pub(in crate::config) format: Option<String>,
    pub(in crate::config) sample: Option<Share>,
    pub(in crate::config) errors: Option<bool>,
}
