//! The health of endpoints: active checks, the traffic of a while summed up, the trait that a policy fulfils, the panel
//! that holds the policies to it, and the keeper that carries their verdicts to the live cluster. Compiles and tests
//! without any plugin engine; knows nothing of requests.

mod check;
mod checks;
mod figures;
mod http;
mod keeper;
mod panel;
mod policy;
mod results;
mod round;
mod schedule;
mod tcp;
mod threshold;
mod window;

#[cfg(test)]
mod tests;

pub use check::{CheckError, Checker, Checking, SqlCheckers, http_checker};
pub use figures::{PolicyFigures, PolicyReading};
pub use keeper::{Keeper, Watched, rules};
pub use panel::Panel;
pub use policy::{Policy, PolicyLost, PolicySeat};
pub use results::{CHECK_TIME_BOUNDS_US, CheckReading, LastCheck};
pub use round::Breakers;
