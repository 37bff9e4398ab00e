//! `[admin]`.

use serde::Deserialize;

use super::super::units::Switch;

/// `[admin]`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(in super::super) struct Admin {
    pub(in super::super) address: Switch,
    pub(in super::super) token_file: Option<String>,
    pub(in super::super) read_only_token_file: Option<String>,
    pub(in super::super) allow_without_token: Option<bool>,
}
