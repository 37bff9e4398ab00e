//! What is generated from `wit/`: the host side of each world. Nothing else is in here.

/// The world of routing strategies.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::restriction, reason = "generated")]
pub(super) mod strategy {
    wasmtime::component::bindgen!({ path: "../wit", world: "routing-strategy" });
}

/// The world of health policies. What both worlds share is taken from the first, so that one context serves both.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::restriction, reason = "generated")]
pub(super) mod policy {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "health-policy",
        with: {
            "leverframe:plugin/types": super::strategy::leverframe::plugin::types,
            "leverframe:plugin/state": super::strategy::leverframe::plugin::state,
            "leverframe:plugin/runtime": super::strategy::leverframe::plugin::runtime,
        },
    });
}
