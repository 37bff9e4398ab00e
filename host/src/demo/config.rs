//! The demo's configuration: written as text and read as a file is, so that the demo runs what an operator would run.
//! Knows addresses and names only; what the text means is `config`'s.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::sql::{DatabaseSettings, Part, Users};
use crate::model::EndpointName;

/// How many nodes the demo starts.
pub const NODES: usize = 5;
/// Where the demo's proxy listens.
pub const PROXY_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
/// Where the demo's operators connect.
pub const ADMIN_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9900);

/// The database of one of the demo's nodes, counted from 1: its part of the people, in memory.
pub fn node_database(number: usize) -> DatabaseSettings {
    DatabaseSettings { file: None, users: part(number, NODES) }
}

/// What the demo consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Where the proxy listens.
    pub proxy: SocketAddr,
    /// Where the admin API listens.
    pub admin: SocketAddr,
    /// The nodes that are running.
    pub nodes: Vec<(EndpointName, SocketAddr)>,
}

impl Plan {
    /// The configuration file of the demo: one listener, one cluster of all nodes, round robin, a check of each node, one SQL
    /// entry over their databases, and the drop-in folder that is the default.
    pub fn to_toml(&self) -> String {
        let (mut nodes, mut ranges) = (String::new(), String::new());
        for (index, (name, address)) in self.nodes.iter().enumerate() {
            // Writing to a string cannot fail.
            let _ = writeln!(nodes, "    {{ name = \"{name}\", address = \"{address}\" }},");
            let _ = writeln!(ranges, "{name} = \"{}\"", range(index + 1, self.nodes.len()));
        }
        format!(
            r#"# The configuration of `leverframe demo`.

[[listener]]
name = "demo"
address = "{proxy}"

[[listener.route]]
path_prefix = "/query"
sql = "demo"

[[listener.route]]
path_prefix = "/"
cluster = "demo"

[cluster.demo]
strategy = "round-robin"
endpoints = [
{nodes}]

# A node that says it is unhealthy (`/toggle-health`), or does not answer, is out of the traffic until it is well again.
[cluster.demo.health.check]
path = "/health"
interval = "1s"
timeout = "500ms"

# Each node has a part of the people; `POST /query` asks all of them as one table.
[sql.demo]
cluster = "demo"
backend = "http"

[sql.demo.table.users]
key = "id"

[sql.demo.table.users.ranges]
{ranges}
[admin]
address = "{admin}"
"#,
            proxy = self.proxy,
            admin = self.admin,
        )
    }
}

/// The ids of a node's people, as a range without end where others may still come.
fn range(number: usize, nodes: usize) -> String {
    let Some(Users { total, part }) = part(number, nodes) else { return String::new() };
    let (first, last) = part.range(total);
    let from = if number == 1 { String::new() } else { first.to_string() };
    let to = if number == nodes { String::new() } else { (last + 1).to_string() };
    format!("{from}..{to}")
}

fn part(number: usize, nodes: usize) -> Option<Users> {
    let part = Part::new(u64::try_from(number).ok()?, u64::try_from(nodes).ok()?)?;
    Some(Users { total: Users::USUAL_TOTAL, part })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Overrides, parse};

    #[test]
    fn the_text_is_a_sound_configuration_of_all_nodes() {
        let node = |n: u16| {
            let name = EndpointName::new(&format!("node-{n}")).unwrap();
            (name, SocketAddr::from(([127, 0, 0, 1], 9000 + n)))
        };
        let plan = Plan { proxy: PROXY_ADDRESS, admin: ADMIN_ADDRESS, nodes: (1..=5).map(node).collect() };
        let config = parse(&plan.to_toml(), Path::new("demo.toml"), &Overrides::default()).unwrap();
        assert_eq!(config.listeners.len(), 1);
        assert_eq!(config.listeners[0].address, PROXY_ADDRESS);
        assert_eq!(config.admin.address, Some(ADMIN_ADDRESS));
        let cluster = config.clusters.values().next().unwrap();
        assert_eq!(cluster.endpoints.len(), NODES);
        assert_eq!(cluster.strategy.plugin.as_str(), "round-robin");
        assert_eq!(config.sql.len(), 1);
        let ranges: Vec<_> = (1..=5).map(|number| range(number, 5)).collect();
        assert_eq!(ranges, ["..2001", "2001..4001", "4001..6001", "6001..8001", "8001.."]);
    }
}
