// pgx: all checks in each of the ways in which it can talk to the server.
package main

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/jackc/pgconn"
	"github.com/jackc/pgtype"
	"github.com/jackc/pgx/v4"
	"github.com/jackc/pgx/v4/stdlib"
)

// More executions than the server needs to change to a generic plan.
const often = 8

const columns = "email, name, note, level, visits, points, salary, score, ratio, active," +
	" born, wakes, seen, local, ref, doc, photo, address, tags, lucky"

var ctx = context.Background()

type suite struct {
	conn *pgx.Conn
	mode string
}

func (s *suite) check(name string, run func()) {
	check(s.mode+": "+name, run)
}

func (s *suite) exec(sql string, args ...interface{}) int64 {
	tag, err := s.conn.Exec(ctx, sql, args...)
	must(err)
	return tag.RowsAffected()
}

// one is the value of a query of one row and one column, as pgx chooses.
func (s *suite) one(sql string, args ...interface{}) interface{} {
	values := s.column(sql, args...)
	same(1, len(values))
	return values[0]
}

func (s *suite) column(sql string, args ...interface{}) []interface{} {
	var first []interface{}

	for i := 0; i < often; i++ {
		values := []interface{}{}
		rows, err := s.conn.Query(ctx, sql, args...)
		must(err)
		for rows.Next() {
			row, err := rows.Values()
			must(err)
			values = append(values, row[0])
		}
		must(rows.Err())
		if first == nil {
			first = values
		}
		same(first, values)
	}
	return first
}

// names of the persons that satisfy a condition, in the order of id.
func (s *suite) names(name string, wanted []interface{}, condition string, args ...interface{}) {
	s.values(name, wanted, "SELECT name FROM person WHERE "+condition+" ORDER BY id", args...)
}

func (s *suite) values(name string, wanted []interface{}, sql string, args ...interface{}) {
	s.check(name, func() { same(wanted, s.column(sql, args...)) })
}

func list(values ...interface{}) []interface{} {
	return append([]interface{}{}, values...)
}

func numeric(text string) *pgtype.Numeric {
	value := &pgtype.Numeric{}
	must(value.Set(text))
	return value
}

func day(text string) time.Time {
	value, err := time.Parse("2006-01-02", text)
	must(err)
	return value
}

// state is the SQLSTATE that a check has to fail with.
func (s *suite) state(name, wanted string, run func() error) {
	s.check(name, func() {
		err := run()
		failure, ok := err.(*pgconn.PgError)
		if !ok {
			panic(fmt.Sprintf("wanted SQLSTATE %s, got %v", wanted, err))
		}
		same(wanted, failure.Code)
	})
}

var (
	note  = "naïve ☃ 𝄞"
	seen  = time.Date(2024, 2, 29, 10, 34, 56, 789000000, time.UTC)
	local = time.Date(1999, 12, 31, 23, 59, 59, 500000000, time.UTC)
	ref   = [16]byte{0xa0, 0xee, 0xbc, 0x99, 0x9c, 0x0b, 0x4e, 0xf8, 0xbb, 0x6d, 0x6b, 0xb9, 0xbd, 0x38, 0x0a, 0x11}
	photo = []byte{0, 255, 16, 10, 0}
	doc   = map[string]interface{}{"a": []interface{}{1.0, 2.0, map[string]interface{}{"b": nil}}, "c": "☃"}
)

// ada is the row of all types: of Go's types where there is one.
func ada() []interface{} {
	a, bc, empty := "a", "b c", ""
	one, minus2 := int32(1), int32(-2)
	return list("ada@example.org", "Ada Lovelace", &note, int16(-7), 42, int64(9007199254740993),
		numeric("12345.6700"), -1.5e-7, float32(0.25), true, day("1815-12-10"),
		&pgtype.Time{Microseconds: 23415250000, Status: pgtype.Present}, seen, local, ref, doc, photo,
		&net.IPNet{IP: net.IP{192, 168, 1, 5}, Mask: net.CIDRMask(24, 32)},
		[]*string{&a, &bc, nil, &empty}, []*int32{&one, &minus2, nil})
}

const placeholders = "$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20"

func main() {
	for _, mode := range []string{"prepare", "describe", "simple"} {
		config, err := pgx.ParseConfig("")
		must(err)
		switch mode {
		case "describe":
			config, err = pgx.ParseConfig("statement_cache_mode=describe")
			must(err)
		case "simple":
			config.PreferSimpleProtocol = true
		}
		conn, err := pgx.ConnectConfig(ctx, config)
		must(err)
		s := &suite{conn: conn, mode: mode}
		s.exec("TRUNCATE person, purchase RESTART IDENTITY")
		s.write()
		s.read()
		s.metadata()
		s.filter()
		s.group()
		s.change()
		s.copy()
		must(conn.Close(ctx))
	}
	config, err := pgx.ParseConfig("")
	must(err)
	standard(stdlib.OpenDB(*config))
	fmt.Printf("1..%d\n", count)
}
