//! `node`: one demo node as a process of its own, to stand behind a proxy and to be made to fail.

use std::net::SocketAddr;

use anyhow::Context as _;

use super::run::Stop;
use super::say;
use crate::demo::Node;
use crate::model::EndpointName;

pub(super) async fn run(address: SocketAddr, name: Option<String>) -> anyhow::Result<()> {
    let mut stop = Stop::new()?;
    let name = name.unwrap_or_else(|| format!("node-{}", address.port()));
    let name = EndpointName::new(&name).with_context(|| format!("`{name}`"))?;
    let node = Node::start(address, name).await.with_context(|| address.to_string())?;
    say(&format!("node {} listening on {}", node.name(), node.address()));
    stop.requested().await;
    node.stop().await;
    Ok(())
}
