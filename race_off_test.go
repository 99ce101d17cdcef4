//go:build !race

package daybook_test

const raced = false
