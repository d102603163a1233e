//! tokio-postgres: the strictest of the clients, each value has to have the type
//! that the server announces.

mod change;
mod number;
mod query;
mod read;
mod tap;
mod write;

use std::env;
use tap::{Failure, Outcome, Tap};
use tokio_postgres::types::{FromSqlOwned, ToSql};
use tokio_postgres::{Client, NoTls};

/// More executions than the server needs to change to a generic plan.
pub const OFTEN: usize = 8;

pub const COLUMNS: &str = "email, name, note, level, visits, points, salary, score, ratio, active, \
    born, wakes, seen, local, ref, doc, photo, address, tags, lucky";
pub const NOTE: &str = "naïve ☃ 𝄞";
pub const PHOTO: &[u8] = &[0, 255, 16, 10, 0];
pub const REF: &str = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";

pub type Parameters<'a> = &'a [&'a (dyn ToSql + Sync)];

/// First column of all rows, by a prepared statement that is executed often.
pub async fn column<T: FromSqlOwned + PartialEq>(db: &Client, sql: &str, parameters: Parameters<'_>) -> Result<Vec<T>, Failure> {
    let statement = db.prepare(sql).await?;
    let mut first: Option<Vec<T>> = None;
    for _ in 0..OFTEN {
        let mut values = Vec::new();
        for row in db.query(&statement, parameters).await? {
            values.push(row.try_get(0)?);
        }
        if first.as_ref().map_or(false, |first| *first != values) {
            return Err("another result than before".into());
        }
        first = Some(values);
    }
    Ok(first.unwrap())
}

pub async fn one<T: FromSqlOwned + PartialEq>(db: &Client, sql: &str, parameters: Parameters<'_>) -> Result<T, Failure> {
    let mut values = column(db, sql, parameters).await?;
    if values.len() != 1 {
        return Err(format!("{} rows", values.len()).into());
    }
    Ok(values.remove(0))
}

async fn run() -> Outcome {
    let (db, connection) = tokio_postgres::Config::new()
        .host(&env::var("PGHOST")?)
        .port(env::var("PGPORT")?.parse()?)
        .user(&env::var("PGUSER")?)
        .password(env::var("PGPASSWORD")?)
        .dbname(&env::var("PGDATABASE")?)
        .connect(NoTls)
        .await?;
    tokio::spawn(async move {
        if let Err(failure) = connection.await {
            println!("# {}", failure);
        }
    });
    let mut db = db;
    let mut tap = Tap::new();
    write::run(&db, &mut tap).await;
    read::run(&db, &mut tap).await;
    query::run(&db, &mut tap).await;
    change::run(&mut db, &mut tap).await;
    tap.finish();
    Ok(())
}

fn main() -> Outcome {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(run())
}
