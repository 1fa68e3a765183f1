package auth

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxDeltaSeconds is what a larger max-age counts as (RFC 9111 section 1.2.2).
const maxDeltaSeconds = 1 << 31

// cacheLifetime is how long an answer that came now may be kept (RFC 9111 section 4.2.1):
// max-age less Age, or else Expires less Date; defaultRefresh if it does not say, and
// zero if what it says cannot be read.
func cacheLifetime(h http.Header, now time.Time) time.Duration {
	age := int64(-1)
	for directive := range strings.SplitSeq(strings.Join(h.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch strings.ToLower(name) {
		case "no-store", "no-cache":
			return 0
		case "max-age":
			if s := deltaSeconds(strings.Trim(value, `"`)); age < 0 || s < age {
				age = s // the strictest of several
			}
		}
	}
	if age >= 0 {
		return time.Duration(max(age-deltaSeconds(h.Get("Age")), 0)) * time.Second
	}
	expires, there := h["Expires"]
	if !there {
		return defaultRefresh
	}
	end, err := http.ParseTime(expires[0])
	if err != nil {
		return 0 // "0" is the usual one (section 5.3)
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date // both by the same clock
	}
	return min(max(end.Sub(now), 0), maxDeltaSeconds*time.Second)
}

// deltaSeconds reads a number of seconds, zero if it is none.
func deltaSeconds(text string) int64 {
	if text == "" || strings.Trim(text, "0123456789") != "" {
		return 0
	}
	s, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return maxDeltaSeconds
	}
	return min(s, maxDeltaSeconds)
}
