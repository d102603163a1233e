//! UPDATE, transactions, cursors, COPY, errors, DELETE.

use crate::number::Number;
use crate::tap::{same, Failure, Outcome, Tap};
use crate::write::{address, day, doc, local, reference, salary, seen, wakes};
use crate::{column, one, COLUMNS, NOTE, OFTEN, PHOTO};
use bytes::Bytes;
use futures_util::{pin_mut, SinkExt, TryStreamExt};
use serde_json::Value;
use tokio_postgres::binary_copy::{BinaryCopyInWriter, BinaryCopyOutStream};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::Client;
use uuid::Uuid;

fn state(wanted: SqlState, result: Result<u64, tokio_postgres::Error>) -> Outcome {
    match result {
        Ok(_) => Err("no error".into()),
        Err(failure) => same(Some(&wanted), failure.code()),
    }
}

async fn updates(db: &Client, tap: &mut Tap) {
    tap.check("update one", async {
        let sql = "UPDATE person SET note = $1, active = $2, born = $3, photo = $4, ref = $5, tags = $6 WHERE email = $7";
        same(1, db.execute(sql, &[&"new", &false, &day("1999-09-09"), &PHOTO, &reference(), &vec!["x"], &"dora@example.org"]).await?)?;
        let row = db.query_one("SELECT note, active, born, photo, ref, tags FROM person WHERE name = 'Dora'", &[]).await?;
        same(("new", false, day("1999-09-09")), (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))?;
        same((PHOTO, reference(), vec!["x"]), (row.try_get(3)?, row.try_get(4)?, row.try_get(5)?))
    })
    .await;
    tap.check("update many", async {
        same(2, db.execute("UPDATE person SET note = $1 WHERE level = $2", &[&"five", &5i16]).await?)
    })
    .await;
    tap.check("increment", async {
        let statement = db.prepare("UPDATE person SET visits = visits + $1 WHERE email = $2").await?;
        for _ in 0..OFTEN {
            same(1, db.execute(&statement, &[&1i32, &"dora@example.org"]).await?)?;
        }
        same(10 + OFTEN as i32, one(db, "SELECT visits FROM person WHERE email = $1", &[&"dora@example.org"]).await?)
    })
    .await;
    tap.check("update returning", async {
        let sql = "UPDATE person SET visits = visits * $1 WHERE email = $2 RETURNING visits, name";
        same(vec![42i32], column(db, sql, &[&1i32, &"ada@example.org"]).await?)
    })
    .await;
    tap.check("upsert", async {
        let statement = db
            .prepare(
                "INSERT INTO person (email, name, visits) VALUES ($1, $2, $3) ON CONFLICT (email) \
                    DO UPDATE SET visits = person.visits + excluded.visits RETURNING visits",
            )
            .await?;
        same(&[Type::TEXT, Type::TEXT, Type::INT4][..], statement.params())?;
        for i in 1..=OFTEN as i32 {
            let row = db.query_one(&statement, &[&"upsert@example.org", &"Upsert", &1i32]).await?;
            same(i, row.try_get(0)?)?;
        }
        same(1, db.execute("DELETE FROM person WHERE email = $1", &[&"upsert@example.org"]).await?)
    })
    .await;
    tap.check("unique violation", async {
        let result = db.execute("INSERT INTO person (email, name) VALUES ($1, $2)", &[&"ada@example.org", &"x"]).await;
        state(SqlState::UNIQUE_VIOLATION, result)
    })
    .await;
    tap.check("NOT NULL violation", async {
        let result = db.execute("INSERT INTO person (email, name) VALUES ($1, $2)", &[&"z@example.org", &None::<String>]).await;
        state(SqlState::NOT_NULL_VIOLATION, result)
    })
    .await;
    tap.check("out of range", async {
        let result = db.execute("UPDATE person SET level = visits * $1 WHERE email = $2", &[&100000i32, &"ada@example.org"]).await;
        state(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, result)
    })
    .await;
}

async fn transactions(db: &mut Client) -> Outcome {
    let mut transaction = db.transaction().await?;
    transaction.execute("UPDATE person SET note = $1 WHERE email = $2", &[&"kept", &"bob@example.org"]).await?;
    let savepoint = transaction.savepoint("a").await?;
    savepoint.execute("UPDATE person SET note = $1 WHERE email = $2", &[&"lost", &"bob@example.org"]).await?;
    savepoint.rollback().await?;
    transaction.commit().await?;
    let transaction = db.transaction().await?;
    transaction.execute("DELETE FROM person WHERE email = $1", &[&"bob@example.org"]).await?;
    transaction.rollback().await?;
    same("kept".to_string(), one(db, "SELECT note FROM person WHERE email = $1", &[&"bob@example.org"]).await?)
}

async fn portal(db: &mut Client) -> Outcome {
    let transaction = db.transaction().await?;
    let portal = transaction.bind("SELECT visits, name FROM person WHERE visits >= $1 ORDER BY visits", &[&0i32]).await?;
    let mut got: Vec<(i32, String)> = Vec::new();
    loop {
        let rows = transaction.query_portal(&portal, 2).await?;
        if rows.is_empty() {
            break;
        }
        for row in rows {
            got.push((row.try_get(0)?, row.try_get(1)?));
        }
    }
    transaction.rollback().await?;
    let names: Vec<String> = got.iter().map(|(visits, name)| format!("{}{}", name, visits)).collect();
    same("Bob0 Dora18 Émile20 Ada Lovelace42".to_string(), names.join(" "))
}

fn copied_types() -> Vec<Type> {
    vec![
        Type::TEXT, Type::TEXT, Type::TEXT, Type::INT2, Type::INT4, Type::INT8, Type::NUMERIC, Type::FLOAT8, Type::FLOAT4,
        Type::BOOL, Type::DATE, Type::TIME, Type::TIMESTAMPTZ, Type::TIMESTAMP, Type::UUID, Type::JSONB, Type::BYTEA,
        Type::INET, Type::TEXT_ARRAY, Type::INT4_ARRAY,
    ]
}

async fn copy_in(db: &Client) -> Outcome {
    let sink = db.copy_in(&format!("COPY person ({}) FROM STDIN (FORMAT binary)", COLUMNS)[..]).await?;
    let writer = BinaryCopyInWriter::new(sink, &copied_types());
    pin_mut!(writer);
    for i in 0..20i32 {
        let email = format!("copy{}@example.org", i);
        let (tags, lucky) = (vec![Some("a"), Some("b c"), None, Some("")], vec![Some(1i32), Some(-2), None]);
        let row: [&(dyn ToSql + Sync); 20] = [
            &email, &"Copy", &NOTE, &-7i16, &i, &9007199254740993i64, &salary(), &-1.5e-7f64, &0.25f32, &true,
            &day("1815-12-10"), &wakes(), &seen(), &local(), &reference(), &doc(), &PHOTO, &address(), &tags, &lucky,
        ];
        writer.as_mut().write(&row).await?;
    }
    same(20, writer.finish().await?)?;
    let columns = "note, level, points, salary, score, ratio, active, born, wakes, seen, local, ref, doc, photo, address, tags, lucky";
    let sql = format!("SELECT count(*) FROM (SELECT {} FROM person WHERE name = $1 EXCEPT SELECT {} FROM person WHERE name = $2) x",
        columns, columns);
    same(0i64, one(db, &sql, &[&"Copy", &"Ada Lovelace"]).await?)
}

async fn copy_out(db: &Client) -> Outcome {
    let sql = format!("COPY (SELECT {} FROM person WHERE name = 'Copy' ORDER BY visits) TO STDOUT (FORMAT binary)", COLUMNS);
    let rows: Vec<_> = BinaryCopyOutStream::new(db.copy_out(&sql[..]).await?, &copied_types()).try_collect().await?;
    same(20, rows.len())?;
    for (i, row) in rows.iter().enumerate() {
        same(("Copy", i as i32, salary()), (row.try_get(1)?, row.try_get(4)?, row.try_get(6)?))?;
        same((true, day("1815-12-10"), PHOTO), (row.try_get(9)?, row.try_get(10)?, row.try_get(16)?))?;
        same((reference(), doc()), (row.try_get::<Uuid>(14)?, row.try_get::<Value>(15)?))?;
        same(vec![Some("a"), Some("b c"), None, Some("")], row.try_get(18)?)?;
        same(vec![Some(1i32), Some(-2), None], row.try_get(19)?)?;
    }
    Ok(())
}

async fn copy_csv(db: &Client) -> Outcome {
    let sink = db.copy_in("COPY person (email, name, salary, active, tags) FROM STDIN (FORMAT csv)").await?;
    pin_mut!(sink);
    sink.send(Bytes::from("csv@example.org,Copy,-1.50,f,\"{x,y}\"\n")).await?;
    same(1, sink.finish().await?)?;
    let chunks: Vec<Bytes> = db
        .copy_out("COPY (SELECT name, salary, active, tags FROM person WHERE email = 'csv@example.org') TO STDOUT (FORMAT csv)")
        .await?
        .try_collect()
        .await?;
    same(&b"Copy,-1.50,f,\"{x,y}\"\n"[..], &chunks.concat()[..])?;
    same(Number::new(&[1, 5000], 0, true, 2), one(db, "SELECT salary FROM person WHERE email = $1", &[&"csv@example.org"]).await?)
}

async fn delete(db: &Client) -> Outcome {
    same(21, db.execute("DELETE FROM person WHERE name = $1", &[&"Copy"]).await?)?;
    let rows = db
        .query("DELETE FROM purchase USING person p WHERE p.id = person_id AND p.email = $1 RETURNING title, amount, paid", &[&"ada@example.org"])
        .await?;
    same(("Notes", true), (rows[0].try_get(0)?, rows[0].try_get(2)?))?;
    same(Number::new(&[1200], 0, false, 0), rows[1].try_get(1)?)
}

pub async fn run(db: &mut Client, tap: &mut Tap) {
    updates(db, tap).await;
    tap.check("commit, rollback, savepoint", transactions(db)).await;
    tap.check("a portal", portal(db)).await;
    tap.check("rows as a stream", async {
        let parameters: [&(dyn ToSql + Sync); 1] = [&0i32];
        let rows = db.query_raw("SELECT visits FROM person WHERE visits >= $1", parameters).await?;
        pin_mut!(rows);
        let mut sum = 0;
        while let Some(row) = rows.try_next().await? {
            sum += row.try_get::<_, i32>(0)?;
        }
        same(80, sum)
    })
    .await;
    tap.check("binary COPY in", copy_in(db)).await;
    tap.check("binary COPY out", copy_out(db)).await;
    tap.check("COPY in and out, CSV", copy_csv(db)).await;
    tap.check("delete", delete(db)).await;
    tap.check("several statements", async {
        db.batch_execute("BEGIN; UPDATE person SET version = 1 WHERE name = 'Bob'; DELETE FROM person WHERE version = 1; COMMIT").await?;
        same(4i64, one(db, "SELECT count(*) FROM person", &[]).await.map_err(Failure::from)?)
    })
    .await;
}
