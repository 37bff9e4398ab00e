//! How everything stands: what changes seldom, so that it is sent only when it does. Figures that run are in the ticks.

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
    reason: &'o str,
    circuit: &'static str,
    effective_weight: f32,
}

/// How everything stands, before it is known whether that is news.
pub(super) struct Draft {
    /// What does not run by itself.
    steady: String,
    scale: Vec<Value>,
}

impl Draft {
    /// What tells it from another.
    pub(super) fn key(&self) -> String {
        let mut scale = self.scale.clone();
        scale.iter_mut().filter_map(Value::as_object_mut).for_each(|one| drop(one.remove("cooldown_s")));
        format!("{}{}", self.steady, Value::from(scale))
    }

    /// As it is sent.
    pub(super) fn finish(&self, key: String) -> Overview {
        let (at, steady, scale) = (Timestamp::now(), &self.steady, Value::from(self.scale.clone()));
        let said = |access: &str| {
            let json = format!(r#"{{"at":"{at}","access":"{access}",{steady},"scale":{scale}}}"#);
            enveloped("overview", None, json.as_bytes())
        };
        Overview { key, read: said("read"), write: said("write") }
    }
}

/// Looks at everything.
pub(super) fn look(shared: &Shared) -> Draft {
    let (health, config) = (json!(health::read(shared)), json!(config::read(shared)));
    let (plugins, entries) = (json!(plugins::read(shared)), json!(sql::read(shared)));
    let scale = members(json!(scaling::read(shared)), "clusters").collect();
    let steady = format!(
        r#""health":{},"config":{},"clusters":{},"plugins":{},"sql":{}"#,
        health,
        config,
        clusters_json(shared),
        Value::Array(members(plugins, "plugins").map(plugin).collect()),
        Value::Array(members(entries, "entries").map(entry).collect()),
    );
    Draft { steady, scale }
}

/// The clusters and their endpoints. Written down one by one, since what is written belongs to the roster.
fn clusters_json(shared: &Shared) -> String {
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
            endpoints: roster.members().iter().map(|member| endpoint(member)).collect(),
        };
        serde_json::to_string(&cluster).unwrap_or_default()
    });
    format!("[{}]", clusters.collect::<Vec<_>>().join(","))
}

fn endpoint(member: &Member) -> Endpoint<'_> {
    let (spec, standing) = (&member.endpoint().spec, member.standing());
    Endpoint {
        id: member.id().0,
        name: spec.name.as_str(),
        address: spec.address.to_string(),
        weight: member.given_weight().get(),
        labels: &spec.labels,
        state: standing.state().as_str(),
        reported: standing.reported.as_str(),
        reason: &standing.verdict.reason,
        circuit: standing.circuit.as_str(),
        effective_weight: standing.verdict.effective_weight,
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
fn entry(mut entry: Value) -> Value {
    if let Some(members) = entry.as_object_mut() {
        members.retain(|name, _| name != "figures" && name != "cache");
    }
    entry
}
