//! Clusters: endpoints, and how one is chosen and spoken to.

use std::collections::BTreeMap;

use super::super::defaults;
use super::super::document::At;
use super::super::file;
use super::super::problems::{Problems, Reported, Unique};
use super::super::settings::{Cluster, Pool, StrategySpec, Timeouts};
use super::name;
use crate::model::{Address, ClusterName, EndpointName, EndpointSpec, PluginName, Weight};

/// Compiles all clusters.
pub(super) fn all(
    files: BTreeMap<String, file::Cluster>,
    at: &At,
    problems: &mut Problems<'_>,
) -> Result<BTreeMap<ClusterName, Cluster>, Reported> {
    if let Some(reported) = problems.spoiled(at) {
        return Err(reported);
    }
    let mut clusters = Vec::new();
    for (name, file) in files {
        let at = at.key(&name);
        clusters.push(one(&name, file, &at, problems).map(|cluster| (cluster.name.clone(), cluster)));
    }
    clusters.into_iter().collect()
}

fn one(name: &str, file: file::Cluster, at: &At, problems: &mut Problems<'_>) -> Result<Cluster, Reported> {
    let name = ClusterName::new(name).map_err(|wrong| problems.report(at, wrong));
    let strategy = strategy(file.strategy, &at.key("strategy"), problems);
    let endpoints = endpoints(file.endpoints, &at.key("endpoints"), problems);
    Ok(Cluster {
        name: name?,
        strategy: strategy?,
        endpoints: endpoints?,
        pool: pool(&file.pool),
        timeouts: timeouts(&file.timeouts),
        attempts: file.attempts.map_or(defaults::ATTEMPTS, |attempts| attempts.get()),
    })
}

fn strategy(file: Option<file::Strategy>, at: &At, problems: &mut Problems<'_>) -> Result<StrategySpec, Reported> {
    if let Some(reported) = problems.spoiled(at) {
        return Err(reported);
    }
    let file = file.unwrap_or_else(|| file::Strategy::from(defaults::STRATEGY.to_owned()));
    let plugin = problems
        .required(file.plugin, &at.key("plugin"), "say which: plugin = \"NAME\"")
        .and_then(|name| PluginName::new(&name).map_err(|wrong| problems.report(at, wrong)));
    let config = json_table(&file.config, &at.key("config"), problems);
    Ok(StrategySpec { plugin: plugin?, config: serde_json::Value::Object(config?).to_string() })
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

fn endpoints(
    files: Vec<file::EndpointEntry>,
    at: &At,
    problems: &mut Problems<'_>,
) -> Result<Vec<EndpointSpec>, Reported> {
    if files.is_empty() {
        return Err(match problems.spoiled(at) {
            Some(reported) => reported,
            None => problems.advise(
                at,
                "there is none: every request would be refused",
                "name at least one: endpoints = [\"127.0.0.1:9001\"]",
            ),
        });
    }
    let mut names = Unique::new("name");
    let mut addresses = Unique::new("address");
    let mut endpoints = Vec::new();
    for (nth, file::EndpointEntry(file)) in files.into_iter().enumerate() {
        let at = at.index(nth);
        let endpoint = match problems.spoiled(&at) {
            Some(reported) => Err(reported),
            None => endpoint(file, &at, problems).and_then(|endpoint| {
                addresses.claim(endpoint.address.to_string(), &at, problems)?;
                names.claim(endpoint.name.clone(), &at, problems)?;
                Ok(endpoint)
            }),
        };
        endpoints.push(endpoint);
    }
    endpoints.into_iter().collect()
}

fn endpoint(file: file::Endpoint, at: &At, problems: &mut Problems<'_>) -> Result<EndpointSpec, Reported> {
    let text = problems.required(file.address, &at.key("address"), "say where it listens: address = \"HOST:PORT\"")?;
    let address = Address::parse(&text).map_err(|wrong| match text.split_once("://") {
        Some((_, rest)) => {
            problems.advise(at, wrong, format!("without scheme and path: `{}`", rest.split('/').next().unwrap_or(rest)))
        }
        None => problems.report(at, wrong),
    })?;
    let name = name(file.name.as_deref(), &address.to_string(), (EndpointName::new, at), problems)?;
    // The file's type holds 1 to 65535, so the default never comes of it.
    let weight = file.weight.and_then(|weight| u16::try_from(weight.get()).ok()).and_then(Weight::new);
    Ok(EndpointSpec { name, address, weight: weight.unwrap_or(Weight::ONE), labels: file.labels })
}

fn pool(file: &file::Pool) -> Pool {
    let default = Pool::default();
    Pool {
        max_idle: file.max_idle.map_or(default.max_idle, |idle| idle.count()),
        idle_timeout: file.idle_timeout.map_or(default.idle_timeout, |period| period.0),
        max_connections: file.max_connections.map(|connections| connections.count()),
    }
}

fn timeouts(file: &file::Timeouts) -> Timeouts {
    let default = Timeouts::default();
    Timeouts {
        connect: file.connect.map_or(default.connect, |period| period.0),
        response_header: file.response_header.map_or(default.response_header, |period| period.0),
        idle_stream: file.idle_stream.map_or(default.idle_stream, |period| period.0),
    }
}
