//! The data path from outside: a real worker between hand-written clients and origins, each on a port of its own. Both
//! sides are driven step by step, so that every test decides what happens when.

mod bodies;
mod capacity;
mod changes;
mod circuits;
mod forwarding;
mod harness;
mod hedges;
mod http2;
mod limits;
mod quiet;
mod refusals;
mod retries;
mod services;
mod shortage;
mod upstreams;
