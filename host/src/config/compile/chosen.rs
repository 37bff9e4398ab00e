//! A plugin that a cluster chose, by its name, with its configuration table as JSON.

use super::super::document::At;
use super::super::file;
use super::super::problems::{Problems, Reported};
use crate::model::PluginName;

/// Compiles the choice. Whether there is such a plugin, and whether it takes the table, is known only where plugins are.
pub(super) fn compile(
    file: file::Plugin,
    at: &At,
    problems: &mut Problems<'_>,
) -> Result<(PluginName, String), Reported> {
    if let Some(reported) = problems.spoiled(at) {
        return Err(reported);
    }
    let plugin = problems
        .required(file.plugin, &at.key("plugin"), "say which: plugin = \"NAME\"")
        .and_then(|name| PluginName::new(&name).map_err(|wrong| problems.report(at, wrong)));
    let config = json_table(&file.config, &at.key("config"), problems);
    Ok((plugin?, serde_json::Value::Object(config?).to_string()))
}

/// A plugin's table as JSON. Its keys come out sorted, so that the same table is always the same text.
fn json_table(
    table: &toml::Table,
    at: &At,
    problems: &mut Problems<'_>,
) -> Result<serde_json::Map<String, serde_json::Value>, Reported> {
    let mut members = Vec::new();
    for (key, value) in table {
        members.push(json(value, &at.key(key), problems).map(|value| (key.clone(), value)));
    }
    members.into_iter().collect()
}

fn json(value: &toml::Value, at: &At, problems: &mut Problems<'_>) -> Result<serde_json::Value, Reported> {
    use serde_json::Value;
    Ok(match value {
        toml::Value::String(text) => Value::String(text.clone()),
        toml::Value::Integer(number) => Value::from(*number),
        toml::Value::Boolean(truth) => Value::Bool(*truth),
        // JSON has no times; every plugin can read the text.
        toml::Value::Datetime(time) => Value::String(time.to_string()),
        toml::Value::Float(number) => serde_json::Number::from_f64(*number)
            .map(Value::Number)
            .ok_or_else(|| problems.report(at, "a plugin can be given neither `inf` nor `nan`"))?,
        toml::Value::Table(table) => Value::Object(json_table(table, at, problems)?),
        toml::Value::Array(array) => {
            let mut elements = Vec::new();
            for (nth, element) in array.iter().enumerate() {
                elements.push(json(element, &at.index(nth), problems));
            }
            Value::Array(elements.into_iter().collect::<Result<_, _>>()?)
        }
    })
}
