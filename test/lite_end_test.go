package test

import (
	"net/http"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

// Row 7 of reference/blip.md 8.1.
func TestLiteSocketsOfADeletedDatabaseEnd(t *testing.T) {
	t.Parallel()

	server := harness.New(t, harness.Options{Settings: harness.Settings{
		Sync: "database * {\noidc dev\n}", Databases: "notes extra", AdminSite: "admin {\nallow loopback\n}",
	}})
	require.NoError(t, server.CreateDatabase(t.Context(), "extra"))

	alice := headers(bearer(t, server, "alice"))

	var sockets, others []*harness.Lite

	for _, version := range liteVersions {
		for _, o := range []struct {
			site   string
			header http.Header
		}{{server.URL, alice}, {server.AdminURL, nil}} {
			options := harness.LiteOptions{Version: version, Header: o.header}
			l, other := lite(t, o.site+"/extra", options), lite(t, o.site+"/notes", options)
			pull(t, l, "", true)
			pull(t, other, "", true)

			sockets, others = append(sockets, l), append(others, other)
		}
	}

	push(t, sockets[0], "a", `{}`)

	gone := ask(t, server, request{method: http.MethodDelete, url: server.AdminURL + "/extra"})
	require.Equal(t, http.StatusOK, gone.status, gone.body)

	for _, l := range sockets {
		requireDropped(t, l, time.Second)
	}

	for _, l := range others {
		requireOpen(t, l)
	}

	require.Equal(t, http.StatusUnauthorized, refusedLite(t, server.URL+"/extra", harness.LiteOptions{Header: alice}).Status)
	require.Equal(t, http.StatusNotFound, refusedLite(t, server.AdminURL+"/extra", harness.LiteOptions{}).Status)
}

func TestLiteSocketsDoNotHoldUpTheEnd(t *testing.T) {
	t.Parallel()

	server := harness.New(t, harness.Options{Settings: harness.Settings{Sync: "stream_close_delay 1h"}})

	var sockets []*harness.Lite

	for _, version := range liteVersions {
		l := lite(t, server.URL+"/notes", harness.LiteOptions{Version: version, Header: headers(bearer(t, server, "alice"))})
		pull(t, l, "", true)

		sockets = append(sockets, l)
	}

	began := time.Now()

	require.NoError(t, server.Stop())
	require.Less(t, time.Since(began), 5*time.Second)

	for _, l := range sockets {
		requireDropped(t, l, time.Second)
	}

	require.NoError(t, server.Restart(t.Context()))
	pull(t, lite(t, server.URL+"/notes", harness.LiteOptions{Header: headers(bearer(t, server, "alice"))}), sockets[0].Since(), true)
}
