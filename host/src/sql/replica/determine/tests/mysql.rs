//! MySQL and MariaDB: each construct and what becomes of it.

use super::*;

fn tables() -> Tables {
    let made = |name: &str, columns: &[&str]| made(Dialect::MySql, name, columns);
    let mut tables = Tables::new();
    tables.insert(
        "t".into(),
        made("t", &["id int key", "a int", "b varchar(20)", "c double", "d decimal(10,2)", "at datetime"]),
    );
    tables.insert("s".into(), made("s", &["id int key increment", "a int unique", "b varchar(20) = 'x'"]));
    tables.insert(
        "born".into(),
        made(
            "born",
            &["id varchar(36) key = uuid()", "a int", "at timestamp = current_timestamp()", "day date = (curdate())"],
        ),
    );
    tables.insert("odd".into(), made("odd", &["a int", "at datetime = sysdate()", "who varchar(80) = current_user()"]));
    tables.insert("bits".into(), made("bits", &["a int", "b bit(1) = b'0'", "c varchar(9) = NULL"]));
    tables.insert("bare".into(), made("bare", &["a int", "b varchar(20)"]));
    tables.insert("hiding".into(), {
        let mut table = made("hiding", &["a int", "id int key increment", "b int"]);
        table.traits.hides_columns = true;
        table
    });
    tables.insert("tree".into(), {
        let mut table = made("tree", &["id int key", "p int"]);
        table.traits.refers_to_itself = true;
        table
    });
    tables.insert("watched".into(), {
        let mut table = made("watched", &["id int key", "a int"]);
        table.triggers.push("trigger audit".into());
        table
    });
    tables.insert("twice".into(), made("twice", &["id int key", "a int unique", "b int"]));
    tables.insert("bytewise".into(), {
        let mut table = made("bytewise", &["a int", "b varchar(20)"]);
        table.columns.iter_mut().for_each(|column| column.shape.collation = "utf8mb4_bin".into());
        table
    });
    tables
}

fn each(cases: &[(&str, &str)]) {
    hold(Dialect::MySql, &tables(), cases);
}

const AS_IT_IS: &[(&str, &str)] = &[
    ("INSERT INTO bare (a, b) VALUES (1, 'x')", "="),
    ("INSERT INTO bare () VALUES ()", "="),
    ("INSERT INTO bare SET a = 1", "="),
    ("INSERT IGNORE INTO s (id, a) VALUES (1, 1)", "="),
    ("REPLACE INTO s (id, a) VALUES (1, 1)", "="),
    ("INSERT INTO t (id, a) VALUES (1, 1) ON DUPLICATE KEY UPDATE a = VALUES(a) + a", "="),
    ("INSERT INTO bits (a) VALUES (1)", "="),
    ("UPDATE t SET a = a + 1 WHERE b LIKE 'x%'", "="),
    ("UPDATE t SET a = 1 ORDER BY id LIMIT 5", "="),
    ("UPDATE t SET a = 1 ORDER BY b", "="),
    ("UPDATE t SET a = (SELECT SUM(a) FROM bare)", "="),
    ("UPDATE t SET b = (SELECT MAX(b) FROM bytewise)", "="),
    ("DELETE FROM t ORDER BY id DESC LIMIT 5", "="),
    ("DELETE t FROM t JOIN bare ON bare.a = t.a", "="),
    ("DELETE FROM t USING t JOIN bare ON bare.a = t.a WHERE bare.b = 'x'", "="),
    (
        "CREATE TABLE n (id INT AUTO_INCREMENT PRIMARY KEY, at TIMESTAMP DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP)",
        "=",
    ),
    ("ALTER TABLE t ADD COLUMN z TIMESTAMP DEFAULT CURRENT_TIMESTAMP", "="),
];

#[test]
fn what_does_the_same_everywhere_is_logged_as_it_is() {
    each(AS_IT_IS);
}

const CLOCKS: &[(&str, &str)] = &[
    ("UPDATE t SET at = NOW()", "="),
    ("UPDATE t SET at = NOW(6), b = CURRENT_TIMESTAMP", "="),
    ("UPDATE t SET b = CURDATE(), at = LOCALTIMESTAMP()", "="),
    ("UPDATE t SET b = CURRENT_DATE, at = CURRENT_TIMESTAMP(3)", "="),
    ("UPDATE t SET b = UTC_TIMESTAMP(), at = UTC_TIMESTAMP", "="),
    ("UPDATE t SET a = UNIX_TIMESTAMP(), b = FROM_UNIXTIME(5)", "="),
    ("DELETE FROM t WHERE at < NOW() - INTERVAL 1 DAY", "="),
    ("UPDATE t SET at = SYSDATE()", "UPDATE t SET at = TIMESTAMP'2023-11-14 22:13:20'"),
    ("UPDATE t SET at = SYSDATE(3)", "UPDATE t SET at = TIMESTAMP'2023-11-14 22:13:20.123'"),
    ("INSERT INTO born (id, a) VALUES ('x', 1)", "="),
    (
        "INSERT INTO born (a) VALUES (1), (2)",
        "INSERT INTO born (a, `id`) VALUES (1, '910a2dec-8902-4cc1-beeb-8da1658eec67'), (2, 'f893a2ee-fb32-455e-b1c1-8690ee42c90b')",
    ),
    (
        "INSERT INTO odd (a, who) VALUES (1, 'x')",
        "INSERT INTO odd (a, who, `at`) VALUES (1, 'x', TIMESTAMP'2023-11-14 22:13:20')",
    ),
    (
        "INSERT INTO odd (a) VALUES (1)",
        "! the default of `odd`.`who`: current_user(): its answer belongs to a session or a server, and would differ by node",
    ),
];

#[test]
fn clocks_follow_the_session_and_the_one_that_does_not_is_frozen() {
    each(CLOCKS);
}

const RANDOM: &[(&str, &str)] = &[
    (
        "INSERT INTO bare (a, b) VALUES (RAND() * 100, UUID())",
        "INSERT INTO bare (a, b) VALUES (5.665615751722809e-1 * 100, 'beeb8da1-658e-4c67-b893-a2eefb32555e')",
    ),
    ("INSERT INTO bare (a) VALUES (UUID_SHORT())", "INSERT INTO bare (a) VALUES (5225608189600411232)"),
    ("INSERT INTO bare (b) VALUES (HEX(RANDOM_BYTES(4)))", "INSERT INTO bare (b) VALUES (HEX(x'c1675e0b'))"),
    ("INSERT INTO bare (b) VALUES (SYS_GUID())", "INSERT INTO bare (b) VALUES ('910A2DEC89024CC1BEEB8DA1658EEC67')"),
    ("INSERT INTO bare (a) VALUES (RAND(5))", "? SELECT RAND(5)"),
    ("UPDATE t SET c = RAND() WHERE id = 5", "UPDATE t SET c = 5.665615751722809e-1 WHERE id = 5"),
    ("UPDATE t SET c = RAND()", "? SELECT `t`.`id`, (RAND()\n) FROM t"),
    (
        "UPDATE t SET c = RAND(), a = c + 1",
        "! UPDATE: the server would take the new value of a column that is assigned before it",
    ),
    (
        "UPDATE t SET c = RAND(), a = a + 1 ORDER BY b LIMIT 3",
        "? SELECT `t`.`id`, (RAND()\n), (a + 1\n) FROM t ORDER BY b LIMIT 3",
    ),
    (
        "UPDATE bare SET a = RAND()",
        "! RAND(): it is another value for each row, and on each node, and `bare` has no primary key by which its rows could be named",
    ),
    ("DELETE FROM t WHERE RAND() < 0.5", "? SELECT `t`.`id` FROM t WHERE RAND() < 0.5"),
    ("DELETE FROM t ORDER BY RAND() LIMIT 3", "? SELECT `t`.`id` FROM t ORDER BY RAND() LIMIT 3"),
];

#[test]
fn random_values_are_frozen_where_they_are_computed_once() {
    each(RANDOM);
}

const NUMBERS: &[(&str, &str)] = &[
    ("INSERT INTO s (a) VALUES (1), (2)", "INSERT INTO s (a, `id`) VALUES (1, 101), (2, 102)"),
    (
        "INSERT INTO s VALUES (NULL, 1, 'x'), (0, 2, 'y'), (DEFAULT, 3, 'z'), (50, 4, 'w')",
        "INSERT INTO s VALUES (101, 1, 'x'), (102, 2, 'y'), (103, 3, 'z'), (50, 4, 'w')",
    ),
    (
        "INSERT INTO hiding VALUES (1, 2)",
        "! table `hiding`: a column of it is invisible: list the columns that are given",
    ),
    (
        "INSERT INTO hiding SELECT a, a FROM t",
        "! table `hiding`: a column of it is invisible: list the columns that are given",
    ),
    ("INSERT INTO hiding (a, b) VALUES (1, 2)", "INSERT INTO hiding (a, b, `id`) VALUES (1, 2, 101)"),
    ("INSERT INTO hiding () VALUES ()", "INSERT INTO hiding (`id`) VALUES (101)"),
    ("INSERT INTO s () VALUES ()", "INSERT INTO s (`id`) VALUES (101)"),
    ("INSERT INTO s VALUES ()", "INSERT INTO s (`id`) VALUES (101)"),
    ("INSERT INTO s SET a = 1", "INSERT INTO s SET `id` = 101, a = 1"),
    ("REPLACE INTO s (a) VALUES (1)", "REPLACE INTO s (a, `id`) VALUES (1, 101)"),
    ("INSERT IGNORE INTO s (a) VALUES (1)", "INSERT IGNORE INTO s (a, `id`) VALUES (1, 101)"),
    (
        "INSERT INTO s (a) VALUES (1) ON DUPLICATE KEY UPDATE b = VALUES(b)",
        "INSERT INTO s (a, `id`) VALUES (1, 101) ON DUPLICATE KEY UPDATE b = VALUES(b)",
    ),
    (
        "INSERT INTO s (a) VALUES (1) ON DUPLICATE KEY UPDATE id = id",
        "INSERT INTO s (a, `id`) VALUES (1, 101) ON DUPLICATE KEY UPDATE id = id",
    ),
    (
        "INSERT INTO s (a) VALUES (1) ON DUPLICATE KEY UPDATE id = LAST_INSERT_ID(id)",
        "! id in a rule for conflicts: it numbers rows, or is not known",
    ),
    ("INSERT INTO s (id, a) VALUES ('0', 1)", "INSERT INTO s (id, a) VALUES (101, 1)"),
    (
        "INSERT INTO s (id, a) VALUES (0.4, 1)",
        "! column `id`: it numbers rows: give a number, as a literal or a parameter, or leave it out",
    ),
    (
        "INSERT INTO s (id, a) VALUES (1 - 1, 1)",
        "! column `id`: it numbers rows: give a number, as a literal or a parameter, or leave it out",
    ),
    ("INSERT INTO s (a) SELECT a FROM t", "? SELECT a FROM t"),
    ("INSERT INTO s (a) SELECT a FROM t ON DUPLICATE KEY UPDATE a = VALUES(a)", "? SELECT a FROM t"),
    (
        "INSERT INTO s (id, a) SELECT id, a FROM t ON DUPLICATE KEY UPDATE a = VALUES(a)",
        "! ON DUPLICATE KEY UPDATE: `s` has several unique keys, and which row it updates differs by node",
    ),
    (
        "INSERT INTO s (id, a) VALUES (1, 1) ON DUPLICATE KEY UPDATE b = VALUES(b)",
        "! ON DUPLICATE KEY UPDATE: `s` has several unique keys, and which row it updates differs by node",
    ),
    (
        "INSERT INTO s (id, a) VALUES (NULL, 1), (5, 2) ON DUPLICATE KEY UPDATE b = VALUES(b)",
        "! ON DUPLICATE KEY UPDATE: `s` has several unique keys, and which row it updates differs by node",
    ),
    (
        "INSERT INTO twice (id, a, b) VALUES (1, 1, 1) ON DUPLICATE KEY UPDATE b = 2",
        "! ON DUPLICATE KEY UPDATE: `twice` has several unique keys, and which row it updates differs by node",
    ),
    ("REPLACE INTO twice (id, a, b) VALUES (1, 1, 1)", "="),
    (
        "INSERT INTO s (a) SELECT a FROM t ON DUPLICATE KEY UPDATE a = t.a",
        "! ON DUPLICATE KEY UPDATE with a column: behind a query a name in it may be a column of the query, too; write VALUES(column), or plain values",
    ),
    ("UPDATE s SET id = 9 WHERE id = 8", "="),
    ("UPDATE s SET id = id + 1", "! column id: it numbers rows: give a number, as a literal or a parameter"),
];

#[test]
fn numbers_of_rows_are_given_by_the_host() {
    each(NUMBERS);
}

const ORDER: &[(&str, &str)] = &[
    ("UPDATE t SET a = 1 LIMIT 5", "? SELECT `t`.`id` FROM t  LIMIT 5"),
    (
        "UPDATE t SET a = 1 WHERE b = 'x' ORDER BY b LIMIT 5",
        "? SELECT `t`.`id` FROM t WHERE b = 'x' ORDER BY b LIMIT 5",
    ),
    ("DELETE FROM t LIMIT 5", "? SELECT `t`.`id` FROM t  LIMIT 5"),
    (
        "DELETE FROM bare LIMIT 5",
        "! LIMIT: without ORDER BY of the whole primary key its rows may differ by node, and `bare` has no primary key by which its rows could be named",
    ),
    (
        "UPDATE t SET b = (SELECT GROUP_CONCAT(b) FROM bare)",
        "? SELECT `t`.`id`, ((SELECT GROUP_CONCAT(b) FROM bare)\n) FROM t",
    ),
    ("UPDATE t SET b = (SELECT MAX(b) FROM bare)", "? SELECT `t`.`id`, ((SELECT MAX(b) FROM bare)\n) FROM t"),
    ("UPDATE t SET c = (SELECT SUM(c) FROM t AS x)", "? SELECT `t`.`id`, ((SELECT SUM(c) FROM t AS x)\n) FROM t"),
    (
        "UPDATE t JOIN bare ON bare.a = t.a SET t.b = bare.b",
        "! UPDATE of a join: write it as UPDATE of one table, with a subquery",
    ),
    ("UPDATE s SET a = a + 1", "? SELECT `s`.`id` FROM s"),
    ("UPDATE s SET a = (SELECT MAX(a) FROM s) + id", "? SELECT `s`.`id`, ((SELECT MAX(a) FROM s) + id\n) FROM s"),
    ("UPDATE t SET a = (SELECT SUM(a) FROM t)", "="),
    (
        "UPDATE t SET a = (SELECT SUM(a) FROM bare) LIMIT 600",
        "? SELECT `t`.`id`, ((SELECT SUM(a) FROM bare)\n) FROM t  LIMIT 600",
    ),
    ("DELETE QUICK FROM t ORDER BY a LIMIT 1", "! DELETE: not in a form that is known"),
    ("DELETE IGNORE FROM t LIMIT 1", "! DELETE: not in a form that is known"),
    ("DELETE LOW_PRIORITY FROM t ORDER BY id", "! DELETE: not in a form that is known"),
    ("DELETE QUICK FROM t WHERE a = 1", "! DELETE QUICK: it is none of the tables that are joined"),
    ("DELETE IGNORE FROM t WHERE a = 1", "! DELETE IGNORE: it is none of the tables that are joined"),
    ("DELETE bare FROM t JOIN bare AS x ON x.a = t.a", "! DELETE bare: it is none of the tables that are joined"),
    ("DELETE x FROM t JOIN bare AS x ON x.a = t.a", "="),
    ("DELETE FROM bare USING t JOIN tree ON tree.p = t.a", "! DELETE bare: it is none of the tables that are joined"),
    ("DELETE t, bare FROM t JOIN bare ON bare.a = t.a", "! DELETE from several tables: write one for each"),
    ("DELETE FROM t, bare USING t JOIN bare ON bare.a = t.a", "! DELETE from several tables: write one for each"),
    (
        "DELETE watched FROM (t JOIN watched ON watched.a = t.a)",
        "! table watched: a write to it runs trigger audit, whose body is not seen",
    ),
    ("DELETE t FROM (t JOIN bare ON bare.a = t.a)", "="),
    ("DELETE FROM tree WHERE p = 5", "? SELECT `tree`.`id` FROM tree WHERE p = 5"),
    ("DELETE FROM tree", "? SELECT `tree`.`id` FROM tree"),
    ("DELETE FROM tree WHERE id = 5", "="),
    ("DELETE FROM tree WHERE p > 5 ORDER BY id DESC", "="),
    ("DELETE FROM tree WHERE p > 5 ORDER BY p", "? SELECT `tree`.`id` FROM tree WHERE p > 5 ORDER BY p"),
    (
        "DELETE tree FROM tree JOIN t ON t.a = tree.p",
        "! DELETE tree: its rows refer to each other: write it without a join",
    ),
    ("DELETE t FROM tree JOIN t ON t.a = tree.p", "="),
    (
        "DELETE FROM bytewise WHERE a IN (SELECT a FROM (SELECT b AS id, a FROM t ORDER BY id LIMIT 1) x)",
        "! LIMIT: without ORDER BY of a whole primary key its rows may differ by node, and `bytewise` has no primary key by which its rows could be named",
    ),
];

#[test]
fn what_depends_on_the_order_of_rows_is_done_by_rows_or_refused() {
    each(ORDER);
}

const SESSION: &[(&str, &str)] = &[
    (
        "UPDATE t SET a = LAST_INSERT_ID()",
        "! LAST_INSERT_ID(): its answer belongs to a session or a server, and would differ by node",
    ),
    (
        "UPDATE t SET a = LAST_INSERT_ID(5)",
        "! LAST_INSERT_ID(): its answer belongs to a session or a server, and would differ by node",
    ),
    (
        "UPDATE t SET a = CONNECTION_ID()",
        "! CONNECTION_ID(): its answer belongs to a session or a server, and would differ by node",
    ),
    ("UPDATE t SET b = USER()", "! USER(): its answer belongs to a session or a server, and would differ by node"),
    (
        "UPDATE t SET b = CURRENT_USER()",
        "! CURRENT_USER(): its answer belongs to a session or a server, and would differ by node",
    ),
    (
        "UPDATE t SET b = CURRENT_USER",
        "! CURRENT_USER: each node has its own: numbers of rows, of transactions, of sessions",
    ),
    (
        "UPDATE t SET b = SESSION_USER()",
        "! SESSION_USER(): its answer belongs to a session or a server, and would differ by node",
    ),
    (
        "UPDATE t SET b = DATABASE()",
        "! DATABASE(): its answer belongs to a session or a server, and would differ by node",
    ),
    ("UPDATE t SET b = SCHEMA()", "! SCHEMA(): its answer belongs to a session or a server, and would differ by node"),
    (
        "UPDATE t SET b = VERSION()",
        "! VERSION(): its answer belongs to a session or a server, and would differ by node",
    ),
    (
        "UPDATE t SET a = FOUND_ROWS()",
        "! FOUND_ROWS(): its answer belongs to a session or a server, and would differ by node",
    ),
    (
        "UPDATE t SET a = ROW_COUNT()",
        "! ROW_COUNT(): its answer belongs to a session or a server, and would differ by node",
    ),
    (
        "UPDATE t SET a = GET_LOCK('x', 1)",
        "! GET_LOCK(): it changes something besides rows, which the log does not hold",
    ),
    (
        "UPDATE t SET a = RELEASE_LOCK('x')",
        "! RELEASE_LOCK(): it changes something besides rows, which the log does not hold",
    ),
    (
        "UPDATE t SET b = LOAD_FILE('x')",
        "! LOAD_FILE(): it changes something besides rows, which the log does not hold",
    ),
    ("UPDATE t SET a = SLEEP(1)", "! SLEEP(): it changes something besides rows, which the log does not hold"),
    ("UPDATE t SET a = NEXTVAL(x)", "! NEXTVAL(): it changes something besides rows, which the log does not hold"),
    (
        "UPDATE t SET a = my_function(a)",
        "! my_function(): not a function that is known to answer the same on every node",
    ),
    ("UPDATE t SET a = _rowid", "! _rowid: each node has its own: numbers of rows, of transactions, of sessions"),
    ("DELETE FROM t WHERE MATCH (b) AGAINST ('x')", "! MATCH … AGAINST: how well a row matches differs by node"),
    ("INSERT DELAYED INTO bare (a) VALUES (1)", "! INSERT: not in a form that is known"),
    ("CREATE TABLE n AS SELECT * FROM t", "! CREATE TABLE … AS: make the table, then fill it with INSERT"),
    ("CREATE TABLE n (a INT PRIMARY KEY) ENGINE = innodb", "="),
    (
        "CREATE TABLE n (a INT PRIMARY KEY) ENGINE=MyISAM",
        "! ENGINE = MyISAM: only InnoDB takes back what was not committed",
    ),
    (
        "CREATE TABLE n (a INT PRIMARY KEY) COMMENT 'x' engine Memory",
        "! ENGINE = Memory: only InnoDB takes back what was not committed",
    ),
    ("INSERT INTO nothing VALUES (1)", "! table nothing: it is not known, or no plain table of InnoDB"),
    (
        "CREATE TEMPORARY TABLE n (a INT)",
        "! CREATE TEMPORARY TABLE: it belongs to a session, and statements have none that lasts",
    ),
    (
        "ALTER TABLE bare ADD COLUMN id INT AUTO_INCREMENT PRIMARY KEY",
        "! a column that numbers the rows that are there: in another order on each node: make a new table",
    ),
    (
        "ALTER TABLE bare ADD COLUMN u VARCHAR(36) DEFAULT (UUID())",
        "! ADD COLUMN … DEFAULT UUID(): the rows that are there would get another one on each node: add the column, then UPDATE",
    ),
    ("CALL p()", "! CALL: only SELECT, INSERT, UPDATE, DELETE and the making of tables and indexes are carried out"),
];

#[test]
fn what_belongs_to_a_session_or_is_not_known_is_refused() {
    each(SESSION);
}
