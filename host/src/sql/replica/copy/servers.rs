//! Owns copying a node of a database server by the server's own programs: they know all that a database can hold. Each takes
//! its data from one snapshot of the source, with the watermark in it. Passwords are in the programs' environment only.

use std::time::Duration;

use super::Route;
use super::pipe::{Passing, Program, pipe};
use crate::config::DatabaseSpec;
use crate::model::Address;
use crate::sql::backend::Bound;
use crate::sql::replica::mark::{TABLE, rows};
use crate::sql::replica::patience::{bounded, due};
use crate::sql::replica::rebuild::Rebuild;
use crate::sql::value::Row;

/// How long a node may take to say what it has.
const LIST: Duration = Duration::from_secs(60);

/// Takes away what there is: schemas, and in the one that stays relations, routines and types, but for what extensions own. All
/// is one transaction, which ends when all lines have come, so that who breaks off has changed nothing.
const EMPTY: &str = r"
SET client_min_messages = warning;
SET lock_timeout = '60s';
BEGIN;
DO $empty$
DECLARE o record;
BEGIN
  FOR o IN SELECT pg_catalog.format('%I', nspname) AS name FROM pg_catalog.pg_namespace n
    WHERE nspname NOT IN ('public', 'information_schema') AND nspname NOT LIKE 'pg\_%' AND NOT EXISTS (
      SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_namespace'::regclass AND d.objid = n.oid AND d.deptype = 'e')
  LOOP EXECUTE 'DROP SCHEMA ' || o.name || ' CASCADE'; END LOOP;
  FOR o IN SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS name, CASE c.relkind WHEN 'v' THEN 'VIEW'
      WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE' WHEN 'f' THEN 'FOREIGN TABLE' WHEN 'c' THEN 'TYPE'
      ELSE 'TABLE' END AS kind
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c') AND NOT EXISTS (
      SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
  LOOP EXECUTE 'DROP ' || o.kind || ' IF EXISTS ' || o.name || ' CASCADE'; END LOOP;
  FOR o IN SELECT p.oid::regprocedure::text AS name FROM pg_catalog.pg_proc p
    JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname = 'public' AND NOT EXISTS (
      SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
  LOOP EXECUTE 'DROP ROUTINE IF EXISTS ' || o.name || ' CASCADE'; END LOOP;
  FOR o IN SELECT pg_catalog.format('%I.%I', n.nspname, t.typname) AS name FROM pg_catalog.pg_type t
    JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
    WHERE n.nspname = 'public' AND t.typtype IN ('e', 'd', 'r') AND NOT EXISTS (
      SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e')
  LOOP EXECUTE 'DROP TYPE IF EXISTS ' || o.name || ' CASCADE'; END LOOP;
END $empty$;
";

/// Copies a PostgreSQL database. One with large objects is not: these are dumped in transactions of their own, so that not all
/// would be done or nothing.
pub(super) async fn postgres(database: &DatabaseSpec, route: &Route, rebuild: &mut Rebuild) -> Result<(), String> {
    if !asked(route, &route.from, "SELECT 1 FROM pg_catalog.pg_largeobject_metadata LIMIT 1").await?.is_empty() {
        return Err(format!("{} has large objects, which are not copied", route.from));
    }
    let program = |names, arguments: &[&str], address: &Address| {
        let mut environment = vec![
            ("PGHOST", address.host().to_owned()),
            ("PGPORT", address.port().to_string()),
            ("PGUSER", database.user.clone()),
            ("PGDATABASE", database.database.clone()),
            ("PGAPPNAME", "leverframe".to_owned()),
            ("PGCONNECT_TIMEOUT", "10".to_owned()),
        ];
        environment.extend(database.password.as_ref().map(|password| ("PGPASSWORD", password.expose().to_owned())));
        Program { names, arguments: arguments.iter().map(|&one| one.to_owned()).collect(), environment }
    };
    let dump = program(&["pg_dump"], &["--no-password", "--no-blobs", "--lock-wait-timeout=60s"], &route.from);
    let load = program(
        &["psql"],
        &["--no-password", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file=-"],
        &route.to,
    );
    pipe(dump, load, EMPTY, &mut Copied { rebuild, is_in: false }).await
}

/// A PostgreSQL dump on its way: rows are lines between `COPY` and `\.`.
struct Copied<'a> {
    rebuild: &'a mut Rebuild,
    is_in: bool,
}

impl Passing for Copied<'_> {
    fn line(&mut self, line: Vec<u8>) -> Option<Vec<u8>> {
        let bytes = u64::try_from(line.len()).unwrap_or_default();
        match self.is_in {
            true if line.starts_with(b"\\.") => {
                self.is_in = false;
                self.rebuild.progress(0, 0, bytes);
            }
            true => self.rebuild.progress(0, 1, bytes),
            false => {
                self.is_in = line.starts_with(b"COPY ") && line.ends_with(b"FROM stdin;\n");
                self.rebuild.progress(u64::from(self.is_in), 0, bytes);
            }
        }
        Some(line)
    }

    fn end(&mut self) -> Result<Vec<u8>, String> {
        Ok(b"\nCOMMIT;\n".to_vec())
    }
}

/// Copies a MariaDB or MySQL database. Its changes of tables are lasting at once, so it is the watermark, which comes last, that
/// says that all is there.
pub(super) async fn mysql(database: &DatabaseSpec, route: &Route, rebuild: &mut Rebuild) -> Result<(), String> {
    let program = |names, arguments: &[&str], address: &Address| {
        let mut all = vec![
            "--no-defaults".to_owned(),
            "--protocol=tcp".to_owned(),
            format!("--host={}", address.host()),
            format!("--port={}", address.port()),
            format!("--user={}", database.user),
            "--default-character-set=utf8mb4".to_owned(),
        ];
        all.extend(arguments.iter().map(|&one| one.to_owned()));
        all.extend(["--".to_owned(), database.database.clone()]);
        let password = database.password.as_ref().map(|password| ("MYSQL_PWD", password.expose().to_owned()));
        Program { names, arguments: all, environment: password.into_iter().collect() }
    };
    let dump = program(
        &["mariadb-dump", "mysqldump"],
        &[
            "--single-transaction",
            "--quick",
            "--routines",
            "--triggers",
            "--hex-blob",
            "--comments",
            "--no-tablespaces",
        ],
        &route.from,
    );
    let load = program(&["mariadb", "mysql"], &["--batch", "--connect-timeout=10"], &route.to);
    let before = emptying(route).await?;
    pipe(dump, load, &before, &mut Behind { rebuild, is_held: false, held: Vec::new() }).await
}

/// What takes away all that the destination has.
async fn emptying(route: &Route) -> Result<String, String> {
    let sql = "SELECT CASE table_type WHEN 'VIEW' THEN 'VIEW' WHEN 'SEQUENCE' THEN 'SEQUENCE' ELSE 'TABLE' END, table_name \
        FROM information_schema.tables WHERE table_schema = DATABASE() \
        UNION ALL SELECT routine_type, routine_name FROM information_schema.routines WHERE routine_schema = DATABASE()";
    let listed = asked(route, &route.to, sql).await?;
    let mut all = "SET FOREIGN_KEY_CHECKS = 0;\n".to_owned();
    for row in listed {
        let [kind, name] = row.as_slice() else { continue };
        let (kind, name) = kind.to_text().zip(name.to_text()).ok_or("what there is on the node cannot be read")?;
        all.push_str(&format!("DROP {kind} IF EXISTS {};\n", route.marks.dialect().quote(&name)));
    }
    Ok(all)
}

/// What a node answers.
async fn asked(route: &Route, node: &Address, sql: &str) -> Result<Vec<Row>, String> {
    let due = due(LIST);
    let answered = async {
        let mut session = bounded(due, route.backend.session(node, due)).await?;
        bounded(due, rows(session.as_mut(), Bound { sql, params: &[], due })).await
    };
    answered.await.map_err(|fault| format!("{node}: {fault}"))
}

/// A MariaDB dump on its way, in which the table of the watermarks is put behind all else. Comments say what follows them; within
/// data no line begins like one.
struct Behind<'a> {
    rebuild: &'a mut Rebuild,
    is_held: bool,
    held: Vec<u8>,
}

impl Passing for Behind<'_> {
    fn line(&mut self, line: Vec<u8>) -> Option<Vec<u8>> {
        let bytes = u64::try_from(line.len()).unwrap_or_default();
        if line.starts_with(b"-- ") {
            self.is_held = line.trim_ascii_end().ends_with(format!("`{TABLE}`").as_bytes());
            self.rebuild.progress(u64::from(line.starts_with(b"-- Dumping data for table ")), 0, bytes);
        } else {
            self.rebuild.progress(0, u64::from(line.starts_with(b"(")), bytes);
        }
        if !self.is_held {
            return Some(line);
        }
        self.held.extend(line);
        None
    }

    fn end(&mut self) -> Result<Vec<u8>, String> {
        match std::mem::take(&mut self.held) {
            held if held.is_empty() => Err("the dump has no watermark".to_owned()),
            held => Ok(held),
        }
    }
}
