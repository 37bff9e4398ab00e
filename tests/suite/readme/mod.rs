//! The README, typed: every command in it is run, in its order and in one scene, and must succeed. What is not known here
//! is a failure too, so that a new command brings its test with it.
//!
//! Typed word for word, but for this: `cargo run --release --` is the program that the suite was built with; the ports
//! are free ones; what measures does so for a second; `tests/run`, which runs this, and what takes minutes are only asked
//! for their help.

mod markdown;
mod scene;

use std::path::{Path, PathBuf};

use markdown::What;
use scene::Scene;

/// Programs whose calls in a sentence are commands as well.
const PROGRAMS: [&str; 7] =
    ["leverframe", "cargo", "curl", "tests/run", "tests/walkthrough", "tests/replicated", "tests/distribution"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_of_the_readme_runs() {
    let file = root().join("README.md");
    let text = std::fs::read_to_string(&file).expect("the README");
    let mut scene = Scene::new();
    let found = markdown::read(&text, &PROGRAMS);
    // First the files: a sentence may say how to use one that is shown below it.
    for (line, what) in found.iter().map(|found| (found.line, &found.what)) {
        if let What::Toml(toml) = what {
            scene.save(toml, &format!("README.md:{line}")).await;
        }
    }
    let mut commands = 0;
    for (line, what) in found.iter().map(|found| (found.line, &found.what)) {
        if let What::Command(command) | What::Span(command) = what {
            scene.type_in(command, &format!("README.md:{line}")).await;
            commands += 1;
        }
    }
    scene.try_what_the_demo_says().await;
    assert!(commands > 20, "the README has lost its commands: {commands}");
    scene.end().await;
}

/// The clone.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}
