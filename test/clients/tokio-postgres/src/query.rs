//! Conditions, order, groups and joins.

use crate::number::Number;
use crate::tap::{same, Tap};
use crate::write::{day, local, reference, salary, seen};
use crate::{column, one, Parameters, NOTE, PHOTO};
use chrono::NaiveDate;
use serde_json::json;
use tokio_postgres::Client;

/// Names, in the order of id, of the persons that satisfy a condition.
async fn names(db: &Client, tap: &mut Tap, name: &str, wanted: &[&str], condition: &str, parameters: Parameters<'_>) {
    let sql = format!("SELECT name FROM person WHERE {} ORDER BY id", condition);
    texts(db, tap, name, wanted, &sql, parameters).await;
}

async fn texts(db: &Client, tap: &mut Tap, name: &str, wanted: &[&str], sql: &str, parameters: Parameters<'_>) {
    tap.check(name, async {
        let got: Vec<String> = column(db, sql, parameters).await?;
        same(wanted.join(", "), got.join(", "))
    })
    .await;
}

async fn filter(db: &Client, tap: &mut Tap) {
    let ada = &["Ada Lovelace"][..];
    let dora_emil = &["Dora", "Émile"][..];
    names(db, tap, "=", ada, "email = $1", &[&"ada@example.org"]).await;
    names(db, tap, "<>", &["Bob", "Carl", "Dora", "Émile"], "email <> $1", &[&"ada@example.org"]).await;
    names(db, tap, "IN", &["Bob", "Dora"], "email IN ($1, $2)", &[&"bob@example.org", &"dora@example.org"]).await;
    names(db, tap, "= ANY", &["Bob", "Dora"], "email = ANY ($1)", &[&vec!["bob@example.org", "dora@example.org"]]).await;
    names(db, tap, "= ANY, numbers", &["Ada Lovelace", "Dora"], "visits = ANY ($1)", &[&vec![42i32, 10]]).await;
    names(db, tap, ">= and <", &["Bob", "Carl"], "name >= $1 AND name < $2", &[&"B", &"D"]).await;
    names(db, tap, "BETWEEN", dora_emil, "visits BETWEEN $1 AND $2", &[&7i32, &20i32]).await;
    names(db, tap, "LIKE", ada, "name LIKE $1", &[&"Ada%"]).await;
    names(db, tap, "ILIKE", &["Dora"], "name ILIKE $1", &[&"%dOR%"]).await;
    names(db, tap, "IS NULL, OR", &["Bob", "Dora", "Émile"], "salary IS NULL OR level = $1", &[&5i16]).await;
    names(db, tap, "a bool", &["Carl", "Émile"], "active = $1", &[&false]).await;
    names(db, tap, "NOT a bool", &["Carl", "Émile"], "NOT active AND visits < $1", &[&100i32]).await;
    names(db, tap, "a range of dates", dora_emil, "born >= $1 AND born < $2", &[&day("1970-01-01"), &day("2000-01-01")]).await;
    names(db, tap, "a date", ada, "born = $1", &[&day("1815-12-10")]).await;
    names(db, tap, "a timestamptz", ada, "seen = $1", &[&seen()]).await;
    names(db, tap, "a timestamp", ada, "local <= $1", &[&local()]).await;
    names(db, tap, "a bigint", ada, "points = $1", &[&9007199254740993i64]).await;
    names(db, tap, "a numeric", ada, "salary = $1", &[&salary()]).await;
    names(db, tap, "a double", ada, "score = $1", &[&-1.5e-7f64]).await;
    names(db, tap, "bytes", ada, "photo = $1", &[&PHOTO]).await;
    names(db, tap, "a uuid", ada, "ref = $1", &[&reference()]).await;
    names(db, tap, "a field of jsonb", ada, "doc ->> $1 = $2", &[&"c", &"☃"]).await;
    names(db, tap, "jsonb contains", ada, "doc @> $1", &[&json!({"a": [2]})]).await;
    names(db, tap, "an element of an array", ada, "$1 = ANY (tags) AND $2 = ANY (lucky)", &[&"b c", &1i32]).await;
    names(db, tap, "arrays overlap", ada, "tags && $1 AND lucky @> $2", &[&vec!["a"], &vec![1i32, -2]]).await;
    names(db, tap, "arithmetic", &["Dora"], "visits * $1 + 1 = $2", &[&2i32, &21i32]).await;
    names(db, tap, "a concatenation", &["Dora"], "name || $1 = $2", &[&"!", &"Dora!"]).await;
    names(db, tap, "IS NOT DISTINCT FROM", dora_emil, "level IS NOT DISTINCT FROM $1", &[&Some(5i16)]).await;
    names(db, tap, "a parameter with a cast", &["Dora"], "visits = $1::bigint AND email = $2::varchar", &[&10i64, &"dora@example.org"]).await;
}

pub async fn run(db: &Client, tap: &mut Tap) {
    filter(db, tap).await;
    texts(db, tap, "ORDER BY, LIMIT, OFFSET", &["Bob", "Carl"], "SELECT name FROM person ORDER BY name LIMIT $1 OFFSET $2", &[&2i64, &1i64]).await;
    texts(db, tap, "ORDER BY DESC NULLS LAST", &["Ada Lovelace", "Émile", "Dora", "Carl", "Bob"],
        "SELECT name FROM person ORDER BY salary DESC NULLS LAST, name", &[]).await;
    tap.check("DISTINCT", async {
        let sql = "SELECT DISTINCT level FROM person WHERE level IS NOT NULL ORDER BY level";
        same(vec![-7i16, 5], column(db, sql, &[]).await?)
    })
    .await;
    texts(db, tap, "DISTINCT ON", &["Carl", "Ada Lovelace"], "SELECT DISTINCT ON (active) name FROM person ORDER BY active, name", &[]).await;
    tap.check("aggregates", async {
        let row = db
            .query_one("SELECT count(*), sum(visits), sum(salary), min(name), max(born), bool_and(active), avg(score) FROM person", &[])
            .await?;
        same((5i64, 71i64), (row.try_get(0)?, row.try_get(1)?))?;
        same(Number::new(&[1, 2646, 1700], 1, false, 4), row.try_get(2)?)?;
        same("Ada Lovelace", row.try_get(3)?)?;
        same((day("1990-06-06"), false, -1.5e-7f64), (row.try_get(4)?, row.try_get(5)?, row.try_get(6)?))
    })
    .await;
    tap.check("GROUP BY, HAVING", async {
        let sql = "SELECT level, count(*), max(name), min(born) FROM person WHERE level IS NOT NULL GROUP BY level HAVING count(*) >= $1";
        let row = db.query_one(sql, &[&2i64]).await?;
        same((5i16, 2i64, "Émile"), (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))?;
        same(day("1980-05-05"), row.try_get::<_, NaiveDate>(3)?)
    })
    .await;
    texts(db, tap, "join", &["Ada Lovelace: Engine", "Ada Lovelace: Notes"],
        "SELECT p.name || ': ' || b.title FROM person p JOIN purchase b ON b.person_id = p.id WHERE p.email = $1 \
            ORDER BY b.amount DESC", &[&"ada@example.org"]).await;
    texts(db, tap, "subquery", &["Ada Lovelace"],
        "SELECT name FROM person WHERE id IN (SELECT person_id FROM purchase WHERE amount > $1)", &[&Number::new(&[100], 0, false, 0)]).await;
    tap.check("WITH", async {
        let sql = "WITH x AS (SELECT visits AS v FROM person WHERE visits >= $1) SELECT sum(v) FROM x";
        same(72i64, one(db, sql, &[&10i32]).await?)
    })
    .await;
    tap.check("window function", async {
        let sql = "SELECT rank() OVER (ORDER BY visits DESC) FROM person WHERE visits >= $1 ORDER BY 1";
        same(vec![1i64, 2, 3], column(db, sql, &[&10i32]).await?)
    })
    .await;
    texts(db, tap, "coalesce", &[NOTE, "none"], "SELECT coalesce(note, $1) FROM person ORDER BY id LIMIT 2", &[&"none"]).await;
    texts(db, tap, "UNION", &["Engine", "Dora"],
        "SELECT title FROM purchase WHERE amount > 100 UNION SELECT name FROM person WHERE visits = $1 ORDER BY 1 DESC", &[&10i32]).await;
    tap.check("array_agg", async {
        let sql = "SELECT array_agg(visits ORDER BY visits), array_agg(name ORDER BY name) FROM person WHERE level = $1";
        let row = db.query_one(sql, &[&5i16]).await?;
        same(vec![10i32, 20], row.try_get(0)?)?;
        same(vec!["Dora", "Émile"], row.try_get(1)?)
    })
    .await;
}
