//! The real host, as a component sees it: every trait of [`host`](crate::host), passed on to the generated imports.
//!
//! Only `component` may use this; outside of WebAssembly there is nothing behind the imports.

use crate::bindings::policy::leverframe::plugin::peers;
use crate::bindings::routing::leverframe::plugin::{cluster, request, runtime, state};
use crate::host::{Cluster, Peers, Request, Runtime, State};
use crate::{EndpointId, Level, Load, Observations, StateError, Statement};

/// The host behind the imports. Has no content, so that calls through it are direct calls.
pub(crate) struct Imports;

impl Request for Imports {
    fn method(&self) -> String {
        request::method()
    }

    fn path(&self) -> String {
        request::path()
    }

    fn query(&self) -> Option<String> {
        request::query()
    }

    fn header(&self, name: &str) -> Option<String> {
        request::header(name)
    }

    fn cookie(&self, name: &str) -> Option<String> {
        request::cookie(name)
    }

    fn client_ip(&self) -> String {
        request::client_ip()
    }

    fn host(&self) -> Option<String> {
        request::host()
    }

    fn attempt(&self) -> u32 {
        request::attempt()
    }

    fn statement(&self) -> Option<Statement> {
        request::statement()
    }
}

impl Cluster for Imports {
    fn load_of(&self, id: EndpointId) -> Option<Load> {
        cluster::load_of(id)
    }

    fn loads(&self) -> Vec<Load> {
        cluster::loads()
    }
}

impl Peers for Imports {
    fn all(&self) -> Vec<(EndpointId, Observations)> {
        peers::all()
    }
}

impl State for Imports {
    fn get(&self, key: &str) -> Option<Vec<u8>> {
        state::get(key)
    }

    fn set(&self, key: &str, value: &[u8], ttl_ms: Option<u64>) -> Result<(), StateError> {
        state::set(key, value, ttl_ms)
    }

    fn add(&self, key: &str, delta: i64, ttl_ms: Option<u64>) -> Result<i64, StateError> {
        state::add(key, delta, ttl_ms)
    }
}

impl Runtime for Imports {
    fn log(&self, level: Level, message: &str) {
        runtime::log(level, message);
    }

    fn now_us(&self) -> u64 {
        runtime::now_us()
    }

    fn random_u64(&self) -> u64 {
        runtime::random_u64()
    }

    fn counter(&self, name: &str, delta: u64) {
        runtime::counter(name, delta);
    }

    fn gauge(&self, name: &str, value: f64) {
        runtime::gauge(name, value);
    }

    fn histogram(&self, name: &str, value: f64) {
        runtime::histogram(name, value);
    }
}
