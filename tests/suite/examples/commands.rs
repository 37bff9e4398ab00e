//! The commands: what they say and how they end, when all is well and when it is not.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;

use crate::programs::leverframe;
use crate::world::{embedded, salted};

/// How a command ended, and what it said on each channel.
#[derive(Debug)]
struct Done {
    code: Option<i32>,
    said: String,
    complained: String,
}

fn done(command: &mut Command) -> Done {
    let output = command.output().expect("the binary starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Done { code: output.status.code(), said: text(&output.stdout), complained: text(&output.stderr) }
}

fn typed(arguments: &[&str], folder: &Path) -> Done {
    done(leverframe().args(arguments).current_dir(folder))
}

fn folder() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("leverframe-commands-").tempdir().expect("a temporary folder")
}

/// A configuration with these endpoints; nothing in it is opened by `check`.
fn config(endpoints: &[SocketAddr], strategy: &str) -> String {
    let endpoints: Vec<_> = endpoints.iter().map(|address| format!("{:?}", address.to_string())).collect();
    format!(
        "[[listener]]\naddress = \"127.0.0.1:0\"\n\n[[listener.route]]\ncluster = \"web\"\n\n[cluster.web]\n\
         strategy = \"{strategy}\"\nendpoints = [{}]\n",
        endpoints.join(", ")
    )
}

#[test]
fn every_command_explains_itself() {
    let here = folder();
    let commands: [&[&str]; 9] = [
        &[],
        &["run"],
        &["check"],
        &["demo"],
        &["node"],
        &["orchestrate"],
        &["top"],
        &["plugin", "new"],
        &["plugin", "check"],
    ];
    for command in commands {
        let help = typed(&[command, &["--help"]].concat(), here.path());
        assert_eq!(help.code, Some(0), "{command:?}: {help:?}");
        let usage = format!("Usage: {}", [&["leverframe"], command].concat().join(" "));
        assert!(help.said.contains(&usage), "no `{usage}` in: {}", help.said);
        // The first line says what it does; then come the options, each with its own line.
        assert!(help.said.lines().next().is_some_and(|line| line.len() > 20), "{}", help.said);
        assert_eq!(help.complained, "");
    }
    let version = typed(&["--version"], here.path());
    assert_eq!((version.code, version.said), (Some(0), format!("leverframe {}\n", env!("CARGO_PKG_VERSION"))));
    for wrong in [&[] as &[&str], &["fly"], &["plugin", "new"], &["run", "--colour"]] {
        let refused = typed(wrong, here.path());
        assert_eq!((refused.code, refused.said.as_str()), (Some(2), ""), "{wrong:?}: {refused:?}");
        assert!(refused.complained.contains("Usage: leverframe"), "{wrong:?}: {refused:?}");
    }
}

#[test]
fn check_prints_every_mistake_of_a_file() {
    let here = folder();
    let broken = "wrokers = 2\n\n[[listener]]\naddress = \"nowhere\"\n\n[[listener.route]]\ncluster = \"wbe\"\n\n\
                  [cluster.web]\nendpoints = [\"127.0.0.1:9001\", \"127.0.0.1:99999\"]\nattempts = 0\n";
    std::fs::write(here.path().join("leverframe.toml"), broken).expect("a file");
    let checked = typed(&["check"], here.path());
    assert_eq!(checked.code, Some(1), "{checked:?}");
    for (line, word) in [(1, "wrokers"), (4, "nowhere"), (7, "wbe"), (10, "endpoints[1]"), (11, "attempts")] {
        let found = checked.complained.lines().any(|text| text.contains(word) && text.contains(&format!(":{line}")));
        assert!(found, "line {line}, `{word}`: {}", checked.complained);
    }
    let missing = typed(&["check", "--config", "no.toml"], here.path());
    assert_eq!(missing.code, Some(1));
    assert!(missing.complained.contains("no.toml"), "{missing:?}");
    let run = typed(&["run"], here.path());
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.complained.contains("wrokers") && run.complained.contains("attempts"), "{run:?}");
}

#[test]
fn check_names_the_plugins_and_endpoints_that_will_not_do() {
    let here = folder();
    let up = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let up_at = up.local_addr().expect("an address");
    let file = here.path().join("leverframe.toml");

    std::fs::write(&file, config(&[up_at], "round-robin")).expect("a file");
    let sound = typed(&["check"], here.path());
    assert_eq!(sound.code, Some(0), "{sound:?}");
    assert!(sound.said.contains("1 listener, 1 cluster") && sound.said.contains("is reachable"), "{sound:?}");

    // A port that was free a moment ago: a connection to it is refused.
    let down = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port");
    std::fs::write(&file, config(&[up_at, down], "no-such")).expect("a file");
    std::fs::create_dir(here.path().join("plugins")).expect("a folder");
    std::fs::write(here.path().join("plugins/broken.wasm"), "not WebAssembly").expect("a file");
    let checked = typed(&["check"], here.path());
    assert_eq!(checked.code, Some(1), "{checked:?}");
    assert!(checked.complained.contains("3 things are wrong"), "{checked:?}");
    for word in ["plugin broken: ", "no-such", &format!("{down}): ")] {
        assert!(checked.said.contains(word), "no `{word}` in: {}", checked.said);
    }
    assert!(checked.said.contains(&format!("({up_at}) is reachable")), "{checked:?}");
}

#[test]
fn plugin_check_measures_a_good_component_and_says_why_another_is_refused() {
    let here = folder();
    let good = embedded("consistent-hash");
    std::fs::write(here.path().join("good.wasm"), &good).expect("a file");
    std::fs::write(here.path().join("half.wasm"), &good[..good.len() / 2]).expect("a file");
    std::fs::write(here.path().join("salted.wasm"), salted(&good, "other")).expect("a file");
    std::fs::write(here.path().join("text.wasm"), "no component").expect("a file");

    let checked = typed(&["plugin", "check", "good.wasm"], here.path());
    assert_eq!(checked.code, Some(0), "{checked:?}");
    let words = ["world    ", "routing-strategy", "imports  ", "hash     ", "dry run  ", " ns per pick"];
    for word in words.into_iter().chain([format!("size     {} bytes", good.len()).as_str()]) {
        assert!(checked.said.contains(word), "no `{word}` in: {}", checked.said);
    }
    let hash = |done: &Done| done.said.lines().find(|line| line.starts_with("hash")).map(str::to_owned);
    assert_ne!(hash(&checked), hash(&typed(&["plugin", "check", "salted.wasm"], here.path())));

    let configured =
        typed(&["plugin", "check", "good.wasm", "--config", r#"{"key": {"header": "x-user"}}"#], here.path());
    assert_eq!(configured.code, Some(0), "{configured:?}");
    for (arguments, reason) in [
        (["half.wasm", "{}"], "half.wasm"),
        (["text.wasm", "{}"], "text.wasm"),
        (["none.wasm", "{}"], "none.wasm"),
        (["good.wasm", r#"{"kye": "path"}"#], "kye"),
        (["good.wasm", "[]"], "JSON object"),
        (["good.wasm", "{"], "JSON object"),
    ] {
        let [file, config] = arguments;
        let refused = typed(&["plugin", "check", file, "--config", config], here.path());
        assert_eq!(refused.code, Some(1), "{arguments:?}: {refused:?}");
        assert!(refused.complained.contains(reason), "{arguments:?}: {refused:?}");
    }
}

#[test]
fn plugin_check_measures_a_policy_as_well() {
    let here = folder();
    std::fs::write(here.path().join("policy.wasm"), embedded("slow-start")).expect("a file");
    let checked = typed(&["plugin", "check", "policy.wasm"], here.path());
    assert_eq!(checked.code, Some(0), "{checked:?}");
    for word in ["health-policy", " judgements, 0 of them left to the host", " ns per judgement"] {
        assert!(checked.said.contains(word), "no `{word}` in: {}", checked.said);
    }
}

#[test]
fn plugin_new_refuses_what_is_no_name_and_what_is_there() {
    let here = folder();
    assert_eq!(typed(&["plugin", "new", "mine"], here.path()).code, Some(0));
    for (name, reason) in [("mine", "is there already"), ("No Name", "lower-case")] {
        let refused = typed(&["plugin", "new", name], here.path());
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.complained.contains(reason), "{refused:?}");
    }
    assert_eq!(std::fs::read_dir(here.path()).expect("a folder").count(), 1);
}
