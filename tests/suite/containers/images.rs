//! The images that the compose file names, made here: no registry is asked.

use std::fs;

use crate::world::Engine;

/// What the compose file calls them.
const REDIS: &str = "redis:7-alpine";

const BUILD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/container/build");

/// Names a static binary that is built already.
const STATIC_BINARY: &str = "LEVERFRAME_STATIC";

/// This machine's redis-server with what it links to, below the folder `$1` and as the image `$2`. Like the real one, it
/// has a folder `/data` that belongs to its user.
const PACK_REDIS: &str = r#"
set -euo pipefail
server=$(command -v redis-server)
{ echo "$server"; ldd "$server" | grep -o '/[^ ]*'; } | xargs cp --dereference --parents --target-directory "$1"
install --directory --owner 999 --group 1000 "$1/data"
tar --directory "$1" --create . | docker import --change 'WORKDIR /data' - "$2"
"#;

/// Leverframe's image, by the command that the README names.
pub(super) async fn leverframe(engine: &Engine) {
    let binary = match std::env::var(STATIC_BINARY) {
        Ok(binary) if !binary.is_empty() => binary,
        _ => engine.run(BUILD, &["--no-image"]).await,
    };
    engine.run(BUILD, &["--binary", &binary]).await;
}

/// What stands in for Redis's image.
pub(super) async fn redis(engine: &Engine) {
    let root = engine.folder().join("redis");
    fs::create_dir_all(&root).expect("a folder for the image");
    let root = root.to_str().expect("a path in UTF-8");
    engine.run("bash", &["-c", PACK_REDIS, "pack", root, REDIS]).await;
}
