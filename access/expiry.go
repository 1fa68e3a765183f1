package access

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/caddysync/caddy-sync/script"
)

// longestRelative is up to what a number of seconds counts from now on; more is a Unix
// time.
const longestRelative = 30 * 24 * time.Hour

const notATime = "not a time: write seconds, a Unix time, or a date as in RFC 3339"

// expiry sets when the document expires. What is no time is left out with a warning, as
// is 0: what the writer wants counts then.
func (c *call) expiry(arg script.Value) {
	if arg.Absent() {
		return
	}
	seconds, ok := arg.Number()
	if !ok {
		text, is := arg.Text()
		if !is {
			c.warn(fmt.Sprintf("expiry: ignored a %s", arg.Kind()))
			return
		}
		text = strings.TrimSpace(text)
		if at, err := time.Parse(time.RFC3339, text); err == nil {
			c.outcome.Expires = at
			return
		}
		var err error
		if seconds, err = strconv.ParseFloat(text, 64); err != nil {
			c.warn(fmt.Sprintf("expiry: ignored %q, which is %s", shorten(text), notATime))
			return
		}
	}
	// 1e10 seconds are the year 2286; what is more is mostly in milliseconds.
	if math.IsNaN(seconds) || seconds <= 0 || seconds > 1e10 {
		c.warn(fmt.Sprintf("expiry: ignored %v, which is %s", seconds, notATime))
		return
	}
	if relative := time.Duration(seconds * float64(time.Second)); seconds <= longestRelative.Seconds() {
		c.outcome.Expires = c.now().Add(relative)
		return
	}
	c.outcome.Expires = time.Unix(int64(seconds), 0)
}
