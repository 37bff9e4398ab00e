//! Prometheus's own judge, the real one: it reads the page of metrics, the alert rules and the tests of the rules.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Runs `promtool` with this on its input. That it is missing is a failure.
pub(super) fn promtool(arguments: &[&str], input: &str, folder: &Path) -> String {
    let mut command = Command::new("promtool");
    command.args(arguments).current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let started = command.spawn();
    let mut child = started.unwrap_or_else(|error| panic!("promtool, of Debian's package prometheus: {error}"));
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("it reads its input");
    let output = child.wait_with_output().expect("it ends");
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success(), "promtool {}: {}\n{said}", arguments.join(" "), output.status);
    said
}

/// A folder of the clone.
pub(super) fn config() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").join("config")
}
