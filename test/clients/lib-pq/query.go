package main

import (
	"time"

	"github.com/lib/pq"
)

func (s *suite) filter() {
	s.names("=", list("Ada Lovelace"), "email = $1", "ada@example.org")
	s.names("<>", list("Bob", "Carl", "Dora", "Émile"), "email <> $1", "ada@example.org")
	s.names("IN", list("Bob", "Dora"), "email IN ($1, $2)", "bob@example.org", "dora@example.org")
	s.names("= ANY", list("Bob", "Dora"), "email = ANY ($1)", pq.Array([]string{"bob@example.org", "dora@example.org", "x"}))
	s.names("= ANY, numbers", list("Ada Lovelace", "Dora"), "visits = ANY ($1)", pq.Array([]int64{42, 10}))
	s.names(">= and <", list("Bob", "Carl"), "name >= $1 AND name < $2", "B", "D")
	s.names("BETWEEN", list("Dora", "Émile"), "visits BETWEEN $1 AND $2", 7, 20)
	s.names("LIKE", list("Ada Lovelace"), "name LIKE $1", "Ada%")
	s.names("ILIKE", list("Dora"), "name ILIKE $1", "%dOR%")
	s.names("IS NULL, OR", list("Bob", "Carl", "Dora", "Émile"), "salary IS NULL OR level = $1", 5)
	s.names("a bool", list("Carl", "Émile"), "active = $1", false)
	s.names("NOT a bool", list("Carl", "Émile"), "NOT active AND visits < $1", 100)
	s.names("a range of dates", list("Dora", "Émile"), "born >= $1 AND born < $2", day("1970-01-01"), day("2000-01-01"))
	s.names("a date", list("Ada Lovelace"), "born = $1", day("1815-12-10"))
	s.names("a timestamptz", list("Ada Lovelace"), "seen = $1", seen)
	s.names("a time zone", list("Ada Lovelace"), "seen = $1", seen.In(time.FixedZone("", 3600)))
	s.names("a timestamp", list("Ada Lovelace"), "local <= $1", local)
	s.names("a bigint", list("Ada Lovelace"), "points = $1", int64(9007199254740993))
	s.names("a numeric", list("Ada Lovelace"), "salary = $1", "12345.67")
	s.names("a numeric, by a float", list("Émile"), "salary = $1", 200.5)
	s.names("a double", list("Ada Lovelace"), "score = $1", -1.5e-7)
	s.names("bytes", list("Ada Lovelace"), "photo = $1", photo)
	s.names("a uuid", list("Ada Lovelace"), "ref = $1", ref)
	s.names("an inet", list("Ada Lovelace"), "address <<= $1", "192.168.0.0/16")
	s.names("a field of jsonb", list("Ada Lovelace"), "doc ->> $1 = $2", "c", "☃")
	s.names("jsonb contains", list("Ada Lovelace"), "doc @> $1", `{"a": [2]}`)
	s.names("an element of an array", list("Ada Lovelace"), "$1 = ANY (tags) AND $2 = ANY (lucky)", "b c", 1)
	s.names("arrays overlap", list("Ada Lovelace"), "tags && $1 AND lucky @> $2", pq.Array([]string{"a"}), pq.Array([]int64{1, -2}))
	s.names("arithmetic", list("Dora"), "visits * $1 + 1 = $2", 2, 21)
	s.names("a concatenation", list("Dora"), "name || $1 = $2", "!", "Dora!")
}

func (s *suite) group() {
	s.values("ORDER BY, LIMIT, OFFSET", list("Bob", "Carl"), "SELECT name FROM person ORDER BY name LIMIT $1 OFFSET $2", 2, 1)
	s.values("ORDER BY DESC NULLS LAST", list("Ada Lovelace", "Émile", "Dora", "Bob", "Carl"),
		"SELECT name FROM person ORDER BY salary DESC NULLS LAST, name")
	s.values("DISTINCT", list(int64(-7), int64(5)), "SELECT DISTINCT level FROM person WHERE level IS NOT NULL ORDER BY level")
	s.values("DISTINCT ON", list("Carl", "Ada Lovelace"), "SELECT DISTINCT ON (active) name FROM person ORDER BY active, name")
	s.check("aggregates", func() {
		var rows, sum int64
		var mean, money float64
		var first string
		var last time.Time
		var all bool
		must(s.db.QueryRow("SELECT count(*), sum(visits), avg(visits), sum(salary), min(name), max(born), bool_and(active)"+
			" FROM person").Scan(&rows, &sum, &mean, &money, &first, &last, &all))
		same(list(int64(5), int64(71), 14.2, 12646.17, "Ada Lovelace", day("1990-06-06"), false),
			list(rows, sum, mean, money, first, last.UTC(), all))
	})
	s.values("GROUP BY, HAVING", list(int64(5)),
		"SELECT level FROM person WHERE level IS NOT NULL GROUP BY level HAVING count(*) >= $1", 2)
	s.values("join", list("Ada Lovelace: Engine", "Ada Lovelace: Notes"), "SELECT p.name || ': ' || b.title FROM person p"+
		" JOIN purchase b ON b.person_id = p.id WHERE p.email = $1 ORDER BY b.amount DESC", "ada@example.org")
	s.values("LEFT JOIN", list("Bob"), "SELECT p.name FROM person p LEFT JOIN purchase b ON b.person_id = p.id"+
		" WHERE b.title IS NULL AND p.email = $1", "bob@example.org")
	s.values("subquery", list("Ada Lovelace"),
		"SELECT name FROM person WHERE id IN (SELECT person_id FROM purchase WHERE amount > $1)", 100)
	s.values("WITH", list(int64(72)), "WITH x AS (SELECT visits AS v FROM person WHERE visits >= $1) SELECT sum(v) FROM x", 10)
	s.values("UNION", list("Engine", "Dora"), "SELECT title FROM purchase WHERE amount > 100 UNION SELECT name FROM person"+
		" WHERE visits = $1 ORDER BY 1 DESC", 10)
	s.values("window function", list(int64(1), int64(2), int64(3)),
		"SELECT rank() OVER (ORDER BY visits DESC) FROM person WHERE visits >= $1 ORDER BY 1", 10)
}

func (s *suite) change() {
	s.check("update one", func() {
		same(int64(1), s.exec("UPDATE person SET note = $1, active = $2, born = $3, photo = $4 WHERE email = $5",
			"new", false, day("1999-09-09"), photo, "dora@example.org"))
		same(list(photo), s.column("SELECT photo FROM person WHERE note = $1", "new"))
	})
	s.check("update many", func() { same(int64(2), s.exec("UPDATE person SET note = $1 WHERE level = $2", "five", 5)) })
	s.check("increment", func() {
		for i := 1; i <= often; i++ {
			same(int64(1), s.exec("UPDATE person SET visits = visits + $1 WHERE email = $2", 1, "dora@example.org"))
		}
		same(list(int64(10+often)), s.column("SELECT visits FROM person WHERE email = $1", "dora@example.org"))
	})
	s.values("update returning", list(int64(42)),
		"UPDATE person SET visits = visits * $1 WHERE email = $2 RETURNING visits", 1, "ada@example.org")
	s.check("upsert", func() {
		var visits int64
		for i := int64(1); i <= often; i++ {
			must(s.db.QueryRow("INSERT INTO person (email, name, visits) VALUES ($1, $2, $3) ON CONFLICT (email)"+
				" DO UPDATE SET visits = person.visits + excluded.visits, name = excluded.name RETURNING visits",
				"upsert@example.org", "Upsert", 1).Scan(&visits))
			same(i, visits)
		}
		same(int64(1), s.exec("DELETE FROM person WHERE email = $1", "upsert@example.org"))
	})
	s.check("commit, rollback, savepoint", func() {
		tx, err := s.db.Begin()
		must(err)
		for _, query := range []string{
			"UPDATE person SET note = 'kept' WHERE email = 'bob@example.org'", "SAVEPOINT a",
			"UPDATE person SET note = 'lost' WHERE email = 'bob@example.org'", "ROLLBACK TO a"} {
			_, err = tx.Exec(query)
			must(err)
		}
		must(tx.Commit())
		tx, err = s.db.Begin()
		must(err)
		_, err = tx.Exec("DELETE FROM person WHERE email = $1", "bob@example.org")
		must(err)
		must(tx.Rollback())
		same(list("kept"), s.column("SELECT note FROM person WHERE email = $1", "bob@example.org"))
	})
	s.check("a cursor", func() {
		tx, err := s.db.Begin()
		must(err)
		defer tx.Rollback()
		_, err = tx.Exec("DECLARE c CURSOR FOR SELECT visits, name, active FROM person WHERE level = 5 ORDER BY name")
		must(err)
		var visits, name, active interface{}
		must(tx.QueryRow("FETCH 1 FROM c").Scan(&visits, &name, &active))
		same(list(int64(10+often), "Dora", false), list(visits, name, active))
	})
	s.state("unique violation", "23505", "INSERT INTO person (email, name) VALUES ($1, $2)", "ada@example.org", "x")
	s.state("NOT NULL violation", "23502", "INSERT INTO person (email, name) VALUES ($1, $2)", "null@example.org", nil)
	s.state("bad number", "22P02", "UPDATE person SET visits = $1 WHERE email = $2", "many", "bob@example.org")
	s.state("out of range", "22003", "UPDATE person SET level = $1 WHERE email = $2", 32768, "bob@example.org")
}

func (s *suite) copy() {
	s.check("CopyIn", func() {
		tx, err := s.db.Begin()
		must(err)
		defer tx.Rollback()
		statement, err := tx.Prepare(pq.CopyIn("person", "email", "name", "visits", "salary", "active", "born", "seen", "photo", "doc", "tags"))
		must(err)
		for i := 0; i < 10; i++ {
			_, err = statement.Exec("copy"+string(rune('A'+i)), "Copy\t\n\\", i, "1.50", i%2 == 0, day("2001-01-01"), seen, photo, doc, `{x,"y z"}`)
			must(err)
		}
		_, err = statement.Exec("copy", "Copy\t\n\\", 0, nil, true, nil, nil, nil, nil, nil)
		must(err)
		_, err = statement.Exec()
		must(err)
		must(statement.Close())
		must(tx.Commit())
	})
	s.values("what CopyIn has written", list(int64(10)), "SELECT count(*) FROM person WHERE name = $1 AND salary = 1.5 AND photo = $2"+
		" AND born = $3 AND doc ->> 'c' = $4 AND tags[2] = $5 AND seen = $6 AND active = (visits % 2 = 0)",
		"Copy\t\n\\", photo, day("2001-01-01"), "☃", "y z", seen)
	s.check("delete", func() {
		same(int64(11), s.exec("DELETE FROM person WHERE name LIKE $1", "Copy%"))
		rows, err := s.db.Query("DELETE FROM purchase USING person p WHERE p.id = person_id AND p.email = $1 RETURNING title, amount",
			"ada@example.org")
		must(err)
		defer rows.Close()
		var title, amount interface{}
		same(true, rows.Next())
		must(rows.Scan(&title, &amount))
		same(list("Notes", []byte("9.90")), list(title, amount))
	})
}
