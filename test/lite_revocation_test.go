package test

import (
	"net/http"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

// watchedSocket is an open replication of Couchbase Lite that a revocation must end.
type watchedSocket struct {
	*harness.Lite

	version int
	header  map[string]string
	since   string // where the client goes on
}

// openSockets opens a continuous pull of each version with each of the credentials, which has
// pulled everything.
func (m *matrix) openSockets(t *testing.T, database string, credentials []map[string]string) (sockets []*watchedSocket) {
	t.Helper()

	for _, header := range credentials {
		for _, version := range liteVersions {
			l := lite(t, m.URL+"/"+database, harness.LiteOptions{Version: version, Header: headers(header)})
			pull(t, l, "", true)
			require.Contains(t, l.Docs(), "before")

			sockets = append(sockets, &watchedSocket{Lite: l, version: version, header: header})
		}
	}

	return sockets
}

// requireEnded is how a client finds out that it may not go on: the connection is gone within
// a second of from, not before, and the next handshake says why.
func (w *watchedSocket) requireEnded(t *testing.T, m *matrix, database string, from time.Time) {
	t.Helper()

	requireDropped(t, w.Lite, 5*time.Second)
	require.Less(t, w.EndedAt().Sub(from), time.Second, w.Protocol)
	require.Greater(t, w.EndedAt().Sub(from), -100*time.Millisecond, "%s ended too early", w.Protocol)

	w.since = w.Since()
	require.NotEmpty(t, w.since)

	refused := refusedLite(t, m.URL+"/"+database, harness.LiteOptions{Version: w.version, Header: headers(w.header)})
	require.Equal(t, http.StatusUnauthorized, refused.Status, "the old credentials: %s", refused.Body)
}

// requireResumed signs in anew and goes on where the replication ended.
func (w *watchedSocket) requireResumed(t *testing.T, m *matrix, database string, fresh map[string]string) {
	t.Helper()

	l := lite(t, m.URL+"/"+database, harness.LiteOptions{Version: w.version, Header: headers(fresh)})
	pull(t, l, w.since, true)
	require.Contains(t, l.Docs(), "after", w.Protocol)
	require.NotContains(t, l.Docs(), "before", "%s: a resumed pull begins where it ended", w.Protocol)
	l.Close()
}
