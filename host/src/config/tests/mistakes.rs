//! What is said about mistakes: all of them at once, each with its place and what to write instead.

use std::path::Path;

use super::super::{Overrides, load, parse};
use super::{SOUND, mistakes, parsed};

#[test]
fn all_mistakes_are_told_at_once_in_the_order_of_the_file() {
    let text = r#"workers = 0
shutdown_timeout = 5

[[listener]]
name = "a b"
address = ":8080"
limits = { headers = -1, header_bytes = "1KiB", bodybytes = 1 }

[[listener.route]]
cluster = "wep"

[[listener.route]]
path = "x"

[[listener]]

[cluster.web]
strategy = { plugin = "p", confg = {} }
endpoints = [
    "127.0.0.1:9001",
    7,
    { address = "127.0.0.1:9002", weight = 65536 },
    { adress = "http://127.0.0.1:9003/" },
    "127.0.0.1:9001",
]
pool = { idle_timeout = "0s", max_idle = "many" }
timeouts = { connect = "fast" }

[cluster.empty]

[plugins.override.ring]
memory_bytes = 1

[admin]
address = "localhost:9900"
"#;
    let duration = "expected a duration over zero with its unit, as in \"250ms\", \"10s\", \"2m\" or \"1h\"";
    let expected = format!(
        r#"1:11: workers: invalid value: integer `0`, expected a whole number from 1 to 1024
2:20: shutdown_timeout: invalid type: integer `5`, {duration}
5:8: listener[0].name: a name is made of letters, digits, `-`, `_`, `.` and `:`, not ` `
6:11: listener[0].address: `:8080` is no address to listen on (to listen on every interface write `0.0.0.0:8080`)
7:22: listener[0].limits.headers: invalid value: integer `-1`, expected a whole number from 1 to 32768
7:41: listener[0].limits.header_bytes: 1024 bytes is not from 8KiB to 16MiB
7:49: listener[0].limits.bodybytes: there is no such setting (did you mean `body_bytes`?)
10:11: listener[0].route[0].cluster: there is no cluster `wep` (did you mean `web`?)
12:1: listener[0].route[1].cluster: is missing (say where the requests go: cluster = "NAME")
13:8: listener[0].route[1].path: the path `x` does not begin with `/` (`/x`)
15:1: listener[1].address: is missing (say where clients connect: address = "0.0.0.0:8080")
15:1: listener[1].route: there is none: every request would be refused (add [[listener.route]] with a cluster; without host and path it takes every request)
18:28: cluster.web.strategy.confg: there is no such setting (did you mean `config`?)
21:5: cluster.web.endpoints[1]: invalid type: integer `7`, expected an address, or a table with `address`
22:44: cluster.web.endpoints[2].weight: invalid value: integer `65536`, expected a whole number from 1 to 65535
23:5: cluster.web.endpoints[3]: an address is `host:port` with a port from 1 to 65535 (without scheme and path: `127.0.0.1:9003`)
23:7: cluster.web.endpoints[3].adress: there is no such setting (did you mean `address`?)
24:5: cluster.web.endpoints[4]: the address `127.0.0.1:9001` is taken by cluster.web.endpoints[0], line 20
26:25: cluster.web.pool.idle_timeout: invalid value: string "0s", {duration}
26:42: cluster.web.pool.max_idle: invalid type: string "many", expected a whole number from 0 to 10000000
27:24: cluster.web.timeouts.connect: invalid value: string "fast", {duration}
29:1: cluster.empty.endpoints: there is none: every request would be refused (name at least one: endpoints = ["127.0.0.1:9001"]; or have them found, as with [cluster.empty.discovery.docker], or started, with [cluster.empty.scaling])
32:16: plugins.override.ring.memory_bytes: 1 bytes is not from 64KiB to 1GiB
35:11: admin.address: `localhost:9900` is no address to listen on (an IP address, not a name: write `127.0.0.1:9900`)
"#
    );
    assert_eq!(mistakes(text), expected);
}

#[test]
fn words_of_other_proxies_are_answered_with_ours_and_read_as_them() {
    let text = r#"
threads = 2
[[server]]
listen = "127.0.0.1:8080"
[[server.location]]
prefix = "/"
upstream = "web"
[upstream.web]
lb = "random"
servers = ["127.0.0.1:9001", { url = "127.0.0.1:9002", weight = 0 }]
retries = 3
"#;
    let expected = "\
2:1: threads: there is no such setting (it is called `workers`)
3:3: server: there is no such setting (it is called `listener`)
4:1: listener[0].listen: there is no such setting (it is called `address`)
5:10: listener[0].location: there is no such setting (it is called `route`)
6:1: listener[0].route[0].prefix: there is no such setting (it is called `path_prefix`)
7:1: listener[0].route[0].upstream: there is no such setting (it is called `cluster`)
8:2: upstream: there is no such setting (it is called `cluster`)
9:1: cluster.web.lb: there is no such setting (it is called `strategy`)
10:1: cluster.web.servers: there is no such setting (it is called `endpoints`)
10:32: cluster.web.endpoints[1].url: there is no such setting (it is called `address`)
10:65: cluster.web.endpoints[1].weight: invalid value: integer `0`, expected a whole number from 1 to 65535
11:1: cluster.web.retries: there is no such setting (it is called `retry.attempts`)
";
    assert_eq!(mistakes(text), expected);
}

#[test]
fn a_setting_that_is_like_no_other_is_told_what_there_is() {
    let said = mistakes(&(SOUND.to_owned() + "[admin]\nzzzzzz = 1\n"));
    assert_eq!(
        said,
        "9:1: admin.zzzzzz: there is no such setting (known here: address, token_file, read_only_token_file, allow_without_token)\n"
    );
}

#[test]
fn a_misspelt_setting_next_to_the_right_one_is_just_refused() {
    let said = mistakes(&(SOUND.to_owned() + "endpoint = []\n"));
    assert_eq!(said, "8:1: cluster.web.endpoint: there is no such setting (did you mean `endpoints`?)\n");
}

#[test]
fn brackets_of_the_wrong_number_are_explained() {
    let said = mistakes("[listener]\naddress = '127.0.0.1:1'\n[[cluster]]\nname = 'web'\n");
    let expected = "\
1:1: listener: invalid type: table, expected an array (each `listener` has double brackets, as in [[listener]])
3:1: cluster: invalid type: array, expected a table (single brackets, and a name where there may be several, as in [cluster] or [cluster.NAME])
";
    assert_eq!(said, expected);
    let said = mistakes(
        "[[listener]]\naddress = '127.0.0.1:1'\n[listener.route]\ncluster = 'web'\n[cluster.web]\nendpoints = ['a:1']",
    );
    assert!(said.contains("as in [[listener.route]]"), "{said}");
}

#[test]
fn what_could_not_be_read_is_not_said_to_be_missing() {
    let said = mistakes("cluster = 3\n[[listener]]\naddress = 1\nroute = [{ cluster = 'web' }, 4]\n");
    let expected = "\
1:11: cluster: invalid type: integer `3`, expected a table
3:11: listener[0].address: invalid type: integer `1`, expected a string
4:31: listener[0].route[1]: invalid type: integer `4`, expected a table
";
    assert_eq!(said, expected);
}

#[test]
fn all_that_is_no_toml_is_told_and_nothing_else() {
    let said = mistakes("workers = \n[[listener]]\naddress = 127.0.0.1\nworkers = 2\n[admin\n");
    let lines: Vec<_> = said.lines().map(|line| line.split(':').next().unwrap_or_default()).collect();
    assert_eq!(lines, ["1", "3", "5"], "{said}");
}

#[test]
fn an_empty_file_is_refused() {
    assert!(mistakes("").contains("listener: there is none (add [[listener]]"));
}

#[test]
fn names_and_addresses_are_nobody_elses() {
    let listener = "[[listener]]\nname = 'a'\naddress = '127.0.0.1:8080'\n[[listener.route]]\ncluster = 'web'\n";
    let text = listener.repeat(2)
        + &listener.replace("'a'", "'b'")
        + "[cluster.web]\nendpoints = ['a:1', 'b:1', { address = 'c:1', name = 'a:1' }]\n";
    let expected = "\
7:8: listener[1].name: the name `a` is taken by listener[0].name, line 2
13:11: listener[2].address: the address `127.0.0.1:8080` is taken by listener[0].address, line 3
17:28: cluster.web.endpoints[2]: the name `a:1` is taken by cluster.web.endpoints[0], line 17
";
    assert_eq!(mistakes(&text), expected);
    let said = mistakes(&(SOUND.to_owned() + "[admin]\naddress = '127.0.0.1:8080'"));
    assert!(said.starts_with("9:11: admin.address: the address `127.0.0.1:8080` is taken by the listener"), "{said}");
    // A port that is chosen when it is opened is a new one each time.
    let text = listener.replace("8080", "0") + &listener.replace("8080", "0").replace("'a'", "'b'");
    assert!(parsed(&(text + "[cluster.web]\nendpoints = ['a:1']\n")).is_ok());
}

#[test]
fn names_that_cannot_be_are_told_where_they_are() {
    let long = format!("{}.example:80", "x".repeat(60));
    let text = SOUND.replace("127.0.0.1:9001", &long) + "strategy = 'a b'\n['cluster'.'c d']\nendpoints = ['a:1']\n";
    let said = mistakes(&text);
    assert!(
        said.contains("7:14: cluster.web.endpoints[0]: the address does not do as a name: a name has at most 63"),
        "{said}"
    );
    assert!(said.contains("8:12: cluster.web.strategy: a name is made of"), "{said}");
    assert!(said.contains("9:1: cluster.\"c d\": a name is made of"), "{said}");
    assert_eq!(said.lines().count(), 3, "{said}");
}

#[test]
fn a_plugin_is_given_no_infinity() {
    let said = mistakes(&(SOUND.to_owned() + "strategy = { plugin = 'p', config = { a = [1, inf], b = nan } }\n"));
    assert!(said.contains("cluster.web.strategy.config.a[1]: a plugin can be given neither"), "{said}");
    assert!(said.contains("cluster.web.strategy.config.b: a plugin"), "{said}");
    let said = mistakes(&(SOUND.to_owned() + "strategy = { config = {} }\n"));
    assert_eq!(said, "8:12: cluster.web.strategy.plugin: is missing (say which: plugin = \"NAME\")\n");
}

#[test]
fn mistakes_in_the_environment_name_the_variable() {
    let overrides = Overrides {
        address: Some("8080".into()),
        admin_address: Some("nowhere".into()),
        workers: Some("many".into()),
        ..Overrides::default()
    };
    let said = parse(SOUND, Path::new("x.toml"), &overrides).unwrap_err().to_string();
    let expected = "\
x.toml: LEVERFRAME_WORKERS: `many` is no number of workers (a whole number from 1 to 1024)
x.toml: LEVERFRAME_ADDRESS: `8080` is no address to listen on (to listen on every interface write `0.0.0.0:8080`)
x.toml: LEVERFRAME_ADMIN_ADDRESS: `nowhere` is no address to listen on (an IP address and a port, as in `0.0.0.0:8080` or `[::]:8080`)";
    assert_eq!(said, expected);
}

#[test]
fn a_file_that_gives_no_text_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("leverframe.toml");
    let said = load(&path, &Overrides::default()).unwrap_err().to_string();
    assert!(said.contains("leverframe.toml: cannot be read: No such file"), "{said}");
    std::fs::write(&path, b"a = 1\nb = \xff\n").unwrap();
    let said = load(&path, &Overrides::default()).unwrap_err().to_string();
    assert!(said.ends_with("leverframe.toml:2: is not UTF-8"), "{said}");
}

#[test]
fn a_file_with_mistakes_beyond_counting_still_gets_an_answer() {
    let keys: String = (0..500).map(|key| format!("zzzzzzzz{key} = 1\n")).collect();
    let errors = parsed(&(SOUND.to_owned() + "[admin]\n" + &keys)).unwrap_err();
    assert_eq!(errors.len(), 100);
}

/// Whatever the text: an answer, and with a mistake always a reason.
#[test]
fn every_cut_and_every_lost_character_of_an_example_has_an_answer() {
    let check = |text: &str| {
        if let Err(errors) = parsed(text) {
            assert!(errors.len() > 0, "no reason for {text}");
        }
    };
    let examples = [
        include_str!("../../../../config/plugins.toml"),
        include_str!("../../../../config/resilient.toml"),
        include_str!("../../../../config/consistent-hash.toml"),
        include_str!("../../../../config/docker.toml"),
        include_str!("../../../../config/worker-pool.toml"),
    ];
    for text in examples {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let sound: String = lines.map(|line| line.to_owned() + "\n").collect();
        for (at, character) in sound.char_indices() {
            check(&sound[..at]);
            check(&(sound[..at].to_owned() + &sound[at + character.len_utf8()..]));
        }
    }
}
