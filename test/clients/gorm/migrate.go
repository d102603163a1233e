package main

import (
	"time"

	"github.com/lib/pq"
)

// Customer is a model that says which columns are encrypted.
type Customer struct {
	ID     int64
	Email  string         `gorm:"type:enctext('pii','equality');not null"`
	Name   string         `gorm:"type:enctext('pii','order');unique_index"`
	Visits int            `gorm:"type:encint4('pii','order');default:7"`
	Born   *time.Time     `gorm:"type:encdate('pii')"`
	Photo  []byte         `gorm:"type:encbytea('pii')"`
	Tags   pq.StringArray `gorm:"type:enctext('pii')[]"`
}

type grown struct {
	ID   int64
	Note string `gorm:"type:enctext('other')"`
}

func (grown) TableName() string { return "customer" }

// It knows nothing of the encryption.
type unaware struct {
	ID    int64
	Email string `gorm:"type:varchar(100)"`
	Name  string
}

func (unaware) TableName() string { return "customer" }

// columns are the encrypted ones, with their keys.
func columns() []interface{} {
	var rows []struct{ Line string }
	must(db.Raw("SELECT attname || ' ' || format_type(atttypid, atttypmod) AS line FROM pg_attribute" +
		" WHERE attrelid = 'customer'::regclass AND format_type(atttypid, NULL) LIKE 'enc%' ORDER BY attname").Scan(&rows).Error)
	values := list()
	for _, row := range rows {
		values = append(values, row.Line)
	}
	return values
}

func migrate() {
	made := list("born encdate('pii')", "email enctext('pii','equality')", "name enctext('pii','order')", "photo encbytea('pii')",
		"tags enctext('pii')[]", "visits encint4('pii','order')")

	check("AutoMigrate makes encrypted columns", func() {
		must(db.AutoMigrate(&Customer{}).Error)
		same(made, columns())
	})
	check("AutoMigrate finds nothing to do", func() {
		must(db.AutoMigrate(&Customer{}).Error)
		same(made, columns())
	})
	check("a unique index by order", func() {
		must(db.Create(&Customer{Email: "ada@example.org", Name: "Ada", Born: day("1815-12-10"), Photo: photo,
			Tags: pq.StringArray{"a", "b"}}).Error)
		failure, ok := db.Create(&Customer{Email: "x@example.org", Name: "Ada"}).Error.(*pq.Error)
		same(true, ok)
		same("23505", string(failure.Code))
	})
	check("a unique index by the stored hash", func() {
		must(db.Exec("CREATE UNIQUE INDEX customer_email_key ON customer (email cellenc.enctext_term_ops)").Error)
		failure, ok := db.Create(&Customer{Email: "ada@example.org", Name: "x"}).Error.(*pq.Error)
		same(true, ok)
		same("23505", string(failure.Code))
	})
	check("values come back", func() {
		customer := &Customer{}
		must(db.Where("email = ?", "ada@example.org").First(customer).Error)
		same(list("Ada", 7, *day("1815-12-10"), photo, pq.StringArray{"a", "b"}),
			list(customer.Name, customer.Visits, customer.Born.UTC(), customer.Photo, customer.Tags))
	})
	check("AutoMigrate adds an encrypted column", func() {
		must(db.AutoMigrate(&grown{}).Error)
		same(append(made[:3:3], append(list("note enctext('other')"), made[3:]...)...), columns())
	})
	check("AutoMigrate of a model that knows nothing of it changes nothing", func() {
		must(db.AutoMigrate(&unaware{}).Error)
		same(7, len(columns()))
	})
	check("ModifyColumn to a plain type is refused", func() {
		failure, ok := db.Model(&unaware{}).ModifyColumn("email", "varchar(100)").Error.(*pq.Error)
		same(true, ok)
		same("0A000", string(failure.Code))
		same(7, len(columns()))
	})
}
