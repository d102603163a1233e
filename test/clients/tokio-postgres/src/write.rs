//! INSERT.

use crate::number::Number;
use crate::tap::{same, Tap};
use crate::{column, one, COLUMNS, NOTE, OFTEN, PHOTO, REF};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use serde_json::{json, Value};
use std::net::IpAddr;
use tokio_postgres::types::Type;
use tokio_postgres::Client;
use uuid::Uuid;

pub fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

pub fn wakes() -> NaiveTime {
    "06:30:15.25".parse().unwrap()
}

pub fn seen() -> DateTime<Utc> {
    "2024-02-29T10:34:56.789Z".parse().unwrap()
}

pub fn local() -> NaiveDateTime {
    "1999-12-31T23:59:59.5".parse().unwrap()
}

pub fn doc() -> Value {
    json!({"a": [1, 2, {"b": null}], "c": "☃"})
}

pub fn reference() -> Uuid {
    Uuid::parse_str(REF).unwrap()
}

pub fn address() -> IpAddr {
    "192.168.1.5".parse().unwrap()
}

pub fn salary() -> Number {
    Number::new(&[1, 2345, 6700], 1, false, 4)
}

fn insert() -> String {
    let placeholders: Vec<String> = (1..=20).map(|i| format!("${}", i)).collect();
    format!("INSERT INTO person ({}) VALUES ({})", COLUMNS, placeholders.join(", "))
}

async fn insert_nulls(db: &Client) -> crate::Outcome {
    let inserted = db
        .execute(
            &insert()[..],
            &[
                &"bob@example.org",
                &"Bob",
                &None::<String>,
                &None::<i16>,
                &0i32,
                &None::<i64>,
                &None::<Number>,
                &None::<f64>,
                &None::<f32>,
                &true,
                &None::<NaiveDate>,
                &None::<NaiveTime>,
                &None::<DateTime<Utc>>,
                &None::<NaiveDateTime>,
                &None::<Uuid>,
                &None::<Value>,
                &None::<Vec<u8>>,
                &None::<IpAddr>,
                &None::<Vec<String>>,
                &None::<Vec<i32>>,
            ],
        )
        .await?;
    same(1, inserted)
}

async fn insert_all(db: &Client) -> crate::Outcome {
    let inserted = db
        .execute(
            &insert()[..],
            &[
                &"ada@example.org",
                &"Ada Lovelace",
                &NOTE,
                &-7i16,
                &42i32,
                &9007199254740993i64,
                &salary(),
                &-1.5e-7f64,
                &0.25f32,
                &true,
                &day("1815-12-10"),
                &wakes(),
                &seen(),
                &local(),
                &reference(),
                &doc(),
                &PHOTO,
                &address(),
                &vec![Some("a"), Some("b c"), None, Some("")],
                &vec![Some(1i32), Some(-2), None],
            ],
        )
        .await?;
    same(1, inserted)
}

pub async fn run(db: &Client, tap: &mut Tap) {
    tap.check("empty the tables", async {
        Ok(db.batch_execute("TRUNCATE person, purchase RESTART IDENTITY").await?)
    })
    .await;
    tap.check("types of parameters", async {
        let statement = db.prepare(&insert()).await?;
        let types = [
            Type::TEXT, Type::TEXT, Type::TEXT, Type::INT2, Type::INT4, Type::INT8, Type::NUMERIC, Type::FLOAT8,
            Type::FLOAT4, Type::BOOL, Type::DATE, Type::TIME, Type::TIMESTAMPTZ, Type::TIMESTAMP, Type::UUID,
            Type::JSONB, Type::BYTEA, Type::INET, Type::TEXT_ARRAY, Type::INT4_ARRAY,
        ];
        same(&types[..], statement.params())
    })
    .await;
    tap.check("insert all types", insert_all(db)).await;
    tap.check("insert NULLs", insert_nulls(db)).await;
    tap.check("insert false, an empty string, empty arrays", async {
        let sql = "INSERT INTO person (email, name, note, visits, active, tags, lucky, photo, salary) \
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
        let (none, numbers, empty) = (Vec::<String>::new(), Vec::<i32>::new(), Vec::<u8>::new());
        let inserted = db
            .execute(sql, &[&"carl@example.org", &"Carl", &"", &-1i32, &false, &none, &numbers, &empty,
                &Number::new(&[], 0, false, 0)])
            .await?;
        same(1, inserted)
    })
    .await;
    tap.check("insert returning", async {
        let sql = "INSERT INTO person (email, name, level, visits, salary, born) \
            VALUES ($1, $2, $3, $4, $5, $6) RETURNING id, email, level, visits, salary, active, born, version";
        let hundred = Number::new(&[100], 0, false, 0);
        let row = db
            .query_one(sql, &[&"dora@example.org", &"Dora", &5i16, &10i32, &hundred, &day("1980-05-05")])
            .await?;
        same("dora@example.org", row.try_get::<_, &str>("email")?)?;
        same((5i16, 10i32, hundred), (row.try_get("level")?, row.try_get("visits")?, row.try_get("salary")?))?;
        same((true, day("1980-05-05"), 0i32), (row.try_get("active")?, row.try_get("born")?, row.try_get("version")?))
    })
    .await;
    tap.check("insert by a prepared statement, often", async {
        let statement = db.prepare("INSERT INTO person (email, name, visits, active) VALUES ($1, $2, $3, $4)").await?;
        for i in 0..OFTEN as i32 {
            let email = format!("many{}@example.org", i);
            same(1, db.execute(&statement, &[&email, &"Many", &i, &(i % 2 == 0)]).await?)?;
        }
        same(28i64, one(db, "SELECT sum(visits) FROM person WHERE name = $1", &[&"Many"]).await?)?;
        same(OFTEN as u64, db.execute("DELETE FROM person WHERE name = $1", &[&"Many"]).await?)
    })
    .await;
    tap.check("insert from a select", async {
        let sql = "INSERT INTO purchase (person_id, title, amount, paid, at) SELECT id, $1, $2, $3, $4 FROM person WHERE email = $5";
        let email = "ada@example.org";
        let (notes, engine) = (Number::new(&[9, 9000], 0, false, 2), Number::new(&[1200], 0, false, 0));
        same(1, db.execute(sql, &[&"Notes", &notes, &true, &Some(seen()), &email]).await?)?;
        same(1, db.execute(sql, &[&"Engine", &engine, &false, &None::<DateTime<Utc>>, &email]).await?)
    })
    .await;
    tap.check("insert by simple query", async {
        let sql = "INSERT INTO person (email, name, level, visits, salary, active, born) \
            VALUES ('emil@example.org', 'Émile', 5, 20, 200.50, false, '1990-06-06')";
        db.batch_execute(sql).await?;
        same(vec![20i32], column(db, "SELECT visits FROM person WHERE email = $1", &[&"emil@example.org"]).await?)
    })
    .await;
}
