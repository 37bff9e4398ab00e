//! What is not shown: the values of a plugin's configuration that let somebody in or sign something, and what may be a secret
//! by where it stands. Who sends a configuration back that was shown means what stood there.

use serde_json::{Map, Value};

use crate::config::StrategySpec;

/// What stands for something that is not shown.
pub(super) const HIDDEN: &str = "(secret)";

/// The ends of the keys of a plugin's configuration whose values are secrets: `secret` signs the cookies of `sticky-session`.
const ENDS: [&str; 11] = [
    "secret",
    "password",
    "passwd",
    "passphrase",
    "token",
    "api_key",
    "apikey",
    "private_key",
    "secret_key",
    "signing_key",
    "credentials",
];

/// A plugin's configuration, which is JSON text, as it is shown.
pub(super) fn shown(config: &str) -> Value {
    // Always an object: that is what the configuration's table becomes.
    hidden(&serde_json::from_str(config).unwrap_or_default())
}

fn hidden(value: &Value) -> Value {
    let mut value = value.clone();
    hide(&mut value);
    value
}

fn hide(value: &mut Value) {
    match value {
        Value::Object(table) => table.iter_mut().for_each(|(key, value)| match is_secret(key) {
            true => *value = Value::from(HIDDEN),
            false => hide(value),
        }),
        Value::Array(values) => values.iter_mut().for_each(hide),
        _ => {}
    }
}

fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase().replace('-', "_");
    ENDS.iter().any(|end| key.ends_with(end))
}

/// A path and its query, as they are shown: the query may let one in.
pub(super) fn path(text: &str) -> String {
    text.split_once('?').map_or_else(|| text.to_owned(), |(path, _)| format!("{path}?{HIDDEN}"))
}

/// The configuration that is meant by one for `plugin` in which secrets may be as they were shown: as `present` has them, of
/// every cluster that it is for. None where there is none at present, or not the same everywhere.
pub(super) fn meant(plugin: &str, config: Map<String, Value>, present: &[Option<StrategySpec>]) -> Option<Value> {
    let config = Value::Object(config);
    let table = |spec: &Option<StrategySpec>| -> Value {
        let spec = spec.as_ref().filter(|spec| spec.plugin.as_str() == plugin);
        spec.and_then(|spec| serde_json::from_str(&spec.config).ok()).unwrap_or_default()
    };
    let mut meant: Option<Value> = None;
    for present in present {
        let mut filled = config.clone();
        fill(&mut filled, &table(present))?;
        if *meant.get_or_insert_with(|| filled.clone()) != filled {
            return None;
        }
    }
    Some(meant.unwrap_or(config))
}

/// Puts the present values in the place of those that are hidden; none when there is one that has none.
fn fill(value: &mut Value, present: &Value) -> Option<()> {
    match value {
        Value::Object(table) => table.iter_mut().try_for_each(|(key, value)| {
            let present = present.get(key);
            match is_secret(key) && value == HIDDEN {
                true => *value = present?.clone(),
                false => fill(value, present.unwrap_or(&Value::Null))?,
            }
            Some(())
        }),
        Value::Array(_) if hidden(present) == *value => {
            *value = present.clone();
            Some(())
        }
        // Places in an array change: what is meant is what was shown like this, if that is only one.
        Value::Array(values) => values.iter_mut().try_for_each(|value| {
            if fill(value, &Value::Null).is_none() {
                let mut alike = present.as_array()?.iter().filter(|present| hidden(present) == *value);
                let meant = alike.next()?.clone();
                alike.all(|other| *other == meant).then_some(())?;
                *value = meant;
            }
            Some(())
        }),
        _ => Some(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::PluginName;

    fn table(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn spec(plugin: &str, config: &Value) -> Option<StrategySpec> {
        Some(StrategySpec { plugin: PluginName::new(plugin).unwrap(), config: config.to_string() })
    }

    #[test]
    fn secrets_are_hidden_wherever_they_are_and_nothing_else_is() {
        let config = json!({ "secret": "hush", "a": { "API-Key": "hush", "tokens": 3 }, "b": [{ "db_password": 1 }] });
        let expected =
            json!({ "secret": HIDDEN, "a": { "API-Key": HIDDEN, "tokens": 3 }, "b": [{ "db_password": HIDDEN }] });
        assert_eq!(shown(&config.to_string()), expected);
        assert_eq!((path("/health"), path("/health?key=hush")), ("/health".to_owned(), "/health?(secret)".to_owned()));
    }

    #[test]
    fn what_is_sent_back_as_it_was_shown_means_what_stood_there() {
        let first = json!({ "secret": "hush", "cookie": "a" });
        let sent = || table(json!({ "secret": HIDDEN, "cookie": "b" }));
        let meant_by = |present: &[Option<StrategySpec>]| meant("sticky", sent(), present);
        let expected = Some(json!({ "secret": "hush", "cookie": "b" }));
        assert_eq!(meant_by(&[spec("sticky", &first)]), expected);
        assert_eq!(meant_by(&[spec("sticky", &first), spec("sticky", &first)]), expected);
        // Another plugin's, nobody's, or not the same one everywhere.
        let other = spec("sticky", &json!({ "secret": "other" }));
        for present in [vec![spec("random", &first)], vec![None], vec![spec("sticky", &first), other]] {
            assert_eq!(meant_by(&present), None);
        }
        // By what it is shown like, in an array.
        let [one, two] = ["a", "b"].map(|name| json!({ "name": name, "secret": format!("of {name}") }));
        let present = [spec("sticky", &json!({ "of": [one, two] }))];
        let of = |sent: Value| Some(meant("sticky", table(json!({ "of": sent })), &present)?["of"].clone());
        let [one_shown, two_shown] = ["a", "b"].map(|name| json!({ "name": name, "secret": HIDDEN }));
        assert_eq!(of(json!([two_shown])), Some(json!([two])));
        assert_eq!(of(json!([{ "name": "new" }, one_shown])), Some(json!([{ "name": "new" }, one])));
        assert_eq!(of(json!([{ "name": "new", "secret": HIDDEN }])), None);
        let plain = json!({ "key": HIDDEN });
        assert_eq!(meant("sticky", table(plain.clone()), &[None]), Some(plain));
    }
}
