package rest

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

// sinceNow is what a client asks for that wants only what comes.
const sinceNow = "now"

// parseSince reads where a client wants to go on (DECISIONS 34). The forms are "S", and
// as input only "E:S" (S of an access event E), "L::S" and "L:E:S" (S although not all
// after L was seen) and CouchDB's "N-…", whose tail means nothing here. Of several
// numbers the lowest counts: a client may get a row twice, and never misses one. A
// number that no sequence can reach is as good as any above the current one.
func parseSince(text string) (uint64, error) {
	if text == "" {
		return 0, nil
	}
	if text[0] == '"' {
		var inner string
		if json.Unmarshal([]byte(text), &inner) != nil || strings.HasPrefix(inner, `"`) {
			return 0, badSince()
		}
		return parseSince(inner)
	}
	if number, tail, ok := strings.Cut(text, "-"); ok {
		if tail == "" {
			return 0, badSince()
		}
		return parseSequence(number)
	}
	parts := strings.Split(text, ":")
	if len(parts) > 3 {
		return 0, badSince()
	}
	lowest := uint64(math.MaxUint64)
	for i, part := range parts {
		if part == "" && len(parts) == 3 && i == 1 {
			continue // "L::S"
		}
		n, err := parseSequence(part)
		if err != nil {
			return 0, err
		}
		lowest = min(lowest, n)
	}
	return lowest, nil
}

func parseSequence(text string) (uint64, error) {
	if !decimal(text) {
		return 0, badSince()
	}
	n, _ := strconv.ParseUint(text, 10, 64) // the largest number if it is out of range
	return n, nil
}

func badSince() error {
	return badRequest("The option since must be a sequence of this database or now.")
}
