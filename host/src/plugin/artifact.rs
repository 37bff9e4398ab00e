//! From bytes to a checked, compiled component. What it accepts can be instantiated; whether it behaves, only a trial
//! shows. Compiling takes a tenth of a second or so and never happens on a worker.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, HasSelf, Linker};

use super::bindings::policy::{HealthPolicy, HealthPolicyPre};
use super::bindings::strategy::{RoutingStrategy, RoutingStrategyPre};
use super::engine::PluginEngine;
use super::error::LoadError;
use super::host::Context;
use super::imports::{self, World};
use super::wasi;
use super::work::Work;
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

/// A component that is checked and compiled.
#[derive(Clone)]
pub struct Artifact {
    hash: ContentHash,
    size: usize,
    imports: Arc<[String]>,
    linked: Linked,
    work: Arc<Work>,
}

/// A component of either world, with everything that it imports.
#[derive(Clone)]
enum Linked {
    Strategy(RoutingStrategyPre<Context>),
    Policy(HealthPolicyPre<Context>),
}

impl Artifact {
    /// Checks and compiles. The cheap checks come first, so a wrong file costs little.
    pub fn compile(engine: &PluginEngine, bytes: &[u8], limits: &PluginLimits) -> Result<Self, LoadError> {
        check_bytes(bytes, limits)?;
        let malformed = |error: wasmtime::Error| LoadError::Malformed(causes(&error));
        let component = Component::new(engine.inner(), bytes).map_err(malformed)?;
        let (world, imports) = check_world(engine, &component)?;
        let linked = link(engine, &component, world, &imports);
        let linked = linked.map_err(|error| LoadError::Shape(causes(&error)))?;
        Ok(Self {
            hash: ContentHash::of(bytes),
            size: bytes.len(),
            imports: imports.into(),
            linked,
            work: Arc::default(),
        })
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
        match self.linked {
            Linked::Strategy(_) => World::RoutingStrategy,
            Linked::Policy(_) => World::HealthPolicy,
        }
    }

    /// Refuses one that does not implement the world that it is needed for.
    pub fn expect(&self, world: World) -> Result<(), LoadError> {
        match world {
            World::RoutingStrategy => self.strategy().map(drop),
            World::HealthPolicy => self.policy().map(drop),
        }
    }

    /// The interfaces that it imports.
    pub fn imports(&self) -> &[String] {
        &self.imports
    }

    /// What its instances take.
    pub fn work(&self) -> &Arc<Work> {
        &self.work
    }

    pub(super) fn strategy(&self) -> Result<&RoutingStrategyPre<Context>, LoadError> {
        match &self.linked {
            Linked::Strategy(pre) => Ok(pre),
            Linked::Policy(_) => Err(LoadError::NotAStrategy),
        }
    }

    pub(super) fn policy(&self) -> Result<&HealthPolicyPre<Context>, LoadError> {
        match &self.linked {
            Linked::Policy(pre) => Ok(pre),
            Linked::Strategy(_) => Err(LoadError::NotAPolicy),
        }
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

/// The world and the imports of a component that wants nothing that it is not given.
fn check_world(engine: &PluginEngine, component: &Component) -> Result<(World, Vec<String>), LoadError> {
    let component_type = component.component_type();
    let exports = component_type.exports(engine.inner()).filter(|(_, item)| is_instance(&item.ty));
    let world = imports::world(exports.map(|(name, _)| name))?;
    let imports: Vec<_> = component_type.imports(engine.inner()).map(|(name, _)| name.to_owned()).collect();
    imports::check(world, imports.iter().map(String::as_str))?;
    Ok((world, imports))
}

fn is_instance(item: &ComponentItem) -> bool {
    matches!(item, ComponentItem::ComponentInstance(_))
}

fn link(engine: &PluginEngine, component: &Component, world: World, imports: &[String]) -> wasmtime::Result<Linked> {
    let mut linker = Linker::<Context>::new(engine.inner());
    match world {
        World::RoutingStrategy => RoutingStrategy::add_to_linker::<_, HasSelf<_>>(&mut linker, |context| context)?,
        World::HealthPolicy => HealthPolicy::add_to_linker::<_, HasSelf<_>>(&mut linker, |context| context)?,
    }
    for import in imports.iter().filter(|import| import.starts_with("wasi:")) {
        wasi::link(&mut linker, import)?;
    }
    linker.define_unknown_imports_as_traps(component)?;
    let pre = linker.instantiate_pre(component)?;
    Ok(match world {
        World::RoutingStrategy => Linked::Strategy(RoutingStrategyPre::new(pre)?),
        World::HealthPolicy => Linked::Policy(HealthPolicyPre::new(pre)?),
    })
}

/// An error with its causes.
pub(super) fn causes(error: &wasmtime::Error) -> String {
    let causes: Vec<_> = error.chain().map(|cause| cause.to_string().replace('\n', " ")).collect();
    causes.join(": ")
}
