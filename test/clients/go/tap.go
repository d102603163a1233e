package main

import (
	"fmt"
	"reflect"
	"strings"
)

var count int

// check prints the result of a check as TAP; one that panics has failed.
func check(name string, run func()) {
	count++
	defer func() {
		if reason := recover(); reason != nil {
			fmt.Printf("not ok %d - %s\n# %s\n", count, name,
				strings.ReplaceAll(fmt.Sprint(reason), "\n", "\n# "))
		} else {
			fmt.Printf("ok %d - %s\n", count, name)
		}
	}()
	run()
}

// same wants both value and type.
func same(wanted, got interface{}) {
	if !reflect.DeepEqual(wanted, got) {
		panic(fmt.Sprintf("wanted %T %v, got %T %v", wanted, wanted, got, got))
	}
}

// must panics with an error.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
