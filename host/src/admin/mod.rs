//! The admin API: what operators ask and tell. Reads snapshots and gives commands to the other folders; holds no state of
//! its own. Bound to its own address, on the control runtime, so that traffic does not stand in its way.

#![allow(unused_qualifications, reason = "what utoipa makes of the type of a query is qualified")]

mod access;
mod admission;
mod asked;
mod clusters;
mod config;
mod connections;
mod console;
mod document;
mod effective;
mod endpoints;
mod events;
mod health;
mod hidden;
mod metrics;
mod origin;
mod panics;
mod permit;
mod plugin_commands;
mod plugins;
mod problem;
mod repair;
mod replication;
mod scaling;
mod server;
mod sql;
mod statements;
mod strategy;
mod stream;
mod tokens;

pub(crate) use admission::admit;
pub(crate) use origin::check as check_origin;
pub(crate) use problem::{Problem, no_such_method, no_such_path};
pub use server::{Bound, Server, Shared, router};
pub use stream::{Live, run as watch};
pub use tokens::Tokens;
