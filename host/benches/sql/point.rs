//! What a point query costs the proxy: CPU time of its process for each, over some connections at a time.

use std::time::Instant;

use futures_util::future::join_all;
use http::Method;
use serde_json::json;

use crate::Extent;
use crate::scene::Scene;

const CONNECTIONS: u32 = 8;
/// The bar, in microseconds of CPU time for each.
const BAR: f64 = 60.0;

pub(crate) async fn measure(scene: &Scene, extent: Extent) {
    run(scene, extent.points / 10).await;
    let (cpu, start) = (scene.proxy_cpu(), Instant::now());
    run(scene, extent.points).await;
    let (cpu, took) = (scene.proxy_cpu() - cpu, start.elapsed());
    let each = |time: std::time::Duration| time.as_secs_f64() * 1e6 / f64::from(extent.points);
    println!(
        "\npoint query, {} over {CONNECTIONS} connections: {:.1} us of the proxy's CPU time each (bar {BAR}), {:.0} a second",
        extent.points,
        each(cpu),
        f64::from(extent.points) / took.as_secs_f64(),
    );
}

async fn run(scene: &Scene, points: u32) {
    let client = |nth: u32| async move {
        let mut client = scene.client().await;
        for at in (nth..points).step_by(CONNECTIONS as usize) {
            let id = at.wrapping_mul(48_271) % scene.rows + 1;
            let sql = "SELECT id, customer, region, amount, placed FROM orders WHERE id = $1";
            let body = json!({ "sql": sql, "params": [id] }).to_string();
            let headers = [("content-type", "application/json")];
            let reply = client.send(Method::POST, "/query", &headers, body.into()).await;
            assert_eq!(reply.status, 200, "{}", reply.text());
            assert_eq!(reply.json()["rows"][0][0], id);
        }
    };
    join_all((0..CONNECTIONS).map(client)).await;
}
