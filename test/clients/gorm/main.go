// gorm, as a program with two models would use it.
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/jinzhu/gorm"
	_ "github.com/jinzhu/gorm/dialects/postgres"
	"github.com/lib/pq"
)

// Person is the model; pointers are what may be NULL.
type Person struct {
	ID        int64 `gorm:"primary_key"`
	Email     string
	Name      string
	Note      *string
	Level     *int16
	Visits    int
	Points    *int64
	Salary    *float64
	Score     *float64
	Ratio     *float32
	Active    bool
	Born      *time.Time
	Wakes     *string
	Seen      *time.Time
	Local     *time.Time
	Ref       *string
	Doc       *string
	Photo     []byte
	Address   *string
	Tags      pq.StringArray
	Lucky     pq.Int64Array
	CreatedAt time.Time
	Version   int
	Purchases []Purchase
}

// Purchase belongs to a person.
type Purchase struct {
	ID       int64 `gorm:"primary_key"`
	PersonID int64
	Person   *Person
	Title    string
	Amount   float64
	Paid     bool
	At       *time.Time
}

var db *gorm.DB

func list(values ...interface{}) []interface{} {
	return append([]interface{}{}, values...)
}

func day(text string) *time.Time {
	value, err := time.Parse("2006-01-02", text)
	must(err)
	value = value.UTC()
	return &value
}

// plucked are the names that a query finds, in the order of id.
func plucked(query *gorm.DB) []interface{} {
	var names []string
	must(query.Model(&Person{}).Order("id").Pluck("name", &names).Error)
	values := list()
	for _, name := range names {
		values = append(values, name)
	}
	return values
}

// filter checks a condition.
func filter(name string, wanted []interface{}, query *gorm.DB) {
	check(name, func() {
		for i := 0; i < 8; i++ {
			same(wanted, plucked(query))
		}
	})
}

func get(email string) *Person {
	person := &Person{}
	must(db.Where("email = ?", email).First(person).Error)
	return person
}

func main() {
	var err error
	db, err = gorm.Open("postgres", "sslmode=disable")
	must(err)
	db.SingularTable(true)
	db.LogMode(false)
	if len(os.Args) > 1 {
		migrate()
		fmt.Printf("1..%d\n", count)
		return
	}
	create()
	read()
	where()
	group()
	change()
	must(db.Close())
	fmt.Printf("1..%d\n", count)
}
