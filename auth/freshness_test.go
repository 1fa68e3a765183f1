package auth

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// F50: how long a provider's answers may be kept. What cannot be read counts as stale
// (RFC 9111 section 4.2.1), where Sync Gateway takes its default.
func TestF50_CacheLifetime(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	in := func(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }
	for _, c := range []struct {
		name   string
		header http.Header
		want   time.Duration
	}{
		{"nothing said", http.Header{}, defaultRefresh},
		{"no freshness said", http.Header{"Cache-Control": {"public"}}, defaultRefresh},
		{"max-age", http.Header{"Cache-Control": {"max-age=60"}}, time.Minute},
		{"max-age quoted, in capitals", http.Header{"Cache-Control": {`public, MAX-AGE="60"`}}, time.Minute},
		{"max-age in a second line", http.Header{"Cache-Control": {"public", "max-age=60"}}, time.Minute},
		{"max-age zero", http.Header{"Cache-Control": {"max-age=0"}}, 0},
		{"max-age negative", http.Header{"Cache-Control": {"max-age=-5"}}, 0},
		{"max-age malformed", http.Header{"Cache-Control": {"max-age=x"}}, 0},
		{"max-age empty", http.Header{"Cache-Control": {"max-age"}}, 0},
		{"max-age over all numbers", http.Header{"Cache-Control": {"max-age=99999999999999999999"}}, maxDeltaSeconds * time.Second},
		{"two max-ages", http.Header{"Cache-Control": {"max-age=60, max-age=30"}}, 30 * time.Second},
		{"of a shared cache", http.Header{"Cache-Control": {"s-maxage=1, max-age=120, x"}}, 2 * time.Minute},
		{"no-store", http.Header{"Cache-Control": {"max-age=60, no-store"}}, 0},
		{"no-cache", http.Header{"Cache-Control": {"no-cache"}}, 0},
		{"aged", http.Header{"Cache-Control": {"max-age=60"}, "Age": {"40"}}, 20 * time.Second},
		{"over-aged", http.Header{"Cache-Control": {"max-age=60"}, "Age": {"400"}}, 0},
		{"Expires", http.Header{"Expires": {in(time.Hour)}, "Date": {in(0)}}, time.Hour},
		{"Expires by another clock", http.Header{"Expires": {in(-time.Hour)}, "Date": {in(-2 * time.Hour)}}, time.Hour},
		{"Expires without Date", http.Header{"Expires": {in(time.Minute)}}, time.Minute},
		{"Expires with a malformed Date", http.Header{"Expires": {in(time.Minute)}, "Date": {"now"}}, time.Minute},
		{"Expires of the past", http.Header{"Expires": {in(-time.Minute)}, "Date": {in(0)}}, 0},
		{"Expires malformed", http.Header{"Expires": {"0"}, "Date": {in(0)}}, 0},
		{"max-age wins over Expires", http.Header{"Cache-Control": {"max-age=60"}, "Expires": {in(time.Hour)}, "Date": {in(0)}}, time.Minute},
		{"malformed max-age wins over Expires", http.Header{"Cache-Control": {"max-age=x"}, "Expires": {in(time.Hour)}}, 0},
	} {
		require.Equal(t, c.want, cacheLifetime(c.header, now), c.name)
	}
}
