//! What the tests stand on: a Leverframe of their own with its folder, its origins and its ports, a client that asks it,
//! and a wait that has an end. Nothing in here asserts what the program promises; that is for the tests.
//!
//! A world is a `World` (in this process, so that its parts can be reached) or a `Process` (the binary, when the log or
//! an exit code matters). Both are configured by a `Setup`. Ports are free ones, folders are temporary.

mod account;
mod client;
mod components;
mod engine;
mod figures;
mod load;
mod mariadb;
mod port;
mod postgres;
mod process;
mod redis;
mod running;
mod setup;
mod sse;
mod wait;

pub(crate) use client::{Client, Reply, fetch, send};
pub(crate) use components::{cynic, embedded, guest, saboteur, salted, wat};
pub(crate) use engine::{BUSYBOX, Engine, NETWORK};
pub(crate) use figures::{Metrics, plugin_entry};
pub(crate) use load::{Load, Plan, Sample, Seen, percentile};
pub(crate) use mariadb::MariaDb;
pub(crate) use port::Port;
pub(crate) use postgres::Postgres;
pub(crate) use process::Process;
pub(crate) use redis::Redis;
pub(crate) use running::World;
pub(crate) use setup::Setup;
pub(crate) use sse::Sse;
pub(crate) use wait::{eventually, holds};
