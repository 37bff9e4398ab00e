//! `status`: how a running Leverframe is, as a table for people or as one JSON object for programs. Only asks.

use std::process::ExitCode;

use serde_json::{Map, Value};

use super::ask::{Ask, Whom};
use super::{complain, control_runtime, say};

/// What is asked for, each by its path, in the order that people read it.
const PARTS: [(&str, &str); 6] = [
    ("health", "/health"),
    ("clusters", "/api/clusters"),
    ("plugins", "/api/plugins"),
    ("sql", "/api/sql"),
    ("scale", "/api/scale"),
    ("config", "/api/config"),
];

/// The exit code when something is not well; 2 is for what cannot be asked at all, as with every command.
const UNWELL: u8 = 3;

/// Whom to ask, and how to tell.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    whom: Whom,
    /// Tell it as one JSON object.
    #[arg(long)]
    json: bool,
}

/// Asks, tells, and ends with what a script wants to know.
pub(super) fn main(options: &Options) -> ExitCode {
    let asked = control_runtime().map_err(Into::into).and_then(|runtime| runtime.block_on(ask(options)));
    let parts = match asked {
        Ok(parts) => parts,
        Err(error) => {
            complain(&format!("{error:#}"));
            return ExitCode::FAILURE;
        }
    };
    let wrong = wrong(&parts);
    match options.json {
        true => say(&Value::Object(parts).to_string()),
        false => say(&printable(&table(&parts, &wrong))),
    }
    if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(UNWELL) }
}

async fn ask(options: &Options) -> anyhow::Result<Map<String, Value>> {
    let ask: Ask = options.whom.ask()?;
    let mut parts = Map::new();
    for (name, path) in PARTS {
        let mut answer = ask.get(path).await?;
        // A list comes in an object of its own, whose only member it is.
        let list = ["clusters", "plugins", "entries"].iter().find_map(|key| answer.get_mut(key).map(Value::take));
        parts.insert(name.to_owned(), list.filter(Value::is_array).unwrap_or(answer));
    }
    Ok(parts)
}

/// A text for a terminal, which is not to do what the reason of a plugin, say, would have it do.
fn printable(text: &str) -> String {
    let escaped = |c: char| match c.is_control() && c != '\n' {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    text.chars().map(escaped).collect()
}

/// What is not well, one line for each.
fn wrong(parts: &Map<String, Value>) -> Vec<String> {
    let mut wrong = Vec::new();
    let health = part(parts, "health");
    if text(health, "status") != "ok" {
        wrong.push(format!("it is {}", text(health, "status")));
    }
    for cluster in list(parts, "clusters") {
        let name = text(cluster, "name");
        for endpoint in members(cluster, "endpoints").filter(|endpoint| text(endpoint, "state") == "FAILED") {
            let (endpoint, reason) = (text(endpoint, "name"), text(endpoint, "reason"));
            wrong.push(format!("cluster {name}: {endpoint} FAILED: {reason}"));
        }
        if cluster.get("ready").and_then(Value::as_u64) == Some(0) {
            wrong.push(format!("cluster {name}: no endpoint is ready"));
        }
    }
    for plugin in list(parts, "plugins") {
        if let Some(refused) = plugin.get("refused").filter(|refused| refused.is_object()) {
            wrong.push(format!("plugin {} was refused: {}", text(plugin, "name"), text(refused, "reason")));
        }
    }
    for entry in list(parts, "sql") {
        if let Some(why) = entry.get("unready").and_then(Value::as_str) {
            wrong.push(format!("sql {}: {why}", text(entry, "name")));
        }
        let nodes = entry.get("replication").into_iter().flat_map(|replication| members(replication, "nodes"));
        for node in nodes.filter(|node| !["", "UP"].contains(&text(node, "state"))) {
            let (entry, name) = (text(entry, "name"), text(node, "name"));
            wrong.push(format!("sql {entry}: {name} is {}: {}", text(node, "state"), text(node, "why")));
        }
    }
    for cluster in list(parts, "scale") {
        if let Some(error) = cluster.get("error").and_then(Value::as_str) {
            wrong.push(format!("scaling of {}: {error}", text(cluster, "cluster")));
        }
    }
    if let Some(error) = part(parts, "config").get("last_error").filter(|error| error.is_object()) {
        wrong.push(format!("the configuration file does not serve: {}", text(error, "message")));
    }
    wrong
}

/// All of it, for people.
fn table(parts: &Map<String, Value>, wrong: &[String]) -> String {
    let (health, config) = (part(parts, "health"), part(parts, "config"));
    let mut lines = vec![format!(
        "Leverframe {}: {}, {} workers; configuration {} of {}",
        text(health, "version"),
        text(health, "status"),
        number(health, "workers"),
        number(config, "generation"),
        text(config, "loaded_at"),
    )];
    for (name, address) in health.get("listeners").and_then(Value::as_object).into_iter().flatten() {
        lines.push(format!("  listener {name}: {}", address.as_str().unwrap_or_default()));
    }
    for cluster in list(parts, "clusters") {
        lines.extend(cluster_lines(cluster));
    }
    for entry in list(parts, "sql") {
        let stands = entry.get("unready").and_then(Value::as_str).unwrap_or("ready");
        let (backend, topology) = (text(entry, "backend"), text(entry, "topology"));
        lines.push(format!("sql {}: {backend}, {topology}: {stands}", text(entry, "name")));
    }
    for cluster in list(parts, "scale") {
        let nodes = members(cluster, "nodes").map(|node| format!("{} {}", text(node, "name"), text(node, "state")));
        let nodes = nodes.collect::<Vec<_>>().join(", ");
        lines.push(format!("scale {}: {} wanted: {nodes}", text(cluster, "cluster"), number(cluster, "desired")));
    }
    lines.push(match wrong {
        [] => "All is well.".to_owned(),
        wrong => format!("Not well:\n  {}", wrong.join("\n  ")),
    });
    lines.join("\n")
}

fn cluster_lines(cluster: &Value) -> Vec<String> {
    let endpoints: Vec<_> = members(cluster, "endpoints").collect();
    let (name, ready) = (text(cluster, "name"), number(cluster, "ready"));
    let strategy = cluster.get("strategy").map(|strategy| text(strategy, "plugin")).unwrap_or_default();
    let mut lines = vec![format!("cluster {name}: {strategy}, {ready} of {} ready", endpoints.len())];
    let width = |key: &str| endpoints.iter().map(|one| text(one, key).chars().count()).max().unwrap_or_default();
    let (names, addresses) = (width("name"), width("address"));
    for one in &endpoints {
        let latency = number(one, "latency_ewma_us") as f64 / 1000.0;
        let line = format!(
            "  {:names$}  {:addresses$}  {:10}  {:9}  {:>9} requests  {:>4} in flight  {latency:>8.1} ms  {}",
            text(one, "name"),
            text(one, "address"),
            text(one, "state"),
            text(one, "circuit"),
            number(one, "requests"),
            number(one, "in_flight"),
            text(one, "reason"),
        );
        lines.push(line.trim_end().to_owned());
    }
    lines
}

fn part<'a>(parts: &'a Map<String, Value>, name: &str) -> &'a Value {
    parts.get(name).unwrap_or(&Value::Null)
}

fn list<'a>(parts: &'a Map<String, Value>, name: &str) -> impl Iterator<Item = &'a Value> {
    part(parts, name).as_array().into_iter().flatten()
}

fn members<'a>(of: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    of.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn text<'a>(of: &'a Value, key: &str) -> &'a str {
    of.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn number(of: &Value, key: &str) -> u64 {
    of.get(key).and_then(Value::as_u64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parts(value: Value) -> Map<String, Value> {
        value.as_object().expect("an object").clone()
    }

    fn sound() -> Value {
        json!({
            "health": { "status": "ok", "version": "1", "workers": 2, "listeners": { "http": "127.0.0.1:80" } },
            "clusters": [{ "name": "web", "ready": 1, "strategy": { "plugin": "random" }, "endpoints": [
                { "name": "one", "address": "127.0.0.1:81", "state": "HEALTHY", "circuit": "closed", "reason": "" },
            ] }],
            "plugins": [{ "name": "random", "refused": null }],
            "sql": [{ "name": "shop", "backend": "sqlite", "topology": "replicated", "unready": null,
                      "replication": { "nodes": [{ "name": "a", "state": "UP" }] } }],
            "scale": [{ "cluster": "web", "desired": 1, "error": null, "nodes": [{ "name": "web-1", "state": "running" }] }],
            "config": { "generation": 1, "last_error": null },
        })
    }

    #[test]
    fn what_is_well_is_said_to_be() {
        let parts = parts(sound());
        assert_eq!(wrong(&parts), Vec::<String>::new());
        let table = table(&parts, &[]);
        assert!(table.contains("one  127.0.0.1:81  HEALTHY"), "{table}");
        assert!(table.ends_with("scale web: 1 wanted: web-1 running\nAll is well."), "{table}");
    }

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        assert_eq!(printable("one\n\u{1b}[31mtwo\u{9b}"), "one\n\\u{1b}[31mtwo\\u{9b}");
    }

    #[test]
    fn each_thing_that_is_not_well_is_named() {
        for (pointer, value, said) in [
            ("/health/status", json!("draining"), "it is draining"),
            ("/clusters/0/endpoints/0/state", json!("FAILED"), "cluster web: one FAILED: "),
            ("/clusters/0/ready", json!(0), "cluster web: no endpoint is ready"),
            ("/plugins/0/refused", json!({ "reason": "no component" }), "plugin random was refused: no component"),
            ("/sql/0/unready", json!("no node"), "sql shop: no node"),
            ("/sql/0/replication/nodes/0/state", json!("DOWN"), "sql shop: a is DOWN: "),
            ("/scale/0/error", json!("no image"), "scaling of web: no image"),
            ("/config/last_error", json!({ "message": "line 3" }), "the configuration file does not serve: line 3"),
        ] {
            let mut changed = sound();
            *changed.pointer_mut(pointer).expect(pointer) = value;
            assert_eq!(wrong(&parts(changed)), [said], "{pointer}");
        }
    }
}
