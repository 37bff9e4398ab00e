//! An empty world behind WASI 0.2. A language's standard library imports it whether it is used or not; here there are no
//! arguments, no variables, no files, nothing to read and nothing to wait for. What is written to the standard streams is
//! kept for the plugin's log. Every function that is not here traps.
//!
//! This is not the `wasmtime-wasi` crate because its synchronous functions block on a runtime of their own, which panics
//! on a worker's thread.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, Lift, Linker, LinkerInstance, Lower, Resource, ResourceType};
use wasmtime::error::bail;

use super::host::Context;

/// Bytes that a guest may write at once.
const WRITE_AT_ONCE: u64 = 4096;
/// Random bytes that a guest may ask for at once.
const RANDOM_AT_ONCE: u64 = 64 * 1024;

struct Input;
struct Output;
struct IoError;
struct Pollable;
struct Terminal;
struct Descriptor;
struct DirectoryStream;

#[derive(ComponentType, Lift, Lower)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    LastOperationFailed(Resource<IoError>),
    #[component(name = "closed")]
    Closed,
}

#[derive(ComponentType, Lift, Lower)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

type Written = (Result<(), StreamError>,);

/// Links one interface, by the name and version that the component imports it under. An interface that is not listed
/// here is left to trap.
pub(super) fn link(linker: &mut Linker<Context>, import: &str) -> wasmtime::Result<()> {
    let interface = import.split('@').next().unwrap_or(import);
    let mut instance = linker.instance(import)?;
    resources(&mut instance)?;
    match interface {
        "wasi:cli/environment" => environment(&mut instance),
        "wasi:cli/exit" => exit(&mut instance),
        "wasi:cli/stdin" => instance.func_wrap("get-stdin", |_, (): ()| Ok((Resource::<Input>::new_own(0),))),
        "wasi:cli/stdout" => instance.func_wrap("get-stdout", |_, (): ()| Ok((Resource::<Output>::new_own(1),))),
        "wasi:cli/stderr" => instance.func_wrap("get-stderr", |_, (): ()| Ok((Resource::<Output>::new_own(2),))),
        "wasi:cli/terminal-stdin" => no_terminal(&mut instance, "get-terminal-stdin"),
        "wasi:cli/terminal-stdout" => no_terminal(&mut instance, "get-terminal-stdout"),
        "wasi:cli/terminal-stderr" => no_terminal(&mut instance, "get-terminal-stderr"),
        "wasi:clocks/monotonic-clock" => monotonic(&mut instance),
        "wasi:clocks/wall-clock" => wall(&mut instance),
        "wasi:filesystem/preopens" => {
            instance.func_wrap("get-directories", |_, (): ()| Ok((Vec::<(Resource<Descriptor>, String)>::new(),)))
        }
        "wasi:io/streams" => streams(&mut instance),
        "wasi:io/poll" => poll(&mut instance),
        "wasi:random/random" => random(&mut instance, "get-random-bytes", "get-random-u64"),
        "wasi:random/insecure" => random(&mut instance, "get-insecure-random-bytes", "get-insecure-random-u64"),
        "wasi:random/insecure-seed" => {
            instance.func_wrap("insecure-seed", |_, (): ()| Ok(((fastrand::u64(..), fastrand::u64(..)),)))
        }
        _ => Ok(()),
    }
}

/// The resources of WASI, in every interface: one that uses a resource of another has it under the same name.
fn resources(instance: &mut LinkerInstance<'_, Context>) -> wasmtime::Result<()> {
    resource::<Descriptor>(instance, "descriptor")?;
    resource::<DirectoryStream>(instance, "directory-entry-stream")?;
    resource::<IoError>(instance, "error")?;
    resource::<Input>(instance, "input-stream")?;
    resource::<Output>(instance, "output-stream")?;
    resource::<Pollable>(instance, "pollable")?;
    resource::<Terminal>(instance, "terminal-input")?;
    resource::<Terminal>(instance, "terminal-output")
}

fn resource<T: 'static>(instance: &mut LinkerInstance<'_, Context>, name: &str) -> wasmtime::Result<()> {
    instance.resource(name, ResourceType::host::<T>(), |_, _| Ok(()))
}

fn no_terminal(instance: &mut LinkerInstance<'_, Context>, name: &str) -> wasmtime::Result<()> {
    instance.func_wrap(name, |_, (): ()| Ok((None::<Resource<Terminal>>,)))
}

fn environment(instance: &mut LinkerInstance<'_, Context>) -> wasmtime::Result<()> {
    instance.func_wrap("get-environment", |_, (): ()| Ok((Vec::<(String, String)>::new(),)))?;
    instance.func_wrap("get-arguments", |_, (): ()| Ok((Vec::<String>::new(),)))?;
    instance.func_wrap("initial-cwd", |_, (): ()| Ok((None::<String>,)))
}

fn exit(instance: &mut LinkerInstance<'_, Context>) -> wasmtime::Result<()> {
    instance.func_wrap("exit", |_, (_,): (Result<(), ()>,)| -> wasmtime::Result<()> { bail!("the plugin called exit") })
}

fn monotonic(instance: &mut LinkerInstance<'_, Context>) -> wasmtime::Result<()> {
    instance.func_wrap("now", |store: StoreContextMut<'_, Context>, (): ()| {
        Ok((store.data().elapsed(Instant::now()).as_nanos() as u64,))
    })?;
    instance.func_wrap("resolution", |_, (): ()| Ok((1u64,)))
}

fn wall(instance: &mut LinkerInstance<'_, Context>) -> wasmtime::Result<()> {
    instance.func_wrap("now", |_, (): ()| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok((Datetime { seconds: now.as_secs(), nanoseconds: now.subsec_nanos() },))
    })?;
    instance.func_wrap("resolution", |_, (): ()| Ok((Datetime { seconds: 0, nanoseconds: 1 },)))
}

fn random(instance: &mut LinkerInstance<'_, Context>, bytes: &str, number: &str) -> wasmtime::Result<()> {
    instance.func_wrap(bytes, |_, (count,): (u64,)| {
        if count > RANDOM_AT_ONCE {
            bail!("the plugin asked for {count} random bytes; {RANDOM_AT_ONCE} is the most");
        }
        Ok(((0..count).map(|_| fastrand::u8(..)).collect::<Vec<u8>>(),))
    })?;
    instance.func_wrap(number, |_, (): ()| Ok((fastrand::u64(..),)))
}

fn streams(instance: &mut LinkerInstance<'_, Context>) -> wasmtime::Result<()> {
    instance.func_wrap("[method]output-stream.check-write", |_, (_,): (Resource<Output>,)| {
        Ok((Ok::<u64, StreamError>(WRITE_AT_ONCE),))
    })?;
    for write in ["[method]output-stream.write", "[method]output-stream.blocking-write-and-flush"] {
        instance.func_wrap(
            write,
            |mut store: StoreContextMut<'_, Context>,
             (_, bytes): (Resource<Output>, Vec<u8>)|
             -> wasmtime::Result<Written> {
                if bytes.len() as u64 > WRITE_AT_ONCE {
                    bail!(
                        "the plugin wrote {} bytes at once; it was told that {WRITE_AT_ONCE} is the most",
                        bytes.len()
                    );
                }
                store.data_mut().printed(&bytes);
                Ok((Ok(()),))
            },
        )?;
    }
    for flush in ["[method]output-stream.flush", "[method]output-stream.blocking-flush"] {
        instance.func_wrap(flush, |_, (_,): (Resource<Output>,)| -> wasmtime::Result<Written> { Ok((Ok(()),)) })?;
    }
    // A standard library waits for a stream before it writes to it. There is never anything to wait for.
    instance.func_wrap("[method]output-stream.subscribe", |_, (_,): (Resource<Output>,)| {
        Ok((Resource::<Pollable>::new_own(0),))
    })?;
    instance.func_wrap("[method]input-stream.subscribe", |_, (_,): (Resource<Input>,)| {
        Ok((Resource::<Pollable>::new_own(0),))
    })?;
    instance.func_wrap(
        "[method]input-stream.blocking-read",
        |_, (_, _): (Resource<Input>, u64)| -> wasmtime::Result<(Result<Vec<u8>, StreamError>,)> {
            Ok((Err(StreamError::Closed),))
        },
    )
}

/// Waiting for a stream ends at once. Waiting for a clock is not offered, so that a guest that sleeps is told so by a trap
/// and not by a deadline.
fn poll(instance: &mut LinkerInstance<'_, Context>) -> wasmtime::Result<()> {
    instance.func_wrap("[method]pollable.ready", |_, (_,): (Resource<Pollable>,)| Ok((true,)))?;
    instance.func_wrap("[method]pollable.block", |_, (_,): (Resource<Pollable>,)| Ok(()))?;
    instance.func_wrap("poll", |_, (all,): (Vec<Resource<Pollable>>,)| {
        Ok(((0..u32::try_from(all.len()).unwrap_or(u32::MAX)).collect::<Vec<_>>(),))
    })
}
