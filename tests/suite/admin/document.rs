//! The document held against the running server: requests are made from what it says, by a program that knows nothing else
//! (schemathesis), and what comes back must be what it says. `tests/run` installs that program.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use http::Method;
use serde_json::Value;

use super::ask;
use crate::programs::tell;
use crate::world::{Process, Setup};

const TOKEN: &str = "the-token-of-the-writer";

/// Requests made up for each operation.
const EXAMPLES: &str = "20";

/// What of an answer is looked at; what is wrong is to be refused in every case.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,\
                      negative_data_rejection,ignored_auth";

/// Operations that are not asked: streams, whose answers have no end.
const ENDLESS: [&str; 2] = ["/api/events/stream", "/api/stream"];

/// One cluster of demo nodes, a SQL entry over them, a cluster of processes whose number is kept up, and a replicated entry.
async fn everything(folder: &Path) -> Process {
    let files = ["a", "b"].map(|name| {
        let file = folder.join(name);
        let made = rusqlite::Connection::open(&file).expect("a database");
        made.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY)").expect("a table");
        format!("{{ name = \"{name}\", address = \"file:{}\" }}", file.display())
    });
    let more = format!(
        r#"
[sql.people]
cluster = "web"
backend = "http"
[sql.people.table.users]
key = "id"
[sql.people.table.users.ranges]
node-1 = "..100"
node-2 = "100..200"
node-3 = "200.."
[cluster.crew.scaling]
count = 1
least = 1
most = 3
[cluster.crew.scaling.process]
[cluster.files]
endpoints = [{}]
[sql.copies]
cluster = "files"
backend = "sqlite"
topology = "replicated"
"#,
        files.join(", ")
    );
    Setup::new()
        .more(&more)
        .spawn(&[("LEVERFRAME_ADMIN_TOKEN", TOKEN), ("LEVERFRAME_ADMIN_READ_TOKEN", "the-token-of-the-reader")])
        .await
}

/// The program, in the folder of tools that `tests/run` fills.
fn tester() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder");
    let program = target.join("tools/schemathesis/bin/st");
    assert!(program.exists(), "{} is missing: `tests/run` installs it", program.display());
    program
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_does_what_the_document_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let process = everything(folder.path()).await;
    let at = format!("http://{}", process.admin());
    let mut command = Command::new(tester());
    command.args(["run", &format!("{at}/api/openapi.json"), "--url", &at, "--phases", "examples,coverage,fuzzing"]);
    command.args([
        "--checks",
        CHECKS,
        "--max-examples",
        EXAMPLES,
        "--continue-on-failure",
        "--no-color",
        "--seed",
        "7",
    ]);
    command.args([
        "--generation-database",
        "none",
        "--warnings",
        "off",
        "--header",
        &format!("Authorization: Bearer {TOKEN}"),
    ]);
    for path in ENDLESS {
        command.args(["--exclude-path", path]);
    }
    command.current_dir(folder.path()).stdin(Stdio::null());
    let done = tokio::task::spawn_blocking(move || command.output()).await.expect("it ends").expect("it starts");
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{}\n{said}\n{}", done.status, String::from_utf8_lossy(&done.stderr));
    said.lines().filter(|line| line.contains("generated") || line.contains("passed")).for_each(tell);
    let health = ask(process.admin(), Method::GET, "/health", None, "").await.json();
    assert_eq!(health["status"], "ok");
}

#[tokio::test]
async fn every_path_is_in_the_document_with_what_it_gives_and_how_it_refuses() {
    let folder = tempfile::tempdir().expect("a folder");
    let process = everything(folder.path()).await;
    let document = ask(process.admin(), Method::GET, "/api/openapi.json", Some(TOKEN), "").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["components"]["securitySchemes"]["token"]["scheme"], "bearer");
    let schemas = document["components"]["schemas"].as_object().expect("schemas");
    for (path, item) in document["paths"].as_object().expect("paths") {
        can_be_led_to(path);
        for (method, operation) in item.as_object().expect("operations") {
            let place = format!("{method} {path}");
            assert!(operation["summary"].is_string(), "{place} says nothing of itself");
            assert!(operation["tags"][0].is_string(), "{place} is in no group");
            let responses = operation["responses"].as_object().expect("responses");
            assert!(responses.keys().any(|status| status.starts_with('2')), "{place}");
            let is_open = operation["security"][0] == Value::Object(serde_json::Map::new());
            assert!(is_open || responses.contains_key("401"), "{place}");
            for (status, response) in responses.iter().filter(|(status, _)| status.starts_with('4')) {
                assert!(response["content"]["application/problem+json"].is_object(), "{place}: {status}");
            }
        }
    }
    // Every schema that is referred to is there.
    let text = document.to_string();
    for part in text.split("\"#/components/schemas/").skip(1) {
        let name = part.split('"').next().expect("a name");
        assert!(schemas.contains_key(name), "{name} is nowhere");
    }
}

/// A route may lead to each path of the admin API.
fn can_be_led_to(path: &str) {
    let first = path.split('/').nth(1).expect("a path");
    let text = format!(
        "[[listener]]\naddress = \"127.0.0.1:1\"\nroute = [{{ path_prefix = \"/{first}\", handler = \"admin\" }}]\n"
    );
    let config = leverframe::config::parse(&text, "x.toml".as_ref(), &leverframe::config::Overrides::default());
    assert!(config.is_ok(), "{path}: {}", config.expect_err("no configuration"));
}
