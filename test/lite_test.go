package test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

var liteVersions = []int{2, 3, 4} // a constant

// liteLimit is how long a test waits for what should come at once.
const liteLimit = 15 * time.Second

// raced tells whether the server is an instrumented one, which takes a multiple of the time and
// of the memory.
func raced() bool { return os.Getenv(harness.RaceVariable) != "" }

// headers are those of a request as net/http has them.
func headers(header map[string]string) http.Header {
	all := make(http.Header, len(header))
	for name, value := range header {
		all.Set(name, value)
	}

	return all
}

// dialLite connects a client of Couchbase Lite, again where a reload cost it its connection
// (DECISIONS 40).
func dialLite(ctx context.Context, database string, o harness.LiteOptions) (*harness.Lite, error) {
	for {
		l, err := harness.DialLite(ctx, database, o)
		if !errors.Is(err, harness.ErrNotTaken) || ctx.Err() != nil {
			return l, err
		}
	}
}

// lite connects a client, which must be let in, and ends it with the test.
func lite(t *testing.T, database string, o harness.LiteOptions) *harness.Lite {
	t.Helper()

	l, err := dialLite(t.Context(), database, o)
	require.NoError(t, err)
	t.Cleanup(l.Drop)

	return l
}

// refusedLite connects a client, which must not be let in.
func refusedLite(t *testing.T, database string, o harness.LiteOptions) *harness.HandshakeError {
	t.Helper()

	l, err := dialLite(t.Context(), database, o)
	if err == nil {
		l.Drop()
		require.FailNow(t, "the handshake was not refused")
	}

	var refused *harness.HandshakeError

	require.ErrorAs(t, err, &refused)

	return refused
}

// pull opens a pull after since and waits until all there is has come.
func pull(t *testing.T, l *harness.Lite, since string, continuous bool) {
	t.Helper()

	ctx, cancel := context.WithTimeout(t.Context(), liteLimit)
	defer cancel()

	_, _, err := l.Open(ctx, "cp-test")
	require.NoError(t, err)
	require.NoError(t, l.Pull(ctx, since, continuous))
	require.NoError(t, l.Await(ctx, (*harness.LiteState).Idle))
}

// awaitDoc waits until a document was pulled.
func awaitDoc(t *testing.T, l *harness.Lite, id string) harness.LiteDoc {
	t.Helper()

	ctx, cancel := context.WithTimeout(t.Context(), liteLimit)
	defer cancel()

	require.NoError(t, l.Await(ctx, func(s *harness.LiteState) bool {
		_, came := s.Docs[id]

		return came
	}), id)

	return l.Docs()[id]
}

// push pushes a new document, which must be taken.
func push(t *testing.T, l *harness.Lite, id, body string) (rev string) {
	t.Helper()

	ctx, cancel := context.WithTimeout(t.Context(), liteLimit)
	defer cancel()

	rev, err := l.Push(ctx, id, body)
	require.NoError(t, err)

	return rev
}

// requireDropped fails unless the connection ends within limit, and without a close frame:
// only that makes clients of every version come back (reference/blip.md 1.4).
func requireDropped(t *testing.T, l *harness.Lite, limit time.Duration) {
	t.Helper()

	timer := time.NewTimer(limit)
	defer timer.Stop()

	select {
	case <-l.Ended():
	case <-timer.C:
		require.FailNow(t, "the replication by "+l.Protocol+" goes on")
	}

	require.False(t, l.CloseFrame(), "%s was closed by a close frame: its client would stop", l.Protocol)
}

// requireOpen fails unless the replication goes on and answers.
func requireOpen(t *testing.T, l *harness.Lite) {
	t.Helper()

	ctx, cancel := context.WithTimeout(t.Context(), liteLimit)
	defer cancel()

	_, err := l.Call(ctx, "PING", "")
	require.NoError(t, err, l.Protocol)
}

// Row 35 of reference/blip.md 8.1: what one pushes is read by REST, and pulled by the others.
func TestCouchbaseLiteOfEveryVersionReplicates(t *testing.T) {
	t.Parallel()

	server := harness.New(t, harness.Options{})
	alice := headers(bearer(t, server, "alice"))
	database := server.URL + "/notes"

	clients := map[int]*harness.Lite{}

	for _, version := range liteVersions {
		l := lite(t, database, harness.LiteOptions{Version: version, Header: alice})
		pull(t, l, "", true)

		clients[version] = l
	}

	for _, version := range liteVersions {
		id := "by" + clients[version].Protocol[len(clients[version].Protocol)-1:]
		push(t, clients[version], id, `{"n":1}`)

		got := ask(t, server, request{url: "/notes/" + id, header: bearer(t, server, "alice")})
		require.Equal(t, http.StatusOK, got.status, got.body)
		require.Contains(t, got.body, `"n":1`)

		for _, other := range liteVersions {
			if other != version {
				require.Equal(t, `{"n":1}`, awaitDoc(t, clients[other], id).Body)
			}
		}
	}
}
