//! SELECT into Rust's types.

use crate::number::Number;
use crate::tap::{same, Outcome, Tap};
use crate::write::{address, day, doc, local, reference, salary, seen, wakes};
use crate::{one, COLUMNS, NOTE, PHOTO};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use serde_json::Value;
use std::fmt::Debug;
use std::net::IpAddr;
use std::time::SystemTime;
use tokio_postgres::types::{FromSqlOwned, Type};
use tokio_postgres::{Client, SimpleQueryMessage};
use uuid::Uuid;

async fn read<T: FromSqlOwned + PartialEq + Debug>(db: &Client, tap: &mut Tap, name: &str, wanted: T) {
    let sql = format!("SELECT {} FROM person WHERE email = $1", name.split(',').next().unwrap());
    tap.check(&format!("read {}", name), async { same(wanted, one(db, &sql, &[&"ada@example.org"]).await?) })
        .await;
}

async fn read_null<T: FromSqlOwned>(db: &Client, column: &str) -> Outcome {
    let row = db.query_one(&format!("SELECT {} FROM person WHERE email = $1", column)[..], &[&"bob@example.org"]).await?;
    same(true, row.try_get::<_, Option<T>>(0)?.is_none())
}

async fn read_nulls(db: &Client) -> Outcome {
    read_null::<String>(db, "note").await?;
    read_null::<i16>(db, "level").await?;
    read_null::<i64>(db, "points").await?;
    read_null::<Number>(db, "salary").await?;
    read_null::<f64>(db, "score").await?;
    read_null::<f32>(db, "ratio").await?;
    read_null::<NaiveDate>(db, "born").await?;
    read_null::<NaiveTime>(db, "wakes").await?;
    read_null::<DateTime<Utc>>(db, "seen").await?;
    read_null::<NaiveDateTime>(db, "local").await?;
    read_null::<Uuid>(db, "ref").await?;
    read_null::<Value>(db, "doc").await?;
    read_null::<Vec<u8>>(db, "photo").await?;
    read_null::<IpAddr>(db, "address").await?;
    read_null::<Vec<String>>(db, "tags").await?;
    read_null::<Vec<i32>>(db, "lucky").await
}

async fn types(db: &Client, tap: &mut Tap, name: &str, sql: &str, parameters: &[Type], results: &[Type]) {
    tap.check(&format!("types: {}", name), async {
        let statement = db.prepare(sql).await?;
        let got: Vec<Type> = statement.columns().iter().map(|column| column.type_().clone()).collect();
        same(parameters, statement.params())?;
        same(results, &got[..])
    })
    .await;
}

async fn all_types(db: &Client, tap: &mut Tap) {
    types(db, tap, "columns", &format!("SELECT id, {} FROM person", COLUMNS), &[], &[
        Type::INT8, Type::TEXT, Type::TEXT, Type::TEXT, Type::INT2, Type::INT4, Type::INT8, Type::NUMERIC, Type::FLOAT8,
        Type::FLOAT4, Type::BOOL, Type::DATE, Type::TIME, Type::TIMESTAMPTZ, Type::TIMESTAMP, Type::UUID, Type::JSONB,
        Type::BYTEA, Type::INET, Type::TEXT_ARRAY, Type::INT4_ARRAY,
    ])
    .await;
    types(db, tap, "expressions",
        "SELECT lower(name), visits + $1, max(born), tags[1], doc -> $2, array_agg(visits) FROM person \
            GROUP BY name, visits, tags, doc",
        &[Type::INT4, Type::TEXT],
        &[Type::TEXT, Type::INT4, Type::DATE, Type::TEXT, Type::JSONB, Type::INT4_ARRAY])
    .await;
    types(db, tap, "conditions",
        "SELECT name FROM person WHERE name LIKE $1 AND born = $2 AND email = ANY ($3) AND level IN ($4) AND ref = $5 \
            AND seen < $6 AND salary > $7 AND active = $8 AND lucky = $9 AND photo = $10 LIMIT $11",
        &[Type::TEXT, Type::DATE, Type::TEXT_ARRAY, Type::INT2, Type::UUID, Type::TIMESTAMPTZ, Type::NUMERIC, Type::BOOL,
            Type::INT4_ARRAY, Type::BYTEA, Type::INT8],
        &[Type::TEXT])
    .await;
    types(db, tap, "UPDATE RETURNING",
        "UPDATE person SET name = $1, visits = visits + $2, active = NOT active WHERE email = $3 RETURNING name, visits, active",
        &[Type::TEXT, Type::INT4, Type::TEXT], &[Type::TEXT, Type::INT4, Type::BOOL])
    .await;
    types(db, tap, "DISTINCT, UNION, WITH",
        "WITH x AS (SELECT DISTINCT name, salary FROM person) SELECT * FROM x UNION SELECT title, amount FROM purchase",
        &[], &[Type::TEXT, Type::NUMERIC])
    .await;
}

pub async fn run(db: &Client, tap: &mut Tap) {
    read(db, tap, "email", "ada@example.org".to_string()).await;
    read(db, tap, "note", NOTE.to_string()).await;
    read(db, tap, "level", -7i16).await;
    read(db, tap, "visits", 42i32).await;
    read(db, tap, "points", 9007199254740993i64).await;
    read(db, tap, "salary", salary()).await;
    read(db, tap, "score", -1.5e-7f64).await;
    read(db, tap, "ratio", 0.25f32).await;
    read(db, tap, "active", true).await;
    read(db, tap, "born", day("1815-12-10")).await;
    read(db, tap, "wakes", wakes()).await;
    read(db, tap, "seen", seen()).await;
    read(db, tap, "seen, as SystemTime", SystemTime::from(seen())).await;
    read(db, tap, "local", local()).await;
    read(db, tap, "ref", reference()).await;
    read(db, tap, "doc", doc()).await;
    read(db, tap, "photo", PHOTO.to_vec()).await;
    read(db, tap, "address", address()).await;
    let tags: Vec<Option<String>> = vec![Some("a".into()), Some("b c".into()), None, Some("".into())];
    read(db, tap, "tags", tags).await;
    read(db, tap, "lucky", vec![Some(1i32), Some(-2), None]).await;
    tap.check("read NULLs", read_nulls(db)).await;
    tap.check("read false, an empty string, empty arrays", async {
        let row = db
            .query_one("SELECT note, active, tags, lucky, photo FROM person WHERE email = $1", &[&"carl@example.org"])
            .await?;
        same(("", false), (row.try_get(0)?, row.try_get(1)?))?;
        same(Vec::<String>::new(), row.try_get(2)?)?;
        same(Vec::<i32>::new(), row.try_get(3)?)?;
        same(Vec::<u8>::new(), row.try_get(4)?)
    })
    .await;
    tap.check("a wrong type is refused", async {
        let row = db.query_one("SELECT visits FROM person WHERE email = $1", &[&"ada@example.org"]).await?;
        same(true, row.try_get::<_, String>(0).is_err() && row.try_get::<_, i64>(0).is_err())
    })
    .await;
    tap.check("read by simple query", async {
        let messages = db.simple_query("SELECT visits, active, born, tags FROM person WHERE email = 'ada@example.org'").await?;
        // newer versions have a description of the row before it
        let row = messages.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        let row = row.ok_or("no row")?;
        same(
            (Some("42"), Some("t"), Some("1815-12-10"), Some("{a,\"b c\",NULL,\"\"}")),
            (row.get(0), row.get(1), row.get(2), row.get(3)),
        )
    })
    .await;
    all_types(db, tap).await;
}
