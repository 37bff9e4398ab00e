//! One database, asked directly: where the rows of a run are put, and what answers are held against. It reads answers by
//! its own means (PostgreSQL's in the text form, which the backend does not use), so that both do not err alike.

use leverframe::sql::value::Value;
use mysql_async::consts::{ColumnFlags, ColumnType};
use mysql_async::prelude::Queryable;
use mysql_async::{Column as MySqlColumn, Value as MySqlValue};
use rusqlite::params_from_iter;
use rusqlite::types::{Value as LiteValue, ValueRef};
use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::types::Type;

use super::compare::Answer;
use super::data::literal;

/// The collation number of bytes that are no text.
const BINARY: u16 = 63;

/// A connection to one database.
pub(super) enum Plain {
    Sqlite(rusqlite::Connection),
    Postgres(tokio_postgres::Client),
    MySql(Box<mysql_async::Conn>),
}

impl Plain {
    /// Runs a statement for its effect; it must succeed.
    pub(super) async fn execute(&mut self, sql: &str) {
        let done = match self {
            Self::Sqlite(lite) => lite.execute_batch(sql).map_err(|error| error.to_string()),
            Self::Postgres(client) => client.batch_execute(sql).await.map_err(|error| shown(&error)),
            Self::MySql(conn) => conn.query_drop(sql).await.map_err(|error| error.to_string()),
        };
        done.unwrap_or_else(|error| panic!("{error}: {sql}"));
    }

    /// What it answers to a query.
    pub(super) async fn ask(&mut self, sql: &str, params: &[Value]) -> Result<Answer, String> {
        match self {
            Self::Sqlite(lite) => of_sqlite(lite, sql, params).map_err(|error| error.to_string()),
            Self::Postgres(client) => of_postgres(client, sql, params).await.map_err(|error| shown(&error)),
            Self::MySql(conn) => of_mysql(conn, sql, params).await.map_err(|error| error.to_string()),
        }
    }
}

fn shown(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), |error| error.message().to_owned())
}

fn of_sqlite(lite: &rusqlite::Connection, sql: &str, params: &[Value]) -> rusqlite::Result<Answer> {
    let bound = params.iter().map(|value| match value {
        Value::Null => LiteValue::Null,
        Value::Integer(number) => LiteValue::Integer(*number),
        Value::Real(number) => LiteValue::Real(*number),
        Value::Text(text) | Value::Decimal(text) => LiteValue::Text(text.clone()),
        Value::Blob(bytes) => LiteValue::Blob(bytes.clone()),
        Value::Bool(truth) => LiteValue::Integer(i64::from(*truth)),
    });
    let mut statement = lite.prepare(sql)?;
    let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let mut found = statement.query(params_from_iter(bound))?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        let value = |at| {
            Ok(match row.get_ref(at)? {
                ValueRef::Null => Value::Null,
                ValueRef::Integer(number) => Value::Integer(number),
                ValueRef::Real(number) => Value::Real(number),
                ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
                ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
            })
        };
        rows.push((0..names.len()).map(value).collect::<rusqlite::Result<_>>()?);
    }
    drop(found);
    drop(statement);
    Ok(Answer { names, rows, affected: lite.changes(), ..Answer::default() })
}

/// Values in their text form; the types are asked for beforehand.
async fn of_postgres(
    client: &tokio_postgres::Client,
    sql: &str,
    params: &[Value],
) -> Result<Answer, tokio_postgres::Error> {
    let prepared = client.prepare(sql).await?;
    let names = prepared.columns().iter().map(|column| column.name().to_owned()).collect();
    let types: Vec<Type> = prepared.columns().iter().map(|column| column.type_().clone()).collect();
    let messages = if params.is_empty() {
        client.simple_query(sql).await?
    } else {
        let given: Vec<String> =
            params.iter().map(|value| literal(leverframe::sql::dialect::Dialect::Postgres, value)).collect();
        client.batch_execute("DEALLOCATE ALL").await?;
        client.batch_execute(&format!("PREPARE plain AS {}", sql.trim_end().trim_end_matches(';'))).await?;
        client.simple_query(&format!("EXECUTE plain({})", given.join(", "))).await?
    };
    let rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|at| of_text(&types[at], row.get(at))).collect()),
        _ => None,
    });
    let affected = messages.iter().map(|message| match message {
        SimpleQueryMessage::CommandComplete(touched) => *touched,
        _ => 0,
    });
    Ok(Answer { names, affected: affected.sum(), rows: rows.collect(), ..Answer::default() })
}

fn of_text(kind: &Type, text: Option<&str>) -> Value {
    let Some(text) = text else { return Value::Null };
    match *kind {
        Type::BOOL => Value::Bool(text == "t"),
        Type::INT2 | Type::INT4 | Type::INT8 | Type::OID => Value::Integer(text.parse().expect("an integer")),
        Type::FLOAT4 | Type::FLOAT8 => Value::Real(text.parse().expect("a double")),
        Type::NUMERIC => Value::Decimal(text.to_owned()),
        _ => Value::Text(text.to_owned()),
    }
}

async fn of_mysql(conn: &mut mysql_async::Conn, sql: &str, params: &[Value]) -> Result<Answer, mysql_async::Error> {
    let bound: Vec<MySqlValue> = params
        .iter()
        .map(|value| match value {
            Value::Null => MySqlValue::NULL,
            Value::Bool(truth) => MySqlValue::Int(i64::from(*truth)),
            Value::Integer(number) => MySqlValue::Int(*number),
            Value::Real(number) => MySqlValue::Double(*number),
            Value::Text(text) | Value::Decimal(text) => MySqlValue::Bytes(text.clone().into_bytes()),
            Value::Blob(bytes) => MySqlValue::Bytes(bytes.clone()),
        })
        .collect();
    // Not the text form: it shows doubles with as many digits as a type has, which are fewer than there are.
    let mut result = conn.exec_iter(sql, mysql_async::Params::Positional(bound)).await?;
    let (columns, affected) = (result.columns(), result.affected_rows());
    let found = result.collect::<mysql_async::Row>().await?;
    let columns: &[MySqlColumn] = columns.as_deref().unwrap_or_default();
    let names = columns.iter().map(|column| column.name_str().into_owned()).collect();
    let row =
        |row: mysql_async::Row| row.unwrap().into_iter().zip(columns).map(|(value, column)| of_value(column, value));
    let rows = found.into_iter().map(|one| row(one).collect()).collect();
    Ok(Answer { names, rows, affected, ..Answer::default() })
}

fn of_value(column: &MySqlColumn, value: MySqlValue) -> Value {
    match value {
        MySqlValue::NULL => Value::Null,
        MySqlValue::Bytes(bytes) => of_bytes(column, bytes),
        MySqlValue::Int(number) => Value::Integer(number),
        MySqlValue::UInt(number) => {
            i64::try_from(number).map_or_else(|_| Value::Decimal(number.to_string()), Value::Integer)
        }
        MySqlValue::Float(number) => Value::Real(f64::from(number)),
        MySqlValue::Double(number) => Value::Real(number),
        MySqlValue::Date(year, month, day, ..) if column.column_type() == ColumnType::MYSQL_TYPE_DATE => {
            Value::Text(format!("{year:04}-{month:02}-{day:02}"))
        }
        other => Value::Text(other.as_sql(true).trim_matches('\'').to_owned()),
    }
}

fn of_bytes(column: &MySqlColumn, bytes: Vec<u8>) -> Value {
    use ColumnType as Of;
    let text = || String::from_utf8_lossy(&bytes).into_owned();
    match column.column_type() {
        Of::MYSQL_TYPE_TINY | Of::MYSQL_TYPE_SHORT | Of::MYSQL_TYPE_INT24 | Of::MYSQL_TYPE_LONG => {
            Value::Integer(text().parse().expect("an integer"))
        }
        Of::MYSQL_TYPE_LONGLONG | Of::MYSQL_TYPE_YEAR => {
            let digits = text();
            digits.parse().map_or_else(|_| Value::Decimal(digits.clone()), Value::Integer)
        }
        Of::MYSQL_TYPE_FLOAT | Of::MYSQL_TYPE_DOUBLE => Value::Real(text().parse().expect("a double")),
        Of::MYSQL_TYPE_DECIMAL | Of::MYSQL_TYPE_NEWDECIMAL => Value::Decimal(text()),
        Of::MYSQL_TYPE_DATE | Of::MYSQL_TYPE_DATETIME | Of::MYSQL_TYPE_TIMESTAMP | Of::MYSQL_TYPE_TIME => {
            Value::Text(text())
        }
        _ if column.character_set() == BINARY && column.flags().contains(ColumnFlags::BINARY_FLAG) => {
            Value::Blob(bytes)
        }
        _ => Value::Text(text()),
    }
}
