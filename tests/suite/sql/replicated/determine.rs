//! What writes are logged as, on real servers: done on two databases, one after the other, it leaves equal rows, although the
//! second has its rows in another order, its counters elsewhere, and is asked more than a second later.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::TryStreamExt as _;
use leverframe::config::DatabaseSpec;
use leverframe::model::Address;
use leverframe::sql::backend::mysql::MySql;
use leverframe::sql::backend::postgres::Postgres as PostgresBackend;
use leverframe::sql::backend::{Backend, Bound, Fault, Session, Step};
use leverframe::sql::dialect::Dialect;
use leverframe::sql::parse::parse;
use leverframe::sql::replica::determine::{
    Counter, Determined, Draft, Ids, Moment, Tables, determine, facts, names, table,
};
use leverframe::sql::replica::log::Statement;
use leverframe::sql::value::{Column, Row, Value};
use mysql_async::prelude::Queryable as _;

use crate::world::{MariaDb, Postgres};

/// 2023-11-14 22:13:20.123456 UTC
const MOMENT: Moment = Moment(1_700_000_000_123_456);
const CONNECT: Duration = Duration::from_secs(10);

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

/// An entry, and what came of it.
type Done = (Vec<Statement>, Result<Vec<u64>, String>);

/// Two databases of one server.
struct Two {
    dialect: Dialect,
    nodes: [Arc<dyn Backend>; 2],
    address: Address,
    ids: Ids,
    dice: u64,
    /// What the first has done and the second has yet to do, and what came of it.
    done: Vec<Done>,
}

impl Two {
    fn new(dialect: Dialect, address: &str, backend: impl Fn(&str) -> Arc<dyn Backend>) -> Self {
        let nodes = ["one", "two"].map(backend);
        let address = Address::parse(address).expect("an address");
        Self { dialect, nodes, address, ids: Ids::default(), dice: 1, done: Vec::new() }
    }

    async fn session(&self, node: usize) -> Box<dyn Session> {
        self.nodes[node].session(&self.address, soon()).await.expect("a session")
    }

    async fn asked(&self, node: usize, sql: &str, params: &[Value]) -> (Vec<Column>, Vec<Row>) {
        let mut session = self.session(node).await;
        session.pretend(MOMENT.0, soon()).await.expect("a clock");
        let rows = session.query(Bound { sql, params, due: soon() }).await;
        let rows = rows.unwrap_or_else(|fault| panic!("{sql}: {fault}"));
        let columns = rows.columns.clone();
        let found = rows.batches.try_concat().await.unwrap_or_else(|fault| panic!("{sql}: {fault}"));
        (columns, found)
    }

    /// What is known of the tables of a statement.
    async fn tables(&self, sql: &str) -> Tables {
        let parsed = parse(self.dialect, sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let mut tables = Tables::new();
        for name in names(&parsed) {
            let facts = facts(self.dialect, &name);
            let (_, rows) = self.asked(0, facts.sql, &facts.params).await;
            if let Some(found) = table(&rows).expect("a table") {
                tables.insert(name, found);
            }
        }
        tables
    }

    async fn drafts(&mut self, sql: &str, params: &[Value]) -> Result<Vec<Draft>, String> {
        let parsed = parse(self.dialect, sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let tables = self.tables(sql).await;
        self.dice += 1;
        let mut state = self.dice << 32;
        let mut random = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state ^ (state >> 29)
        };
        match determine(&parsed, params, &tables, MOMENT, &mut random).map_err(|refusal| refusal.to_string())? {
            Determined::Logged(draft) => Ok(vec![draft]),
            Determined::Rows(plan) => {
                let (columns, rows) = self.asked(0, plan.query(), plan.params()).await;
                plan.statements(&columns, rows, &mut random).map_err(|refusal| refusal.to_string())
            }
        }
    }

    /// A statement with its numbers; of a counter that is new the first is asked where it begins.
    async fn numbered(&mut self, draft: &Draft) -> Statement {
        for counter in draft.counters() {
            if !self.ids.knows(counter) {
                let (_, rows) = self.asked(0, &counter.start, &[]).await;
                let next = Counter::begun(&rows).unwrap_or_else(|| panic!("{}: {rows:?}", counter.start));
                self.ids.begin(counter, next);
            }
        }
        self.ids.take(draft).expect("numbers")
    }

    async fn statements(
        &mut self,
        sql: &str,
        params: &[Value],
    ) -> Result<(Vec<Statement>, Vec<Option<usize>>), String> {
        let (mut statements, mut named) = (Vec::new(), Vec::new());
        for draft in self.drafts(sql, params).await? {
            statements.push(self.numbered(&draft).await);
            named.push(draft.named());
        }
        Ok((statements, named))
    }

    /// Carries out one entry on a node.
    async fn carried_out(&self, node: usize, statements: &[Statement]) -> Result<Vec<u64>, String> {
        let mut session = self.session(node).await;
        session.pretend(MOMENT.0, soon()).await.expect("a clock");
        session.transact(Step::Begin, soon()).await.expect("a transaction");
        let mut outcome = Ok(Vec::new());
        for Statement { sql, params, returns, .. } in statements {
            let bound = Bound { sql, params, due: soon() };
            let done: Result<u64, Fault> = if *returns {
                match session.query(bound).await {
                    Ok(rows) => rows.batches.try_concat().await.map(|rows: Vec<Row>| rows.len() as u64),
                    Err(fault) => Err(fault),
                }
            } else {
                session.execute(bound).await
            };
            match (done, &mut outcome) {
                (Ok(touched), Ok(all)) => all.push(touched),
                (Err(fault), _) => {
                    outcome = Err(fault.to_string());
                    break;
                }
                _ => {}
            }
        }
        let step = if outcome.is_ok() { Step::Commit } else { Step::Rollback };
        session.transact(step, soon()).await.expect("the end of a transaction");
        outcome
    }

    /// Determines a write and does it on the first.
    async fn write(&mut self, sql: &str, params: &[Value]) {
        let (statements, named) =
            self.statements(sql, params).await.unwrap_or_else(|refused| panic!("{sql}: {refused}"));
        let outcome = self.carried_out(0, &statements).await;
        let touched = outcome.as_ref().unwrap_or_else(|fault| panic!("{sql}: {statements:?}: {fault}"));
        for (touched, named) in touched.iter().zip(named) {
            assert!(named.is_none_or(|named| named as u64 == *touched), "{sql}: {statements:?}: {touched}");
        }
        self.done.push((statements, outcome));
    }

    /// Does on the second what the first has done, and holds both against each other.
    async fn replay(&mut self, tables: &[&str]) {
        tokio::time::sleep(Duration::from_millis(1100)).await;
        for (statements, outcome) in std::mem::take(&mut self.done) {
            assert_eq!(self.carried_out(1, &statements).await, outcome, "{statements:?}");
        }
        for table in tables {
            let (columns, _) = self.asked(0, &format!("SELECT * FROM {table}"), &[]).await;
            let order: Vec<String> = (1..=columns.len()).map(|at| at.to_string()).collect();
            let sql = format!("SELECT * FROM {table} ORDER BY {}", order.join(", "));
            let (one, two) = (self.asked(0, &sql, &[]).await.1, self.asked(1, &sql, &[]).await.1);
            assert_eq!(one, two, "{table}");
            assert!(!one.is_empty(), "{table}");
        }
    }

    /// That a write is refused, and why.
    async fn refuses(&mut self, sql: &str, why: &str) {
        let refused = self.statements(sql, &[]).await.expect_err(sql);
        assert!(refused.contains(why), "{sql}: {refused}");
    }

    /// That each row is changed by a statement of its own.
    async fn takes_rows_one_by_one(&mut self, sql: &str, rows: usize) {
        let (statements, _) = self.statements(sql, &[]).await.expect(sql);
        assert_eq!(statements.len(), rows, "{sql}: {statements:?}");
    }

    /// That what is written in place of a call has its type.
    async fn keeps_type(&mut self, call: &str) {
        let (statements, _) = self.statements(&format!("INSERT INTO sink (v) VALUES ({call})"), &[]).await.expect(call);
        let literal =
            statements[0].sql.strip_prefix("INSERT INTO sink (v) VALUES (").and_then(|text| text.strip_suffix(')'));
        let literal = literal.expect("a value");
        assert_ne!(literal, call);
        let declared = |columns: Vec<Column>| columns[0].declared.clone();
        let (of_call, of_literal) = (
            declared(self.asked(0, &format!("SELECT {call}"), &[]).await.0),
            declared(self.asked(0, &format!("SELECT {literal}"), &[]).await.0),
        );
        assert_eq!(of_call, of_literal, "{call}: {literal}");
    }
}

const POSTGRES: &str = "
    CREATE TYPE mood AS ENUM ('sad', 'happy');
    CREATE TABLE t (id integer PRIMARY KEY, a integer, b text, c real, d numeric(10,2), at timestamptz, m mood);
    CREATE TABLE s (id serial PRIMARY KEY, a integer, b varchar(20) DEFAULT 'x');
    CREATE TABLE g (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a integer);
    CREATE TABLE h (id bigint GENERATED BY DEFAULT AS IDENTITY (INCREMENT BY 5) PRIMARY KEY, a integer);
    CREATE TABLE born (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), a integer, at timestamptz DEFAULT now(),
        day date DEFAULT CURRENT_DATE, doc jsonb DEFAULT '{}', tags text[] DEFAULT ARRAY[]::text[],
        local timestamp DEFAULT (now() AT TIME ZONE 'utc'), half integer GENERATED ALWAYS AS (a / 2) STORED);
    CREATE TABLE keyed (k text, n integer, v text, u integer UNIQUE, PRIMARY KEY (k, n));
    CREATE TABLE bare (a integer, b text, x real);
    CREATE TABLE odd (a integer, who text DEFAULT CURRENT_USER);
    CREATE TABLE sink (v text);
    CREATE UNLOGGED TABLE unlogged (a integer);
    CREATE TABLE partly (id integer PRIMARY KEY, a integer, active boolean);
    CREATE UNIQUE INDEX ON partly (a) WHERE active;
    INSERT INTO partly VALUES (1, 1, true), (2, 1, false);
    CREATE TABLE apart (id integer PRIMARY KEY, r int4range, EXCLUDE USING gist (r WITH &&));
    INSERT INTO apart VALUES (1, '[10,20)'), (2, '[20,30)');
    CREATE TABLE computed (id integer PRIMARY KEY, a integer, d integer GENERATED ALWAYS AS (a * 2) STORED UNIQUE);
    INSERT INTO computed (id, a) VALUES (1, 2), (2, 1);
    CREATE TABLE parent (id integer PRIMARY KEY);
    CREATE TABLE child (id integer PRIMARY KEY, p integer REFERENCES parent ON DELETE CASCADE);
    CREATE TABLE reset (id integer PRIMARY KEY, p integer DEFAULT 5 REFERENCES t ON DELETE SET DEFAULT);
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
    CREATE TRIGGER audit AFTER DELETE ON child FOR EACH ROW EXECUTE FUNCTION note();
    CREATE TABLE ruled (a integer);
    CREATE RULE other AS ON INSERT TO ruled DO ALSO DELETE FROM bare;
    CREATE VIEW v AS SELECT * FROM t;
    DROP TABLE reset;
    CREATE DOMAIN stamp AS timestamptz DEFAULT now();
    CREATE TABLE stamped (a integer, at stamp);
    CREATE TABLE kinds (id integer PRIMARY KEY, b boolean, s smallint, n numeric, f real, e double precision, c character(5),
        v varchar(3), d date, ts timestamp(3), tz timestamptz, ti time, i interval, u uuid, j jsonb, y bytea, ia integer[],
        ta text[], m mood);
    CREATE TABLE keys (tz timestamptz, n numeric, u uuid, y bytea, f real, b boolean, m mood, v double precision,
        PRIMARY KEY (tz, n, u, y, f, b, m));
    INSERT INTO kinds VALUES (1, true, -5, 1.50, 0.1, 1e300, 'ab', 'x', '2024-02-29', '2024-02-29 1:2:3.123',
        '2024-02-29 1:2:3.123456+05', '24:00', '-1 month 3 days', '12345678-9abc-def0-1234-56789abcdef0', '{\"a\": [1, null]}',
        '\\x00ff', '{1,NULL}', '{a,\"b,c\"}', 'happy');
    INSERT INTO kinds VALUES (2, NULL, NULL, 'NaN', 'Infinity', '-0', '', '', '0044-03-15 BC', 'infinity', NULL, NULL, NULL,
        NULL, 'null', '', '{}', NULL, NULL);
    INSERT INTO keys SELECT coalesce(tz, '2000-01-01'), n, coalesce(u, '00000000-0000-0000-0000-000000000000'), y, f, false, 'sad', 0
        FROM kinds;
";

const POSTGRES_WRITES: &[&str] = &[
    "INSERT INTO s (a) VALUES (1), (2), (3) RETURNING id",
    "INSERT INTO s VALUES (DEFAULT, 4), (50, 5)",
    "INSERT INTO s (a) SELECT a FROM t ORDER BY c LIMIT 4",
    "INSERT INTO s DEFAULT VALUES",
    "INSERT INTO g (a) VALUES (1), (2)",
    "INSERT INTO g DEFAULT VALUES",
    "INSERT INTO g (a) SELECT a FROM bare",
    "INSERT INTO born (a) VALUES (1), (2)",
    "INSERT INTO born (a, at) SELECT a, at FROM t WHERE at < now()",
    "INSERT INTO born (id, a, day) VALUES (DEFAULT, 7, DEFAULT)",
    "UPDATE born SET at = DEFAULT, local = CURRENT_TIMESTAMP WHERE a > 5",
    "UPDATE t SET at = clock_timestamp() - interval '1 day', b = timeofday() WHERE id = 3",
    "UPDATE t SET at = CURRENT_TIMESTAMP(1), b = CURRENT_DATE::text WHERE id = 4",
    "UPDATE t SET c = random(), d = (SELECT sum(c) FROM t), m = 'happy' WHERE id < 4",
    "UPDATE t SET c = random() WHERE id = 5",
    "UPDATE t SET a = bare.a + 100, b = bare.b FROM bare WHERE bare.b = t.b",
    "UPDATE t SET b = (SELECT string_agg(b, ',') FROM bare), a = a + 1 WHERE id > 6 RETURNING id",
    "UPDATE t SET d = (SELECT avg(a) FROM bare)",
    "UPDATE keyed SET v = gen_random_uuid() WHERE n > 3",
    "DELETE FROM keyed WHERE n IN (SELECT n FROM keyed LIMIT 3)",
    "DELETE FROM t WHERE id IN (SELECT id FROM t ORDER BY a LIMIT 1)",
    "INSERT INTO t (id, a, at) VALUES (5, 1, now()) ON CONFLICT (id) DO UPDATE SET at = now(), a = t.a + excluded.a",
    "INSERT INTO t (id, a, c, d) SELECT a + 100, a * 1.5, x, x FROM bare",
    "INSERT INTO bare (a, x) SELECT generate_series(1, 3), random()",
    "WITH x AS (SELECT a FROM bare LIMIT 2) UPDATE t SET a = -1 WHERE a IN (SELECT a FROM x)",
    "INSERT INTO t (id, m, at) SELECT 1000, 'happy', '2024-01-01'",
    "ALTER TABLE bare ADD COLUMN z text DEFAULT 'z'",
    "INSERT INTO stamped (a) VALUES (1), (2)",
    "INSERT INTO kinds SELECT id + 10, b, s, n, f, e, c, v, d, ts, tz, ti, i, u, j, y, ia, ta, m FROM kinds",
    "INSERT INTO kinds (id, m, tz, n) SELECT id + 20, 'sad', '2024-01-01', 5 FROM kinds",
    "INSERT INTO kinds (id, s, m, n) VALUES (100, '5', (SELECT m FROM kinds WHERE id = 1 LIMIT 1), (SELECT sum(f) FROM kinds))",
    "UPDATE kinds SET b = x.b, s = x.n, n = x.e, f = x.f, c = x.c, v = x.v, d = x.tz, ts = x.ts, tz = x.tz, ti = x.ti, i = x.i, \
     u = x.u, j = x.j, y = x.y, ia = x.ia, ta = x.ta, m = x.m FROM kinds AS x WHERE x.id = 1 AND kinds.id > 10",
    "UPDATE keys SET v = random()",
    "DELETE FROM keys WHERE random() < 2 AND n = 1.5",
    "INSERT INTO sink VALUES ((1 / 3.0::double precision)::text), (to_tsvector('english', 'the cats')::text)",
];

const POSTGRES_REFUSED: &[(&str, &str)] = &[
    ("INSERT INTO odd (a) VALUES (1)", "CURRENT_USER"),
    ("INSERT INTO h (a) VALUES (1)", "count by one"),
    ("INSERT INTO g (id, a) VALUES (5, 1)", "GENERATED ALWAYS"),
    ("DELETE FROM child", "trigger audit"),
    ("DELETE FROM parent", "trigger audit"),
    ("INSERT INTO ruled VALUES (1)", "rule other"),
    ("INSERT INTO unlogged VALUES (1)", "that is logged"),
    ("DELETE FROM v", "not known"),
];

const POSTGRES_CALLS: &[&str] = &[
    "now()",
    "transaction_timestamp()",
    "statement_timestamp()",
    "clock_timestamp()",
    "CURRENT_TIMESTAMP",
    "CURRENT_TIMESTAMP(3)",
    "LOCALTIMESTAMP",
    "LOCALTIMESTAMP(0)",
    "CURRENT_DATE",
    "CURRENT_TIME",
    "CURRENT_TIME(2)",
    "LOCALTIME",
    "LOCALTIME(1)",
    "timeofday()",
    "random()",
    "gen_random_uuid()",
];

/// Two databases with the same rows, in another order and with another past.
async fn furnish_postgres(server: &Postgres) {
    let client = server.connect("postgres").await;
    for name in ["one", "two"] {
        client.batch_execute(&format!("CREATE DATABASE {name}")).await.expect("a database");
        let client = server.connect(name).await;
        client.batch_execute(POSTGRES).await.expect("tables");
        let numbers: Vec<u32> = if name == "one" { (1..=9).collect() } else { (1..=9).rev().collect() };
        for n in numbers {
            let rows = format!(
                "INSERT INTO t VALUES ({n}, {n}, 'b{}', 0.{n}, {n}.5, '2020-01-0{n}', 'sad');
                 INSERT INTO bare VALUES ({n}, 'b{}', 0.{n}); INSERT INTO keyed VALUES ('k', {n}, 'v', {n} * 10)",
                n % 3,
                n % 3
            );
            client.batch_execute(&rows).await.expect("rows");
        }
        if name == "two" {
            client.batch_execute("ALTER DATABASE two SET extra_float_digits = -5").await.expect("a setting");
            let elsewhere =
                "SELECT nextval('s_id_seq'), nextval('s_id_seq'), nextval('g_id_seq'); CREATE INDEX ON t (c)";
            client.batch_execute(elsewhere).await.expect("counters");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_postgres_is_told_leaves_equal_rows() {
    let server = Postgres::start().await;
    furnish_postgres(&server).await;
    let mut two = Two::new(Dialect::Postgres, &server.address().to_string(), |name| {
        let database = DatabaseSpec { database: name.to_owned(), user: Postgres::USER.to_owned(), password: None };
        Arc::new(PostgresBackend::new(&database, 2, CONNECT))
    });
    for sql in POSTGRES_WRITES {
        two.write(sql, &[]).await;
    }
    let text = |text: &str| Value::Text(text.to_owned());
    for (sql, params) in [
        (
            "INSERT INTO kinds (id, v, n, tz) VALUES ($1, $2, $3, (SELECT tz FROM kinds LIMIT 1))",
            vec![Value::Integer(300), text("abc"), Value::Decimal("1.50".to_owned())],
        ),
        ("INSERT INTO s (a, b) VALUES ($2, $1), ($2, CURRENT_DATE::text)", vec![text("x"), Value::Integer(4)]),
        (
            "UPDATE t SET a = $1, c = random(), b = $3 WHERE id > $2",
            vec![Value::Integer(7), Value::Integer(1), text("now")],
        ),
        (
            "INSERT INTO t (id, a, b) SELECT $1, a, $2 FROM bare WHERE a = $3 LIMIT 1",
            vec![Value::Integer(3000), text("y"), Value::Integer(3)],
        ),
    ] {
        two.write(sql, &params).await;
    }
    two.replay(&["t", "s", "g", "born", "keyed", "bare", "stamped", "kinds", "keys", "sink"]).await;
    for call in POSTGRES_CALLS {
        two.keeps_type(call).await;
    }
    for (sql, why) in POSTGRES_REFUSED {
        two.refuses(sql, why).await;
    }
    two.takes_rows_one_by_one("UPDATE partly SET active = NOT active", 2).await;
    two.takes_rows_one_by_one("UPDATE apart SET r = int4range(lower(r) + 5, upper(r) + 5)", 2).await;
    two.takes_rows_one_by_one("UPDATE computed SET a = a + 1", 2).await;
}

const MARIADB: &[&str] = &[
    "CREATE TABLE t (id INT PRIMARY KEY, a INT, b VARCHAR(40), c DOUBLE, d DECIMAL(10,2), at DATETIME(6), \
     touched TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6))",
    "CREATE TABLE s (id INT AUTO_INCREMENT PRIMARY KEY, a INT UNIQUE, b VARCHAR(40) DEFAULT 'x', f BIT(1) DEFAULT b'0')",
    "CREATE TABLE born (id VARCHAR(36) PRIMARY KEY DEFAULT UUID(), a INT, at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, \
     day DATE DEFAULT (CURDATE()), late DATETIME(3) DEFAULT (SYSDATE(3)), half INT AS (a / 2) STORED)",
    "CREATE TABLE keyed (k VARCHAR(20), n BIGINT UNSIGNED, v VARCHAR(40), PRIMARY KEY (k, n))",
    "CREATE TABLE bare (a INT, b VARCHAR(20), x FLOAT)",
    "CREATE TABLE odd (a INT, who VARCHAR(80) DEFAULT CURRENT_USER())",
    "CREATE TABLE sink (v TEXT)",
    "CREATE TABLE loose (a INT) ENGINE = MyISAM",
    "CREATE TABLE computed (id INT PRIMARY KEY, a INT, d INT AS (a * 2) STORED UNIQUE)",
    "INSERT INTO computed (id, a) VALUES (1, 2), (2, 1)",
    "CREATE TABLE watched (a INT)",
    "CREATE TRIGGER audit AFTER INSERT ON watched FOR EACH ROW DELETE FROM bare",
    "CREATE VIEW v AS SELECT * FROM t",
    "CREATE TABLE kinds (id INT PRIMARY KEY, b BIT(9), j JSON, y LONGBLOB, ti TIME(3), yr YEAR, e ENUM('a','b'), s SET('x','y'), \
     d DATE, u BIGINT UNSIGNED, n DECIMAL(40,4), f FLOAT, g DOUBLE, l VARCHAR(10) CHARACTER SET latin1, ts TIMESTAMP(2) NULL, \
     dt DATETIME(6), c CHAR(5))",
    "INSERT INTO kinds VALUES (1, b'101010101', '{\"a\": 1}', x'00ff', '-838:59:59.125', 2024, 'b', 'x,y', '2024-02-29', \
     18446744073709551615, -123456789012345678901234567890.1230, 0.1, 1e300, 'ü', '2024-02-29 13:14:15.12', \
     '2024-02-29 13:14:15.123456', 'ab')",
    "INSERT INTO kinds (id) VALUES (2)",
    "CREATE TABLE `keys` (dt DATETIME(3), n DECIMAL(20,5), y VARBINARY(9), f FLOAT, e ENUM('a','b'), c CHAR(5), v DOUBLE, \
     PRIMARY KEY (dt, n, y, f, e, c))",
    "INSERT INTO `keys` VALUES ('2024-02-29 13:14:15.123', 12345678901234.56789, x'00ff', 0.1, 'b', 'ab', 0), \
     ('2024-02-29 13:14:15.124', -0.5, '', 1e30, 'a', '', 0)",
];

const MARIADB_WRITES: &[&str] = &[
    "INSERT INTO s (a) VALUES (1), (2), (3)",
    "INSERT INTO s VALUES (NULL, 4, 'y', DEFAULT), (0, 5, 'z', NULL), (DEFAULT, 6, 'w', NULL), (50, 7, 'v', NULL)",
    "INSERT INTO s SET a = 8",
    "INSERT INTO s () VALUES ()",
    "INSERT IGNORE INTO s (a) VALUES (1), (9)",
    "INSERT INTO s (a) VALUES (1), (10) ON DUPLICATE KEY UPDATE b = CONCAT(VALUES(a), NOW())",
    "REPLACE INTO s (a, b) VALUES (2, 'replaced')",
    "INSERT INTO s (a) SELECT a + 20 FROM t ORDER BY c LIMIT 4",
    "INSERT INTO s (a) SELECT a FROM t ON DUPLICATE KEY UPDATE b = VALUES(b)",
    "UPDATE s SET a = a + 1000 WHERE a IS NOT NULL",
    "INSERT INTO born (a) VALUES (1), (2)",
    "INSERT INTO born (a) SELECT a FROM t WHERE at < NOW()",
    "UPDATE t SET a = a + 1 WHERE id < 3",
    "UPDATE t SET at = NOW(6), b = UTC_TIMESTAMP(), c = UNIX_TIMESTAMP() WHERE id = 3",
    "UPDATE t SET at = SYSDATE(6), b = CURRENT_DATE WHERE id = 4",
    "UPDATE t SET c = RAND(), b = UUID() WHERE id = 5",
    "UPDATE t SET c = RAND(), b = UUID(), d = a WHERE id > 6",
    "UPDATE t SET a = -1 LIMIT 3",
    "UPDATE t SET a = -2 ORDER BY b LIMIT 2",
    "UPDATE t SET b = (SELECT GROUP_CONCAT(b) FROM bare) WHERE id = 2",
    "UPDATE t SET d = (SELECT AVG(x) FROM bare)",
    "UPDATE keyed SET v = UUID()",
    "DELETE FROM keyed ORDER BY RAND() LIMIT 2",
    "DELETE FROM keyed WHERE n > 100 LIMIT 5",
    "DELETE FROM t ORDER BY c LIMIT 1",
    "INSERT INTO t (id, a, d, c) SELECT a + 100, a * 1.5, x, x FROM bare",
    "INSERT INTO kinds SELECT id + 10, b, j, y, ti, yr, e, s, d, u, n, f, g, l, ts, dt, c FROM kinds",
    "INSERT INTO kinds (id, u, n, s) VALUES (100, '5', (SELECT AVG(f) FROM kinds), (SELECT s FROM kinds WHERE id < 5 LIMIT 1))",
    "INSERT INTO kinds (id, u, n, yr) SELECT id + 200, n * 0 + 1.5, f, '1999' FROM kinds",
    "UPDATE kinds SET g = RAND(), n = f * 0 + 1.5, u = 2.5, b = b | 1, c = l, ts = dt WHERE id > 10",
    "UPDATE `keys` SET v = RAND()",
    "DELETE FROM `keys` ORDER BY v, e LIMIT 1",
    "INSERT INTO bare (a, b, x) SELECT a, UUID_SHORT() % 100, RAND() FROM bare WHERE b = 'b1'",
    "INSERT INTO sink VALUES (DAYNAME('2024-01-01')), (WEEK('2024-01-01')), (CAST(1 / 3 AS CHAR(30)))",
];

/// Two databases with the same rows, in another order and with another past.
async fn furnish_mariadb(client: &mut mysql_async::Conn) {
    for name in ["one", "two"] {
        client.query_drop(format!("CREATE DATABASE {name}")).await.expect("a database");
        client.query_drop(format!("USE {name}")).await.expect("a database");
        for sql in MARIADB {
            client.query_drop(*sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        }
        let numbers: Vec<u32> = if name == "one" { (1..=9).collect() } else { (1..=9).rev().collect() };
        for n in numbers {
            let when = "'2020-01-01 00:00:00'";
            let rows = format!("({n}, {n}, 'b{}', 0.{n}, {n}.5, {when}, {when})", n % 3);
            client.query_drop(format!("INSERT INTO t VALUES {rows}")).await.expect("rows");
            client.query_drop(format!("INSERT INTO bare VALUES ({n}, 'b{}', 0.{n})", n % 3)).await.expect("rows");
            client.query_drop(format!("INSERT INTO keyed VALUES ('k', {n}, 'v')")).await.expect("rows");
        }
        client.query_drop("INSERT INTO keyed VALUES ('large', 18446744073709551615, 'v')").await.expect("rows");
        if name == "two" {
            client.query_drop("ALTER TABLE s AUTO_INCREMENT = 1000").await.expect("a counter");
            client.query_drop("CREATE INDEX more ON t (c)").await.expect("an index");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_mariadb_is_told_leaves_equal_rows() {
    let server = MariaDb::start().await;
    let mut client = server.connect(None).await;
    furnish_mariadb(&mut client).await;
    let mut two = Two::new(Dialect::MySql, &server.address().to_string(), |name| {
        let database = DatabaseSpec { database: name.to_owned(), user: MariaDb::USER.to_owned(), password: None };
        Arc::new(MySql::new(&database, 2, CONNECT))
    });
    for sql in MARIADB_WRITES {
        two.write(sql, &[]).await;
    }
    let text = |text: &str| Value::Text(text.to_owned());
    for (sql, params) in [
        (
            "INSERT INTO kinds (id, l, n, dt) VALUES (?, ?, ?, (SELECT dt FROM kinds LIMIT 1))",
            vec![Value::Integer(400), text("abc"), text("1.5000")],
        ),
        (
            "INSERT INTO s (id, a, b) VALUES (?, ?, NOW()), (NULL, 5001, ?)",
            vec![Value::Null, Value::Integer(5000), text("x")],
        ),
        ("UPDATE t SET a = ?, c = RAND(), b = ? WHERE id > ?", vec![Value::Integer(7), text("now"), Value::Integer(1)]),
        (
            "INSERT INTO t (id, a, b) SELECT ?, a, ? FROM bare WHERE a = ? LIMIT 1",
            vec![Value::Integer(3000), text("y"), Value::Integer(3)],
        ),
    ] {
        two.write(sql, &params).await;
    }
    // The second is as its administrator likes it.
    let settings =
        "SET GLOBAL lc_time_names = 'de_DE', GLOBAL default_week_format = 3, GLOBAL div_precision_increment = 10";
    client.query_drop(settings).await.expect("settings");
    two.replay(&["t", "s", "born", "keyed", "bare", "kinds", "`keys`", "sink"]).await;
    let told = "SELECT COUNT(*) FROM t WHERE touched = '2023-11-14 22:13:20.123456'";
    assert_ne!(
        two.asked(1, told, &[]).await.1,
        [[Value::Integer(0)]],
        "defaults and ON UPDATE follow the entry's clock"
    );
    let told = "SELECT at = '2023-11-14 22:13:20.123456' FROM t WHERE id IN (3, 4)";
    assert_eq!(two.asked(1, told, &[]).await.1, [[Value::Integer(1)], [Value::Integer(1)]]);
    for call in ["SYSDATE()", "SYSDATE(3)", "SYSDATE(6)", "RAND()"] {
        two.keeps_type(call).await;
    }
    two.refuses("INSERT INTO odd (a) VALUES (1)", "current_user").await;
    two.refuses("INSERT INTO watched VALUES (1)", "audit").await;
    two.refuses("DELETE FROM v", "not known").await;
    two.refuses("UPDATE bare SET a = RAND()", "no primary key").await;
    two.refuses("INSERT INTO loose VALUES (1)", "InnoDB").await;
    two.refuses("DELETE QUICK FROM t ORDER BY a LIMIT 1", "not in a form").await;
    two.takes_rows_one_by_one("UPDATE computed SET a = a + 1", 2).await;
}
