//! The configuration as its users meet it: what a text means, and what is said about its mistakes.

mod admin;
mod mistakes;
mod pool;
mod recording;
mod reloading;
mod resilience;
mod routes;
mod scaling;
mod sources;
mod sql;
mod values;

use std::path::Path;

use super::{Config, ConfigErrors, Overrides, parse};

/// A listener, and a cluster for it.
const SOUND: &str = r#"
[[listener]]
address = "127.0.0.1:8080"
[[listener.route]]
cluster = "web"
[cluster.web]
endpoints = ["127.0.0.1:9001"]
"#;

fn parsed(text: &str) -> Result<Config, ConfigErrors> {
    parse(text, Path::new("/etc/leverframe/leverframe.toml"), &Overrides::default())
}

fn config(text: &str) -> Config {
    parsed(text).unwrap_or_else(|errors| panic!("{errors}"))
}

/// Every mistake in a text, one to a line, without the file's name.
fn mistakes(text: &str) -> String {
    let said = parsed(text).expect_err("there are mistakes").to_string();
    said.lines()
        .map(|line| line.strip_prefix("/etc/leverframe/leverframe.toml:").unwrap_or(line).to_owned() + "\n")
        .collect()
}
