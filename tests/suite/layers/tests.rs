//! The checker, checked: that it finds what it is for, on small files made up for it, and nothing else.

use std::path::Path;

use super::source::Source;
use super::{imports, shape};

/// No line.
const NOWHERE: [usize; 0] = [];

fn found(file: &str, text: &str) -> Vec<usize> {
    imports(Path::new(file), text).into_iter().map(|(line, _)| line).collect()
}

#[test]
fn an_edge_that_the_table_has_is_fine() {
    assert_eq!(found("routing/route.rs", "use crate::model::X;\nuse crate::{config::{A, B}, cluster};\n"), NOWHERE);
    assert_eq!(found("routing/route.rs", "use crate::routing::X; use super::Y; use self::z::Z;"), NOWHERE);
    assert_eq!(found("app.rs", "use crate::plugin::X;"), NOWHERE);
}

#[test]
fn an_edge_that_it_has_not_is_found_with_its_line() {
    assert_eq!(found("model/x.rs", "\nuse crate::config::X;\n"), [2]);
    assert_eq!(found("routing/mod.rs", "use crate::{\n    model::A,\n    plugin::{B, C},\n    proxy,\n};"), [3, 4]);
    assert_eq!(found("proxy/x.rs", "fn f() -> crate::sql::Y { crate::sql::Y }"), [1, 1]);
    assert_eq!(found("admin/x.rs", "use crate::app::App;"), [1]);
    assert_eq!(found("config/x.rs", "pub(in crate::admin) fn f() {}"), [1]);
}

#[test]
fn super_is_followed_to_the_root() {
    assert_eq!(found("model/x.rs", "use super::super::config::X;"), [1]);
    assert_eq!(found("model/mod.rs", "use super::config::X;"), [1]);
    assert_eq!(found("model/x.rs", "mod tests { use super::super::y; use super::super::super::config; }"), [1]);
    assert_eq!(found("model/x/y.rs", "use super::super::config::X;"), NOWHERE, "this is crate::model::config");
    assert_eq!(found("model/x.rs", "mod a {}\nuse super::y;\nmod b { fn f() {} }\nuse super::super::cluster;"), [4]);
}

#[test]
fn what_is_not_code_is_not_read() {
    let text = "// use crate::plugin::X;\n/* crate::plugin /* nested */ crate::sql */\n/// [`crate::plugin`]\n\
                const A: &str = \"crate::plugin \\\" crate::sql\";\nconst B: &str = r#\"crate::sql \" wasmtime\"#;\n\
                const C: char = '\"'; const D: &[u8] = b\"crate::sql\"; fn f<'a>(x: &'a str) {} const E: char = '\\'';\n";
    assert_eq!(found("model/x.rs", text), NOWHERE);
    assert_eq!(found("model/x.rs", &format!("{text}use crate::plugin::X;")), [7], "reading goes on behind them");
}

#[test]
fn folders_outside_the_table_are_found() {
    assert_eq!(found("util/x.rs", ""), [1]);
    assert_eq!(found("model/x.rs", "use crate::util::X;"), [1]);
}

#[test]
fn only_plugin_names_wasmtime() {
    assert_eq!(found("plugin/engine.rs", "use wasmtime::Engine;"), NOWHERE);
    assert_eq!(found("proxy/x.rs", "\nuse wasmtime::Engine;"), [2]);
    assert_eq!(found("app.rs", "fn f(e: wasmtime::Engine) {}"), [1]);
}

#[test]
fn a_file_without_its_header_is_found() {
    assert_eq!(shape(Path::new("a.rs"), "//! Owns a.\n").len(), 0);
    assert_eq!(shape(Path::new("a.rs"), "// Owns a.\n").len(), 1);
}

#[test]
fn long_files_are_found_and_tests_do_not_count() {
    let long = format!("//! A.\n{}", "fn f() {}\n".repeat(400));
    assert_eq!(shape(Path::new("a.rs"), &long).len(), 1);
    assert_eq!(shape(Path::new("x/tests.rs"), &long).len(), 0);
    assert_eq!(shape(Path::new("tests/suite/x.rs"), &long).len(), 0);
    let tested = format!("//! A.\nfn f() {{}}\n\n#[cfg(test)]\nmod tests {{\n{}}}\n", "fn f() {}\n".repeat(400));
    assert_eq!(shape(Path::new("a.rs"), &tested).len(), 0);
    assert_eq!(Source::new(&tested).lines_without_tests(), 3);
}
