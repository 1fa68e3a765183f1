package rest

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"github.com/caddysync/caddy-sync/syncstore"
)

// sinceNow is what a client asks for that wants only what comes.
const sinceNow = "now"

// parseSince reads where a client wants to go on (DECISIONS 34): "S" and "E:S" with or
// without a tail, as we write them, what Sync Gateway writes beside these, and CouchDB's
// "N-…". A number that no sequence can reach is as good as any above the current one.
func parseSince(text string) (feedPosition, error) {
	if text == "" {
		return feedPosition{}, nil
	}
	sequence := text
	if text[0] == '"' {
		if json.Unmarshal([]byte(text), &sequence) != nil {
			return feedPosition{}, badSince(text)
		}
		if sequence == "" {
			return feedPosition{}, nil
		}
	}
	number, tail, ok := cutTail(sequence)
	if !ok {
		return feedPosition{}, badSince(sequence)
	}
	at, err := syncstore.ParseCursor(inRange(number))
	if err != nil {
		return feedPosition{}, badSince(sequence)
	}
	return feedPosition{at: at, tail: tail}, nil
}

// inRange makes the largest number of each that is larger.
func inRange(text string) string {
	if len(text) < len("18446744073709551615") {
		return text
	}
	parts := strings.Split(text, ":")
	for i, part := range parts {
		if decimal(part) {
			if n, err := strconv.ParseUint(part, 10, 64); err != nil && n == math.MaxUint64 {
				parts[i] = strconv.FormatUint(n, 10)
			}
		}
	}
	return strings.Join(parts, ":")
}

func badSince(text string) error {
	return badRequest("Invalid sequence: " + strconv.Quote(cut(text)))
}

// cut shortens a text for an error.
func cut(text string) string {
	const most = 100
	if len(text) <= most {
		return text
	}
	return text[:most] + "…"
}
