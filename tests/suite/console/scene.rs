//! Databases for the pages that ask some: demo nodes, each with a part of the people or with all of them.

use std::net::SocketAddr;

use leverframe::demo::{DatabaseSettings, Node, NodeSettings, Part, Users};
use leverframe::model::EndpointName;

use crate::world::{Setup, World};

/// People in all.
const PEOPLE: u64 = 1000;

/// A Leverframe with an entry over some nodes.
pub(super) struct Databases {
    pub(super) world: World,
    pub(super) nodes: Vec<Node>,
}

/// Three nodes, each with a third.
pub(super) async fn divided() -> Databases {
    let nodes = start(|number| Part::new(number, 3).expect("a part")).await;
    let ranges: Vec<String> = (1..=3)
        .map(|number| {
            let (first, last) = Part::new(number, 3).expect("a part").range(PEOPLE);
            match number {
                1 => format!("node-1 = \"..{}\"", last + 1),
                3 => format!("node-3 = \"{first}..\""),
                _ => format!("node-{number} = \"{first}..{}\"", last + 1),
            }
        })
        .collect();
    let entry = format!(
        "[sql.people]\ncluster = \"web\"\nbackend = \"http\"\n[sql.people.table.users]\nkey = \"id\"\nranges = {{ {} }}\n",
        ranges.join(", ")
    );
    serve(nodes, &entry).await
}

/// Three nodes that all have everybody.
pub(super) async fn replicated() -> Databases {
    let nodes = start(|_| Part::WHOLE).await;
    let entry = "[sql.people]\ncluster = \"web\"\nbackend = \"http\"\ntopology = \"replicated\"\n";
    serve(nodes, entry).await
}

async fn start(part: impl Fn(u64) -> Part) -> Vec<Node> {
    let mut nodes = Vec::new();
    for number in 1..=3 {
        let name = EndpointName::new(&format!("node-{number}")).expect("a name");
        let users = Some(Users { total: PEOPLE, part: part(number) });
        let database = Some(DatabaseSettings { file: None, users });
        let settings = NodeSettings::new(SocketAddr::from(([127, 0, 0, 1], 0)), name);
        nodes.push(Node::start_with(NodeSettings { database, ..settings }).await.expect("a node"));
    }
    nodes
}

async fn serve(nodes: Vec<Node>, entry: &str) -> Databases {
    let check = "[cluster.web.health.check]\npath = \"/health\"\ninterval = \"300ms\"\ntimeout = \"300ms\"\n";
    let listener = "\n[[listener]]\nname = \"sql\"\naddress = \"127.0.0.1:0\"\nroute = [{ path = \"/query\", sql = \"people\" }]\n";
    let tables = [entry, listener].concat();
    let endpoints = nodes.iter().map(Node::address).collect();
    let world = Setup::new().endpoints(endpoints).cluster_lines(check).more(&tables).start().await;
    Databases { world, nodes }
}
