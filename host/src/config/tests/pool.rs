//! `[pool]`: it means what could have been written by hand, and what is said about mistakes in it.

use std::path::Path;

use super::super::{Config, Overrides, load, parse};
use super::{SOUND, config, mistakes};

/// What the text of a pool stands for.
const BY_HAND: &str = r#"
[[listener]]
name = "balancer-1"
address = "127.0.0.1:8080"
[[listener.route]]
cluster = "pool"

[[listener]]
name = "balancer-2"
address = "127.0.0.1:8081"
[[listener.route]]
cluster = "pool"

[cluster.pool]
strategy = { plugin = "maglev", config = { key = "path" } }
health.check = { path = "/health", interval = "1s", timeout = "1s" }
[cluster.pool.scaling]
count = 5
process = { base_port = 9100, average_delay = "50ms", failure_percent = 5, statistics = "worker-stats.sqlite" }
"#;

fn addresses(config: &Config) -> Vec<String> {
    config.listeners.iter().map(|listener| format!("{} {}", listener.name, listener.address)).collect()
}

#[test]
fn a_pool_is_what_could_have_been_written_by_hand() {
    let pool = r#"
[pool]
workers = 5
worker_port = 9100
balancers = 2
balancer_port = 8080
address = "127.0.0.1"
average_delay_ms = 50
failure_percent = 5
statistics = "worker-stats.sqlite"
strategy = { plugin = "maglev", config = { key = "path" } }
"#;
    assert_eq!(config(pool), config(BY_HAND));
}

#[test]
fn what_a_pool_leaves_out_has_a_default() {
    let by_hand = "\
[[listener]]\nname = 'balancer-1'\naddress = '127.0.0.1:8080'\nroute = [{ cluster = 'pool' }]\n\
[cluster.pool]\nhealth.check = { path = '/health', interval = '1s', timeout = '1s' }\n\
scaling = { count = 3, process.base_port = 9100 }\n";
    assert_eq!(config("[pool]\n"), config(by_hand));
}

#[test]
fn a_pool_stands_beside_others() {
    let text = "[pool]\nbalancer_port = 9000\nbalancers = 2\n".to_owned()
        + SOUND
        + "[[listener]]\naddress = '[::]:1'\nroute = [{ cluster = 'pool' }]\n";
    let found = config(&text);
    let listeners =
        ["127.0.0.1:8080 127.0.0.1:8080", "[::]:1", "balancer-1 127.0.0.1:9000", "balancer-2 127.0.0.1:9001"];
    assert_eq!(addresses(&found)[0], listeners[0]);
    assert!(addresses(&found)[1].ends_with(listeners[1]));
    assert_eq!(addresses(&found)[2..], listeners[2..]);
    assert_eq!(found.clusters.len(), 2);
    // Only its nodes.
    let text = "[pool]\nbalancers = 0\n".to_owned() + &SOUND.replace("cluster = \"web\"", "cluster = \"pool\"");
    assert_eq!(addresses(&config(&text)).len(), 1);
}

#[test]
fn port_0_takes_any_for_each() {
    let found = config("[pool]\nbalancers = 2\nbalancer_port = 0\nworker_port = 0\naddress = '0.0.0.0'");
    assert_eq!(addresses(&found), ["balancer-1 0.0.0.0:0", "balancer-2 0.0.0.0:0"]);
    let by_hand = "[cluster.pool]\nhealth.check = { path = '/health', interval = '1s', timeout = '1s' }\n\
                   scaling.count = 3\n[[listener]]\naddress = '0.0.0.0:0'\nroute = [{ cluster = 'pool' }]\n";
    assert_eq!(found.clusters, config(by_hand).clusters);
}

#[test]
fn the_environment_moves_the_first_balancer_and_those_after_it() {
    let moved = |text: &str, overrides: Overrides| addresses(&parse(text, Path::new("x.toml"), &overrides).unwrap());
    let port = Overrides { port: Some("3000".into()), ..Overrides::default() };
    let address = Overrides { address: Some("0.0.0.0:4000".into()), ..port.clone() };
    let pool = "[pool]\nbalancers = 2\n";
    assert_eq!(moved(pool, port.clone()), ["balancer-1 127.0.0.1:3000", "balancer-2 127.0.0.1:3001"]);
    assert_eq!(moved(pool, address), ["balancer-1 0.0.0.0:4000", "balancer-2 0.0.0.0:4001"]);
    // Where there is another listener, it is that one's.
    let beside = format!("{pool}{}", SOUND.replace(":8080", ":80"));
    assert_eq!(moved(&beside, port)[1..], ["balancer-1 127.0.0.1:8080", "balancer-2 127.0.0.1:8081"]);
}

#[test]
fn all_mistakes_are_told_at_once() {
    let text = r#"[pool]
workers = -1
balancers = 3
balancer_port = 65534
worker_port = 65536
address = "127.0.0.1:80"
average_delay_ms = "50ms"
failure_percent = 101
strategy = "a b"
count = 4
[cluster.pool]
endpoints = ["a:1"]
"#;
    let expected = r#"2:11: pool.workers: invalid value: integer `-1`, expected a whole number from 0 to 1000
5:15: pool.worker_port: invalid value: integer `65536`, expected a whole number from 0 to 65535
6:11: pool.address: `127.0.0.1:80` is no address to listen on (an IP address without a port, as in `127.0.0.1` or `0.0.0.0`; the port is `balancer_port`)
7:20: pool.average_delay_ms: invalid type: string "50ms", expected a whole number from 0 to 3600000
8:19: pool.failure_percent: invalid value: integer `101`, expected a whole number from 0 to 100
9:12: pool.strategy: a name is made of letters, digits, `-`, `_`, `.` and `:`, not ` `
10:1: pool.count: there is no such setting (it is called `workers`)
11:1: cluster.pool: the name is taken by [pool] (give this one another name; [pool] makes one of this name)
"#;
    assert_eq!(mistakes(text), expected);
}

#[test]
fn ports_that_are_not_there_or_not_free_are_told() {
    let said = mistakes("[pool]\nbalancers = 3\nbalancer_port = 65534\nworkers = 2\nworker_port = 65535\n");
    let expected = "\
3:17: pool.balancer_port: 3 ports from 65534 on go past 65535 (a lower port, or fewer balancers)
5:15: pool.worker_port: 2 ports from 65535 on go past 65535 (a lower port, or fewer workers)
";
    assert_eq!(said, expected);
    let said = mistakes(&("[pool]\nbalancers = 2\nbalancer_port = 8079\n".to_owned() + SOUND));
    let expected = "3:17: pool.balancer_port: the address `127.0.0.1:8080` is taken by listener[0].address, line 6\n";
    assert_eq!(said, expected);
    let named = SOUND.replace("address =", "name = 'balancer-1'\naddress =");
    let said = mistakes(&("[pool]\nbalancers = 1\nbalancer_port = 1\n".to_owned() + &named));
    assert_eq!(said, "2:13: pool.balancers: the name `balancer-1` is taken by listener[0].name, line 6\n");
    let said = mistakes("[pool]\nworker_port = 8078\nworkers = 3\n");
    let expected = "2:15: pool.worker_port: the nodes take the ports 8078 to 8080, and so does the listener `balancer-1` \
                    (give the nodes ports that are free)\n";
    assert_eq!(said, expected);
    // The admin API has a mistake of its own, whatever the clusters are like.
    let said = mistakes("[pool]\nstrategy = ''\n[admin]\naddress = '127.0.0.1:8080'\n");
    assert!(
        said.contains("admin.address: the address `127.0.0.1:8080` is taken by the listener `balancer-1`"),
        "{said}"
    );
}

#[test]
fn a_pool_that_could_not_be_read_is_not_said_to_be_missing() {
    assert_eq!(mistakes("pool = 3\n"), "1:8: pool: invalid type: integer `3`, expected a table\n");
    let said = mistakes("[pool]\nbalancers = 0\n");
    assert!(said.contains("listener: there is none"), "{said}");
}

#[test]
fn the_example_is_a_pool_of_five() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/worker-pool.toml");
    let example = load(&file, &Overrides::default()).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(addresses(&example), ["balancer-1 127.0.0.1:8080", "balancer-2 127.0.0.1:8081"]);
    let by_hand = BY_HAND.replace("{ plugin = \"maglev\", config = { key = \"path\" } }", "'round-robin'");
    let by_hand = parse(&by_hand, &file, &Overrides::default()).unwrap();
    assert_eq!((example.clusters, example.listeners), (by_hand.clusters, by_hand.listeners));
}
