//! What a component may import, and what it must export. Pure: names in, verdict out.

use super::error::{LoadError, POLICY_EXPORT, STRATEGY_EXPORT};

/// Interfaces of our own that plugins of both worlds get, by version of the contract.
const BOTH: [&str; 3] =
    ["leverframe:plugin/runtime@0.1.0", "leverframe:plugin/state@0.1.0", "leverframe:plugin/types@0.1.0"];

/// Interfaces of our own that only routing strategies get.
const STRATEGY_ONLY: [&str; 2] = ["leverframe:plugin/cluster@0.1.0", "leverframe:plugin/request@0.1.0"];

/// Interfaces of our own that only health policies get.
const POLICY_ONLY: [&str; 2] = ["leverframe:plugin/peers@0.1.0", "leverframe:plugin/health-types@0.1.0"];

/// What a language's standard library imports whether it is used or not. All of it is linked with an empty world behind
/// it: no arguments, no environment, no open files; output goes to the plugin's log.
const WASI: [&str; 20] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
];

/// What a component is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum World {
    /// It chooses endpoints.
    RoutingStrategy,
    /// It judges endpoints.
    HealthPolicy,
}

impl World {
    /// Its name in `wit/`.
    pub fn name(self) -> &'static str {
        match self {
            Self::RoutingStrategy => "routing-strategy",
            Self::HealthPolicy => "health-policy",
        }
    }

    /// That of a component that is known to be a plugin, as the embedded ones are: by what it is made to export, without
    /// compiling it.
    pub fn embedded(bytes: &[u8]) -> Self {
        match memchr::memmem::find(bytes, POLICY_EXPORT.as_bytes()) {
            Some(_) => Self::HealthPolicy,
            None => Self::RoutingStrategy,
        }
    }
}

/// The world of a component with these exports.
pub(super) fn world<'a>(exports: impl Iterator<Item = &'a str>) -> Result<World, LoadError> {
    let exports: Vec<_> = exports.collect();
    if exports.contains(&STRATEGY_EXPORT) {
        return Ok(World::RoutingStrategy);
    }
    if exports.contains(&POLICY_EXPORT) {
        return Ok(World::HealthPolicy);
    }
    match exports.iter().find(|export| export.starts_with("leverframe:plugin/")) {
        Some(found) => Err(LoadError::WrongVersion { found: (*found).to_owned() }),
        None if exports.is_empty() => Err(LoadError::WrongWorld("nothing".to_owned())),
        None => Err(LoadError::WrongWorld(exports.join(", "))),
    }
}

/// Refuses the first import that a component of this world is not given.
pub(super) fn check<'a>(world: World, mut imports: impl Iterator<Item = &'a str>) -> Result<(), LoadError> {
    match imports.find(|import| !allowed(world, import)) {
        Some(import) => Err(LoadError::ForbiddenImport(import.to_owned())),
        None => Ok(()),
    }
}

fn allowed(world: World, import: &str) -> bool {
    let own = match world {
        World::RoutingStrategy => STRATEGY_ONLY,
        World::HealthPolicy => POLICY_ONLY,
    };
    if BOTH.contains(&import) || own.contains(&import) {
        return true;
    }
    match import.split_once('@') {
        Some((interface, version)) => version.starts_with("0.2.") && WASI.contains(&interface),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_world_shows_in_the_exports() {
        assert_eq!(world([STRATEGY_EXPORT].into_iter()), Ok(World::RoutingStrategy));
        assert_eq!(world([POLICY_EXPORT].into_iter()), Ok(World::HealthPolicy));
        let old = "leverframe:plugin/strategy@0.0.9";
        assert_eq!(world([old].into_iter()), Err(LoadError::WrongVersion { found: old.into() }));
        let other = "wasi:http/incoming-handler@0.2.0";
        assert_eq!(world([other].into_iter()), Err(LoadError::WrongWorld(other.into())));
    }

    #[test]
    fn only_listed_imports_pass() {
        let verdict = |import: &str| check(World::RoutingStrategy, [import].into_iter());
        assert_eq!(verdict("leverframe:plugin/request@0.1.0"), Ok(()));
        assert_eq!(verdict("wasi:io/streams@0.2.6"), Ok(()));
        for import in ["wasi:sockets/tcp@0.2.6", "wasi:io/streams@0.3.0", "wasi:io/streams", "x:y/z@1.0.0"] {
            assert_eq!(verdict(import), Err(LoadError::ForbiddenImport(import.into())));
        }
        let peers = "leverframe:plugin/peers@0.1.0";
        assert_eq!(verdict(peers), Err(LoadError::ForbiddenImport(peers.into())));
        assert_eq!(check(World::HealthPolicy, [peers].into_iter()), Ok(()));
        let request = "leverframe:plugin/request@0.1.0";
        assert_eq!(check(World::HealthPolicy, [request].into_iter()), Err(LoadError::ForbiddenImport(request.into())));
    }
}
