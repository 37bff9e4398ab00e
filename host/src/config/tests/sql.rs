//! SQL entries: what a text means, and what is said about mistakes in it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::ops::Bound;
use std::path::Path;
use std::time::Duration;

use super::super::{
    Acknowledgement, BackendSpec, CheckKind, CollationSpec, Config, DatabaseSpec, HoldingSpec, KeySpec, KeyValue,
    LeaseSpec, Overrides, PartitionSpec, PlacementSpec, RangeSpec, ReplicatedSpec, RouteTarget, Secret, SplitSpec,
    SqlEntry, SqlLimits, TopologySpec, parse,
};
use super::{config, mistakes};
use crate::model::{Address, ClusterName, SqlName};

/// A listener that leads to an entry, and two nodes for it.
const NODES: &str = r#"
[[listener]]
address = "127.0.0.1:8080"
[[listener.route]]
sql = "shop"
[cluster.nodes]
endpoints = [{ name = "a", address = "127.0.0.1:1" }, { name = "b", address = "127.0.0.1:2" }]
[sql.shop]
cluster = "nodes"
"#;

/// The same, of files.
const FILES: &str = r#"
[[listener]]
address = "127.0.0.1:8080"
[[listener.route]]
sql = "shop"
[cluster.nodes]
endpoints = ["file:shards/a.db", { name = "b", address = "file:/srv/b.db" }]
[sql.shop]
cluster = "nodes"
backend = "sqlite"
table.users = { key = "id", ranges = { a = "..100", b = "100.." } }
"#;

/// Two nodes, and lines of the entry.
fn nodes(lines: &str) -> String {
    format!("{NODES}{lines}\n")
}

fn entry(config: &Config) -> &SqlEntry {
    &config.sql[&SqlName::new("shop").unwrap()]
}

/// The one table of two nodes that are asked over HTTP.
fn table(lines: &str) -> HoldingSpec {
    let config = config(&nodes(&format!("backend = 'http'\n[sql.shop.table.users]\n{lines}")));
    match &entry(&config).topology {
        TopologySpec::Partitioned(topology) => topology.tables[0].holding.clone(),
        other => panic!("{other:?}"),
    }
}

fn partition(lines: &str) -> PartitionSpec {
    match table(lines) {
        HoldingSpec::Partitioned(partition) => partition,
        HoldingSpec::Reference => panic!("it is partitioned"),
    }
}

/// What is said about one table.
fn table_mistakes(lines: &str) -> String {
    let said = mistakes(&nodes(&format!("backend = 'http'\n[sql.shop.table.users]\n{lines}")));
    said.replace("sql.shop.table.users", "T")
}

fn range(text: &str) -> RangeSpec {
    RangeSpec::parse(text, KeySpec::Integer).unwrap()
}

fn secret(config: &Config) -> Option<&str> {
    match &entry(config).backend {
        BackendSpec::Postgres(DatabaseSpec { password, .. }) => password.as_ref().map(Secret::expose),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_the_file_leaves_out_has_a_default() {
    let config = config(&nodes("backend = 'http'\ntable.users = { key = 'id', hash = ['a', 'b'] }"));
    let entry = entry(&config);
    assert_eq!(entry.cluster, ClusterName::new("nodes").unwrap());
    assert_eq!(entry.backend, BackendSpec::Http);
    assert_eq!(
        entry.limits,
        SqlLimits {
            timeout: Duration::from_secs(30),
            max_timeout: Duration::from_secs(300),
            connections: 16,
            body_bytes: 1 << 20,
            statement_bytes: 64 << 10,
            gather_rows: 300_000,
            gather_bytes: 64 << 20,
            answer_bytes: 256 << 20,
            max_shards: None,
            forbid_scatter: false,
            cached_plans: 1024,
        }
    );
    assert_eq!(config.listeners[0].routes[0].target, RouteTarget::Sql(SqlName::new("shop").unwrap()));
    assert_eq!(config.clusters[&entry.cluster].health.check, None, "an HTTP node answers other things as well");
}

#[test]
fn rows_are_placed_by_ranges_a_hash_a_list_a_label_or_are_everywhere() {
    let ranges = partition("key = 'id'\nranges = { b = ['1_000..=2000', '5000..'], a = '..1000' }");
    let placed = [("..1000", "a"), ("1000..=2000", "b"), ("5000..", "b")];
    assert_eq!((ranges.key.as_str(), ranges.kind), ("id", KeySpec::Integer));
    let placed = placed.map(|(text, shard)| (range(text), shard.to_owned()));
    assert_eq!(ranges.placement, PlacementSpec::Ranges(placed.to_vec()));

    let order = ["b", "a", "b"].map(str::to_owned).to_vec();
    assert_eq!(partition("key = 'id'\nhash = ['b', 'a', 'b']").placement, PlacementSpec::Hash(order));
    let list =
        partition("key = 'c'\ntype = 'text'\ncollation = 'deterministic'\nlist = { a = ['de', 'at'], b = ['ch'] }");
    assert_eq!(list.kind, KeySpec::Text(CollationSpec::Deterministic));
    let text = |text: &str, shard: &str| (KeyValue::Text(text.into()), shard.to_owned());
    assert_eq!(list.placement, PlacementSpec::List(vec![text("de", "a"), text("at", "a"), text("ch", "b")]));
    assert_eq!(
        table("reference = true\n[sql.shop.table.orders]\nkey = 'id'\nhash = ['a']\n"),
        HoldingSpec::Partitioned(PartitionSpec {
            key: "id".into(),
            kind: KeySpec::Integer,
            placement: PlacementSpec::Hash(vec!["a".into()])
        }),
        "tables are in order of their names"
    );
}

#[test]
fn the_shards_are_those_that_are_named_or_that_the_tables_name() {
    let shards = |lines: &str| match &entry(&config(&nodes(lines))).topology {
        TopologySpec::Partitioned(topology) => topology.shards.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(shards("backend = 'http'\ntable.t = { key = 'id', hash = ['b', 'a'] }"), ["b", "a"]);
    let named = "backend = 'http'\nshards = ['b', 'a']\n";
    assert_eq!(shards(&format!("{named}table.t = {{ reference = true }}")), ["b", "a"]);
    assert_eq!(shards(&format!("{named}table.t = {{ key = 'id', ranges.a = '..' }}")), ["b", "a"]);
}

#[test]
fn ranges_of_text_are_taken_as_they_stand() {
    let ranges =
        partition("key = 'name'\ntype = 'text'\ncollation = 'bytes'\nranges = { a = '..m', b = ['m..=n o', 'q..'] }");
    let text = |text: &str| KeyValue::Text(text.to_owned());
    let expected = [
        (None, Bound::Excluded(text("m")), "a"),
        (Some(text("m")), Bound::Included(text("n o")), "b"),
        (Some(text("q")), Bound::Unbounded, "b"),
    ];
    let expected = expected.map(|(from, to, shard)| (RangeSpec { from, to }, shard.to_owned()));
    assert_eq!(ranges.placement, PlacementSpec::Ranges(expected.to_vec()));
    assert_eq!(partition("key = 'k'\ntype = 'text'\nhash = ['a']").kind, KeySpec::Text(CollationSpec::Other));
}

#[test]
fn ranges_are_shown_as_they_are_written_and_overlap_where_they_share_a_key() {
    for text in ["1..1000", "..", "..=5", "-7..", "1..=1"] {
        assert_eq!(range(text).to_string(), text);
    }
    for (one, other, both) in [
        ("1..5", "5..9", false),
        ("1..=5", "5..9", true),
        ("..", "3..4", true),
        ("..0", "0..", false),
        ("1..9", "2..3", true),
    ] {
        assert_eq!(range(one).overlaps(&range(other)), both, "{one} {other}");
        assert_eq!(range(other).overlaps(&range(one)), both, "{other} {one}");
    }
    for text in ["1", "5..5", "5..4", "1..=", "1..2..3", "1...4", "a..b", "..-9223372036854775808"] {
        assert!(RangeSpec::parse(text, KeySpec::Integer).is_err(), "{text}");
    }
    let kind = KeySpec::Text(CollationSpec::Bytes);
    for text in ["a .. b", "..", "a..", "b..a", "a..b..c"] {
        assert_eq!(RangeSpec::parse(text, kind).is_ok(), matches!(text, ".." | "a.."), "{text}");
    }
}

#[test]
fn files_are_found_beside_the_configuration_and_named_after_themselves() {
    let config = config(FILES);
    let cluster = &config.clusters[&ClusterName::new("nodes").unwrap()];
    let addresses: Vec<_> = cluster.endpoints.iter().map(|endpoint| endpoint.address.clone()).collect();
    assert_eq!(addresses, [Address::file("/etc/leverframe/shards/a.db"), Address::file("/srv/b.db")]);
    assert_eq!(cluster.endpoints[0].name.as_str(), "a");
    let check = cluster.health.check.as_ref().map(|check| &check.kind);
    assert!(
        matches!(check, Some(CheckKind::Sql(sql)) if sql.statement == "SELECT 1" && sql.backend == BackendSpec::Sqlite)
    );
    assert_eq!(cluster.health.policies.len(), 1, "somebody judges by it");
}

#[test]
fn files_are_for_sqlite_and_for_nothing_else() {
    let said = mistakes(&FILES.replace("sql = \"shop\"", "cluster = \"nodes\"").replace("\"sqlite\"", "\"http\""));
    assert_eq!(
        said,
        "7:14: cluster.nodes.endpoints[0]: a file answers no requests, and a route leads to this cluster (have the route \
         lead to the entry: sql = \"NAME\")\n\
         7:14: cluster.nodes.endpoints[0]: a file is no node of sql.shop, whose backend is `http` (address = \"HOST:PORT\", \
         or backend = \"sqlite\")\n\
         7:34: cluster.nodes.endpoints[1]: a file is no node of sql.shop, whose backend is `http` (address = \"HOST:PORT\", \
         or backend = \"sqlite\")\n"
    );
    let said =
        mistakes(&FILES.replace("[sql.shop]", "health.check = { kind = 'tcp' }\ndiscovery.docker = {}\n[sql.shop]"));
    assert!(said.contains("cluster.nodes.endpoints[0]: a file cannot be asked by `tcp`"), "{said}");
    assert!(said.contains("cluster.nodes: the nodes of sql.shop are files, which nobody finds or starts"), "{said}");
    let said = mistakes(&FILES.replace("file:shards/a.db", "a:1").replace("file:/srv/b.db", "file:///srv/b.db"));
    assert!(
        said.contains("cluster.nodes.endpoints[1]: `file:///srv/b.db` is a URL (only the path: `file:/srv/b.db`)"),
        "{said}"
    );
    let said = mistakes(&FILES.replace("file:shards/a.db", "a:1"));
    assert!(said.contains("cluster.nodes.endpoints[0]: `a:1` is no file, which the nodes of sql.shop are"), "{said}");
    // On a host of that name.
    let hosts = config(&super::SOUND.replace("127.0.0.1:9001", "file:9001"));
    assert_eq!(hosts.clusters[&ClusterName::new("web").unwrap()].endpoints[0].address.host(), "file");
}

#[test]
fn a_password_comes_from_the_environment_first_and_is_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret"), "from a file\n").unwrap();
    let database = "backend = 'postgres'\ndatabase = 'shop'\nuser = 'reader'\ntable.t = { key = 'id', hash = ['a'] }\n";
    let origin = folder.path().join("x.toml");
    let read = |lines: &str, overrides: &Overrides| {
        parse(&nodes(&format!("{database}{lines}")), &origin, overrides).unwrap_or_else(|errors| panic!("{errors}"))
    };
    let none = Overrides::default();
    assert_eq!(secret(&read("", &none)), None);
    assert_eq!(secret(&read("password = 'hush'", &none)), Some("hush"));
    assert_eq!(secret(&read("password_file = 'secret'", &none)), Some("from a file"));
    let variables =
        [("LEVERFRAME_SQL_SHOP_PASSWORD", "whispered"), ("LEVERFRAME_SQL_EMPTY_PASSWORD", ""), ("HOME", "x")];
    let variables = variables.map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let environment = Overrides::default().with_passwords(variables);
    assert_eq!(environment.sql_passwords.len(), 1);
    let config = read("password = 'hush'", &environment);
    assert_eq!(secret(&config), Some("whispered"));
    let shown = format!("{config:?} {environment:?}");
    assert!(!shown.contains("hush") && !shown.contains("whispered"), "{shown}");

    let said = |lines: &str| {
        let text = nodes(&format!("{database}{lines}"));
        parse(&text, &origin, &none).unwrap_err().to_string().replace(folder.path().to_str().unwrap(), "/x")
    };
    assert!(said("password = 12345").contains("sql.shop.password: is no text: a password stands in quotes"));
    assert!(!said("password = 12345").contains("12345"));
    assert!(said("password = 'a'\npassword_file = 'b'").contains("sql.shop.password_file: there is a `password`, too"));
    assert!(said("password_file = 'no'").contains("sql.shop.password_file: /x/no cannot be read: "));
}

#[test]
fn a_split_scan_is_divided_by_what_the_environment_or_the_file_says() {
    let lines = "backend = 'http'\ntopology = 'split'\nsplit = { table = 'users', key = 'id', total_records = 10_000 }";
    let split = |overrides: &Overrides| match parse(&nodes(lines), Path::new("x.toml"), overrides) {
        Ok(config) => Ok(entry(&config).topology.clone()),
        Err(errors) => Err(errors.to_string()),
    };
    let spec =
        |total_records| TopologySpec::Split(SplitSpec { table: "users".into(), key: "id".into(), total_records });
    assert_eq!(split(&Overrides::default()), Ok(spec(10_000)));
    let records = |text: &str| Overrides { total_records: Some(text.to_owned()), ..Overrides::default() };
    assert_eq!(split(&records("60000")), Ok(spec(60_000)));
    assert_eq!(
        split(&records("many")),
        Err("x.toml: TOTAL_RECORDS: `many` is no number of records (a whole number from 1 on)".into())
    );
    let said = mistakes(&nodes("backend = 'http'\ntopology = 'split'\nsplit = { total_records = 0 }\nshards = ['a']"));
    assert_eq!(
        said,
        "12:9: sql.shop.split.table: is missing (say which: table = \"NAME\")\n\
         12:9: sql.shop.split.key: is missing (say by which column of whole numbers: key = \"id\")\n\
         12:27: sql.shop.split.total_records: 0 cannot be divided\n\
         13:10: sql.shop.shards: the topology `split` has none (take it out, or say topology = \"partitioned\")\n"
    );
}

#[test]
fn what_an_entry_must_say_is_asked_for() {
    assert_eq!(
        mistakes(&nodes("").replace("cluster = \"nodes\"", "")),
        "8:1: sql.shop.backend: is missing (say what the nodes are: backend = \"sqlite\", \"http\", \"postgres\" or \
         \"mysql\")\n\
         8:1: sql.shop.cluster: is missing (say whose endpoints are the nodes: cluster = \"NAME\")\n\
         8:1: sql.shop.table: there is none (add [sql.shop.table.NAME] for each table: one that is not listed may not be \
         asked for)\n"
    );
    let said = mistakes(&nodes("backend = 'oracle'\nuser = 'x'\ntable.t = { key = 'id', hash = ['a'] }"));
    assert_eq!(said, "10:11: sql.shop.backend: `oracle` is none of `sqlite`, `http`, `postgres`, `mysql`\n");
    let said = mistakes(&nodes("backend = 'http'\nuser = 'x'\ntable.t = { key = 'id', hash = ['a'] }"));
    assert!(said.contains("sql.shop.user: a node of this kind has no `user` (take it out, or say backend"), "{said}");
    let said = mistakes(&nodes("backend = 'mysql'\ntable.t = { key = 'id', hash = ['a'] }"));
    assert!(said.contains("sql.shop.database: is missing") && said.contains("sql.shop.user: is missing"), "{said}");
    let said =
        mistakes(&nodes("backend = 'http'\ntable.t = { key = 'id', hash = ['a'] }").replace("\"nodes\"", "\"noeds\""));
    assert!(said.contains("sql.shop.cluster: there is no cluster `noeds` (did you mean `nodes`?)"), "{said}");
}

#[test]
fn every_mistake_of_a_table_is_told_at_once() {
    assert_eq!(
        table_mistakes("key = 'id'"),
        "11:1: T: does not say where its rows are (one of: ranges = { a = \
        \"1..1000\", b = \"1000..\" }, hash = [\"a\", \"b\"], list = { a = [1, 2], b = [3] }, ranges_label = \"LABEL\", \
        reference = true)\n"
    );
    assert!(
        table_mistakes("key = 'id'\nhash = ['a']\nlist = { a = [1] }")
            .starts_with("14:8: T.list: there is `hash`, too")
    );
    assert_eq!(
        table_mistakes("reference = true\nkey = 'id'"),
        "13:7: T.key: every shard has all rows of a reference table, which has no `key` (take it out, or `reference`)\n"
    );
    assert_eq!(
        table_mistakes("ranges = { a = ['1..10', 'x..20', 7], b = '5..9' }\ncollation = 'bytes'"),
        "11:1: T.key: is missing (say by which column the rows are spread: key = \"id\")\n\
         12:35: T.ranges.a[2]: invalid type: integer `7`, expected a string\n\
         13:13: T.collation: whole numbers have no collation (if the key is text: type = \"text\")\n"
    );
    assert_eq!(
        table_mistakes("key = 'id'\nranges = { a = ['1..10', 'x..20'], b = '5..9', c = '9..3' }"),
        "13:26: T.ranges.a[1]: `x` is no whole number of 64 bits, which the key is to be (if the key is text: type = \
         \"text\")\n\
         13:52: T.ranges.c: the range `9..3` holds no key\n"
    );
    assert_eq!(
        table_mistakes("key = 'id'\nranges = { a = '1..=10', b = '10..20' }"),
        "13:30: T.ranges.b: `10..20` overlaps with `1..=10` of a, line 13: both would hold the same rows (`1..1000` ends \
         before 1000, where `1000..` may begin)\n"
    );
    assert_eq!(
        table_mistakes("key = 'id'\nlist = { a = [1, 'x', 2.5], b = [1] }"),
        "13:18: T.list.a[1]: \"x\" is no whole number (if the key is text: type = \"text\")\n\
         13:23: T.list.a[2]: invalid type: floating point `2.5`, expected a whole number, or a string\n\
         13:34: T.list.b[0]: the key `1` is taken by sql.shop.table.users.list.a[0], line 13\n"
            .replace("sql.shop.table.users", "T")
    );
    assert_eq!(
        table_mistakes("key = 'id'\nranges_label = 'keys'"),
        "8:1: sql.shop.shards: there are 0, which is not from 1 to 4096 (say which there are: shards = [\"a\", \"b\", \
         \"c\"], by the label `shard` of the endpoints or by their names)\n"
    );
}

#[test]
fn names_that_the_dialect_does_not_tell_apart_are_one() {
    let tables = "table.Users = { reference = true }\ntable.users = { reference = true }\nshards = ['a']\n";
    let said = mistakes(&nodes(&format!("backend = 'http'\n{tables}")));
    assert!(said.contains("the name `users` is taken by sql.shop.table.Users, line 11"), "{said}");
    config(&nodes(&format!("backend = 'mysql'\ndatabase = 'x'\nuser = 'x'\n{tables}")));
}

#[test]
fn every_shard_has_a_holder() {
    let said = mistakes(&nodes("backend = 'http'\nshards = ['a', 'bb']\ntable.t = { key = 'id', hash = ['a', 'c'] }"));
    assert_eq!(said, "12:38: sql.shop.table.t.hash[1]: there is no shard `c` (did you mean `a`?)\n");
    let said = mistakes(&nodes("backend = 'http'\ntable.t = { key = 'id', hash = ['a', 'elsewhere'] }"));
    assert_eq!(
        said,
        "8:1: sql.shop: no endpoint of `nodes` holds the shard `elsewhere` (give one the name `elsewhere`, or the label: \
         labels = { shard = \"elsewhere\" })\n"
    );
    // Who is found says itself what it holds.
    let found = nodes("backend = 'http'\ntable.t = { key = 'id', hash = ['a', 'elsewhere'] }");
    config(&found.replace("[sql.shop]", "discovery.docker = {}\n[sql.shop]"));
}

#[test]
fn labels_of_the_file_are_read() {
    let text = |a: &str, b: &str| {
        nodes("backend = 'http'\nshards = ['a', 'b']\ntable.t = { key = 'id', ranges_label = 'keys' }")
            .replace("name = \"a\",", &format!("name = \"a\", labels = {{ keys = \"{a}\" }},"))
            .replace(
                "name = \"b\",",
                &format!("name = \"b\", labels = {{ kyes = \"{b}\" }},")
                    .replace("kyes", if b.is_empty() { "kyes" } else { "keys" }),
            )
    };
    config(&text("..100", "100.., ").replace(", \"", "\""));
    let said = mistakes(&text("1-5", ""));
    assert!(said.contains("cluster.nodes.endpoints[0].labels.keys: `1-5` is no range: write"), "{said}");
    assert!(said.contains("cluster.nodes.endpoints[1].labels.keys: there is no label `keys`"), "{said}");
    let said = mistakes(&text("..=100", "100.."));
    assert!(
        said.contains("endpoints[1].labels.keys: `100..` overlaps with `..=100` of a: both would hold the same"),
        "{said}"
    );
}

#[test]
fn limits_that_contradict_each_other_are_refused() {
    let limits = |lines: &str| {
        format!("{}[sql.shop.limits]\n{lines}\n", nodes("backend = 'http'\ntable.t = { key = 'id', hash = ['a'] }"))
    };
    assert_eq!(entry(&config(&limits("timeout = '10m'"))).limits.max_timeout, Duration::from_secs(600));
    assert_eq!(entry(&config(&limits("body_bytes = 1000"))).limits.statement_bytes, 1000);
    let said = mistakes(&limits(
        "timeout = '2m'\nmax_timeout = '1m'\nbody_bytes = 10\nstatement_bytes = 11\ngather_bytes = 0\nmax_shards = 0",
    ));
    for part in [
        "limits.timeout: 2m is longer than `max_timeout`, which is 1m\n",
        "limits.statement_bytes: 11 bytes are more than `body_bytes`, which is 10 (a statement comes in a body)\n",
        "limits.gather_bytes: 0 bytes are not from 1 to ",
        "limits.max_shards: invalid value: integer `0`, expected a whole number from 1 to 65535\n",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn a_check_by_a_statement_asks_as_the_entry_does() {
    let database = "backend = 'mysql'\ndatabase = 'shop'\nuser = 'reader'\ntable.t = { key = 'id', hash = ['a'] }\n";
    let kind = |check: &str| {
        let config = config(&nodes(database).replace("[sql.shop]", &format!("{check}\n[sql.shop]")));
        config.clusters[&ClusterName::new("nodes").unwrap()].health.check.clone().map(|check| check.kind)
    };
    let statement = |kind: Option<CheckKind>| match kind {
        Some(CheckKind::Sql(check)) => {
            assert!(matches!(&check.backend, BackendSpec::MySql(database) if database.user == "reader"));
            check.statement
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(statement(kind("")), "SELECT 1");
    assert_eq!(statement(kind("health.check = { kind = 'sql', statement = 'SELECT 2' }")), "SELECT 2");
    assert_eq!(kind("health.check = { kind = 'tcp' }"), Some(CheckKind::Tcp));

    let said = mistakes(&format!("{}health.check = {{ kind = 'sql', path = '/x', port = 1 }}\n", super::SOUND));
    let part =
        "cluster.web.health.check.path: a check by `sql` has no `path` (take it out; what is asked is `statement`)\n";
    assert!(said.contains(part) && said.contains("check.port: a check by `sql` has no `port`"), "{said}");
    assert!(
        said.contains("check.kind: no SQL entry says what these nodes are (add [sql.NAME] with cluster = \"web\")"),
        "{said}"
    );
    let said = mistakes(&format!("{}health.check = {{ path = '/', statement = 'SELECT 1' }}\n", super::SOUND));
    assert!(said.contains("check.statement: only a check by `sql` has a statement"), "{said}");
}

#[test]
fn nodes_are_of_one_kind_whoever_asks_them() {
    let other = "backend = 'http'\ntable.t = { key = 'id', hash = ['a'] }\n[sql.zoo]\ncluster = 'nodes'\nbackend = 'mysql'\n\
                 database = 'x'\nuser = 'x'\ntable.t = { key = 'id', hash = ['a'] }";
    let said = mistakes(&nodes(other));
    assert!(
        said.contains(
            "sql.zoo.backend: for sql.shop the nodes of `nodes` are `http` (a cluster has nodes of one kind)"
        ),
        "{said}"
    );
}

#[test]
fn labels_are_kept_apart_from_names() {
    let labels: BTreeMap<_, _> = [("shard".to_owned(), "a".to_owned())].into();
    let config = config(
        &nodes("backend = 'http'\ntable.t = { key = 'id', hash = ['a'] }")
            .replace("name = \"b\",", "name = \"b\", labels.shard = \"a\","),
    );
    let endpoint = &config.clusters[&ClusterName::new("nodes").unwrap()].endpoints[1];
    assert_eq!((endpoint.shard(), &endpoint.labels), ("a", &labels));
}

#[test]
fn the_example_means_what_its_comments_say() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/sql-fanout.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let said = parse(&text, &file, &Overrides::default()).unwrap_or_else(|errors| panic!("{errors}"));
    let users = &said.sql[&SqlName::new("users").unwrap()];
    // What is said to be a default is one.
    let defaults = [
        "topology",
        "shards",
        "type",
        "timeout",
        "max_timeout",
        "connections",
        "body_bytes",
        "statement_bytes",
        "gather_rows",
        "gather_bytes",
        "answer_bytes",
        "forbid_scatter",
        "cached_plans",
    ];
    let is_default = |line: &&str| !defaults.iter().any(|key| line.starts_with(&format!("{key} = ")));
    let short: String = text.lines().filter(is_default).map(|line| format!("{line}\n")).collect();
    let short = parse(&short, &file, &Overrides::default()).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(short.sql[&users.name], *users);
    assert_eq!(users.limits.max_shards, Some(3));
}

#[test]
fn a_table_is_named_without_its_schema() {
    let said = mistakes(&nodes("backend = 'http'\ntable.'main.users' = { key = 'id', hash = ['a', 'b'] }"));
    assert!(said.contains("`main.users` is no plain name of a table") && said.contains("without its schema"), "{said}");
    let split = "backend = 'http'\nsplit = { table = 'public.users', key = 'id', total_records = 10 }";
    let said = mistakes(&nodes(split));
    assert!(said.contains("sql.shop.split.table") && said.contains("`public.users` is no plain name"), "{said}");
}

/// The replication of two nodes.
fn replicated(lines: &str) -> ReplicatedSpec {
    let config = config(&nodes(&format!("backend = 'http'\ntopology = 'replicated'\n{lines}")));
    match &entry(&config).topology {
        TopologySpec::Replicated(spec) => spec.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_replicated_database_has_a_log_below_the_state_and_waits_for_all_that_are_up() {
    let spec = replicated("");
    assert!(spec.log.ends_with("state/sql/shop.log"), "{spec:?}");
    let said = ReplicatedSpec {
        acknowledge: Acknowledgement::AllUp,
        log: spec.log.clone(),
        lease: None,
        log_bytes: 1 << 30,
        max_lag: 0,
        apply_timeout: Duration::from_secs(10),
        writers: Vec::new(),
        trusted: Vec::new(),
    };
    assert_eq!(spec, said);
    let lines = "acknowledge = 'majority'\nlog = 'logs/a'\nlog_bytes = '2MiB'\nmax_lag = 7\napply_timeout = '3s'\n\
                 writers = ['audit.note']\ntrusted = ['tax']\nlease = { redis = 'redis://:secret@r:6379' }";
    let spec = replicated(lines);
    assert!(spec.log.ends_with("logs/a"), "{spec:?}");
    let said = ReplicatedSpec {
        acknowledge: Acknowledgement::Majority,
        log: spec.log.clone(),
        lease: Some(LeaseSpec {
            url: "redis://:secret@r:6379".into(),
            prefix: "leverframe:".into(),
            term: Duration::from_secs(6),
        }),
        log_bytes: 2 << 20,
        max_lag: 7,
        apply_timeout: Duration::from_secs(3),
        writers: vec!["audit.note".into()],
        trusted: vec!["tax".into()],
    };
    assert_eq!(spec, said);
    assert!(!format!("{spec:?}").contains("secret"));
}

#[test]
fn keys_of_another_topology_are_refused_by_name() {
    let said = |lines: &str| mistakes(&nodes(&format!("backend = 'http'\n{lines}")));
    let refused = said("topology = 'replicated'\nshards = ['a']\ntable.t = { key = 'id', hash = ['a'] }");
    for key in ["sql.shop.shards", "sql.shop.table"] {
        let why = format!("{key}: the topology `replicated` has none (take it out: every node holds all tables)");
        assert!(refused.contains(&why), "{refused}");
    }
    let refused = said("topology = 'replicated'\nsplit = { table = 't', key = 'id', total_records = 10 }");
    assert!(refused.contains("sql.shop.split: the topology `replicated` has none"), "{refused}");
    let refused = said("max_lag = 1\ntable.t = { key = 'id', hash = ['a', 'b'] }");
    assert!(refused.contains("the topology `partitioned` has none (take it out, or say topology = \"replicated\")"));
    for (line, why) in [
        ("acknowledge = 'some'", "all_up"),
        ("log_bytes = 10", "10 bytes are not from"),
        ("max_lag = -1", "a whole number from 0"),
        ("writers = ['f()']", "`f()` is no name of a function"),
        ("trusted = [1]", "a string"),
        ("log = ''", "a file has a name"),
        ("lease = {}", "sql.shop.lease.redis: is missing"),
        ("lease = { redis = 'r:6379' }", "no URL that begins with `redis://`"),
        ("lease = { redis = 'redis://r', term = '1s' }", "1s is not from 2s to 300s"),
        ("lease = 'redis://r'", "a table with the `redis` that has it"),
    ] {
        let said = said(&format!("topology = 'replicated'\n{line}"));
        assert!(said.contains(why), "{line}: {said}");
    }
}

#[test]
fn nothing_comes_to_replicated_nodes_past_their_log() {
    let both =
        nodes("backend = 'http'\ntopology = 'replicated'") + "[sql.other]\ncluster = 'nodes'\nbackend = 'http'\n";
    let said = mistakes(&(both + "split = { table = 't', key = 'id', total_records = 10 }\n"));
    assert!(said.contains("sql.shop.cluster: sql.other has the same nodes"), "{said}");
    let said = mistakes(&format!("state = false\n{}", nodes("backend = 'http'\ntopology = 'replicated'")));
    assert!(said.contains("sql.shop.log: is missing, and nothing is kept elsewhere"), "{said}");
    let found = nodes("backend = 'http'\ntopology = 'replicated'\n[cluster.nodes.discovery.dns]\nname = 'a'");
    let said = mistakes(&found);
    assert!(said.contains("all must be known") || said.contains("discovery"), "{said}");
    let one_log = nodes("backend = 'http'\ntopology = 'replicated'\nlog = 'a'")
        + "[cluster.more]\nendpoints = ['127.0.0.1:3']\n[sql.other]\ncluster = 'more'\nbackend = 'http'\n\
           topology = 'replicated'\nlog = 'a'\n";
    let said = mistakes(&one_log);
    assert!(said.contains("sql.shop.log: sql.other has the same log"), "{said}");
}

#[test]
fn the_example_of_replication_means_what_its_comments_say() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/sql-replicated.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let said = parse(&text, &file, &Overrides::default()).unwrap_or_else(|errors| panic!("{errors}"));
    let users = &said.sql[&SqlName::new("users").unwrap()];
    // All but these are defaults.
    let others =
        ["[", "path", "sql", "address", "endpoints", "{", "]", "health", "cluster", "backend", "topology", " "];
    let is_other = |line: &&str| others.iter().any(|key| line.starts_with(key));
    let short: String = text.lines().filter(is_other).map(|line| format!("{line}\n")).collect();
    let short = parse(&short, &file, &Overrides::default()).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(short.sql[&users.name], *users);
}
