//! Which endpoint takes a request: the route table that finds the cluster, the trait that a strategy fulfils, and the
//! selector that holds a strategy to it. Compiles and tests without any plugin engine.

mod candidates;
mod chooser;
mod fallback;
mod figures;
mod route;
mod seat;
mod selector;
mod strategy;

#[cfg(test)]
mod tests;

pub use candidates::Candidates;
pub use chooser::Chooser;
pub use fallback::RoundRobin;
pub use figures::{PICK_TIME_BOUNDS_NS, SeatFigures, SeatReading};
pub use route::RouteTable;
pub use seat::{Seat, SeatCommand, SeatLost, Seats};
pub use selector::{Decision, How, Selector, Told};
pub use strategy::{Choice, Rejection, Strategy};
