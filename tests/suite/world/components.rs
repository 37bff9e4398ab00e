//! Components to drop in: the embedded ones, the misbehaving guests (built once for a test run), and text that is
//! assembled on the spot.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use leverframe::plugin::builtins;

const TARGET: &str = "wasm32-wasip2";
const PROFILE: &str = "plugin";

/// The bytes of an embedded plugin.
pub(crate) fn embedded(name: &str) -> Vec<u8> {
    let found = builtins().find(|(builtin, _)| builtin.as_str() == name);
    found.unwrap_or_else(|| panic!("no embedded plugin {name}")).1.to_vec()
}

/// The bytes of a guest under `tests/guests`.
pub(crate) fn guest(name: &str) -> Vec<u8> {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let file = BUILT.get_or_init(build_guests).join(format!("{}.wasm", name.replace('-', "_")));
    std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The saboteur, with a fault that it commits when it is given no configuration: JSON, as in its `fault.rs`.
pub(crate) fn saboteur(preset: &str) -> Vec<u8> {
    with_preset("saboteur", preset)
}

/// The cynic, with a fault of its own in the same way.
pub(crate) fn cynic(preset: &str) -> Vec<u8> {
    with_preset("cynic", preset)
}

fn with_preset(name: &str, preset: &str) -> Vec<u8> {
    let mark = format!("{name} preset:").into_bytes();
    let mut component = guest(name);
    let found = component.windows(mark.len() + 1).position(|bytes| bytes.starts_with(&mark) && bytes.ends_with(b" "));
    let start = found.expect("a place for the preset") + mark.len();
    let room = &mut component[start..start + preset.len()];
    assert!(room.iter().all(|byte| *byte == b' '), "no room for {preset}");
    room.copy_from_slice(preset.as_bytes());
    component
}

/// Another version that does the same: a component with a custom section at its end, which says nothing to anyone.
pub(crate) fn salted(component: &[u8], salt: &str) -> Vec<u8> {
    const NAME: &[u8] = b"salt";
    let mut section = leb128(NAME.len());
    section.extend_from_slice(NAME);
    section.extend_from_slice(salt.as_bytes());
    [component, &[0], &leb128(section.len()), &section].concat()
}

/// Assembles WebAssembly text.
pub(crate) fn wat(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"))
}

/// A number as WebAssembly writes lengths: seven bits a byte, the lowest first.
fn leb128(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        bytes.push(if number == 0 { low } else { low | 0x80 });
        if number == 0 {
            return bytes;
        }
    }
}

/// Builds all guests, in the target folder that the first-party plugins are built in, and returns where they are.
fn build_guests() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder").join("plugins");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root).args(["build", "--quiet", "--locked", "--lib", "--profile", PROFILE, "--target", TARGET]);
    cargo.arg("--target-dir").arg(&target);
    for guest in std::fs::read_dir(root.join("tests/guests")).expect("the guests") {
        cargo.arg("--package").arg(guest.expect("a folder").file_name());
    }
    // The same environment as `host/build.rs` gives it, or all would be compiled once more. `cargo test` sets a good deal.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let set_by_cargo = ["CARGO_", "RUSTC_", "RUSTFLAGS", "RUSTDOC", "CLIPPY_", "__CARGO_"];
        let kept = ["CARGO_HOME", "CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTR", "CARGO_SOURCE_", "CARGO_TERM_"];
        let begins_as = |beginnings: &[&str]| beginnings.iter().any(|beginning| text.starts_with(beginning));
        if begins_as(&set_by_cargo) && !begins_as(&kept) {
            cargo.env_remove(&name);
        }
    }
    let output = cargo.output().expect("cargo starts");
    assert!(output.status.success(), "the guests do not build:\n{}", String::from_utf8_lossy(&output.stderr));
    target.join(TARGET).join(PROFILE)
}
