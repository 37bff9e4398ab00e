//! `demo`: five nodes and the proxy in one process. The proxy runs from a configuration file in a folder of its own, as it
//! would in earnest, so that editing that file works too.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::run::{Stop, until_stopped};
use super::say;
use crate::app::App;
use crate::config::Overrides;
use crate::demo::{ADMIN_ADDRESS, NODES, Node, NodeSettings, PROXY_ADDRESS, Plan, node_database, welcome};
use crate::model::EndpointName;

/// Where plugins are dropped: in the folder that the demo was started from.
const PLUGINS: &str = "plugins";

pub(super) async fn run(mut overrides: Overrides) -> anyhow::Result<()> {
    let mut stop = Stop::new()?;
    let nodes = start_nodes().await?;
    let plan = Plan {
        proxy: PROXY_ADDRESS,
        admin: ADMIN_ADDRESS,
        nodes: nodes.iter().map(|node| (node.name().clone(), node.address())).collect(),
    };
    let folder = Folder::make(&plan)?;
    let plugins = overrides.plugins.get_or_insert_with(|| PathBuf::from(PLUGINS)).clone();
    let app = App::start(folder.config(), overrides).await?;
    let served = app.served();
    let open = Plan {
        proxy: served.listeners.values().next().copied().unwrap_or(plan.proxy),
        admin: served.admin.unwrap_or(plan.admin),
        nodes: plan.nodes,
    };
    drop(served);
    let program = std::env::args().next().unwrap_or_else(|| "leverframe".to_owned());
    say(&welcome(&open, &program));
    say(&format!("Edit {}, or drop components into {}/, while it runs.", folder.config().display(), plugins.display()));
    until_stopped(app, &mut stop).await;
    for node in nodes {
        node.stop().await;
    }
    Ok(())
}

async fn start_nodes() -> anyhow::Result<Vec<Node>> {
    let mut nodes = Vec::with_capacity(NODES);
    for number in 1..=NODES {
        let name = EndpointName::new(&format!("node-{number}"))?;
        let settings = NodeSettings::new(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), name);
        let database = Some(node_database(number));
        nodes.push(Node::start_with(NodeSettings { database, ..settings }).await?);
    }
    Ok(nodes)
}

/// A folder for the demo's configuration file. Goes when the demo ends.
struct Folder(PathBuf);

impl Folder {
    fn make(plan: &Plan) -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("leverframe-demo-{}", std::process::id()));
        let folder = Self(path);
        std::fs::create_dir_all(&folder.0).with_context(|| folder.0.display().to_string())?;
        std::fs::write(folder.config(), plan.to_toml()).with_context(|| folder.config().display().to_string())?;
        Ok(folder)
    }

    fn config(&self) -> PathBuf {
        self.0.join("leverframe.toml")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

fn remove(folder: &Path) {
    // What is left in the temporary folder does no harm.
    let _ = std::fs::remove_dir_all(folder);
}
