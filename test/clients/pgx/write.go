package main

import (
	"net"
	"time"

	"github.com/jackc/pgtype"
	"github.com/jackc/pgx/v4"
)

const insert = "INSERT INTO person (" + columns + ") VALUES (" + placeholders + ")"

func (s *suite) write() {
	s.check("insert all types", func() {
		if s.mode == "simple" {
			// It needs to be told what kind of literal to write.
			args := ada()
			args[11] = "06:30:15.25"
			args[14] = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
			args[15] = `{"a": [1, 2, {"b": null}], "c": "☃"}`
			args[17] = "192.168.1.5/24"
			args[18] = `{a,"b c",NULL,""}`
			args[19] = "{1,-2,NULL}"
			args[6] = "12345.6700"
			same(int64(1), s.exec(insert, args...))
		} else {
			same(int64(1), s.exec(insert, ada()...))
		}
	})
	s.check("insert NULLs", func() {
		args := ada()
		for i := range args {
			args[i] = nil
		}
		args[0], args[1], args[4], args[9] = "bob@example.org", "Bob", 0, true
		same(int64(1), s.exec(insert, args...))
	})
	s.check("insert false, an empty string, empty arrays", func() {
		same(int64(1), s.exec("INSERT INTO person (email, name, note, visits, active, tags, lucky, photo)"+
			" VALUES ($1, $2, $3, $4, $5, '{}', '{}', $6)", "carl@example.org", "Carl", "", -1, false, []byte{}))
	})
	s.check("insert returning", func() {
		var id int64
		var level int16
		var visits int32
		var active bool
		var born time.Time
		must(s.conn.QueryRow(ctx, "INSERT INTO person (email, name, level, visits, salary, born, address)"+
			" VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id, level, visits, active, born",
			"dora@example.org", "Dora", 5, 10, 100.0, day("1980-05-05"), "10.0.0.1").
			Scan(&id, &level, &visits, &active, &born))
		same(list(int16(5), int32(10), true, day("1980-05-05")), list(level, visits, active, born.UTC()))
	})
	s.check("a batch", func() {
		batch := &pgx.Batch{}
		batch.Queue("INSERT INTO person (email, name, level, visits, salary, born, active)"+
			" VALUES ($1, $2, $3, $4, $5, $6, $7)", "emil@example.org", "Émile", 5, 20, "200.50", day("1990-06-06"), false)
		batch.Queue("INSERT INTO purchase (person_id, title, amount, paid, at) SELECT id, $1, $2, $3, $4 FROM person"+
			" WHERE email = $5", "Notes", "9.90", true, seen, "ada@example.org")
		batch.Queue("INSERT INTO purchase (person_id, title, amount) SELECT id, $1, $2 FROM person"+
			" WHERE email = $3", "Engine", "1200", "ada@example.org")
		batch.Queue("SELECT visits FROM person WHERE email = $1", "emil@example.org")
		results := s.conn.SendBatch(ctx, batch)
		for i := 0; i < 3; i++ {
			tag, err := results.Exec()
			must(err)
			same(int64(1), tag.RowsAffected())
		}
		var visits int32
		must(results.QueryRow().Scan(&visits))
		same(int32(20), visits)
		must(results.Close())
	})
}

func (s *suite) read() {
	s.check("read by types of Go", s.readTyped)
	s.check("read by pointers", s.readPointers)
	s.check("read by pgtype", func() {
		var wakes pgtype.Time
		var salary pgtype.Numeric
		var tags pgtype.TextArray
		var lucky pgtype.Int4Array
		var json pgtype.JSONB
		var address pgtype.Inet
		must(s.conn.QueryRow(ctx, "SELECT wakes, salary, tags, lucky, doc, address FROM person WHERE email = $1",
			"ada@example.org").Scan(&wakes, &salary, &tags, &lucky, &json, &address))
		same(int64(23415250000), wakes.Microseconds)
		var number float64
		must(salary.AssignTo(&number))
		same(12345.67, number)
		same("b c", tags.Elements[1].String)
		same(pgtype.Null, tags.Elements[2].Status)
		same(int32(-2), lucky.Elements[1].Int)
		same(doc, json.Get())
		same("192.168.1.5/24", address.IPNet.String())
	})
	s.check("read as pgx chooses", func() {
		rows, err := s.conn.Query(ctx, "SELECT email, note, level, visits, points, score, ratio, active, born, seen, local, ref,"+
			" doc, photo FROM person WHERE email = $1", "ada@example.org")
		must(err)
		defer rows.Close()
		same(true, rows.Next())
		values, err := rows.Values()
		must(err)
		values[8], values[9], values[10] = values[8].(time.Time).UTC(), values[9].(time.Time).UTC(), values[10].(time.Time).UTC()
		same(list("ada@example.org", note, int16(-7), int32(42), int64(9007199254740993), -1.5e-7, float32(0.25), true,
			day("1815-12-10"), seen, local, ref, doc, photo), values)
	})
	s.check("read arrays, numeric, inet as pgx chooses", func() {
		rows, err := s.conn.Query(ctx, "SELECT tags, lucky, salary, address, wakes FROM person WHERE email = $1", "ada@example.org")
		must(err)
		defer rows.Close()
		same(true, rows.Next())
		values, err := rows.Values()
		must(err)
		same("pgtype.TextArray pgtype.Int4Array pgtype.Numeric *net.IPNet int64", types(values))
	})
	s.check("read NULLs", func() {
		rows, err := s.conn.Query(ctx, "SELECT note, level, points, salary, score, ratio, born, wakes, seen, local, ref, doc,"+
			" photo, address, tags, lucky FROM person WHERE email = $1", "bob@example.org")
		must(err)
		defer rows.Close()
		same(true, rows.Next())
		values, err := rows.Values()
		must(err)
		for _, value := range values {
			if array, ok := value.(pgtype.TextArray); ok {
				same(pgtype.Null, array.Status)
			} else if array, ok := value.(pgtype.Int4Array); ok {
				same(pgtype.Null, array.Status)
			} else if number, ok := value.(pgtype.Numeric); ok {
				same(pgtype.Null, number.Status)
			} else {
				same(nil, value)
			}
		}
	})
	s.check("read false, an empty string, empty arrays", func() {
		var text string
		var active bool
		var tags []string
		var lucky []int32
		var bytes []byte
		must(s.conn.QueryRow(ctx, "SELECT note, active, tags, lucky, photo FROM person WHERE email = $1", "carl@example.org").
			Scan(&text, &active, &tags, &lucky, &bytes))
		same(list("", false, []string{}, []int32{}, []byte{}), list(text, active, tags, lucky, bytes))
	})
}

func (s *suite) readTyped() {
	for i := 0; i < often; i++ {
		var email, name, text, number string
		var level int16
		var visits int
		var points int64
		var score float64
		var ratio float32
		var active bool
		var born, at, here time.Time
		var id [16]byte
		var value map[string]interface{}
		var bytes []byte
		var address net.IPNet
		var tags []*string
		var lucky []*int32

		must(s.conn.QueryRow(ctx, "SELECT email, name, note, level, visits, points, salary::text, score, ratio, active,"+
			" born, seen, local, ref, doc, photo, address, tags, lucky FROM person WHERE email = $1", "ada@example.org").
			Scan(&email, &name, &text, &level, &visits, &points, &number, &score, &ratio, &active,
				&born, &at, &here, &id, &value, &bytes, &address, &tags, &lucky))
		args := ada()
		same(list(args[0], args[1], note, args[3], args[4], args[5], "12345.6700", args[7], args[8], args[9]),
			list(email, name, text, level, visits, points, number, score, ratio, active))
		same(list(args[10], seen, local, ref, doc, photo), list(born.UTC(), at.UTC(), here.UTC(), id, value, bytes))
		same("192.168.1.5/24", address.String())
		same(args[18:], list(tags, lucky))
	}
}

func (s *suite) readPointers() {
	var text, none *string
	var level, noLevel *int16
	var salary, noSalary *float64
	var active *bool
	var born, noBorn *time.Time
	query := "SELECT note, level, salary, active, born FROM person WHERE email = $1"

	must(s.conn.QueryRow(ctx, query, "ada@example.org").Scan(&text, &level, &salary, &active, &born))
	same(list(note, int16(-7), 12345.67, true, day("1815-12-10")), list(*text, *level, *salary, *active, born.UTC()))
	must(s.conn.QueryRow(ctx, query, "bob@example.org").Scan(&none, &noLevel, &noSalary, &active, &noBorn))
	same(true, none == nil && noLevel == nil && noSalary == nil && *active && noBorn == nil)
}
