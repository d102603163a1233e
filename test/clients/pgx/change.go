package main

import (
	"database/sql"
	"time"

	"github.com/jackc/pgx/v4"
)

func (s *suite) change() {
	s.check("update one", func() {
		same(int64(1), s.exec("UPDATE person SET note = $1, active = $2, born = $3, photo = $4 WHERE email = $5",
			"new", false, day("1999-09-09"), photo, "dora@example.org"))
		var text string
		var active bool
		var born time.Time
		must(s.conn.QueryRow(ctx, "SELECT note, active, born FROM person WHERE email = $1", "dora@example.org").
			Scan(&text, &active, &born))
		same(list("new", false, day("1999-09-09")), list(text, active, born.UTC()))
	})
	s.check("update many", func() { same(int64(2), s.exec("UPDATE person SET note = $1 WHERE level = $2", "five", 5)) })
	s.check("increment", func() {
		for i := 1; i <= often; i++ {
			same(int64(1), s.exec("UPDATE person SET visits = visits + $1 WHERE email = $2", 1, "dora@example.org"))
		}
		same(int32(10+often), s.one("SELECT visits FROM person WHERE email = $1", "dora@example.org"))
	})
	s.check("update returning", func() {
		same(list(int32(42)), s.column("UPDATE person SET visits = visits * $1 WHERE email = $2 RETURNING visits", 1, "ada@example.org"))
	})
	s.check("upsert", func() {
		var visits int32
		for i := int32(1); i <= often; i++ {
			must(s.conn.QueryRow(ctx, "INSERT INTO person (email, name, visits) VALUES ($1, $2, 1) ON CONFLICT (email)"+
				" DO UPDATE SET visits = person.visits + excluded.visits, name = excluded.name RETURNING visits",
				"upsert@example.org", "Upsert").Scan(&visits))
			same(i, visits)
		}
		same(int64(1), s.exec("DELETE FROM person WHERE email = $1", "upsert@example.org"))
	})
	s.check("commit, rollback, savepoint", func() {
		must(s.conn.BeginFunc(ctx, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "UPDATE person SET note = $1 WHERE email = $2", "kept", "bob@example.org")
			must(err)
			nested, err := tx.Begin(ctx)
			must(err)
			_, err = nested.Exec(ctx, "UPDATE person SET note = $1 WHERE email = $2", "lost", "bob@example.org")
			must(err)
			return nested.Rollback(ctx)
		}))
		tx, err := s.conn.Begin(ctx)
		must(err)
		_, err = tx.Exec(ctx, "DELETE FROM person WHERE email = $1", "bob@example.org")
		must(err)
		must(tx.Rollback(ctx))
		same("kept", s.one("SELECT note FROM person WHERE email = $1", "bob@example.org"))
	})
	s.check("a cursor", func() {
		must(s.conn.BeginFunc(ctx, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "DECLARE c CURSOR FOR SELECT visits, name FROM person WHERE level = 5 ORDER BY name")
			must(err)
			var visits int32
			var name string
			must(tx.QueryRow(ctx, "FETCH 1 FROM c").Scan(&visits, &name))
			same(list(int32(10+often), "Dora"), list(visits, name))
			return nil
		}))
	})
	s.check("a prepared statement, often", func() {
		query := "SELECT id, name, visits, active, born FROM person WHERE email = $1"
		if s.mode != "describe" {
			_, err := s.conn.Prepare(ctx, "by email", query)
			must(err)
			query = "by email"
		}
		for i := 0; i < often; i++ {
			var id int64
			var visits int
			var name string
			var active bool
			var born *time.Time
			must(s.conn.QueryRow(ctx, query, "ada@example.org").Scan(&id, &name, &visits, &active, &born))
			same(list("Ada Lovelace", 42, true, day("1815-12-10")), list(name, visits, active, born.UTC()))
		}
		if s.mode != "describe" {
			must(s.conn.Deallocate(ctx, "by email"))
		}
	})
	s.state("unique violation", "23505", func() error {
		_, err := s.conn.Exec(ctx, "INSERT INTO person (email, name) VALUES ($1, $2)", "ada@example.org", "x")
		return err
	})
	s.state("NOT NULL violation", "23502", func() error {
		_, err := s.conn.Exec(ctx, "INSERT INTO person (email, name) VALUES ($1, NULL)", "null@example.org")
		return err
	})
	s.state("out of range", "22003", func() error {
		_, err := s.conn.Exec(ctx, "UPDATE person SET level = visits * 100000 WHERE email = $1", "ada@example.org")
		return err
	})
}

func (s *suite) copy() {
	names := []string{"email", "name", "note", "level", "visits", "points", "salary", "score", "ratio", "active",
		"born", "wakes", "seen", "local", "ref", "doc", "photo", "address", "tags", "lucky"}
	s.check("CopyFrom", func() {
		rows := [][]interface{}{}
		for i := 0; i < 100; i++ {
			row := ada()
			row[0], row[1], row[4] = "copy"+string(rune('A'+i))+"@example.org", "Copy", i
			rows = append(rows, row)
		}
		copied, err := s.conn.CopyFrom(ctx, pgx.Identifier{"person"}, names, pgx.CopyFromRows(rows))
		must(err)
		same(int64(100), copied)
		same(int64(4950), s.one("SELECT sum(visits) FROM person WHERE name = $1", "Copy"))
	})
	s.check("what CopyFrom has written", func() {
		same(int64(101), s.one("SELECT count(*) FROM person a JOIN person b USING (note, level, points, salary, score, ratio,"+
			" active, born, wakes, seen, local, ref, doc, photo, address) WHERE a.email = $1 AND a.tags::text = b.tags::text"+
			" AND a.lucky::text = b.lucky::text", "ada@example.org"))
	})
	s.check("CopyFrom NULLs", func() {
		row := make([]interface{}, len(names))
		row[0], row[1], row[4], row[9] = "nulls@example.org", "Copy", 0, false
		copied, err := s.conn.CopyFrom(ctx, pgx.Identifier{"person"}, names, pgx.CopyFromRows([][]interface{}{row}))
		must(err)
		same(int64(1), copied)
	})
	s.check("delete", func() {
		same(int64(101), s.exec("DELETE FROM person WHERE name = $1", "Copy"))
		same(list("Notes", "Engine"), s.columnOnce("DELETE FROM purchase USING person p WHERE p.id = person_id"+
			" AND p.email = $1 RETURNING title", "ada@example.org"))
	})
}

func (s *suite) columnOnce(sql string, args ...interface{}) []interface{} {
	values := []interface{}{}
	rows, err := s.conn.Query(ctx, sql, args...)
	must(err)
	for rows.Next() {
		row, err := rows.Values()
		must(err)
		values = append(values, row[0])
	}
	must(rows.Err())
	return values
}

// standard is pgx below database/sql.
func standard(db *sql.DB) {
	check("database/sql: types of columns", func() {
		rows, err := db.Query("SELECT name, visits, active, born, photo, ref FROM person")
		must(err)
		defer rows.Close()
		columns, err := rows.ColumnTypes()
		must(err)
		got := []interface{}{}
		for _, column := range columns {
			got = append(got, column.DatabaseTypeName(), column.ScanType().String())
		}
		same(list("TEXT", "string", "INT4", "int32", "BOOL", "bool", "DATE", "time.Time", "BYTEA", "[]uint8", "UUID", "string"), got)
	})
	check("database/sql: values", func() {
		statement, err := db.Prepare("SELECT name, visits, points, score, active, born, photo, ref FROM person WHERE email = $1")
		must(err)
		for i := 0; i < often; i++ {
			var name, visits, points, score, active, born, bytes, id interface{}
			must(statement.QueryRow("ada@example.org").Scan(&name, &visits, &points, &score, &active, &born, &bytes, &id))
			same(list("Ada Lovelace", int64(42), int64(9007199254740993), -1.5e-7, true, day("1815-12-10"), photo,
				"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"), list(name, visits, points, score, active, born.(time.Time).UTC(), bytes, id))
		}
		must(statement.Close())
	})
	check("database/sql: NULLs", func() {
		var level sql.NullInt32
		var born sql.NullTime
		var salary sql.NullFloat64
		must(db.QueryRow("SELECT level, born, salary FROM person WHERE email = $1", "carl@example.org").Scan(&level, &born, &salary))
		same(list(false, false, false), list(level.Valid, born.Valid, salary.Valid))
	})
}
