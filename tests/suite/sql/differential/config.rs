//! The configuration of an entry over the databases of a run, as an operator writes it: a text in TOML, which the program
//! reads. What it makes of it must be the topology that the run has placed its rows by.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use leverframe::circuit::Circuits;
use leverframe::cluster::{LiveCluster, Rules};
use leverframe::config::{Config, Overrides, parse};
use leverframe::model::{Address, ClusterName, Events, SqlName};
use leverframe::routing::Chooser;
use leverframe::sql::backend::Backend;
use leverframe::sql::dialect::Dialect;
use leverframe::sql::run::Entry;

use super::schema::{KINDS, Kind, LISTED, Rule, Schema, Spread, Table};
use super::servers::CONNECTIONS;

/// Opens an entry over these nodes.
pub(super) fn entry(schema: &Schema, backend: Arc<dyn Backend>, nodes: &[Address]) -> Arc<Entry> {
    let text = text(schema, nodes);
    let config = parse(&text, Path::new("/differential.toml"), &Overrides::default());
    let config = config.unwrap_or_else(|errors| panic!("{errors}\n{text}"));
    let Config { mut sql, mut clusters, .. } = config;
    let cluster_name = ClusterName::new("nodes").expect("a name");
    let spec = sql.remove(&SqlName::new("shop").expect("a name")).expect("the entry");
    let cluster = clusters.remove(&cluster_name).expect("the cluster");
    let live = LiveCluster::new(cluster_name.clone(), Events::nowhere());
    live.configure(Rules::default());
    live.update(&cluster.endpoints, std::time::Instant::now());
    let circuits = Circuits::new(cluster_name, cluster.circuit, Events::nowhere());
    let ids: Vec<_> = live.roster().members().iter().map(|m| (m.id(), m.endpoint().spec.name.clone())).collect();
    circuits.follow(&ids);
    let (lost, _) = tokio::sync::mpsc::unbounded_channel();
    let chooser = Arc::new(Chooser::new(0, Arc::new(live), lost));
    Entry::new(Arc::new(spec), backend, chooser, Arc::new(circuits), cluster.retry.attempts)
}

fn text(schema: &Schema, nodes: &[Address]) -> String {
    let mut text = String::from("[[listener]]\naddress = \"127.0.0.1:8080\"\n[[listener.route]]\nsql = \"shop\"\n");
    text.push_str("[cluster.nodes]\nendpoints = [\n");
    for (shard, node) in nodes.iter().enumerate() {
        let _ = writeln!(text, "    {{ name = \"{}\", address = \"{node}\" }},", name(shard));
    }
    text.push_str("]\n[sql.shop]\ncluster = \"nodes\"\n");
    text.push_str(match schema.dialect {
        Dialect::Sqlite => "backend = \"sqlite\"\n",
        Dialect::Postgres => "backend = \"postgres\"\ndatabase = \"shop\"\nuser = \"leverframe\"\n",
        Dialect::MySql => "backend = \"mysql\"\ndatabase = \"shop\"\nuser = \"leverframe\"\n",
    });
    let _ = writeln!(text, "limits.connections = {CONNECTIONS}");
    if let Some(total) = schema.split {
        let split = format!("{{ table = \"users\", key = \"id\", total_records = {total} }}");
        let _ = writeln!(text, "topology = \"split\"\nsplit = {split}");
        return text;
    }
    let names: Vec<String> = (0..nodes.len()).map(name).collect();
    let _ = writeln!(text, "shards = {names:?}");
    for table in &schema.tables {
        let _ = writeln!(text, "[sql.shop.table.{}]\n{}", table.name, holding(schema, table, &names));
    }
    text
}

fn name(shard: usize) -> String {
    format!("s{shard}")
}

fn holding(schema: &Schema, table: &Table, names: &[String]) -> String {
    let Spread::By { key, rule } = table.spread else { return "reference = true".into() };
    let column = table.columns.iter().find(|column| column.name == key).expect("the key is a column");
    let is_text = column.kind == Kind::Text;
    let mut text = format!("key = \"{key}\"\n");
    if is_text {
        let collation = match (schema.dialect, column.collation) {
            (Dialect::Sqlite, _) | (Dialect::Postgres, "C" | "") | (_, "utf8mb4_nopad_bin") => "bytes",
            (Dialect::Postgres, _) => "deterministic",
            (Dialect::MySql, _) => "other",
        };
        let _ = writeln!(text, "type = \"text\"\ncollation = \"{collation}\"");
    }
    let shards = names.iter().enumerate();
    let placed: Vec<String> = match rule {
        Rule::Ranges(width) if !is_text => {
            let from = |shard: usize| if shard == 0 { String::new() } else { (shard as i64 * width).to_string() };
            let to = |shard: usize| if shard + 1 == names.len() { String::new() } else { from(shard + 1) };
            shards.map(|(shard, name)| format!("{name} = \"{}..{}\"", from(shard), to(shard))).collect()
        }
        Rule::List if is_text => {
            let keys = |shard: usize| KINDS.iter().skip(shard).step_by(names.len()).collect::<Vec<_>>();
            shards.map(|(shard, name)| format!("{name} = {:?}", keys(shard))).collect()
        }
        Rule::List => {
            let of = names.len() as i64;
            let keys =
                |shard: usize| (-1..=LISTED).filter(|key| key.rem_euclid(of) == shard as i64).collect::<Vec<_>>();
            shards.map(|(shard, name)| format!("{name} = {:?}", keys(shard))).collect()
        }
        Rule::Ranges(_) | Rule::Hash => {
            let _ = write!(text, "hash = {names:?}");
            return text;
        }
    };
    let way = if rule == Rule::List { "list" } else { "ranges" };
    let _ = write!(text, "{way} = {{ {} }}", placed.join(", "));
    text
}
