package main

import "time"

func where() {
	filter("=", list("Ada Lovelace"), db.Where("email = ?", "ada@example.org"))
	filter("a struct", list("Dora"), db.Where(&Person{Visits: 10, Active: true}))
	filter("a map", list("Carl", "Émile"), db.Where(map[string]interface{}{"active": false}))
	filter("<>", list("Bob", "Carl", "Dora", "Émile"), db.Not("email", "ada@example.org"))
	filter("IN", list("Bob", "Dora"), db.Where("email IN (?)", []string{"bob@example.org", "dora@example.org"}))
	filter("IN, numbers", list("Ada Lovelace", "Dora"), db.Where("visits IN (?)", []int{42, 10}))
	filter("BETWEEN", list("Dora", "Émile"), db.Where("visits BETWEEN ? AND ?", 7, 20))
	filter(">= and <", list("Bob", "Carl"), db.Where("name >= ?", "B").Where("name < ?", "D"))
	filter("LIKE", list("Ada Lovelace"), db.Where("name LIKE ?", "Ada%"))
	filter("ILIKE", list("Dora"), db.Where("name ILIKE ?", "%dOR%"))
	filter("IS NULL, OR", list("Bob", "Carl", "Dora", "Émile"), db.Where("salary IS NULL").Or("level = ?", 5))
	filter("a range of dates", list("Dora", "Émile"), db.Where("born >= ? AND born < ?", day("1970-01-01"), day("2000-01-01")))
	filter("a timestamptz", list("Ada Lovelace"), db.Where("seen = ?", seen))
	filter("a time zone", list("Ada Lovelace"), db.Where("seen = ?", seen.In(time.FixedZone("", 3600))))
	filter("a bigint", list("Ada Lovelace"), db.Where("points = ?", points))
	filter("a numeric", list("Ada Lovelace"), db.Where("salary = ?", salary))
	filter("a double", list("Ada Lovelace"), db.Where("score = ?", score))
	filter("bytes", list("Ada Lovelace"), db.Where("photo = ?", photo))
	filter("a uuid", list("Ada Lovelace"), db.Where("ref = ?", ref))
	filter("a field of jsonb", list("Ada Lovelace"), db.Where("doc ->> 'c' = ?", "☃"))
	filter("an element of an array", list("Ada Lovelace"), db.Where("? = ANY (tags)", "b c"))
	filter("a subquery", list("Ada Lovelace"), db.Where("id IN (?)",
		db.Table("purchase").Select("person_id").Where("amount > ?", 100).SubQuery()))
}

func group() {
	check("order, limit, offset", func() {
		var persons []Person
		must(db.Order("name").Limit(2).Offset(1).Find(&persons).Error)
		same(list(2, "Bob", "Carl"), list(len(persons), persons[0].Name, persons[1].Name))
		must(db.Order("salary DESC NULLS LAST, name").Find(&persons).Error)
		same(list(5, "Ada Lovelace", "Carl"), list(len(persons), persons[0].Name, persons[4].Name))
	})
	check("count", func() {
		var rows int
		must(db.Model(&Person{}).Where("active = ?", true).Count(&rows).Error)
		same(3, rows)
	})
	check("distinct", func() {
		var levels []int
		must(db.Model(&Person{}).Where("level IS NOT NULL").Order("level").Pluck("DISTINCT level", &levels).Error)
		same([]int{-7, 5}, levels)
	})
	check("group, having", func() {
		type row struct {
			Level  int16
			Rows   int
			Visits int
			Last   string
			Born   time.Time
			Mean   float64
		}
		var rows []row
		must(db.Table("person").Select("level, count(*) AS rows, sum(visits) AS visits, max(name) AS last, min(born) AS born,"+
			" avg(salary) AS mean").Where("level IS NOT NULL").Group("level").Having("count(*) > ?", 1).Scan(&rows).Error)
		same(1, len(rows))
		rows[0].Born = rows[0].Born.UTC()
		same(row{5, 2, 30, "Émile", *day("1980-05-05"), 150.25}, rows[0])
	})
	check("join", func() {
		var found []struct {
			Name   string
			Title  string
			Amount float64
			Paid   bool
		}
		must(db.Table("person").Select("person.name, purchase.title, purchase.amount, purchase.paid").
			Joins("JOIN purchase ON purchase.person_id = person.id").Where("person.email = ?", "ada@example.org").
			Order("purchase.amount").Scan(&found).Error)
		same(2, len(found))
		same(list("Ada Lovelace", "Notes", 9.9, true), list(found[0].Name, found[0].Title, found[0].Amount, found[0].Paid))
	})
	check("preload", func() {
		person := &Person{}
		must(db.Preload("Purchases").Where("email = ?", "ada@example.org").First(person).Error)
		same(list(2, "Engine", 1200.0), list(len(person.Purchases), person.Purchases[1].Title, person.Purchases[1].Amount))
		purchase := &Purchase{}
		must(db.Preload("Person").Where("title = ?", "Notes").First(purchase).Error)
		same("Ada Lovelace", purchase.Person.Name)
	})
	check("rows", func() {
		rows, err := db.Model(&Person{}).Where("level = ?", 5).Order("id").Rows()
		must(err)
		defer rows.Close()
		names := list()
		for rows.Next() {
			var person Person
			must(db.ScanRows(rows, &person))
			names = append(names, person.Name)
		}
		same(list("Dora", "Émile"), names)
	})
	check("SQL", func() {
		var row struct {
			Visits int
			Note   string
			Born   time.Time
		}
		must(db.Raw("UPDATE person SET version = version + 1 WHERE email = ? RETURNING visits, note, born", "ada@example.org").
			Scan(&row).Error)
		same(list(42, note, *day("1815-12-10")), list(row.Visits, row.Note, row.Born.UTC()))
	})
}
