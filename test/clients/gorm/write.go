package main

import (
	"time"

	"github.com/jinzhu/gorm"
	"github.com/lib/pq"
)

var (
	note    = "naïve ☃ 𝄞"
	level   = int16(-7)
	points  = int64(9007199254740993)
	salary  = 12345.67
	score   = -1.5e-7
	ratio   = float32(0.25)
	wakes   = "06:30:15.25"
	seen    = time.Date(2024, 2, 29, 10, 34, 56, 789000000, time.UTC)
	local   = time.Date(1999, 12, 31, 23, 59, 59, 500000000, time.UTC)
	ref     = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
	doc     = `{"a": [1, 2, {"b": null}], "c": "☃"}`
	photo   = []byte{0, 255, 16, 10, 0}
	address = "192.168.1.5/24"
	five    = int16(5)
)

func create() {
	check("the tables", func() {
		same(list(true, true, true), list(db.HasTable(&Person{}), db.HasTable("purchase"),
			db.Dialect().HasColumn("person", "email")))
	})
	check("create with all types and what belongs to it", func() {
		person := &Person{Email: "ada@example.org", Name: "Ada Lovelace", Note: &note, Level: &level, Visits: 42, Points: &points,
			Salary: &salary, Score: &score, Ratio: &ratio, Active: true, Born: day("1815-12-10"), Wakes: &wakes, Seen: &seen,
			Local: &local, Ref: &ref, Doc: &doc, Photo: photo, Address: &address, Tags: pq.StringArray{"a", "b c", ""},
			Lucky:     pq.Int64Array{1, -2},
			Purchases: []Purchase{{Title: "Notes", Amount: 9.9, Paid: true, At: &seen}, {Title: "Engine", Amount: 1200}}}
		must(db.Create(person).Error)
		same(true, person.ID > 0 && person.Purchases[1].ID > 0)
	})
	check("create with NULLs", func() {
		must(db.Create(&Person{Email: "bob@example.org", Name: "Bob", Active: true}).Error)
	})
	check("create with false, an empty string, empty arrays", func() {
		empty := ""
		must(db.Create(&Person{Email: "carl@example.org", Name: "Carl", Note: &empty, Visits: -1, Tags: pq.StringArray{},
			Lucky: pq.Int64Array{}, Photo: []byte{}}).Error)
	})
	check("create more", func() {
		hundred, more := 100.0, 200.5
		must(db.Create(&Person{Email: "dora@example.org", Name: "Dora", Level: &five, Visits: 10, Salary: &hundred, Active: true,
			Born: day("1980-05-05")}).Error)
		must(db.Create(&Person{Email: "emil@example.org", Name: "Émile", Level: &five, Visits: 20, Salary: &more,
			Born: day("1990-06-06")}).Error)
	})
	check("first or create", func() {
		person := &Person{}
		must(db.Where(Person{Email: "carl@example.org"}).Attrs(Person{Name: "x"}).FirstOrCreate(person).Error)
		same("Carl", person.Name)
	})
}

func read() {
	check("read all types", func() {
		person := get("ada@example.org")
		same(list("ada@example.org", "Ada Lovelace", note, level, 42, points, salary, score, ratio, true),
			list(person.Email, person.Name, *person.Note, *person.Level, person.Visits, *person.Points, *person.Salary,
				*person.Score, *person.Ratio, person.Active))
		same(list(*day("1815-12-10"), seen, local, ref, doc, photo, address, pq.StringArray{"a", "b c", ""}, pq.Int64Array{1, -2}),
			list(person.Born.UTC(), person.Seen.UTC(), person.Local.UTC(), *person.Ref, *person.Doc, person.Photo, *person.Address,
				person.Tags, person.Lucky))
	})
	check("read NULLs", func() {
		person := get("bob@example.org")
		same(true, person.Note == nil && person.Level == nil && person.Points == nil && person.Salary == nil &&
			person.Score == nil && person.Ratio == nil && person.Born == nil && person.Wakes == nil && person.Seen == nil &&
			person.Local == nil && person.Ref == nil && person.Doc == nil && len(person.Photo) == 0 && person.Address == nil &&
			person.Tags == nil && person.Lucky == nil)
	})
	check("read false, an empty string, empty arrays", func() {
		person := get("carl@example.org")
		same(list("", false, pq.StringArray{}, pq.Int64Array{}, []byte{}),
			list(*person.Note, person.Active, person.Tags, person.Lucky, person.Photo))
	})
	check("a missing record", func() {
		same(gorm.ErrRecordNotFound, db.Where("email = ?", "nobody").First(&Person{}).Error)
	})
}

func change() {
	check("save", func() {
		person := get("dora@example.org")
		person.Name, person.Visits, person.Active, person.Photo, person.Tags = "Dora II", 11, false, photo, pq.StringArray{"x"}
		must(db.Save(person).Error)
		person = get("dora@example.org")
		same(list("Dora II", 11, false, photo, pq.StringArray{"x"}), list(person.Name, person.Visits, person.Active, person.Photo, person.Tags))
	})
	check("save with all types", func() {
		person := get("ada@example.org")
		// lib/pq gives it as a time.Time
		person.Wakes = &wakes
		must(db.Save(person).Error)
		same(list(doc, photo, *day("1815-12-10")), list(*person.Doc, person.Photo, person.Born.UTC()))
		same(ref, *get("ada@example.org").Ref)
	})
	check("update columns", func() {
		query := db.Model(&Person{}).Where("level = ?", 5).Updates(map[string]interface{}{"note": "five", "salary": -0.01, "active": true})
		must(query.Error)
		same(int64(2), query.RowsAffected)
		same("five", *get("emil@example.org").Note)
	})
	check("increment", func() {
		for i := 0; i < 8; i++ {
			must(db.Model(&Person{}).Where("email = ?", "dora@example.org").UpdateColumn("visits", gorm.Expr("visits + ?", 1)).Error)
		}
		same(19, get("dora@example.org").Visits)
	})
	check("upsert", func() {
		for i := 0; i < 3; i++ {
			must(db.Set("gorm:insert_option", "ON CONFLICT (email) DO UPDATE SET visits = person.visits + excluded.visits").
				Create(&Person{Email: "upsert@example.org", Name: "Upsert", Visits: 2}).Error)
		}
		same(6, get("upsert@example.org").Visits)
	})
	check("commit", func() {
		must(db.Transaction(func(tx *gorm.DB) error {
			return tx.Model(&Person{}).Where("email = ?", "bob@example.org").Update("note", "kept").Error
		}))
		same("kept", *get("bob@example.org").Note)
	})
	check("rollback", func() {
		tx := db.Begin()
		must(tx.Model(&Person{}).Where("email = ?", "bob@example.org").Update("note", "lost").Error)
		must(tx.Rollback().Error)
		same("kept", *get("bob@example.org").Note)
	})
	check("unique violation", func() {
		failure, ok := db.Create(&Person{Email: "bob@example.org", Name: "x"}).Error.(*pq.Error)
		same(true, ok)
		same("23505", string(failure.Code))
	})
	check("delete", func() {
		must(db.Where("title <> ?", "").Delete(Purchase{}).Error)
		must(db.Delete(get("ada@example.org")).Error)
		query := db.Where("visits > ?", 1).Delete(Person{})
		must(query.Error)
		same(int64(3), query.RowsAffected)
	})
}
