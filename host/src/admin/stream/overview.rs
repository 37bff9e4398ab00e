//! How everything stands: what changes seldom, so that it is sent only when it does. Figures that run are in the ticks; here
//! they are as they were when something else changed.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::live::{Overview, enveloped};
use crate::admin::server::Shared;
use crate::admin::{clusters, config, health, plugins, scaling, sql};
use crate::cluster::Member;
use crate::model::Labels;

#[derive(Serialize)]
struct Cluster<'o> {
    name: &'o str,
    strategy: Option<Value>,
    policies: Option<Vec<Value>>,
    ready: usize,
    panic: bool,
    endpoints: Vec<Endpoint<'o>>,
}

#[derive(Serialize)]
struct Endpoint<'o> {
    id: u32,
    name: &'o str,
    address: String,
    weight: u16,
    labels: &'o Labels,
    state: &'static str,
    reported: &'static str,
    reason: Cow<'o, str>,
    circuit: &'static str,
    effective_weight: f32,
}

/// What everything is written down for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// To be sent.
    Sent,
    /// To tell one overview from another: without what runs by itself, which is in the ticks.
    Key,
}

/// What tells how everything stands now from how it stood before.
pub(super) fn key(shared: &Shared) -> String {
    all(shared, Form::Key)
}

/// How everything stands, as it is sent.
pub(super) fn make(shared: &Shared, key: String) -> Overview {
    let (at, started, all) = (Timestamp::now(), shared.live.started_s, all(shared, Form::Sent));
    let said = |access: &str| {
        let json = format!(r#"{{"at":"{at}","started_s":{started},"access":"{access}",{all}}}"#);
        enveloped("overview", None, json.as_bytes())
    };
    Overview { key, read: said("read"), write: said("write") }
}

/// Everything, as members of an object.
fn all(shared: &Shared, form: Form) -> String {
    let (health, config) = (json!(health::read(shared)), json!(config::read(shared)));
    let (plugins, entries) = (json!(plugins::read(shared)), json!(sql::read(shared)));
    let scaled = members(json!(scaling::read(shared)), "clusters");
    format!(
        r#""health":{},"config":{},"clusters":{},"plugins":{},"sql":{},"scale":{}"#,
        health,
        config,
        clusters_json(shared, form),
        Value::Array(members(plugins, "plugins").map(plugin).collect()),
        Value::Array(members(entries, "entries").map(|one| entry(one, form)).collect()),
        Value::Array(scaled.map(|one| without(one, form, &["cooldown_s"])).collect()),
    )
}

/// The clusters and their endpoints. Written down one by one, since what is written belongs to the roster.
fn clusters_json(shared: &Shared, form: Form) -> String {
    let (served, assignments) = (shared.served(), shared.supervisor.assignments());
    let clusters = served.clusters.iter().map(|(name, live)| {
        let policies = served.config.clusters.get(name).map(|cluster| &cluster.health.policies);
        let roster = live.roster();
        let cluster = Cluster {
            name: name.as_str(),
            strategy: assignments.get(name).map(|spec| json!(clusters::strategy(spec))),
            policies: policies.map(|policies| policies.iter().map(|spec| json!(clusters::policy(spec))).collect()),
            ready: roster.ready().len(),
            panic: roster.panics(),
            endpoints: roster.members().iter().map(|member| endpoint(member, form)).collect(),
        };
        serde_json::to_string(&cluster).unwrap_or_default()
    });
    format!("[{}]", clusters.collect::<Vec<_>>().join(","))
}

fn endpoint(member: &Member, form: Form) -> Endpoint<'_> {
    let (spec, standing) = (&member.endpoint().spec, member.standing());
    let (reason, weight) = (standing.verdict.reason.as_ref(), standing.verdict.effective_weight);
    Endpoint {
        id: member.id().0,
        name: spec.name.as_str(),
        address: spec.address.to_string(),
        weight: member.given_weight().get(),
        labels: &spec.labels,
        state: standing.state().as_str(),
        reported: standing.reported.as_str(),
        reason: match form {
            Form::Sent => Cow::Borrowed(reason),
            Form::Key => Cow::Owned(standing_words(reason)),
        },
        circuit: standing.circuit.as_str(),
        // Of what is on its way to all of its weight: only that it is.
        effective_weight: if form == Form::Sent { weight } else { weight.floor() },
    }
}

/// The members of a list in an answer.
fn members(mut answer: Value, list: &str) -> impl Iterator<Item = Value> {
    let members = answer.get_mut(list).map(Value::take);
    let members = match members {
        Some(Value::Array(members)) => members,
        _ => Vec::new(),
    };
    members.into_iter()
}

/// A plugin in short: what its newest version is, and whether anything is wrong with it.
fn plugin(mut plugin: Value) -> Value {
    let mut newest = plugin.pointer_mut("/versions/0").map(Value::take).unwrap_or_default();
    let of = |value: &mut Value, member: &str| value.get_mut(member).map(Value::take);
    json!({
        "name": of(&mut plugin, "name"),
        "world": of(&mut newest, "world"),
        "state": of(&mut plugin, "state"),
        "clusters": of(&mut plugin, "clusters"),
        "version": of(&mut newest, "version"),
        "revision": of(&mut newest, "revision"),
        "refused": of(&mut plugin, "refused"),
        "note": of(&mut plugin, "note"),
        "disabled": of(&mut plugin, "disabled").unwrap_or(Value::Bool(false)),
    })
}

/// A SQL entry without what it counts.
fn entry(mut entry: Value, form: Form) -> Value {
    if let Some(members) = entry.as_object_mut() {
        members.retain(|name, _| name != "figures" && name != "cache");
        if let (Form::Key, Some(replication)) = (form, members.get_mut("replication")) {
            *replication = standing_still(replication.take());
        }
    }
    entry
}

/// How a replication stands, without how far it is.
fn standing_still(replication: Value) -> Value {
    const RUNNING: [&str; 6] = ["acknowledged", "appended", "fsyncs", "log_bytes", "position", "trimmed"];
    const RUNNING_OF_A_NODE: [&str; 5] = ["filling", "lag", "left", "position", "rate"];
    const RUNNING_OF_A_CHECK: [&str; 3] = ["done", "rows", "table"];
    let mut still = without(replication, Form::Key, &RUNNING);
    if let Some(check) = still.get_mut("verify").filter(|check| check["state"] == "running") {
        *check = without(check.take(), Form::Key, &RUNNING_OF_A_CHECK);
    }
    let nodes = still.get_mut("nodes").and_then(Value::as_array_mut).into_iter().flatten();
    for node in nodes {
        *node = without(node.take(), Form::Key, &RUNNING_OF_A_NODE);
        if let Some(Value::String(why)) = node.get_mut("why") {
            *why = standing_words(why);
        }
    }
    still
}

/// An object, for a key without some of its members.
fn without(mut object: Value, form: Form, running: &[&str]) -> Value {
    if let (Form::Key, Some(members)) = (form, object.as_object_mut()) {
        members.retain(|name, _| !running.contains(&name.as_str()));
    }
    object
}

/// Words without their figures: "for 17 s more" is the same a second later.
fn standing_words(words: &str) -> String {
    let mut still = String::with_capacity(words.len());
    for letter in words.chars() {
        if !letter.is_ascii_digit() {
            still.push(letter);
        } else if !still.ends_with('0') {
            still.push('0');
        }
    }
    still
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_that_run_are_no_news() {
        let words = |left: u32| standing_words(&format!("ejected, for {left} s more, 2 in a row"));
        assert_eq!(words(17), words(9));
        assert_ne!(words(17), standing_words("ejected"));
        let entry_at = |position: u64, state: &str| {
            let node = json!({ "name": "a", "state": state, "position": position, "lag": 1, "why": format!("{position} left") });
            let check = json!({ "state": "running", "done": position, "tables": 3 });
            let log =
                json!({ "log": "open", "position": position, "fsyncs": position, "nodes": [node], "verify": check });
            json!({ "name": "people", "figures": position, "replication": log })
        };
        let key = |position, state| entry(entry_at(position, state), Form::Key);
        assert_eq!(key(7, "UP"), key(18, "UP"));
        assert_ne!(key(7, "UP"), key(7, "DOWN"));
        let sent = entry(entry_at(7, "UP"), Form::Sent);
        assert_eq!((&sent["replication"]["nodes"][0]["position"], sent.get("figures")), (&json!(7), None));
    }
}
