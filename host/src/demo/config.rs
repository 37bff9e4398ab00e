//! The demo's configuration: written as text and read as a file is, so that the demo runs what an operator would run.
//! Knows addresses and names only; what the text means is `config`'s.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::model::EndpointName;

/// How many nodes the demo starts.
pub const NODES: usize = 5;
/// Where the demo's proxy listens.
pub const PROXY_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
/// Where the demo's operators connect.
pub const ADMIN_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9900);

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
    /// The configuration file of the demo: one listener, one cluster of all nodes, round robin, a check of each node, and
    /// the drop-in folder that is the default.
    pub fn to_toml(&self) -> String {
        let mut nodes = String::new();
        for (name, address) in &self.nodes {
            // Writing to a string cannot fail.
            let _ = writeln!(nodes, "    {{ name = \"{name}\", address = \"{address}\" }},");
        }
        format!(
            r#"# The configuration of `leverframe demo`.

[[listener]]
name = "demo"
address = "{proxy}"

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

[admin]
address = "{admin}"
"#,
            proxy = self.proxy,
            admin = self.admin,
        )
    }
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
    }
}
