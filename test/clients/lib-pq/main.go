// lib/pq below database/sql: with prepared statements and with
// binary_parameters, as behind a pooler.
package main

import (
	"database/sql"
	"fmt"
	"time"

	"github.com/lib/pq"
)

// More executions than the server needs to change to a generic plan.
const often = 8

const columns = "email, name, note, level, visits, points, salary, score, ratio, active," +
	" born, wakes, seen, local, ref, doc, photo, address, tags, lucky"
const placeholders = "$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20"
const insert = "INSERT INTO person (" + columns + ") VALUES (" + placeholders + ")"

var (
	note  = "naïve ☃ 𝄞"
	seen  = time.Date(2024, 2, 29, 10, 34, 56, 789000000, time.UTC)
	local = time.Date(1999, 12, 31, 23, 59, 59, 500000000, time.UTC)
	photo = []byte{0, 255, 16, 10, 0}
)

const (
	ref = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
	doc = `{"a": [1, 2, {"b": null}], "c": "☃"}`
)

type suite struct {
	db   *sql.DB
	mode string
}

func (s *suite) check(name string, run func()) {
	check(s.mode+": "+name, run)
}

func (s *suite) exec(query string, args ...interface{}) int64 {
	result, err := s.db.Exec(query, args...)
	must(err)
	affected, err := result.RowsAffected()
	must(err)
	return affected
}

// column is the first of all rows, as lib/pq chooses; times in UTC.
func (s *suite) column(query string, args ...interface{}) []interface{} {
	statement, err := s.db.Prepare(query)
	must(err)
	defer statement.Close()
	var first []interface{}
	for i := 0; i < often; i++ {
		rows, err := statement.Query(args...)
		must(err)
		values := collect(rows)
		if first == nil {
			first = values
		}
		same(first, values)
	}
	return first
}

func collect(rows *sql.Rows) []interface{} {
	values := []interface{}{}
	for rows.Next() {
		var value interface{}
		must(rows.Scan(&value))
		if at, ok := value.(time.Time); ok {
			value = at.UTC()
		}
		values = append(values, value)
	}
	must(rows.Err())
	return values
}

// names of the persons that satisfy a condition, in the order of id.
func (s *suite) names(name string, wanted []interface{}, condition string, args ...interface{}) {
	s.values(name, wanted, "SELECT name FROM person WHERE "+condition+" ORDER BY id", args...)
}

func (s *suite) values(name string, wanted []interface{}, query string, args ...interface{}) {
	s.check(name, func() { same(wanted, s.column(query, args...)) })
}

func list(values ...interface{}) []interface{} {
	return append([]interface{}{}, values...)
}

func day(text string) time.Time {
	value, err := time.Parse("2006-01-02", text)
	must(err)
	return value.UTC()
}

// state is the SQLSTATE that a check has to fail with.
func (s *suite) state(name, wanted, query string, args ...interface{}) {
	s.check(name, func() {
		_, err := s.db.Exec(query, args...)
		failure, ok := err.(*pq.Error)
		if !ok {
			panic(fmt.Sprintf("wanted SQLSTATE %s, got %v", wanted, err))
		}
		same(wanted, string(failure.Code))
	})
}

func main() {
	for _, mode := range []string{"prepare", "binary parameters"} {
		source := "sslmode=disable"
		if mode != "prepare" {
			source += " binary_parameters=yes"
		}
		db, err := sql.Open("postgres", source)
		must(err)
		s := &suite{db: db, mode: mode}
		s.exec("TRUNCATE person, purchase RESTART IDENTITY")
		s.write()
		s.read()
		s.filter()
		s.group()
		s.change()
		s.copy()
		must(db.Close())
	}
	fmt.Printf("1..%d\n", count)
}
