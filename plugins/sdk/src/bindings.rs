//! The code that wit-bindgen makes of `wit/`, one module for each world. Hidden, because only [`export!`](crate::export)
//! and the re-exports of the crate root may name it; hand-written code does not belong here.
//!
//! The second world takes the interfaces that both share from the first, so that an endpoint is one type.
#![allow(unsafe_code, reason = "the canonical ABI passes pointers; all of it is generated")]
#![allow(missing_docs, unreachable_pub, unused_qualifications, reason = "generated code")]
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "generated code")]

/// World `routing-strategy`.
pub mod routing {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "routing-strategy",
        additional_derives: [PartialEq],
        pub_export_macro: true,
        export_macro_name: "export_routing_strategy",
        // The export macro brings the type of the whole world; without this line a component would carry both worlds.
        disable_custom_section_link_helpers: true,
    });
}

/// World `health-policy`.
pub mod policy {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "health-policy",
        with: {
            "leverframe:plugin/types@0.1.0": crate::bindings::routing::leverframe::plugin::types,
            "leverframe:plugin/state@0.1.0": crate::bindings::routing::leverframe::plugin::state,
            "leverframe:plugin/runtime@0.1.0": crate::bindings::routing::leverframe::plugin::runtime,
        },
        additional_derives: [PartialEq],
        pub_export_macro: true,
        export_macro_name: "export_health_policy",
        disable_custom_section_link_helpers: true,
    });
}
