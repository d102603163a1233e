package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgtype"
)

func types(values []interface{}) string {
	names := []string{}
	for _, value := range values {
		names = append(names, fmt.Sprintf("%T", value))
	}
	return strings.Join(names, " ")
}

func (s *suite) typeNames(oids []uint32) string {
	names := []string{}
	for _, oid := range oids {
		name := fmt.Sprint(oid)
		if known, ok := s.conn.ConnInfo().DataTypeForOID(oid); ok {
			name = known.Name
		}
		names = append(names, name)
	}
	return strings.Join(names, " ")
}

func (s *suite) describe(name, sql, parameters, results string) {
	s.check("types: "+name, func() {
		description, err := s.conn.Prepare(ctx, name, sql)
		must(err)
		oids := []uint32{}
		for _, field := range description.Fields {
			oids = append(oids, field.DataTypeOID)
		}
		same(parameters, s.typeNames(description.ParamOIDs))
		same(results, s.typeNames(oids))
		must(s.conn.Deallocate(ctx, name))
	})
}

func (s *suite) metadata() {
	all := "text text text int2 int4 int8 numeric float8 float4 bool date time timestamptz timestamp uuid jsonb bytea inet _text _int4"
	s.describe("SELECT", "SELECT "+columns+" FROM person", "", all)
	s.describe("INSERT", insert+" RETURNING "+columns, all, all)
	s.describe("UPDATE", "UPDATE person SET name = $1, visits = visits + $2, active = NOT $3 WHERE email = $4 AND salary > $5",
		"text int4 bool text numeric", "")
	s.describe("conditions", "SELECT count(*) FROM person WHERE name LIKE $1 AND born = $2 AND email = ANY ($3)"+
		" AND level IN ($4, $5) AND ref = $6 AND seen < $7 AND doc ->> $8 = $9 AND lucky = $10 AND active = $11 LIMIT $12",
		"text date _text int2 int2 uuid timestamptz text text _int4 bool int8", "int8")
	s.describe("expressions", "SELECT lower(name), visits + 1, salary * 2, max(born), array_agg(visits), tags[1], doc -> 'a'"+
		" FROM person GROUP BY name, visits, salary, tags, doc", "", "text int4 numeric date _int4 text jsonb")
	s.describe("UNION", "SELECT name, salary FROM person UNION SELECT title, amount FROM purchase ORDER BY 1", "", "text numeric")
	s.describe("DISTINCT", "SELECT DISTINCT ON (name) name, active FROM person ORDER BY name", "", "text bool")
	s.describe("WITH", "WITH x AS (UPDATE person SET name = name RETURNING name, ref) SELECT * FROM x", "", "text uuid")
	s.describe("upsert", "INSERT INTO person (email, name, visits) VALUES ($1, $2, $3) ON CONFLICT (email)"+
		" DO UPDATE SET visits = person.visits + $3 RETURNING visits", "text text int4", "int4")
}

func (s *suite) filter() {
	s.names("=", list("Ada Lovelace"), "email = $1", "ada@example.org")
	s.names("<>", list("Bob", "Carl", "Dora", "Émile"), "email <> $1", "ada@example.org")
	s.names("IN", list("Bob", "Dora"), "email IN ($1, $2)", "bob@example.org", "dora@example.org")
	s.names("= ANY", list("Bob", "Dora"), "email = ANY ($1)", []string{"bob@example.org", "dora@example.org", "x"})
	s.names("= ANY, numbers", list("Ada Lovelace", "Dora"), "visits = ANY ($1)", []int32{42, 10})
	s.names("<> ALL", list("Ada Lovelace", "Émile"), "name <> ALL ($1)", []string{"Bob", "Carl", "Dora"})
	s.names(">= and <", list("Bob", "Carl"), "name >= $1 AND name < $2", "B", "D")
	s.names("BETWEEN", list("Dora", "Émile"), "visits BETWEEN $1 AND $2", 7, 20)
	s.names("LIKE", list("Ada Lovelace"), "name LIKE $1", "Ada%")
	s.names("ILIKE", list("Dora"), "name ILIKE $1", "%dOR%")
	s.names("a regular expression", list("Ada Lovelace"), "name ~ $1", "^A.* L")
	s.names("IS NULL, OR", list("Bob", "Carl", "Dora", "Émile"), "salary IS NULL OR level = $1", 5)
	s.names("a bool", list("Carl", "Émile"), "active = $1", false)
	s.names("NOT a bool", list("Carl", "Émile"), "NOT active AND visits < $1", 100)
	s.names("a range of dates", list("Dora", "Émile"), "born >= $1 AND born < $2", day("1970-01-01"), day("2000-01-01"))
	s.names("a timestamptz", list("Ada Lovelace"), "seen = $1", seen)
	s.names("a time zone", list("Ada Lovelace"), "seen = $1", seen.In(time.FixedZone("", 3600)))
	s.names("a timestamp", list("Ada Lovelace"), "local <= $1", local)
	s.names("a bigint", list("Ada Lovelace"), "points = $1", int64(9007199254740993))
	s.names("a numeric", list("Ada Lovelace"), "salary = $1", "12345.67")
	s.names("a double", list("Ada Lovelace"), "score = $1", -1.5e-7)
	s.names("a real", list("Ada Lovelace"), "ratio > $1", float32(0.125))
	s.names("bytes", list("Ada Lovelace"), "photo = $1", photo)
	s.names("an inet", list("Ada Lovelace"), "address <<= $1::inet", "192.168.0.0/16")
	s.names("a field of jsonb", list("Ada Lovelace"), "doc ->> $1 = $2", "c", "☃")
	s.names("jsonb contains", list("Ada Lovelace"), "doc @> $1::jsonb", `{"a": [2]}`)
	s.names("an element of an array", list("Ada Lovelace"), "$1 = ANY (tags) AND $2 = ANY (lucky)", "b c", 1)
	s.names("arithmetic", list("Dora"), "visits * $1 + 1 = $2", 2, 21)
	s.names("a concatenation", list("Dora"), "name || $1 = $2", "!", "Dora!")
	s.names("IS NOT DISTINCT FROM", list("Dora", "Émile"), "level IS NOT DISTINCT FROM $1", 5)
	s.check("a uuid", func() {
		text := "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
		same(list("Ada Lovelace"), s.column("SELECT name FROM person WHERE ref = $1", text))
		var id pgtype.UUID
		must(id.Set(text))
		same(list("Ada Lovelace"), s.column("SELECT name FROM person WHERE ref = $1", &id))
	})
	if s.mode != "simple" {
		s.names("arrays overlap", list("Ada Lovelace"), "tags && $1 AND lucky @> $2", []string{"a"}, []int32{1, -2})
	}
}

func (s *suite) group() {
	s.values("ORDER BY, LIMIT, OFFSET", list("Bob", "Carl"), "SELECT name FROM person ORDER BY name LIMIT $1 OFFSET $2", 2, 1)
	s.values("ORDER BY DESC NULLS LAST", list("Ada Lovelace", "Émile", "Dora", "Bob", "Carl"),
		"SELECT name FROM person ORDER BY salary DESC NULLS LAST, name")
	s.values("DISTINCT", list(int16(-7), int16(5)), "SELECT DISTINCT level FROM person WHERE level IS NOT NULL ORDER BY level")
	s.check("aggregates", func() {
		var rows, sum int64
		var mean, money float64
		var first string
		var last time.Time
		var all bool
		must(s.conn.QueryRow(ctx, "SELECT count(*), sum(visits), avg(visits), sum(salary), min(name), max(born), bool_and(active)"+
			" FROM person").Scan(&rows, &sum, &mean, &money, &first, &last, &all))
		same(list(int64(5), int64(71), 14.2, 12646.17, "Ada Lovelace", day("1990-06-06"), false),
			list(rows, sum, mean, money, first, last.UTC(), all))
	})
	s.values("GROUP BY, HAVING", list(int16(5)),
		"SELECT level FROM person WHERE level IS NOT NULL GROUP BY level HAVING count(*) >= $1", 2)
	s.values("join", list("Ada Lovelace: Engine", "Ada Lovelace: Notes"), "SELECT p.name || ': ' || b.title FROM person p"+
		" JOIN purchase b ON b.person_id = p.id WHERE p.email = $1 ORDER BY b.amount DESC", "ada@example.org")
	s.values("LEFT JOIN", list("Bob"), "SELECT p.name FROM person p LEFT JOIN purchase b ON b.person_id = p.id"+
		" WHERE b.title IS NULL AND p.email = $1", "bob@example.org")
	s.values("subquery", list("Ada Lovelace"),
		"SELECT name FROM person WHERE id IN (SELECT person_id FROM purchase WHERE amount > $1)", 100)
	s.values("WITH", list(int64(72)), "WITH x AS (SELECT visits AS v FROM person WHERE visits >= $1) SELECT sum(v) FROM x", 10)
	s.values("window function", list(int64(1), int64(2), int64(3)),
		"SELECT rank() OVER (ORDER BY visits DESC) FROM person WHERE visits >= $1 ORDER BY 1", 10)
	s.values("array_agg", list("Dora Émile"), "SELECT array_to_string(array_agg(name ORDER BY name), $1) FROM person WHERE level = 5", " ")
	s.values("CASE", list("x", "Bob"), "SELECT CASE WHEN email = $1 THEN $2 ELSE name END FROM person ORDER BY id LIMIT 2",
		"ada@example.org", "x")
	s.values("coalesce", list(note, "none"), "SELECT coalesce(note, $1) FROM person ORDER BY id LIMIT 2", "none")
}
