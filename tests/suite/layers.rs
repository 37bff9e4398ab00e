//! The architecture, held: which folder of `host/src` may import which, that only `plugin` names wasmtime, that every
//! file says what it owns, and that none grows too long. Each finding names file and line.
//!
//! The table is that of the design; an edge is added there and here together, for a reason that can be stated. The
//! files are read as tokens, not compiled: a path hidden in a macro's expansion is not seen.

mod source;
mod tests;

use std::path::{Path, PathBuf};

use source::Source;

/// Every folder but the composition root.
const ALL_BUT_ROOT: &[&str] = &[
    "model",
    "config",
    "discovery",
    "cluster",
    "health",
    "circuit",
    "routing",
    "plugin",
    "proxy",
    "sql",
    "scaling",
    "observe",
    "admin",
    "demo",
];

/// Each folder (or file) at the top of `host/src`, and what it may import besides itself.
const TABLE: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("config", &["model"]),
    ("discovery", &["model", "config"]),
    ("cluster", &["model"]),
    ("health", &["model", "config", "cluster"]),
    ("circuit", &["model", "config"]),
    ("routing", &["model", "config", "cluster", "circuit"]),
    // `cluster`, since the contract's interface of that name hands a plugin the members' live figures.
    ("plugin", &["model", "config", "cluster", "health", "routing"]),
    ("proxy", &["model", "config", "cluster", "circuit", "routing"]),
    ("sql", &["model", "config", "cluster", "circuit", "routing"]),
    // `discovery`, since a container is read in one way, whoever made it.
    ("scaling", &["model", "config", "discovery", "cluster"]),
    ("observe", &["model", "config", "discovery", "cluster", "routing", "plugin", "proxy", "sql", "health", "circuit"]),
    ("admin", ALL_BUT_ROOT),
    ("orchestrate", &["model", "config", "discovery", "health", "admin"]),
    // `sql`, since a demo node is a database behind the very protocol that the SQL entry speaks to its nodes.
    ("demo", &["model", "config", "sql"]),
    // The composition root knows everyone.
    ("app", EVERYTHING),
    ("cli", EVERYTHING),
    ("main", EVERYTHING),
    ("lib", EVERYTHING),
];

/// Stands for every folder that the table has.
const EVERYTHING: &[&str] = &["*"];

/// Lines that a file may have without its tests. What is longer does two things.
const MAX_LINES: usize = 400;
/// Files over that length, each with its reason. None so far, and that is the point.
const LONG_FILES: &[&str] = &[];

/// Something that the architecture does not have.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    file: PathBuf,
    line: usize,
    what: String,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}", self.file.display(), self.line, self.what)
    }
}

#[test]
fn imports_follow_the_table_and_only_plugin_names_wasmtime() {
    let root = root();
    let host = root.join("host/src");
    assert_none(files(&host).iter().flat_map(|path| {
        let inside = path.strip_prefix(&host).expect("it was found in there");
        located(&root, path, imports(inside, &read(path)))
    }));
}

#[test]
fn every_file_says_what_it_owns_and_stays_short() {
    let root = root();
    assert_none(files(&root).iter().flat_map(|path| located(&root, path, shape(path, &read(path)))));
}

/// Why one file of `host/src`, given by its path in there, does not fit the table.
fn imports(inside: &Path, text: &str) -> Vec<(usize, String)> {
    let modules = module_path(inside);
    let Some(from) = modules.first().cloned() else { return vec![(1, "no Rust file".to_owned())] };
    let Some(allowed) = row(&from) else {
        return vec![(1, format!("`{from}` is not in the table of tests/suite/layers.rs: say what it may import"))];
    };
    let source = Source::new(text);
    let mut findings = Vec::new();
    for (line, to) in source.crate_paths(&modules) {
        if row(&to).is_none() {
            findings.push((line, format!("`{from}` imports `crate::{to}`, which is no folder of the table")));
        } else if to != from && !allowed.contains(&to.as_str()) && allowed != EVERYTHING {
            findings.push((line, format!("`{from}` must not import `{to}`; it may import {}", words(allowed))));
        }
    }
    if from != "plugin" {
        let named = source.lines_naming(|word| word == "wasmtime" || word.starts_with("wasmtime_"));
        findings.extend(named.map(|line| (line, format!("`{from}` names wasmtime; only `plugin` may"))));
    }
    findings
}

/// Why one file, anywhere in the workspace, is not shaped as every file is.
fn shape(path: &Path, text: &str) -> Vec<(usize, String)> {
    let mut findings = Vec::new();
    if !text.starts_with("//!") {
        findings.push((1, "does not open with `//!`: say what the file owns and what it must not do".to_owned()));
    }
    let lines = if is_test(path) { 0 } else { Source::new(text).lines_without_tests() };
    if lines > MAX_LINES && !LONG_FILES.iter().any(|long| path.ends_with(long)) {
        findings.push((1, format!("has {lines} lines without its tests, over {MAX_LINES}: split it")));
    }
    findings
}

/// `proxy/pool.rs` is `proxy::pool`, `proxy/mod.rs` is `proxy`, `main.rs` is `main`.
fn module_path(inside: &Path) -> Vec<String> {
    let mut modules: Vec<String> =
        inside.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if modules.last().is_some_and(|last| last == "mod") {
        modules.pop();
    }
    modules
}

fn row(folder: &str) -> Option<&'static [&'static str]> {
    TABLE.iter().find(|(name, _)| *name == folder).map(|(_, allowed)| *allowed)
}

fn words(allowed: &[&str]) -> String {
    if allowed.is_empty() { "nothing".to_owned() } else { allowed.join(", ") }
}

fn is_test(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "tests.rs") || path.iter().any(|part| part == "tests")
}

fn located(root: &Path, path: &Path, findings: Vec<(usize, String)>) -> Vec<Finding> {
    let file = path.strip_prefix(root).unwrap_or(path);
    findings.into_iter().map(|(line, what)| Finding { file: file.to_owned(), line, what }).collect()
}

fn assert_none(findings: impl Iterator<Item = Finding>) {
    let findings: Vec<String> = findings.map(|finding| finding.to_string()).collect();
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace is around the package").to_owned()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All Rust files under a folder, sorted; what is hidden or built is left out.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    let listing = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in listing {
        let path = entry.expect("a folder can be listed to its end").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with('.') || name == "target" {
            continue;
        }
        if path.is_dir() {
            paths.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
    paths.sort();
    paths
}
