//! PostgreSQL: each construct and what becomes of it.

use super::*;

fn tables() -> Tables {
    let made = |name: &str, columns: &[&str]| made(Dialect::Postgres, name, columns);
    let mut tables = Tables::new();
    tables.insert(
        "t".into(),
        made("t", &["id integer key", "a integer", "b text", "c real", "d numeric", "at timestamptz"]),
    );
    tables.insert("public.t".into(), made("t", &["id integer key", "a integer"]));
    tables.insert(
        "s".into(),
        made("s", &["id integer key serial = nextval('s_id_seq'::regclass)", "a integer", "b text"]),
    );
    tables.insert("g".into(), made("g", &["id bigint key always", "a integer"]));
    tables.insert(
        "born".into(),
        made(
            "born",
            &[
                "id uuid key = gen_random_uuid()",
                "a integer",
                "at timestamptz = now()",
                "day date = CURRENT_DATE",
                "local timestamp = (now() AT TIME ZONE 'utc'::text)",
                "state text = 'new'::text",
                "doc jsonb = '{}'::jsonb",
                "half integer generated = (a / 2)",
            ],
        ),
    );
    tables.insert(
        "odd".into(),
        made("odd", &["a integer", "who text = CURRENT_USER", "n integer = (nextval('x'::regclass) * 2)"]),
    );
    tables.insert("bare".into(), made("bare", &["a integer", "b text", "x real"]));
    tables.insert("keyed".into(), made("keyed", &["k text key", "n integer key", "v text", "u integer unique"]));
    let mut watched = made("watched", &["id integer key", "a integer"]);
    watched.triggers.push("trigger audit".into());
    tables.insert("watched".into(), watched);
    tables
}

fn each(cases: &[(&str, &str)]) {
    hold(Dialect::Postgres, &tables(), cases);
}

const AS_IT_IS: &[(&str, &str)] = &[
    ("INSERT INTO bare (a, b) VALUES (1, 'x')", "="),
    ("INSERT INTO bare VALUES (1)", "="),
    ("INSERT INTO bare DEFAULT VALUES", "="),
    ("INSERT INTO t (id, a) VALUES (1, 2) ON CONFLICT (id) DO UPDATE SET a = EXCLUDED.a + t.a RETURNING *", "="),
    ("UPDATE t SET a = a + 1, b = lower(b) WHERE d > 1.5", "="),
    ("UPDATE t SET a = (SELECT sum(a) FROM bare WHERE bare.b = t.b)", "="),
    ("UPDATE public.t SET a = 1", "="),
    ("UPDATE t SET (a, b) = (1, 'x')", "="),
    ("DELETE FROM t USING bare WHERE bare.a = t.a", "="),
    ("DELETE FROM t WHERE at < '2024-01-01'::timestamptz - interval '1 day'", "="),
    ("WITH x AS (SELECT a FROM bare) UPDATE t SET a = 1 WHERE a IN (SELECT a FROM x)", "="),
    ("INSERT INTO bare (b) VALUES ('now')", "="),
    (
        "INSERT INTO born (id, a, at, day, local, doc) VALUES ('x', 1, '2024-01-01', '2024-01-01', '2024-01-01', '{\"a\": \"now\"}')",
        "=",
    ),
    ("CREATE TABLE n (id int PRIMARY KEY, state text DEFAULT 'now', kind varchar(9) DEFAULT 'today')", "="),
    ("ALTER TABLE t ADD COLUMN ip inet DEFAULT NULL", "="),
    ("UPDATE bare SET b = 'today'", "="),
    ("UPDATE t SET at = date_trunc('day', at) + age(at, '2020-01-01'::timestamptz)", "="),
    ("CREATE TABLE n (id serial PRIMARY KEY, at timestamptz DEFAULT now())", "="),
    ("TRUNCATE t", "="),
    ("ALTER TABLE t ADD COLUMN z text DEFAULT 'x'", "="),
];

#[test]
fn what_does_the_same_everywhere_is_logged_as_it_is() {
    each(AS_IT_IS);
}

const CLOCKS: &[(&str, &str)] = &[
    ("UPDATE t SET at = now()", "UPDATE t SET at = '2023-11-14 22:13:20.123456+00'::timestamptz"),
    (
        "UPDATE t SET at = NOW ( ) - interval '1 day' WHERE at < transaction_timestamp()",
        "UPDATE t SET at = '2023-11-14 22:13:20.123456+00'::timestamptz - interval '1 day' WHERE at < '2023-11-14 22:13:20.123456+00'::timestamptz",
    ),
    (
        "UPDATE t SET at = clock_timestamp(), b = timeofday()",
        "UPDATE t SET at = '2023-11-14 22:13:20.123456+00'::timestamptz, b = 'Tue Nov 14 22:13:20.123456 2023 UTC'::text",
    ),
    ("UPDATE t SET at = statement_timestamp()", "UPDATE t SET at = '2023-11-14 22:13:20.123456+00'::timestamptz"),
    ("UPDATE t SET at = pg_catalog.now()", "UPDATE t SET at = '2023-11-14 22:13:20.123456+00'::timestamptz"),
    ("UPDATE t SET at = CURRENT_TIMESTAMP", "UPDATE t SET at = '2023-11-14 22:13:20.123456+00'::timestamptz"),
    ("UPDATE t SET at = CURRENT_TIMESTAMP(0)", "UPDATE t SET at = '2023-11-14 22:13:20.000000+00'::timestamptz(0)"),
    ("UPDATE t SET at = current_timestamp(3)", "UPDATE t SET at = '2023-11-14 22:13:20.123000+00'::timestamptz(3)"),
    (
        "UPDATE t SET at = LOCALTIMESTAMP, b = LOCALTIMESTAMP(2)::text",
        "UPDATE t SET at = '2023-11-14 22:13:20.123456'::timestamp, b = '2023-11-14 22:13:20.120000'::timestamp(2)::text",
    ),
    (
        "UPDATE t SET b = CURRENT_DATE::text || CURRENT_TIME::text || LOCALTIME(1)::text",
        "UPDATE t SET b = '2023-11-14'::date::text || '22:13:20.123456+00'::timetz::text || '22:13:20.100000'::time(1)::text",
    ),
    ("DELETE FROM t WHERE at::date < current_date - 30", "DELETE FROM t WHERE at::date < '2023-11-14'::date - 30"),
    (
        "UPDATE t SET a = extract(epoch from now())",
        "UPDATE t SET a = extract(epoch from '2023-11-14 22:13:20.123456+00'::timestamptz)",
    ),
    (
        "UPDATE t SET at = now() AT TIME ZONE 'utc'",
        "UPDATE t SET at = '2023-11-14 22:13:20.123456+00'::timestamptz AT TIME ZONE 'utc'",
    ),
    (
        "INSERT INTO t (id, at) VALUES (1, now()) ON CONFLICT (id) DO UPDATE SET at = now() RETURNING at, now()",
        "INSERT INTO t (id, at) VALUES (1, '2023-11-14 22:13:20.123456+00'::timestamptz) ON CONFLICT (id) DO UPDATE SET at = '2023-11-14 22:13:20.123456+00'::timestamptz RETURNING at, '2023-11-14 22:13:20.123456+00'::timestamptz",
    ),
    ("UPDATE t SET at = 'now'", "! 'now': it may be read as a moment, which differs by node: write now() or the time"),
    (
        "UPDATE t SET at = 'now'::timestamptz",
        "! 'now': it may be read as a moment, which differs by node: write now() or the time",
    ),
    (
        "UPDATE t SET at = timestamptz 'today 10:00'",
        "! 'today 10:00': it may be read as a moment, which differs by node: write now() or the time",
    ),
    ("UPDATE t SET at = b::timestamptz", "? SELECT \"t\".\"id\", (b::timestamptz\n) FROM t"),
    ("UPDATE t SET b = age(at)::text", "! age(): it reads the day at each call: write age(current_date, …)"),
    (
        "DELETE FROM t WHERE at < 'yesterday'",
        "! 'yesterday': it may be read as a moment, which differs by node: write now() or the time",
    ),
    (
        "UPDATE t SET at = CURRENT_TIMESTAMP(a)",
        "! CURRENT_TIMESTAMP: how many digits it has must be written as a number",
    ),
];

#[test]
fn clocks_are_frozen_with_their_types() {
    each(CLOCKS);
}

const RANDOM: &[(&str, &str)] = &[
    (
        "INSERT INTO bare (x, b) VALUES (random(), gen_random_uuid()::text)",
        "INSERT INTO bare (x, b) VALUES ('0.5665615751722809'::float8, 'beeb8da1-658e-4c67-b893-a2eefb32555e'::uuid::text)",
    ),
    (
        "INSERT INTO bare (b) VALUES (uuid_generate_v4()), (uuidv7())",
        "INSERT INTO bare (b) VALUES ('910a2dec-8902-4cc1-beeb-8da1658eec67'::uuid), ('018bcfe5-687b-755e-b1c1-8690ee42c90b'::uuid)",
    ),
    (
        "INSERT INTO bare (b) VALUES (encode(gen_random_bytes(4), 'hex'))",
        "INSERT INTO bare (b) VALUES (encode('\\xc1675e0b'::bytea, 'hex'))",
    ),
    ("INSERT INTO bare (a) VALUES (random(1, 6))", "? SELECT random(1, 6)"),
    ("INSERT INTO bare (x) VALUES (random_normal())", "? SELECT random_normal()"),
    ("UPDATE t SET c = random() WHERE id = 5", "UPDATE t SET c = '0.5665615751722809'::float8 WHERE id = 5"),
    ("UPDATE t SET c = random()", "? SELECT \"t\".\"id\", (random()\n) FROM t"),
    (
        "UPDATE t SET b = gen_random_uuid() WHERE a > 5",
        "? SELECT \"t\".\"id\", (gen_random_uuid()\n) FROM t WHERE a > 5",
    ),
    (
        "UPDATE bare SET x = random()",
        "! random(): it is another value for each row, and on each node, and \"bare\" has no primary key by which its rows could be named",
    ),
    ("DELETE FROM t WHERE random() < 0.5", "? SELECT \"t\".\"id\" FROM t WHERE random() < 0.5"),
    ("UPDATE t SET c = (SELECT random())", "? SELECT \"t\".\"id\", ((SELECT random())\n) FROM t"),
    ("UPDATE t TABLESAMPLE SYSTEM (10) SET a = 1", "! a write: its target is no table"),
    (
        "DELETE FROM t WHERE id IN (SELECT id FROM t TABLESAMPLE SYSTEM (10))",
        "? SELECT \"t\".\"id\" FROM t WHERE id IN (SELECT id FROM t TABLESAMPLE SYSTEM (10))",
    ),
];

#[test]
fn random_values_are_frozen_where_they_are_computed_once() {
    each(RANDOM);
}

const LEFT_OUT: &[(&str, &str)] = &[
    (
        "INSERT INTO s (a) VALUES (1), (2) RETURNING id",
        "INSERT INTO s (a, \"id\") VALUES (1, 101), (2, 102) RETURNING id",
    ),
    ("INSERT INTO s VALUES (DEFAULT, 1)", "INSERT INTO s VALUES (101, 1)"),
    ("INSERT INTO s DEFAULT VALUES", "INSERT INTO s (\"id\") VALUES (101)"),
    ("INSERT INTO s (id, a) VALUES (DEFAULT, 1), (7, 2)", "INSERT INTO s (id, a) VALUES (101, 1), (7, 2)"),
    ("INSERT INTO s (id, a) VALUES (NULL, 1)", "="),
    (
        "INSERT INTO s (id, a) VALUES (nextval('s_id_seq'), 1)",
        "! nextval(): it changes something besides rows, which the log does not hold",
    ),
    ("INSERT INTO g (a) VALUES (1)", "INSERT INTO g (a, \"id\") OVERRIDING SYSTEM VALUE VALUES (1, 101)"),
    ("INSERT INTO g (id, a) VALUES (DEFAULT, 1)", "INSERT INTO g (id, a) OVERRIDING SYSTEM VALUE VALUES (101, 1)"),
    ("INSERT INTO g DEFAULT VALUES", "INSERT INTO g (\"id\") OVERRIDING SYSTEM VALUE VALUES (101)"),
    ("INSERT INTO g (id, a) VALUES (5, 1)", "! column \"id\": it is GENERATED ALWAYS, and takes no value"),
    (
        "INSERT INTO born (a) VALUES (1), (2)",
        "INSERT INTO born (a, \"id\", \"at\", \"day\", \"local\") VALUES (1, '910a2dec-8902-4cc1-beeb-8da1658eec67'::uuid, '2023-11-14 22:13:20.123456+00'::timestamptz, '2023-11-14'::date, ('2023-11-14 22:13:20.123456+00'::timestamptz AT TIME ZONE 'utc'::text)), (2, 'f893a2ee-fb32-455e-b1c1-8690ee42c90b'::uuid, '2023-11-14 22:13:20.123456+00'::timestamptz, '2023-11-14'::date, ('2023-11-14 22:13:20.123456+00'::timestamptz AT TIME ZONE 'utc'::text))",
    ),
    (
        "INSERT INTO born (id, a, at, day, local) VALUES (DEFAULT, 1, DEFAULT, CURRENT_DATE, DEFAULT)",
        "INSERT INTO born (id, a, at, day, local) VALUES ('910a2dec-8902-4cc1-beeb-8da1658eec67'::uuid, 1, '2023-11-14 22:13:20.123456+00'::timestamptz, '2023-11-14'::date, ('2023-11-14 22:13:20.123456+00'::timestamptz AT TIME ZONE 'utc'::text))",
    ),
    (
        "INSERT INTO born VALUES ('00000000-0000-0000-0000-000000000000', 1)",
        "INSERT INTO born (\"id\", \"a\", \"at\", \"day\", \"local\") VALUES ('00000000-0000-0000-0000-000000000000', 1, '2023-11-14 22:13:20.123456+00'::timestamptz, '2023-11-14'::date, ('2023-11-14 22:13:20.123456+00'::timestamptz AT TIME ZONE 'utc'::text))",
    ),
    (
        "INSERT INTO odd (a) VALUES (1)",
        "! the default of \"odd\".\"who\": CURRENT_USER(): its answer belongs to a session or a server, and would differ by node",
    ),
    (
        "INSERT INTO odd (a, who) VALUES (1, 'x')",
        "! the default of \"odd\".\"n\": nextval(): it changes something besides rows, which the log does not hold",
    ),
    ("INSERT INTO odd (a, who, n) VALUES (1, 'x', 5)", "="),
    (
        "UPDATE born SET at = DEFAULT, state = DEFAULT",
        "UPDATE born SET at = '2023-11-14 22:13:20.123456+00'::timestamptz, state = DEFAULT",
    ),
    (
        "UPDATE born SET id = DEFAULT WHERE a > 1",
        "! the default of \"born\".\"id\": gen_random_uuid(): it is another value for each row, and on each node",
    ),
    ("UPDATE s SET id = DEFAULT", "! id = DEFAULT: it would number a row that has a number"),
    ("UPDATE s SET id = 5 WHERE id = 4", "="),
    ("INSERT INTO g (a) SELECT a FROM t", "? SELECT a FROM t"),
];

#[test]
fn what_a_row_leaves_out_is_written_down() {
    each(LEFT_OUT);
}

const ORDER: &[(&str, &str)] = &[
    (
        "INSERT INTO bare (a) SELECT a FROM t WHERE at > now()",
        "? SELECT a FROM t WHERE at > '2023-11-14 22:13:20.123456+00'::timestamptz",
    ),
    (
        "INSERT INTO s (a) SELECT a FROM t ORDER BY b ON CONFLICT DO NOTHING RETURNING id",
        "? SELECT a FROM t ORDER BY b",
    ),
    ("INSERT INTO bare (a) SELECT generate_series(1, 3)", "? SELECT generate_series(1, 3)"),
    ("INSERT INTO bare (a) SELECT n FROM generate_series(1, 3) AS n", "? SELECT n FROM generate_series(1, 3) AS n"),
    ("UPDATE t SET c = (SELECT sum(x) FROM bare)", "? SELECT \"t\".\"id\", ((SELECT sum(x) FROM bare)\n) FROM t"),
    ("UPDATE t SET c = (SELECT avg(c) FROM t)", "? SELECT \"t\".\"id\", ((SELECT avg(c) FROM t)\n) FROM t"),
    (
        "UPDATE t SET b = (SELECT string_agg(b, ',') FROM bare)",
        "? SELECT \"t\".\"id\", ((SELECT string_agg(b, ',') FROM bare)\n) FROM t",
    ),
    ("UPDATE t SET b = (SELECT b FROM bare LIMIT 1)", "? SELECT \"t\".\"id\", ((SELECT b FROM bare LIMIT 1)\n) FROM t"),
    ("UPDATE t SET b = (SELECT v FROM keyed ORDER BY k, n LIMIT 1)", "="),
    (
        "UPDATE t SET b = (SELECT v FROM keyed ORDER BY k LIMIT 1)",
        "? SELECT \"t\".\"id\", ((SELECT v FROM keyed ORDER BY k LIMIT 1)\n) FROM t",
    ),
    (
        "UPDATE t SET a = bare.a FROM bare WHERE bare.b = t.b",
        "? SELECT \"t\".\"id\", (bare.a\n) FROM t, bare WHERE bare.b = t.b",
    ),
    (
        "UPDATE t SET (a, b) = (SELECT a, b FROM bare LIMIT 1)",
        "! SET (…) = (…): without ORDER BY of a whole primary key its rows may differ by node; assign each column by itself",
    ),
    (
        "DELETE FROM keyed WHERE v IN (SELECT b FROM (SELECT a AS id, b FROM t ORDER BY id LIMIT 1) x)",
        "? SELECT \"keyed\".\"k\", \"keyed\".\"n\" FROM keyed WHERE v IN (SELECT b FROM (SELECT a AS id, b FROM t ORDER BY id LIMIT 1) x)",
    ),
    (
        "UPDATE keyed SET v = (SELECT (b)::id FROM t ORDER BY (id) LIMIT 1)",
        "? SELECT \"keyed\".\"k\", \"keyed\".\"n\", ((SELECT (b)::id FROM t ORDER BY (id) LIMIT 1)\n) FROM keyed",
    ),
    (
        "UPDATE keyed SET v = (SELECT keyed.id FROM t ORDER BY id LIMIT 1)",
        "? SELECT \"keyed\".\"k\", \"keyed\".\"n\", ((SELECT keyed.id FROM t ORDER BY id LIMIT 1)\n) FROM keyed",
    ),
    ("UPDATE keyed SET v = (SELECT b AS c FROM t ORDER BY id LIMIT 1)", "="),
    ("UPDATE keyed SET v = (SELECT id AS id FROM t ORDER BY t.id LIMIT 1)", "="),
    ("UPDATE keyed SET v = (SELECT b AS id FROM t ORDER BY t.id LIMIT 1)", "="),
    ("UPDATE keyed SET u = u + 1", "? SELECT \"keyed\".\"k\", \"keyed\".\"n\" FROM keyed"),
    (
        "UPDATE keyed SET u = (SELECT max(u) FROM keyed) + n",
        "? SELECT \"keyed\".\"k\", \"keyed\".\"n\", ((SELECT max(u) FROM keyed) + n\n) FROM keyed",
    ),
    (
        "WITH x AS (SELECT max(u) AS m FROM keyed) UPDATE keyed SET u = (SELECT m FROM x) + n",
        "? WITH x AS (SELECT max(u) AS m FROM keyed) SELECT \"keyed\".\"k\", \"keyed\".\"n\", ((SELECT m FROM x) + n\n) FROM keyed",
    ),
    (
        "UPDATE t SET a = (SELECT sum(a) FROM t) WHERE id IN (SELECT id FROM t LIMIT 600)",
        "? SELECT \"t\".\"id\", ((SELECT sum(a) FROM t)\n) FROM t WHERE id IN (SELECT id FROM t LIMIT 600)",
    ),
    ("UPDATE keyed SET (u, v) = (SELECT max(u), 'x' FROM keyed)", "! SET (…) = (…): …"),
    ("UPDATE t SET a = (SELECT sum(a) FROM t)", "="),
    (
        "DELETE FROM t WHERE id IN (SELECT id FROM t ORDER BY a LIMIT 10)",
        "? SELECT \"t\".\"id\" FROM t WHERE id IN (SELECT id FROM t ORDER BY a LIMIT 10)",
    ),
    (
        "DELETE FROM bare WHERE a IN (SELECT a FROM t LIMIT 10)",
        "! LIMIT: without ORDER BY of a whole primary key its rows may differ by node, and \"bare\" has no primary key by which its rows could be named",
    ),
    (
        "DELETE FROM t WHERE id = ANY (ARRAY(SELECT id FROM t LIMIT 10))",
        "! ARRAY(): not a function that is known to answer the same on every node",
    ),
    (
        "DELETE FROM keyed WHERE v IN (SELECT DISTINCT ON (a) b FROM bare)",
        "? SELECT \"keyed\".\"k\", \"keyed\".\"n\" FROM keyed WHERE v IN (SELECT DISTINCT ON (a) b FROM bare)",
    ),
    (
        "DELETE FROM t WHERE id IN (SELECT id FROM t FETCH FIRST 5 ROWS ONLY)",
        "? SELECT \"t\".\"id\" FROM t WHERE id IN (SELECT id FROM t FETCH FIRST 5 ROWS ONLY)",
    ),
];

#[test]
fn what_depends_on_the_order_of_rows_is_done_by_rows_or_refused() {
    each(ORDER);
}

const SESSION: &[(&str, &str)] = &[
    ("UPDATE t SET b = to_tsvector('english', b)::text", "="),
    (
        "UPDATE t SET b = to_tsvector(b)::text",
        "! to_tsvector(): it goes by a setting of the server: name the configuration, as in to_tsvector('english', …)",
    ),
    (
        "UPDATE t SET b = current_user",
        "! current_user(): its answer belongs to a session or a server, and would differ by node",
    ),
    (
        "UPDATE t SET b = session_user",
        "! session_user(): its answer belongs to a session or a server, and would differ by node",
    ),
    ("UPDATE t SET b = user", "! user(): its answer belongs to a session or a server, and would differ by node"),
    (
        "UPDATE t SET b = current_role",
        "! current_role: each node has its own: numbers of rows, of transactions, of sessions",
    ),
    (
        "UPDATE t SET b = current_catalog",
        "! current_catalog(): its answer belongs to a session or a server, and would differ by node",
    ),
    (
        "UPDATE t SET b = current_schema",
        "! current_schema: each node has its own: numbers of rows, of transactions, of sessions",
    ),
    (
        "UPDATE t SET b = current_database()",
        "! current_database(): its answer belongs to a session or a server, and would differ by node",
    ),
    (
        "UPDATE t SET b = version()",
        "! version(): its answer belongs to a session or a server, and would differ by node",
    ),
    (
        "UPDATE t SET b = current_setting('x')",
        "! current_setting(): its answer belongs to a session or a server, and would differ by node",
    ),
    (
        "UPDATE t SET b = set_config('x', 'y', false)",
        "! set_config(): it changes something besides rows, which the log does not hold",
    ),
    (
        "UPDATE t SET a = pg_backend_pid()",
        "! pg_backend_pid(): its answer belongs to a session or a server, and would differ by node",
    ),
    (
        "UPDATE t SET a = txid_current()",
        "! txid_current(): it changes something besides rows, which the log does not hold",
    ),
    (
        "UPDATE t SET a = pg_current_xact_id()",
        "! pg_current_xact_id(): it changes something besides rows, which the log does not hold",
    ),
    (
        "UPDATE t SET a = currval('s_id_seq')",
        "! currval(): its answer belongs to a session or a server, and would differ by node",
    ),
    (
        "UPDATE t SET a = lastval()",
        "! lastval(): its answer belongs to a session or a server, and would differ by node",
    ),
    ("UPDATE t SET a = nextval('x')", "! nextval(): it changes something besides rows, which the log does not hold"),
    ("UPDATE t SET a = setval('x', 1)", "! setval(): it changes something besides rows, which the log does not hold"),
    (
        "UPDATE t SET b = inet_server_addr()",
        "! inet_server_addr(): its answer belongs to a session or a server, and would differ by node",
    ),
    (
        "UPDATE t SET a = pg_advisory_lock(1)",
        "! pg_advisory_lock(): it changes something besides rows, which the log does not hold",
    ),
    ("UPDATE t SET a = lo_create(0)", "! lo_create(): it changes something besides rows, which the log does not hold"),
    ("UPDATE t SET b = my.lower(b)", "! my.lower(): not a function that is known to answer the same on every node"),
    (
        "UPDATE t SET b = my_function(b)",
        "! my_function(): not a function that is known to answer the same on every node",
    ),
    (
        "DELETE FROM t WHERE ctid = '(0,1)'",
        "! ctid: each node has its own: numbers of rows, of transactions, of sessions",
    ),
    (
        "UPDATE t SET a = xmin::text::int",
        "! xmin: each node has its own: numbers of rows, of transactions, of sessions",
    ),
    ("UPDATE t SET b = tableoid", "! tableoid: each node has its own: numbers of rows, of transactions, of sessions"),
    ("UPDATE t SET a = 't'::regclass::int", "! a cast to regclass: numbers of objects differ by node"),
    ("UPDATE t SET a = a OPERATOR(my.+) 1", "! OPERATOR(…): not an operator that is known"),
    (
        "INSERT INTO watched (id) VALUES (1)",
        "! table watched: a write to it runs trigger audit, whose body is not seen",
    ),
    ("UPDATE watched SET a = 1", "! table watched: a write to it runs trigger audit, whose body is not seen"),
    (
        "DELETE FROM t USING watched WHERE t.id = watched.id",
        "! table watched: a write to it runs trigger audit, whose body is not seen",
    ),
    ("INSERT INTO other.t VALUES (1)", "! table other.t: it is not known, or no plain table that is logged"),
    (
        "WITH x AS (DELETE FROM t RETURNING a) INSERT INTO bare (a) SELECT a FROM x",
        "! a write within a query: write it as a statement of its own",
    ),
    (
        "DELETE FROM t WHERE id IN (SELECT id FROM t FOR UPDATE)",
        "! FOR UPDATE or FOR SHARE: rows are locked on one node only",
    ),
    ("CREATE TABLE n AS SELECT * FROM t", "! CREATE TABLE … AS: make the table, then fill it with INSERT"),
    ("CREATE UNLOGGED TABLE n (a int)", "! CREATE UNLOGGED TABLE: it is empty after a crash of its node"),
    (
        "CREATE TEMP TABLE n (a int)",
        "! CREATE TEMPORARY TABLE: it belongs to a session, and statements have none that lasts",
    ),
    ("CREATE INDEX CONCURRENTLY i ON t (a)", "! CONCURRENTLY: each change of tables is a transaction of its own"),
    (
        "ALTER TABLE t ADD COLUMN n serial",
        "! a column that numbers the rows that are there: in another order on each node: make a new table",
    ),
    (
        "ALTER TABLE t ADD COLUMN n uuid DEFAULT gen_random_uuid()",
        "! ADD COLUMN … DEFAULT gen_random_uuid(): the rows that are there would get another one on each node: add the column, then UPDATE",
    ),
    (
        "ALTER TABLE t ADD COLUMN n timestamptz DEFAULT now()",
        "! ADD COLUMN … DEFAULT a clock in the making of a table: the rows that are there would get another one on each node: add the column, then UPDATE",
    ),
    (
        "ALTER TABLE t ADD COLUMN n int GENERATED ALWAYS AS IDENTITY",
        "! a column that numbers the rows that are there: in another order on each node: make a new table",
    ),
    (
        "ALTER TABLE t ALTER COLUMN a TYPE text USING random()::text",
        "! random(): it is another value for each row, and on each node",
    ),
    ("TRUNCATE watched", "! table watched: a write to it runs trigger audit, whose body is not seen"),
    ("SET search_path = x", "! SET: it is about a session, and statements have none that lasts"),
    ("COPY t FROM STDIN", "! COPY: rows are written with INSERT"),
];

#[test]
fn what_belongs_to_a_session_or_is_not_known_is_refused() {
    each(SESSION);
}

/// What the server could read as a moment, or have as a default by another name.
#[test]
fn moments_are_seen_within_values_and_behind_names_of_types() {
    for text in
        ["[now,infinity)", "{now,infinity}", "on today", "today EST", "tomorrow America/New_York", "monday today"]
    {
        for sql in ["INSERT INTO t (id, at) VALUES (1, $1)", "UPDATE t SET at = $1", "DELETE FROM t WHERE at < $1"] {
            let bound = told(Dialect::Postgres, &tables(), sql, &[Value::Text(text.into())]);
            let written = told(Dialect::Postgres, &tables(), &sql.replace("$1", &format!("'{text}'")), &[]);
            let wanted = format!("! '{text}': it may be read as a moment");
            assert!(bound.starts_with(&wanted) && written.starts_with(&wanted), "{sql}: {bound}, {written}");
        }
    }
    for sql in [
        "CREATE TABLE n (id int PRIMARY KEY, at timestamptz DEFAULT 'now')",
        "CREATE TABLE n (id int PRIMARY KEY, at timestamptz DEFAULT 'now'::timestamptz)",
        "CREATE TABLE n (id int PRIMARY KEY, at date DEFAULT date 'today')",
        "ALTER TABLE t ADD COLUMN n timestamptz DEFAULT 'now'",
        "ALTER TABLE t ALTER COLUMN at SET DEFAULT 'today'",
        "ALTER TABLE t ADD COLUMN n stamp",
        "ALTER TABLE t ADD COLUMN n public.stamp NOT NULL",
        "INSERT INTO bare (a) VALUES (1) RETURNING 1 / (random() * 1)::int",
        "INSERT INTO bare (a) VALUES (1) RETURNING (SELECT a FROM unknown)",
        "UPDATE t SET a = 1 RETURNING (SELECT b FROM bare LIMIT 1)",
        "INSERT INTO \"public.t\" (id) VALUES (1)",
        "UPDATE \"public.t\" SET a = 1",
        "UPDATE \u{c4} SET a = 1",
    ] {
        let found = told(Dialect::Postgres, &tables(), sql, &[]);
        assert!(found.starts_with('!'), "{sql}: {found}");
    }
    each(&[
        ("UPDATE t SET b = (('[no' || 'w,)')::tstzrange)::text", "? SELECT…"),
        ("UPDATE t SET b = (b::stamp)::text", "? SELECT…"),
        ("UPDATE t SET b = (b::stamp[])::text", "? SELECT…"),
    ]);
}
