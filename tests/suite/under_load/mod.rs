//! Changes under load: real origins (nginx), a real load generator (wrk), the real binary. Whatever is swapped or edited,
//! no request is lost, and memory does not grow with the number of changes.

mod memory;
mod nginx;
mod swaps;
mod wrk;
