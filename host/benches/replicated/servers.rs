//! Three PostgreSQL servers that hold the same rows.

use futures_util::future::join_all;
use tokio_postgres::Client as Database;

use crate::world::{Postgres, eventually};

const COUNT: usize = 3;

/// As PostgreSQL has it by default, but for where it listens.
const SETTINGS: &[&str] = &["listen_addresses=127.0.0.1", "unix_socket_directories="];

const TABLE: &str = "CREATE TABLE orders (id int PRIMARY KEY, customer int NOT NULL, region text NOT NULL,
    cents int NOT NULL)";
/// Deterministic by id, so that every server has the same row under the same id.
const ROWS: &str = "INSERT INTO orders SELECT id, (id::bigint * 7919 % 5000)::int,
    (ARRAY['north','south','east','west','centre','islands'])[1 + id % 6], (id::bigint * 104729 % 1000000)::int
    FROM generate_series(1, $1::int) AS id";
/// How many rows there are, and a sum over all that is in them.
const SUM: &str = "SELECT count(*), coalesce(sum(hashtext(orders::text)::bigint), 0)::text FROM orders";

/// Servers, and a connection to each of them that goes through nobody.
pub(crate) struct Servers {
    pub(crate) servers: Vec<Postgres>,
    direct: Vec<Database>,
}

impl Servers {
    pub(crate) async fn start(rows: u32) -> Self {
        let servers = join_all((0..COUNT).map(|_| Postgres::start_with(SETTINGS))).await;
        let direct = join_all(servers.iter().map(|server| server.connect("postgres"))).await;
        let rows = i32::try_from(rows).expect("a few");
        for database in &direct {
            database.batch_execute(TABLE).await.expect("a table");
            database.execute(ROWS, &[&rows]).await.expect("rows");
            for step in ["VACUUM ANALYZE orders", "CHECKPOINT"] {
                database.batch_execute(step).await.unwrap_or_else(|error| panic!("{step}: {error:?}"));
            }
        }
        Self { servers, direct }
    }

    /// Sees to it that all have equal rows, and so many. A server that was slow for a moment may have some to catch up.
    pub(crate) async fn are_equal(&self, rows: u64, whose: &str) {
        let expected = i64::try_from(rows).expect("a few");
        eventually(&format!("{whose}: {rows} equal rows on all servers"), || async {
            let found = join_all(self.direct.iter().map(|database| database.query_one(SUM, &[]))).await;
            let found: Vec<(i64, String)> =
                found.into_iter().map(|row| row.expect("a sum")).map(|row| (row.get(0), row.get(1))).collect();
            found.iter().all(|one| one.0 == expected && *one == found[0]).then_some(())
        })
        .await;
    }
}
