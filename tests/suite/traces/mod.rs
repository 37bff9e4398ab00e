//! Traces: a collector that is a server of the test gets the spans of what the program did, with the right parents, and
//! whoever is asked on a request's behalf is told which trace it is part of. A collector that is away harms no request.

mod collector;
mod http;
mod losses;
mod sql;
