package rest

import (
	"strconv"
	"time"

	"github.com/caddysync/caddy-sync/access"
	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

// parseExpiry reads _exp of a document, as Sync Gateway has it: when the document becomes a
// tombstone, as a number of seconds (up to 30 days from now, or a Unix time), as such a number
// in a string, or as a date of RFC 3339. null and 0 are never.
func parseExpiry(value []byte, now time.Time) (time.Time, error) {
	if len(value) > maxNameText {
		return time.Time{}, badExpiry(string(value[:200]))
	}
	text := string(value)
	if value[0] == '"' {
		var err error
		if text, err = jsondoc.String(value); err != nil {
			return time.Time{}, badExpiry(text)
		}
	}
	if text == "null" || text == "0" {
		return time.Time{}, nil
	}
	at, ok := access.ExpiryOfText(text, now)
	if !ok {
		return at, badExpiry(text)
	}
	return at, nil
}

func badExpiry(text string) error {
	return badRequest("Invalid expiry: " + strconv.Quote(cut(text)) + ": write seconds, a Unix time, or a date as in RFC 3339.")
}
