//! From bytes to a checked, compiled component. What it accepts can be instantiated; whether it behaves, only a trial
//! shows. Compiling takes a tenth of a second or so and never happens on a worker.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, HasSelf, Linker};

use super::bindings::strategy::{RoutingStrategy, RoutingStrategyPre};
use super::engine::PluginEngine;
use super::error::LoadError;
use super::host::Context;
use super::imports::{self, World};
use super::wasi;
use crate::config::PluginLimits;

/// How WebAssembly begins.
const MAGIC: &[u8] = b"\0asm";
/// What follows in a component: version 13, layer 1. A core module has version 1, layer 0.
const COMPONENT: &[u8] = &[0x0d, 0x00, 0x01, 0x00];

/// SHA-256 of the bytes: two files with the same hash are the same plugin version.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContentHash([u8; 32]);

impl ContentHash {
    /// The hash of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A routing strategy that is checked and compiled.
#[derive(Clone)]
pub struct Artifact {
    hash: ContentHash,
    size: usize,
    imports: Arc<[String]>,
    pre: RoutingStrategyPre<Context>,
}

impl Artifact {
    /// Checks and compiles. The cheap checks come first, so a wrong file costs little.
    pub fn compile(engine: &PluginEngine, bytes: &[u8], limits: &PluginLimits) -> Result<Self, LoadError> {
        check_bytes(bytes, limits)?;
        let malformed = |error: wasmtime::Error| LoadError::Malformed(causes(&error));
        let component = Component::new(engine.inner(), bytes).map_err(malformed)?;
        let imports = check_world(engine, &component)?;
        let shape = |error: wasmtime::Error| LoadError::Shape(causes(&error));
        let linker = link(engine, &component, &imports).map_err(shape)?;
        let pre = linker.instantiate_pre(&component).and_then(RoutingStrategyPre::new).map_err(shape)?;
        Ok(Self { hash: ContentHash::of(bytes), size: bytes.len(), imports: imports.into(), pre })
    }

    /// Identifies the bytes.
    pub fn hash(&self) -> ContentHash {
        self.hash
    }

    /// How many bytes there were.
    pub fn size(&self) -> usize {
        self.size
    }

    /// What it implements.
    pub fn world(&self) -> World {
        World::RoutingStrategy
    }

    /// The interfaces that it imports.
    pub fn imports(&self) -> &[String] {
        &self.imports
    }

    pub(super) fn pre(&self) -> &RoutingStrategyPre<Context> {
        &self.pre
    }
}

fn check_bytes(bytes: &[u8], limits: &PluginLimits) -> Result<(), LoadError> {
    let size = bytes.len() as u64;
    if size > limits.file_bytes {
        return Err(LoadError::TooLarge { size, limit: limits.file_bytes });
    }
    let rest = bytes.strip_prefix(MAGIC).ok_or(LoadError::NotWasm)?;
    if rest.starts_with(COMPONENT) { Ok(()) } else { Err(LoadError::NotAComponent) }
}

/// The imports of a routing strategy that wants nothing that it is not given.
fn check_world(engine: &PluginEngine, component: &Component) -> Result<Vec<String>, LoadError> {
    let component_type = component.component_type();
    let exports = component_type.exports(engine.inner()).filter(|(_, item)| is_instance(&item.ty));
    let world = imports::world(exports.map(|(name, _)| name))?;
    let imports: Vec<_> = component_type.imports(engine.inner()).map(|(name, _)| name.to_owned()).collect();
    imports::check(world, imports.iter().map(String::as_str))?;
    match world {
        World::RoutingStrategy => Ok(imports),
        World::HealthPolicy => Err(LoadError::NotAStrategy),
    }
}

fn is_instance(item: &ComponentItem) -> bool {
    matches!(item, ComponentItem::ComponentInstance(_))
}

fn link(engine: &PluginEngine, component: &Component, imports: &[String]) -> wasmtime::Result<Linker<Context>> {
    let mut linker = Linker::new(engine.inner());
    RoutingStrategy::add_to_linker::<_, HasSelf<_>>(&mut linker, |context| context)?;
    for import in imports.iter().filter(|import| import.starts_with("wasi:")) {
        wasi::link(&mut linker, import)?;
    }
    linker.define_unknown_imports_as_traps(component)?;
    Ok(linker)
}

/// An error with its causes.
pub(super) fn causes(error: &wasmtime::Error) -> String {
    let causes: Vec<_> = error.chain().map(|cause| cause.to_string().replace('\n', " ")).collect();
    causes.join(": ")
}
