//! What a point query costs the proxy: CPU time of its process for each, with wrk asking over some connections at a time.

use std::time::Duration;

use crate::Extent;
use crate::scene::Scene;
use crate::wrk::Wrk;

const CONNECTIONS: [usize; 2] = [8, 1];
/// The bar, in microseconds of CPU time for each.
const BAR: f64 = 60.0;

/// Asks for one row after the other, each by its key as a parameter.
fn script(rows: u32) -> String {
    format!(
        r#"
local at = 0
request = function()
    at = at + 1
    local sql = "SELECT id, customer, region, amount, placed FROM orders WHERE id = $1"
    local body = '{{"sql": "' .. sql .. '", "params": [' .. at * 48271 % {rows} + 1 .. ']}}'
    return wrk.format("POST", "/query", {{ ["content-type"] = "application/json" }}, body)
end
"#
    )
}

pub(crate) async fn measure(scene: &Scene, extent: Extent) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("point.lua");
    std::fs::write(&file, script(scene.rows)).expect("a file");
    println!();
    for connections in CONNECTIONS {
        let ask = async |time: Duration| {
            let wrk = Wrk::start(scene.address, connections, Some(&file));
            tokio::time::sleep(time).await;
            wrk.finish().await
        };
        ask(extent.points / 4).await;
        let before = scene.proxy_cpu();
        let report = ask(extent.points).await;
        let cpu = scene.proxy_cpu() - before;
        assert_eq!((report.bad_answers, &report.socket_errors), (0, &None), "not everything was answered");
        let each = cpu.as_secs_f64() * 1e6 / report.requests as f64;
        println!(
            "point query over {connections} connections: {each:.1} us of the proxy's CPU time each (bar {BAR}), {:.0} a second",
            report.per_second,
        );
    }
}
