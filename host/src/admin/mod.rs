//! The admin API: what operators ask and tell. Reads snapshots and gives commands to the other folders; holds no state of
//! its own. Bound to its own address, on the control runtime, so that traffic does not stand in its way.

mod access;
mod ask;
mod asked;
mod clusters;
mod console;
mod endpoints;
mod events;
mod health;
mod metrics;
mod origin;
mod plugins;
mod problem;
mod repair;
mod scaling;
mod server;
mod sql;
mod strategy;
mod stream;

pub(crate) use origin::check as check_origin;
pub(crate) use problem::{Problem, no_such_method, no_such_path};
pub use server::{Bound, Server, Shared, router};
pub use stream::{Live, run as watch};
