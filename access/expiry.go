package access

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/caddysync/caddy-sync/script"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

// longestRelative is up to what a number of seconds counts from now on; more is a Unix
// time.
const longestRelative = 30 * 24 * time.Hour

const notATime = "not a time: write seconds, a Unix time, or a date as in RFC 3339"

var errNotATime = errors.New(notATime)

// expiry sets when the document expires. What is no time is left out with a warning, as
// is 0: what the writer wants counts then.
func (c *call) expiry(arg script.Value) {
	if arg.Absent() {
		return
	}
	if seconds, ok := arg.Number(); ok {
		at, ok := ExpiryOfSeconds(seconds, c.now())
		if !ok {
			c.warn(fmt.Sprintf("expiry: ignored %v, which is %s", seconds, notATime))
			return
		}
		c.outcome.Expires = at
		return
	}
	text, is := arg.Text()
	if !is {
		c.warn(fmt.Sprintf("expiry: ignored a %s", arg.Kind()))
		return
	}
	at, ok := ExpiryOfText(text, c.now())
	if !ok {
		c.warn(fmt.Sprintf("expiry: ignored %q, which is %s", shorten(strings.TrimSpace(text)), notATime))
		return
	}
	c.outcome.Expires = at
}

// writtenJSON is the revision that is written as functions see it, with _exp if its writer
// wants it to expire. They are not asked about the deletion that comes of it, so they have to
// be told here: otherwise whoever may change a document could delete it.
func writtenJSON(write syncstore.Evaluation) string {
	text := write.New.FunctionJSON()
	if write.Expires.IsZero() {
		return text
	}
	return `{"_exp":"` + write.Expires.UTC().Format(time.RFC3339) + `",` + strings.TrimPrefix(text, "{")
}

// readExpiry reads the _exp of a document that is only tried. null and 0 are never.
func readExpiry(value []byte, now time.Time) (time.Time, error) {
	text := string(value)
	if value[0] == '"' {
		var err error
		if text, err = jsondoc.String(value); err != nil {
			return time.Time{}, err
		}
	}
	if text == "null" || text == "0" {
		return time.Time{}, nil
	}
	at, ok := ExpiryOfText(text, now)
	if !ok {
		return at, errNotATime
	}
	return at, nil
}

// ExpiryOfText returns when a document expires whose writer wants it so: a date as in RFC
// 3339, or a number as for ExpiryOfSeconds. It reports false for what is no time.
func ExpiryOfText(text string, now time.Time) (time.Time, bool) {
	text = strings.TrimSpace(text)
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, true
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return time.Time{}, false
	}
	return ExpiryOfSeconds(seconds, now)
}

// ExpiryOfSeconds returns when a document expires whose writer wants it so: up to 30 days are
// seconds from now on, more is a Unix time. It reports false for what is no time, such as 0.
func ExpiryOfSeconds(seconds float64, now time.Time) (time.Time, bool) {
	// 1e10 seconds are the year 2286; what is more is mostly in milliseconds.
	if math.IsNaN(seconds) || seconds <= 0 || seconds > 1e10 {
		return time.Time{}, false
	}
	if seconds <= longestRelative.Seconds() {
		return now.Add(time.Duration(seconds * float64(time.Second))), true
	}
	return time.Unix(int64(seconds), 0), true
}
