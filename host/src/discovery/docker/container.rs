//! What endpoint a container is, going by what the Engine lists of it. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;

use bollard::models::{
    ContainerSummary, ContainerSummaryHealthStatusEnum, ContainerSummaryStateEnum, EndpointSettings,
    PortSummaryTypeEnum,
};

use super::super::{Seen, Skipped};
use crate::model::{Address, EndpointName, EndpointSpec, Labels, Reported, Weight};

/// What labels for endpoints start with.
pub(crate) const PREFIX: &str = "leverframe.";
/// The label with the port, without the prefix.
pub(crate) const PORT: &str = "port";
const WEIGHT: &str = "weight";

/// What cannot be told from a container alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rules {
    /// The network whose addresses count.
    pub(crate) network: Option<String>,
    /// The port of containers that do not say theirs.
    pub(crate) port: Option<NonZeroU16>,
}

/// Adds a container to what is seen: as an endpoint if it can be one, with a reason if not. One that is not up is
/// nothing.
pub(crate) fn see(container: &ContainerSummary, rules: &Rules, seen: &mut Seen) {
    let Some(reported) = reported(container) else { return };
    let name = name(container);
    let labels = labels(container);
    let mut skip = |why: String| seen.skipped.push(Skipped { what: name.to_owned(), why });
    let weight = weight(&labels).unwrap_or_else(|why| {
        skip(why);
        Weight::ONE
    });
    match identity(container, &labels, rules) {
        Ok((name, address)) => seen.endpoints.push(EndpointSpec { name, address, weight, labels, reported }),
        Err(why) => skip(why),
    }
}

/// The name that the operator knows it by.
pub(crate) fn name(container: &ContainerSummary) -> &str {
    let mut names = container.names.iter().flatten().filter_map(|name| name.strip_prefix('/'));
    // Names with a slash inside are those that other containers call it by.
    let own = names.find(|name| !name.contains('/'));
    own.or(container.id.as_deref()).unwrap_or_default()
}

/// The host part of its address.
pub(crate) fn host<'a>(container: &'a ContainerSummary, network: Option<&str>) -> Result<&'a str, String> {
    let mode = container.host_config.as_ref().and_then(|config| config.network_mode.as_deref());
    if mode == Some("host") {
        return Err("it has no address of its own, it shares that of its host".to_owned());
    }
    let networks = container.network_settings.iter().filter_map(|settings| settings.networks.as_ref()).flatten();
    let addresses: BTreeMap<&str, &str> =
        networks.filter_map(|(name, settings)| Some((name.as_str(), address_in(settings)?))).collect();
    match network {
        Some(network) => {
            addresses.get(network).copied().ok_or_else(|| format!("it has no address in the network `{network}`"))
        }
        None => addresses.values().next().copied().ok_or_else(|| "it is in no network".to_owned()),
    }
}

fn address_in(settings: &EndpointSettings) -> Option<&str> {
    let addresses = [settings.ip_address.as_deref(), settings.global_ipv6_address.as_deref()];
    addresses.into_iter().flatten().find(|address| !address.is_empty())
}

/// An address as it is written, with an IPv6 host in brackets.
pub(crate) fn address(host: &str, port: u16) -> Result<Address, String> {
    let text = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    Address::parse(&text).map_err(|error| error.to_string())
}

fn identity(container: &ContainerSummary, labels: &Labels, rules: &Rules) -> Result<(EndpointName, Address), String> {
    let name = EndpointName::new(name(container)).map_err(|error| error.to_string())?;
    let host = host(container, rules.network.as_deref())?;
    Ok((name, address(host, port(container, labels, rules)?)?))
}

fn port(container: &ContainerSummary, labels: &Labels, rules: &Rules) -> Result<u16, String> {
    if let Some(port) = labels.get(PORT) {
        let number = port.parse().ok().filter(|port| *port > 0);
        return number.ok_or_else(|| format!("its label `{PREFIX}{PORT}` is no port from 1 to 65535: `{port}`"));
    }
    let tcp = container.ports.iter().flatten().filter(|port| port.typ == Some(PortSummaryTypeEnum::TCP));
    // A port that is published by several addresses of the host is listed with each.
    let exposed: BTreeSet<u16> = tcp.map(|port| port.private_port).collect();
    match (exposed.first(), rules.port) {
        (Some(port), _) if exposed.len() == 1 => Ok(*port),
        (_, Some(port)) => Ok(port.get()),
        (None, None) => Err(format!("it exposes no port: set its label `{PREFIX}{PORT}`, or a port for all of them")),
        (Some(_), None) => Err(format!(
            "it exposes {} ports: set its label `{PREFIX}{PORT}`, or a port for all of them",
            exposed.len()
        )),
    }
}

fn labels(container: &ContainerSummary) -> Labels {
    let labels = container.labels.iter().flatten();
    labels.filter_map(|(key, value)| Some((key.strip_prefix(PREFIX)?.to_owned(), value.clone()))).collect()
}

/// An unusable one is no reason to go without the container.
fn weight(labels: &Labels) -> Result<Weight, String> {
    let Some(weight) = labels.get(WEIGHT) else { return Ok(Weight::ONE) };
    let number = weight.parse().ok().and_then(Weight::new);
    number.ok_or_else(|| format!("its label `{PREFIX}{WEIGHT}` is no number from 1 to 65535: `{weight}`; it has 1"))
}

fn reported(container: &ContainerSummary) -> Option<Reported> {
    match container.state? {
        ContainerSummaryStateEnum::RUNNING if is_unhealthy(container) => Some(Reported::Down),
        ContainerSummaryStateEnum::RUNNING => Some(Reported::Up),
        ContainerSummaryStateEnum::STOPPING => Some(Reported::Stopping),
        ContainerSummaryStateEnum::PAUSED => Some(Reported::Down),
        _ => None,
    }
}

/// Engines before API 1.52 say it only in the text that they show.
fn is_unhealthy(container: &ContainerSummary) -> bool {
    let health = container.health.as_ref().and_then(|health| health.status);
    let status = container.status.as_deref().unwrap_or_default();
    health == Some(ContainerSummaryHealthStatusEnum::UNHEALTHY) || status.ends_with("(unhealthy)")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A running container, as an Engine lists it, with some of its fields replaced.
    pub(crate) fn listed(changes: Value) -> ContainerSummary {
        let mut fields = json!({
            "Id": "0123", "Names": ["/db-1"], "State": "running", "Status": "Up 2 minutes",
            "HostConfig": { "NetworkMode": "back" },
            "Ports": [{ "PrivatePort": 8080, "Type": "tcp" }],
            "Labels": { "app": "db-backend" },
            "NetworkSettings": { "Networks": { "back": { "IPAddress": "10.0.0.2" } } },
        });
        for (key, value) in changes.as_object().expect("an object") {
            fields[key] = value.clone();
        }
        serde_json::from_value(fields).expect("a container")
    }

    fn seen(changes: Value, rules: &Rules) -> Seen {
        let mut seen = Seen::default();
        see(&listed(changes), rules, &mut seen);
        seen
    }

    fn endpoint(changes: Value, rules: &Rules) -> EndpointSpec {
        let seen = seen(changes, rules);
        assert_eq!(seen.skipped, []);
        seen.endpoints.into_iter().next().expect("an endpoint")
    }

    fn skipped(changes: Value, rules: &Rules) -> String {
        let seen = seen(changes, rules);
        assert_eq!(seen.endpoints, []);
        assert_eq!(seen.skipped.len(), 1);
        seen.skipped[0].why.clone()
    }

    #[test]
    fn a_container_is_an_endpoint_with_the_labels_that_are_meant_for_it() {
        let labels = json!({ "app": "db-backend", "leverframe.weight": "3", "leverframe.zone": "eu-1" });
        let found = endpoint(json!({ "Labels": labels }), &Rules::default());
        assert_eq!(found.name.as_str(), "db-1");
        assert_eq!(found.address.to_string(), "10.0.0.2:8080");
        assert_eq!(found.weight.get(), 3);
        assert_eq!(found.labels, Labels::from([("weight".into(), "3".into()), ("zone".into(), "eu-1".into())]));
        assert_eq!(found.reported, Reported::Up);
    }

    #[test]
    fn names_given_by_other_containers_do_not_count() {
        let found = endpoint(json!({ "Names": ["/web/database", "/db-2"] }), &Rules::default());
        assert_eq!(found.name.as_str(), "db-2");
    }

    #[test]
    fn the_address_is_that_in_the_named_network_or_in_the_first_by_name() {
        let networks = json!({ "Networks": {
            "zeta": { "IPAddress": "10.0.2.2" }, "alpha": { "IPAddress": "" }, "beta": { "IPAddress": "10.0.1.2" },
            "six": { "IPAddress": "", "GlobalIPv6Address": "fd00::2" },
        } });
        let of = |network: Option<&str>| {
            let rules = Rules { network: network.map(str::to_owned), port: None };
            endpoint(json!({ "NetworkSettings": networks }), &rules).address.to_string()
        };
        assert_eq!(of(None), "10.0.1.2:8080");
        assert_eq!(of(Some("zeta")), "10.0.2.2:8080");
        assert_eq!(of(Some("six")), "[fd00::2]:8080");
    }

    #[test]
    fn one_without_an_address_is_skipped_with_the_reason() {
        let named = Rules { network: Some("front".into()), port: None };
        assert_eq!(skipped(json!({}), &named), "it has no address in the network `front`");
        assert_eq!(skipped(json!({ "NetworkSettings": { "Networks": {} } }), &Rules::default()), "it is in no network");
        let on_host = json!({ "HostConfig": { "NetworkMode": "host" } });
        assert!(skipped(on_host, &Rules::default()).contains("shares that of its host"));
    }

    #[test]
    fn the_port_is_that_of_the_label_then_the_only_exposed_one_then_the_configured_one() {
        let rules = Rules { network: None, port: NonZeroU16::new(9000) };
        let port = |changes: Value| endpoint(changes, &rules).address.port();
        let several = json!([{ "PrivatePort": 80, "Type": "tcp" }, { "PrivatePort": 81, "Type": "tcp" }]);
        let published = json!([
            { "PrivatePort": 80, "PublicPort": 8080, "IP": "0.0.0.0", "Type": "tcp" },
            { "PrivatePort": 80, "PublicPort": 8080, "IP": "::", "Type": "tcp" },
            { "PrivatePort": 53, "Type": "udp" },
        ]);
        assert_eq!(port(json!({ "Labels": { "leverframe.port": "7000" } })), 7000);
        assert_eq!(port(json!({})), 8080);
        assert_eq!(port(json!({ "Ports": published })), 80);
        assert_eq!(port(json!({ "Ports": several })), 9000);
        assert_eq!(port(json!({ "Ports": [] })), 9000);
        assert!(skipped(json!({ "Ports": [] }), &Rules::default()).starts_with("it exposes no port"));
        assert!(skipped(json!({ "Ports": several }), &Rules::default()).starts_with("it exposes 2 ports"));
    }

    #[test]
    fn a_port_that_is_none_is_no_endpoint() {
        for port in ["99999", "0", "http", ""] {
            let why = skipped(json!({ "Labels": { "leverframe.port": port } }), &Rules::default());
            assert_eq!(why, format!("its label `leverframe.port` is no port from 1 to 65535: `{port}`"));
        }
    }

    #[test]
    fn a_weight_that_is_none_costs_no_capacity() {
        for weight in ["0", "-1", "much", "65536"] {
            let seen = seen(json!({ "Labels": { "leverframe.weight": weight } }), &Rules::default());
            assert_eq!(seen.endpoints.len(), 1);
            assert_eq!(seen.endpoints[0].weight, Weight::ONE);
            assert!(seen.skipped[0].why.ends_with(&format!("`{weight}`; it has 1")));
        }
    }

    #[test]
    fn only_containers_that_run_are_endpoints_and_those_that_do_not_serve_are_down() {
        let state_of = |changes: Value| reported(&listed(changes));
        for state in ["created", "restarting", "exited", "removing", "dead"] {
            assert_eq!(seen(json!({ "State": state }), &Rules::default()), Seen::default(), "{state}");
        }
        assert_eq!(state_of(json!({ "State": "paused", "Status": "Up 1 second (Paused)" })), Some(Reported::Down));
        assert_eq!(state_of(json!({ "State": "stopping" })), Some(Reported::Stopping));
        assert_eq!(state_of(json!({ "Status": "Up 1 second (unhealthy)" })), Some(Reported::Down));
        assert_eq!(state_of(json!({ "Status": "Up 1 second (health: starting)" })), Some(Reported::Up));
        assert_eq!(state_of(json!({ "Status": "Up 1 second (healthy)" })), Some(Reported::Up));
        assert_eq!(state_of(json!({ "Health": { "Status": "unhealthy" } })), Some(Reported::Down));
    }

    #[test]
    fn a_name_that_is_none_is_skipped() {
        let long = "x".repeat(64);
        assert!(skipped(json!({ "Names": [format!("/{long}")] }), &Rules::default()).contains("63"));
    }
}
