//! From the JSON of a plugin's configuration table to the plugin's own type. Knows no plugin's keys.

use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The configuration of a plugin that has none: every key is refused.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct NoConfig {}

/// Reads the table. Goes through a [`serde_json::Value`], because an error with "line 1, column 9" in it would mislead
/// the operator, who wrote TOML.
pub(crate) fn parse<C: DeserializeOwned>(json: &str) -> Result<C, String> {
    let table: serde_json::Value = serde_json::from_str(json).map_err(|error| format!("not JSON: {error}"))?;
    serde_json::from_value(table).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_is_named_without_a_position() {
        assert_eq!(parse::<NoConfig>("{}"), Ok(NoConfig {}));
        let error = parse::<NoConfig>(r#"{"colour": 1}"#).expect_err("there is no such key");
        assert_eq!(error, "unknown field `colour`, there are no fields");
    }

    #[test]
    fn what_is_no_json_is_refused() {
        assert!(parse::<NoConfig>("").is_err());
        assert!(parse::<NoConfig>("{").is_err());
    }
}
