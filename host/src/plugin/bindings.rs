//! What is generated from `wit/`: the host side of each world. Nothing else is in here.

/// The world of routing strategies.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::restriction, reason = "generated")]
pub(super) mod strategy {
    wasmtime::component::bindgen!({ path: "../wit", world: "routing-strategy" });
}
