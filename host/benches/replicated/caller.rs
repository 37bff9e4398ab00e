//! One client of a product: a connection that is kept, and a request at a time on it.

use http::Method;
use serde_json::{Value, json};
use tokio_postgres::{Client as Database, SimpleQueryMessage};

use crate::world::Client;

const SELECT: &str = "SELECT id, customer, region, cents FROM orders WHERE id = $1";
const INSERT: &str = "INSERT INTO orders (id, customer, region, cents) VALUES ($1, $2, $3, $4)";

pub(crate) enum Caller {
    /// Of Leverframe: the statement and its parameters.
    Http(Client),
    /// Of Pgpool-II: the simple protocol, with the values in the text.
    Postgres(Database),
}

impl Caller {
    /// A row by its key, which is there.
    pub(crate) async fn select(&mut self, id: i32) {
        match self {
            Self::Http(client) => {
                let answer = ask(client, json!({ "sql": SELECT, "params": [id] })).await;
                assert_eq!(answer["rows"][0][0], id, "{answer}");
            }
            Self::Postgres(database) => {
                let messages = simple(database, &SELECT.replace("$1", &id.to_string())).await;
                let found = messages.iter().find_map(|message| match message {
                    SimpleQueryMessage::Row(row) => row.get(0)?.parse().ok(),
                    _ => None,
                });
                assert_eq!(found, Some(id), "{messages:?}");
            }
        }
    }

    /// A row that is not there yet.
    pub(crate) async fn insert(&mut self, id: i32) {
        let (customer, region, cents) = (id % 5_000, "north", id % 1_000_000);
        match self {
            Self::Http(client) => {
                let answer = ask(client, json!({ "sql": INSERT, "params": [id, customer, region, cents] })).await;
                assert_eq!(answer["affected"], 1, "{answer}");
            }
            Self::Postgres(database) => {
                let values = format!("{id}, {customer}, '{region}', {cents}");
                let messages = simple(database, &INSERT.replace("$1, $2, $3, $4", &values)).await;
                assert!(matches!(messages[..], [SimpleQueryMessage::CommandComplete(1)]), "{messages:?}");
            }
        }
    }
}

async fn simple(database: &Database, sql: &str) -> Vec<SimpleQueryMessage> {
    database.simple_query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"))
}

async fn ask(client: &mut Client, body: Value) -> Value {
    let headers = [("content-type", "application/json")];
    let reply = client.send(Method::POST, "/query", &headers, body.to_string().into()).await;
    assert_eq!(reply.status, 200, "{body}: {}", reply.text());
    reply.json()
}
