package main

import (
	"database/sql"
	"fmt"
	"time"

	"github.com/lib/pq"
)

// ada is the row of all types.
func ada() []interface{} {
	return list("ada@example.org", "Ada Lovelace", note, -7, 42, int64(9007199254740993), "12345.6700", -1.5e-7, 0.25, true,
		day("1815-12-10"), "06:30:15.25", seen, local, ref, doc, photo, "192.168.1.5/24",
		pq.Array([]sql.NullString{{String: "a", Valid: true}, {String: "b c", Valid: true}, {}, {Valid: true}}),
		pq.Array([]sql.NullInt64{{Int64: 1, Valid: true}, {Int64: -2, Valid: true}, {}}))
}

func (s *suite) write() {
	s.check("insert all types", func() { same(int64(1), s.exec(insert, ada()...)) })
	s.check("insert NULLs", func() {
		args := make([]interface{}, 20)
		args[0], args[1], args[4], args[9] = "bob@example.org", "Bob", 0, true
		same(int64(1), s.exec(insert, args...))
	})
	s.check("insert false, an empty string, empty arrays", func() {
		same(int64(1), s.exec("INSERT INTO person (email, name, note, visits, active, tags, lucky, photo)"+
			" VALUES ($1, $2, $3, $4, $5, $6, $7, $8)", "carl@example.org", "Carl", "", -1, false,
			pq.Array([]string{}), pq.Array([]int64{}), []byte{}))
	})
	s.check("insert returning", func() {
		var id, visits int64
		var active bool
		var born time.Time
		must(s.db.QueryRow("INSERT INTO person (email, name, level, visits, salary, born, address)"+
			" VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id, visits, active, born",
			"dora@example.org", "Dora", 5, 10, 100.0, day("1980-05-05"), "10.0.0.1").Scan(&id, &visits, &active, &born))
		same(list(int64(10), true, day("1980-05-05")), list(visits, active, born.UTC()))
	})
	s.check("insert by a prepared statement in a transaction", func() {
		tx, err := s.db.Begin()
		must(err)
		statement, err := tx.Prepare("INSERT INTO person (email, name, level, visits, salary, born, active)" +
			" VALUES ($1, $2, $3, $4, $5, $6, $7)")
		must(err)
		_, err = statement.Exec("emil@example.org", "Émile", 5, 20, "200.50", day("1990-06-06"), false)
		must(err)
		for i := 0; i < often; i++ {
			_, err = statement.Exec(fmt.Sprintf("many%d@example.org", i), "Many", nil, i, nil, nil, i%2 == 0)
			must(err)
		}
		must(tx.Commit())
		same(list(int64(28)), s.column("SELECT sum(visits) FROM person WHERE name = $1", "Many"))
		same(int64(often), s.exec("DELETE FROM person WHERE name = $1", "Many"))
	})
	s.check("insert from a select", func() {
		same(int64(1), s.exec("INSERT INTO purchase (person_id, title, amount, paid, at) SELECT id, $1, $2, $3, $4 FROM person"+
			" WHERE email = $5", "Notes", "9.90", true, seen, "ada@example.org"))
		same(int64(1), s.exec("INSERT INTO purchase (person_id, title, amount) SELECT id, $1, $2 FROM person"+
			" WHERE email = $3", "Engine", "1200", "ada@example.org"))
	})
}

func (s *suite) read() {
	for _, column := range []struct {
		name  string
		value interface{}
	}{
		// What lib/pq gives without being told: bytes for what it does not know.
		{"email", "ada@example.org"},
		{"note", note},
		{"level", int64(-7)},
		{"visits", int64(42)},
		{"points", int64(9007199254740993)},
		{"salary", []byte("12345.6700")},
		{"score", -1.5e-7},
		{"ratio", 0.25},
		{"active", true},
		{"born", day("1815-12-10")},
		{"wakes", time.Date(0, 1, 1, 6, 30, 15, 250000000, time.UTC)},
		{"seen", seen},
		{"local", local},
		{"ref", []byte(ref)},
		{"doc", []byte(doc)},
		{"photo", photo},
		{"address", []byte("192.168.1.5/24")},
		{"tags", []byte(`{a,"b c",NULL,""}`)},
		{"lucky", []byte("{1,-2,NULL}")},
	} {
		s.values("read "+column.name, list(column.value), "SELECT "+column.name+" FROM person WHERE email = $1", "ada@example.org")
	}
	s.check("read arrays", func() {
		var tags []sql.NullString
		var lucky []sql.NullInt64
		must(s.db.QueryRow("SELECT tags, lucky FROM person WHERE email = $1", "ada@example.org").Scan(pq.Array(&tags), pq.Array(&lucky)))
		same(list("a", "b c", false, ""), list(tags[0].String, tags[1].String, tags[2].Valid, tags[3].String))
		same(list(int64(1), int64(-2), false), list(lucky[0].Int64, lucky[1].Int64, lucky[2].Valid))
	})
	s.check("read by types of Go", func() {
		var text, number, id string
		var level int16
		var ratio float32
		var born sql.NullTime
		var active sql.NullBool
		var bytes []byte
		must(s.db.QueryRow("SELECT note, salary, ref, level, ratio, born, active, photo FROM person WHERE email = $1",
			"ada@example.org").Scan(&text, &number, &id, &level, &ratio, &born, &active, &bytes))
		same(list(note, "12345.6700", ref, int16(-7), float32(0.25), day("1815-12-10"), true, photo),
			list(text, number, id, level, ratio, born.Time.UTC(), active.Bool, bytes))
	})
	s.check("read NULLs", func() {
		for _, column := range []string{"note", "level", "salary", "born", "seen", "ref", "doc", "photo", "tags", "lucky"} {
			same(list(nil), s.column("SELECT "+column+" FROM person WHERE email = $1", "bob@example.org"))
		}
	})
	s.check("read false, an empty string, empty bytes", func() {
		same(list(false), s.column("SELECT active FROM person WHERE email = $1", "carl@example.org"))
		same(list(""), s.column("SELECT note FROM person WHERE email = $1", "carl@example.org"))
		same(list([]byte{}), s.column("SELECT photo FROM person WHERE email = $1", "carl@example.org"))
	})
	s.check("types of columns", func() {
		rows, err := s.db.Query("SELECT " + columns + " FROM person")
		must(err)
		defer rows.Close()
		types, err := rows.ColumnTypes()
		must(err)
		got := ""
		for _, column := range types {
			got += fmt.Sprint(" ", column.DatabaseTypeName(), ":", column.ScanType())
		}
		same(" TEXT:string TEXT:string TEXT:string INT2:int16 INT4:int32 INT8:int64 NUMERIC:interface {} FLOAT8:interface {}"+
			" FLOAT4:interface {} BOOL:bool DATE:time.Time TIME:time.Time TIMESTAMPTZ:time.Time TIMESTAMP:time.Time"+
			" UUID:interface {} JSONB:interface {} BYTEA:[]uint8 INET:interface {} _TEXT:interface {} _INT4:interface {}", got)
	})
	s.check("types of expressions", func() {
		rows, err := s.db.Query("SELECT lower(name), visits + 1, max(born), doc -> 'a', array_agg(visits) FROM person" +
			" GROUP BY name, visits, doc UNION SELECT title, 1, NULL, NULL, NULL FROM purchase")
		must(err)
		defer rows.Close()
		types, err := rows.ColumnTypes()
		must(err)
		got := ""
		for _, column := range types {
			got += " " + column.DatabaseTypeName()
		}
		same(" TEXT INT4 DATE JSONB _INT4", got)
	})
}
