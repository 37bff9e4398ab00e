//! `plugin new`: makes a plugin crate that builds, passes its tests and can be dropped in as it is. It carries the SDK
//! and the contract with it, so that it depends on no path outside and on nothing that is not published.
//!
//! Writes only inside the folder that it makes, and that folder appears complete or not at all.

use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::plugin::World;

mod sdk {
    include!(concat!(env!("OUT_DIR"), "/sdk_files.rs"));
}

/// Where the crate keeps the SDK and the contract. Inside they lie as in the repository, since the SDK names the
/// contract by a relative path.
const VENDORED: &str = "leverframe";

/// As long as a plugin's name may be.
const MAX_NAME: usize = 63;

/// Names that cargo or the crate's own dependencies have taken. The words of the language are in `KEYWORDS`.
const TAKEN: [&str; 8] = ["alloc", "core", "leverframe-sdk", "proc-macro", "serde", "std", "sysroot", "test"];

/// Rust's words, which cannot name a crate.
const KEYWORDS: &str = " abstract as async await become box break const continue crate do dyn else enum extern false \
                        final fn for gen if impl in let loop macro match mod move mut override priv pub ref return \
                        self static struct super trait true try type typeof union unsafe unsized use virtual where \
                        while yield ";

/// The crate's own files, whatever it is for: path and template.
const TEMPLATES: [(&str, &str); 5] = [
    (".gitignore", include_str!("templates/gitignore.in")),
    // The workspace's own: the SDK is formatted by it.
    (".rustfmt.toml", include_str!("../../../.rustfmt.toml")),
    ("Cargo.toml", include_str!("templates/Cargo.toml.in")),
    ("README.md", include_str!("templates/README.md.in")),
    ("rust-toolchain.toml", include_str!("templates/rust-toolchain.toml.in")),
];

/// The files that decide: path and template.
const STRATEGY: [(&str, &str); 2] = [
    ("src/lib.rs", include_str!("templates/strategy/lib.rs.in")),
    ("src/policy.rs", include_str!("templates/strategy/policy.rs.in")),
];
const POLICY: [(&str, &str); 2] = [
    ("src/lib.rs", include_str!("templates/policy/lib.rs.in")),
    ("src/policy.rs", include_str!("templates/policy/policy.rs.in")),
];

/// What stands for a word of the templates, beside the name.
type Words = [(&'static str, &'static str); 4];

const STRATEGY_WORDS: Words = [
    ("{{kind}}", "routing strategy"),
    ("{{start}}", "fill first"),
    ("{{does}}", "Fills one endpoint after the other"),
    ("{{use}}", "[cluster.web]\nstrategy = { plugin = \"{{plugin}}\", config = { room = 10 } }"),
];
const POLICY_WORDS: Words = [
    ("{{kind}}", "health policy"),
    ("{{start}}", "ease off"),
    ("{{does}}", "Gives a slow endpoint a smaller part of its weight"),
    (
        "{{use}}",
        "[cluster.web.health]\npolicies = [\"threshold\", { plugin = \"{{plugin}}\", config = { slow_ms = 500 } }]",
    ),
];

/// Why no crate was made. Nothing is left behind then.
#[derive(Debug, thiserror::Error)]
pub enum NewPluginError {
    /// The name cannot be that of a crate.
    #[error("`{name}` cannot be a plugin's name: {reason}")]
    Name {
        /// The name as given.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Something of that name is there already.
    #[error("{} is there already: choose another name, or move it away", .0.display())]
    Exists(PathBuf),
    /// A file could not be written.
    #[error("{}: {source}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A crate that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// Its folder.
    pub folder: PathBuf,
    /// Where `cargo build --release --target wasm32-wasip2` leaves the component.
    pub component: PathBuf,
    /// The name to use it by, once it is in the plugin folder.
    pub plugin: String,
}

/// Makes the crate `name`, for one of the two worlds, in a folder of that name under `parent`.
///
/// # Errors
/// When the name will not do, the folder exists, or a file cannot be written.
pub fn create(parent: &Path, name: &str, world: World) -> Result<Created, NewPluginError> {
    check_name(name).map_err(|reason| NewPluginError::Name { name: name.to_owned(), reason })?;
    let folder = parent.join(name);
    if folder.symlink_metadata().is_ok() {
        return Err(NewPluginError::Exists(folder));
    }
    // A sibling, so that renaming it does not cross file systems.
    let unfinished = parent.join(format!(".{name}.{}.unfinished", std::process::id()));
    let written =
        write_crate(&unfinished, name, world).and_then(|()| failing(&folder, fs::rename(&unfinished, &folder)));
    if let Err(error) = written {
        // The first error is the one to tell; a folder that cannot be removed either has the same cause.
        let _ = fs::remove_dir_all(&unfinished);
        return Err(error);
    }
    let component = folder.join(format!("target/wasm32-wasip2/release/{}.wasm", crate_name(name)));
    Ok(Created { folder, component, plugin: plugin_name(name) })
}

/// Runs `plugin new` in the working folder, and says what to do next.
pub(super) fn run(name: &str, world: World) -> anyhow::Result<()> {
    let made = create(Path::new("."), name, world)?;
    super::say(&format!(
        "Made {name}/. The one function that decides is in src/policy.rs. Now:\n\n  cd {name}\n  cargo test\n  \
         cargo build --release --target wasm32-wasip2\n  leverframe plugin check target/wasm32-wasip2/release/{}.wasm\n\n\
         Then copy that file into the plugin folder as {}.wasm.",
        crate_name(name),
        made.plugin
    ));
    Ok(())
}

fn check_name(name: &str) -> Result<(), &'static str> {
    let crate_name = crate_name(name);
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        return Err("it must begin with a lower-case letter");
    }
    if name.contains(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_'))) {
        return Err("it may have lower-case letters, digits, `-` and `_` only");
    }
    if name.len() > MAX_NAME {
        return Err("it is longer than 63 characters");
    }
    if TAKEN.contains(&plugin_name(name).as_str()) || KEYWORDS.contains(&format!(" {crate_name} ")) {
        return Err("Rust or the SDK uses that word already");
    }
    Ok(())
}

fn write_crate(folder: &Path, name: &str, world: World) -> Result<(), NewPluginError> {
    let (sources, words) = match world {
        World::RoutingStrategy => (STRATEGY, STRATEGY_WORDS),
        World::HealthPolicy => (POLICY, POLICY_WORDS),
    };
    for (path, template) in TEMPLATES.into_iter().chain(sources) {
        let text = words.iter().fold(template.to_owned(), |text, (word, meaning)| text.replace(word, meaning));
        let text = text
            .replace("{{name}}", name)
            .replace("{{file}}", &crate_name(name))
            .replace("{{plugin}}", &plugin_name(name));
        write(&folder.join(path), &text)?;
    }
    for (path, text) in sdk::SDK_FILES {
        write(&folder.join(VENDORED).join(path), text)?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), NewPluginError> {
    if let Some(folder) = path.parent() {
        failing(folder, fs::create_dir_all(folder))?;
    }
    failing(path, fs::write(path, text))
}

fn failing(path: &Path, result: io::Result<()>) -> Result<(), NewPluginError> {
    result.map_err(|source| NewPluginError::Write { path: path.to_owned(), source })
}

/// What the compiler calls the crate, and its file.
fn crate_name(name: &str) -> String {
    name.replace('-', "_")
}

/// What Leverframe calls the plugin in that file.
fn plugin_name(name: &str) -> String {
    name.replace('_', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names_in(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn the_crate_is_complete_and_names_itself() {
        for world in [World::RoutingStrategy, World::HealthPolicy] {
            let parent = tempfile::tempdir().unwrap();
            let made = create(parent.path(), "my-plugin", world).unwrap();
            assert_eq!(names_in(parent.path()), ["my-plugin"]);
            assert_eq!(made.plugin, "my-plugin");
            assert!(made.component.ends_with("target/wasm32-wasip2/release/my_plugin.wasm"));
            for path in ["leverframe/plugins/sdk/Cargo.toml", "leverframe/wit/types.wit"] {
                assert!(made.folder.join(path).is_file(), "{path}");
            }
            for (path, _) in TEMPLATES.into_iter().chain(STRATEGY) {
                let text = fs::read_to_string(made.folder.join(path)).unwrap();
                assert!(!text.contains("{{"), "{path} has a placeholder left");
            }
        }
    }

    #[test]
    fn an_existing_folder_is_left_alone() {
        let parent = tempfile::tempdir().unwrap();
        fs::create_dir(parent.path().join("mine")).unwrap();
        assert!(matches!(create(parent.path(), "mine", World::HealthPolicy), Err(NewPluginError::Exists(_))));
        assert!(names_in(&parent.path().join("mine")).is_empty());
    }

    #[test]
    fn names_that_cannot_be_crates_are_refused() {
        let parent = tempfile::tempdir().unwrap();
        let long = "x".repeat(64);
        for name in ["", "9lives", "My", "a/b", "../up", "a b", "match", "serde", "leverframe_sdk", &long] {
            assert!(
                matches!(create(parent.path(), name, World::HealthPolicy), Err(NewPluginError::Name { .. })),
                "{name}"
            );
        }
        assert!(names_in(parent.path()).is_empty());
    }

    #[test]
    fn a_failure_leaves_nothing_behind() {
        let parent = tempfile::tempdir().unwrap();
        let missing = parent.path().join("file");
        fs::write(&missing, "in the way").unwrap();
        assert!(matches!(create(&missing, "mine", World::HealthPolicy), Err(NewPluginError::Write { .. })));
        assert_eq!(names_in(parent.path()), ["file"]);
    }
}
