//! `node`: one demo node as a process of its own, to stand behind a proxy, alone or as one of a pool, and to be made to
//! fail.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::oneshot;

use super::run::Stop;
use super::say;
use crate::config::{TOTAL_RECORDS_VARIABLE, duration};
use crate::demo::{DatabaseSettings, Node, NodeSettings, Orchestrator, Part, Registration, Users, Work};
use crate::model::{Address, EndpointName};

/// What it is told on the command line, or by the environment.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Where it listens; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9001", env = "LEVERFRAME_NODE_ADDRESS")]
    address: SocketAddr,
    /// What it calls itself; by default the host's name in a container (where it listens on all addresses and HOSTNAME is
    /// set), and `node-PORT` elsewhere.
    #[arg(long, env = "LEVERFRAME_NODE_NAME")]
    name: Option<String>,
    /// End when standard input is closed, as it is when the program that started this one ends.
    #[arg(long, env = "LEVERFRAME_NODE_ATTACHED")]
    attached: bool,
    /// How long the simulated work of /api/v1/hello and /process takes on average.
    #[arg(long, value_name = "TIME", default_value = "0ms", value_parser = delay, env = "LEVERFRAME_NODE_AVERAGE_DELAY")]
    average_delay: Duration,
    /// How many of a hundred requests for /api/v1/hello and /process fail, with 500.
    #[arg(
        long,
        value_name = "PERCENT",
        default_value = "0",
        value_parser = clap::value_parser!(u8).range(0..=100),
        env = "LEVERFRAME_NODE_FAILURE_PERCENT"
    )]
    failure_percent: u8,
    /// The SQLite file of the statistics, made when it is not there, and shared by all nodes that have the same.
    #[arg(long, value_name = "FILE", env = "LEVERFRAME_NODE_STATISTICS")]
    statistics: Option<PathBuf>,
    /// The SQLite file that `POST /query` is answered from, made when it is not there. Without it and without `--users` the node
    /// knows no SQL.
    #[arg(long, value_name = "FILE", env = "LEVERFRAME_NODE_DATABASE")]
    database: Option<PathBuf>,
    /// Which part of the generated table `users` it has, such as 1/3; 1/1 for all. In memory where there is no file.
    #[arg(long, value_name = "PART/PARTS", env = "LEVERFRAME_NODE_USERS")]
    users: Option<Part>,
    /// How many users there are on all nodes.
    #[arg(long, value_name = "COUNT", default_value_t = Users::USUAL_TOTAL, env = TOTAL_RECORDS_VARIABLE)]
    total_records: u64,
    /// The orchestrator to register with, as http://host:port.
    #[arg(long, value_name = "URL", env = "LEVERFRAME_NODE_REGISTER")]
    register: Option<Orchestrator>,
    /// Where it says that it can be reached; by default at the address from which it reaches the orchestrator.
    #[arg(
        long,
        value_name = "HOST:PORT",
        requires = "register",
        value_parser = Address::parse,
        env = "LEVERFRAME_NODE_ADVERTISE"
    )]
    advertise: Option<Address>,
}

pub(super) async fn run(options: Options) -> anyhow::Result<()> {
    let mut stop = Stop::new()?;
    let host = std::env::var("HOSTNAME").ok();
    let name = options.name.unwrap_or_else(|| default_name(options.address, host));
    let name = EndpointName::new(&name).with_context(|| format!("`{name}`"))?;
    let total = options.total_records;
    let users = options.users.map(|part| Users { total, part });
    let has_database = users.is_some() || options.database.is_some();
    let node = Node::start_with(NodeSettings {
        address: options.address,
        name,
        work: Work { average_delay: options.average_delay, failure_percent: options.failure_percent },
        statistics: options.statistics,
        database: has_database.then_some(DatabaseSettings { file: options.database, users }),
    });
    let node = node.await.with_context(|| options.address.to_string())?;
    say(&format!("node {} listening on {}", node.name(), node.address()));
    let (name, listens) = (node.name().clone(), node.address());
    let register = |orchestrator| Registration::start(orchestrator, name, listens, options.advertise);
    let registration = options.register.map(register);
    match options.attached {
        true => tokio::select! {
            () = stop.requested() => {}
            closed = input_closed()? => drop(closed),
        },
        false => stop.requested().await,
    }
    if let Some(registration) = registration {
        registration.end().await;
    }
    node.stop().await;
    Ok(())
}

/// Hears of the end of standard input. Read by a thread that nobody waits for: a read that is under way cannot be taken
/// back, and must not hold up another end.
fn input_closed() -> std::io::Result<oneshot::Receiver<()>> {
    let (closed, hears) = oneshot::channel();
    std::thread::Builder::new().name("input".to_owned()).spawn(move || {
        // An input that cannot be read is closed as well.
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        // The node may be ending already.
        let _ = closed.send(());
    })?;
    Ok(hears)
}

fn default_name(address: SocketAddr, host: Option<String>) -> String {
    let host = host.filter(|host| address.ip().is_unspecified() && !host.is_empty());
    host.unwrap_or_else(|| format!("node-{}", address.port()))
}

/// As in the file, and none.
fn delay(text: &str) -> Result<Duration, String> {
    if matches!(text.trim(), "0" | "0ms") { Ok(Duration::ZERO) } else { duration(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_in_a_container_is_named_after_it() {
        let name = |address: &str, host: Option<&str>| default_name(address.parse().unwrap(), host.map(str::to_owned));
        assert_eq!(name("0.0.0.0:9001", Some("3f2a")), "3f2a");
        assert_eq!(name("[::]:9001", Some("3f2a")), "3f2a");
        assert_eq!(name("127.0.0.1:9001", Some("laptop")), "node-9001");
        assert_eq!(name("0.0.0.0:9001", None), "node-9001");
        assert_eq!(name("0.0.0.0:9001", Some("")), "node-9001");
    }

    #[test]
    fn a_delay_may_be_none() {
        assert_eq!(delay("0ms"), Ok(Duration::ZERO));
        assert_eq!(delay("50ms"), Ok(Duration::from_millis(50)));
        assert!(delay("50").is_err());
    }
}
