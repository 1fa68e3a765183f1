package rest

import "strconv"

const (
	// maxNamed is how many documents, revisions, keys or channels a request may name. What becomes of a short name takes
	// some fifty times as much memory as its text, and maxOptionsBody has room for eight million.
	maxNamed = 250_000
	// maxOptions is how many members the body of a request may have that holds options; likewise.
	maxOptions = 1000
)

func tooManyNamed() error {
	return tooLarge(LimitRequest, "too_large", "The request names more than "+strconv.Itoa(maxNamed)+" documents, revisions, keys or channels.")
}
