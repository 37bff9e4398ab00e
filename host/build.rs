//! Builds what the binary carries inside: every first-party plugin as a component, and the SDK that `plugin new` hands
//! out. Leaves `embedded.rs` and `sdk_files.rs` in `OUT_DIR`. Runs again only when the plugins, the contract or the lock
//! file change.
//!
//! The plugins are built by a cargo of their own, in a target folder of their own (the outer one is locked while this
//! runs), which all profiles share, so that a check, a test and a release build compile them once. For that the inner
//! cargo must see the same environment each time: whatever the outer one, clippy or a coverage tool has set is cleared.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is how a build script speaks to cargo")]

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

/// What the plugins are built for.
const TARGET: &str = "wasm32-wasip2";
/// The profile in the workspace's `Cargo.toml`.
const PROFILE: &str = "plugin";
/// The folder under `plugins/` that is no plugin.
const SDK: &str = "sdk";

/// Variables with these beginnings say where crates come from, how to talk, or how many jobs may run. Every other one
/// of cargo's and rustc's would change what is built.
const KEPT: [&str; 7] =
    ["CARGO_HOME", "CARGO_HTTP_", "CARGO_MAKEFLAGS", "CARGO_NET_", "CARGO_REGISTR", "CARGO_SOURCE_", "CARGO_TERM_"];
const CLEARED: [&str; 6] = ["CARGO_", "RUSTC_", "RUSTFLAGS", "RUSTDOC", "CLIPPY_", "__CARGO_"];

/// One line for whoever reads the build's output.
type Failure = String;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            println!("cargo::error={failure}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    let root = folder("CARGO_MANIFEST_DIR")?;
    let root = root.parent().ok_or("the host package has no workspace around it")?;
    let out = folder("OUT_DIR")?;
    let crates = root.join("plugins");
    let names = plugins(&crates)?;
    // Not `plugins/` as a whole: a component that is dropped in there is no reason to build anything. A crate that comes
    // or goes shows in the lock file.
    let inputs = ["wit", "Cargo.toml", "Cargo.lock"].map(|input| root.join(input));
    for input in inputs.into_iter().chain(names.iter().map(String::as_str).chain([SDK]).map(|name| crates.join(name))) {
        println!("cargo::rerun-if-changed={}", input.display());
    }

    let built = build(root, &out, &names)?;
    write(&out.join("embedded.rs"), &embedded(&names, &built, &out)?)?;
    write(&out.join("sdk_files.rs"), &sdk_files(root)?)
}

/// The plugins' names, sorted. A plugin's folder, its package and the plugin itself all have the same name.
fn plugins(folder: &Path) -> Result<Vec<String>, Failure> {
    let mut names = Vec::new();
    for entry in entries(folder)? {
        let name = entry.file_name().and_then(OsStr::to_str).unwrap_or_default();
        if name != SDK && entry.join("Cargo.toml").is_file() {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// Builds the plugins and returns the folder that the components are in.
fn build(root: &Path, out: &Path, names: &[String]) -> Result<PathBuf, Failure> {
    let target_folder = shared_target(out).join("plugins");
    let built = target_folder.join(TARGET).join(PROFILE);
    if names.is_empty() {
        return Ok(built);
    }
    ensure_target(root)?;
    let mut cargo = clean_command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root).args(["build", "--quiet", "--locked", "--lib", "--profile", PROFILE, "--target", TARGET]);
    cargo.arg("--target-dir").arg(&target_folder);
    for name in names {
        cargo.args(["--package", name]);
    }
    let output = cargo.output().map_err(|error| format!("cargo does not start: {error}"))?;
    if output.status.success() {
        return Ok(built);
    }
    eprintln!("{}", String::from_utf8_lossy(&output.stderr));
    Err("the plugins do not build; the compiler's words are below".to_owned())
}

/// The outer target folder: the nearest one around `OUT_DIR` that cargo has marked as its own. One that is called as what
/// is built for is inside it, and marked as well. Where there is no mark the plugins are built inside `OUT_DIR`, which is
/// right as well, only not shared.
fn shared_target(out: &Path) -> &Path {
    let is_marked = |folder: &&Path| folder.join("CACHEDIR.TAG").is_file();
    let marked = out.ancestors().find(is_marked).unwrap_or(out);
    let built_for = env::var_os("TARGET").unwrap_or_default();
    marked.parent().filter(is_marked).filter(|_| marked.ends_with(&built_for)).unwrap_or(marked)
}

/// Makes sure that the compiler has the standard library of the plugins' target.
fn ensure_target(root: &Path) -> Result<(), Failure> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let asked = clean_command(rustc).current_dir(root).args(["--print", "target-libdir", "--target", TARGET]).output();
    let library = asked.map_err(|error| format!("rustc does not start: {error}"))?.stdout;
    if Path::new(String::from_utf8_lossy(&library).trim()).is_dir() {
        return Ok(());
    }
    let added = Command::new("rustup").current_dir(root).args(["target", "add", TARGET]).output();
    match added {
        Ok(output) if output.status.success() => Ok(()),
        _ => Err(format!("the compiler cannot build plugins yet; type: rustup target add {TARGET}")),
    }
}

/// A command that does not see what the outer build has set for itself.
fn clean_command(program: OsString) -> Command {
    let mut command = Command::new(program);
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        let begins_as = |beginnings: &[&str]| beginnings.iter().any(|beginning| text.starts_with(beginning));
        if begins_as(&CLEARED) && !begins_as(&KEPT) {
            command.env_remove(&name);
        }
    }
    command
}

/// Copies the components to where they stay as long as the code that embeds them, and names them in code.
fn embedded(names: &[String], built: &Path, out: &Path) -> Result<String, Failure> {
    let folder = out.join("plugins");
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut list = String::new();
    for name in names {
        // Cargo names a library after its crate, and a crate has no hyphens.
        let from = built.join(format!("{}.wasm", name.replace('-', "_")));
        let to = folder.join(format!("{name}.wasm"));
        fs::copy(&from, &to).map_err(|error| {
            format!("plugin `{name}`: {}: {error} (is its package a `cdylib` of that name?)", from.display())
        })?;
        list += &format!("    ({name:?}, include_bytes!({to:?})),\n");
    }
    let what = "The first-party plugins by name, sorted; each is a component.";
    Ok(format!("/// {what}\npub(crate) static EMBEDDED: &[(&str, &[u8])] = &[\n{list}];\n"))
}

/// Names in code the files that make a plugin crate stand alone.
fn sdk_files(root: &Path) -> Result<String, Failure> {
    let mut files = Vec::new();
    for part in ["plugins/sdk/Cargo.toml", "plugins/sdk/src", "wit"] {
        collect(&root.join(part), &mut files)?;
    }
    let mut list = String::new();
    for file in &files {
        let relative = file.strip_prefix(root).unwrap_or(file).to_string_lossy().replace('\\', "/");
        list += &format!("    ({relative:?}, include_str!({file:?})),\n");
    }
    let what = "The SDK and the contract by their paths in the repository, sorted.";
    Ok(format!("/// {what}\npub(crate) static SDK_FILES: &[(&str, &str)] = &[\n{list}];\n"))
}

/// All files at or under a path.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    entries(path)?.iter().try_for_each(|entry| collect(entry, files))
}

/// What is in a folder, sorted; hidden files left out.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |error| format!("{}: {error}", folder.display());
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.')) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

/// A folder that cargo names in the environment.
fn folder(variable: &str) -> Result<PathBuf, Failure> {
    env::var_os(variable).map(PathBuf::from).ok_or_else(|| format!("{variable} is not set; run this through cargo"))
}
