package test

import (
	"bufio"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

// liteMetrics are the server's metrics about Couchbase Lite, by name and labels.
func liteMetrics(t *testing.T, s *harness.Server) map[string]float64 {
	t.Helper()

	got := ask(t, s, request{url: s.ControlURL + "/metrics"})
	require.Equal(t, http.StatusOK, got.status, got.body)

	all := map[string]float64{}

	for lines := bufio.NewScanner(strings.NewReader(got.body)); lines.Scan(); {
		name, text, found := strings.Cut(lines.Text(), " ")
		if !found || !strings.HasPrefix(name, "caddy_sync_lite_") {
			continue
		}

		value, err := strconv.ParseFloat(text, 64)
		require.NoError(t, err, lines.Text())

		all[name] = value
	}

	return all
}

// Row 9 of reference/blip.md 8.1: bytes are counted while a replication goes on, and when it ends.
func TestLiteMetricsCountWhatReplicationsDo(t *testing.T) {
	t.Parallel()

	server := harness.New(t, harness.Options{Settings: harness.Settings{NoIDP: true, Database: "guest\naccess shared"}})

	for _, id := range []string{"a", "b", "c", strings.Repeat("long", 100)} {
		made := ask(t, server, request{method: http.MethodPut, url: "/notes/" + id, body: `{}`})
		require.Equal(t, http.StatusCreated, made.status, made.body)
	}

	start := liteMetrics(t, server)
	require.Zero(t, start["caddy_sync_lite_replications"])
	require.Contains(t, start, `caddy_sync_lite_messages_total{direction="in"}`)

	const (
		in, out   = `{direction="in"}`, `{direction="out"}`
		messages  = "caddy_sync_lite_messages_total"
		size      = "caddy_sync_lite_bytes_total"
		documents = "caddy_sync_lite_documents_total"
	)

	var sockets []*harness.Lite

	for _, version := range liteVersions {
		l := lite(t, server.URL+"/notes", harness.LiteOptions{Version: version})
		pull(t, l, "", true)
		require.Len(t, l.Docs(), 3)

		sockets = append(sockets, l)
	}

	pulled := liteMetrics(t, server)
	require.InDelta(t, 3, pulled["caddy_sync_lite_replications"], 0)
	require.InDelta(t, 3, pulled["caddy_sync_lite_caught_up_total"], 0)
	require.InDelta(t, 9, pulled[documents+out], 0)
	require.Zero(t, pulled[documents+in])
	require.InDelta(t, 3, pulled["caddy_sync_lite_unfit_documents_total"], 0, "DECISIONS 27")
	require.InDelta(t, 2, pulled[`caddy_sync_lite_errors_total{code="404"}`], 0, "the checkpoints of two that are not there")
	require.GreaterOrEqual(t, pulled[messages+in], 9.0, "checkpoint, subChanges, the answer to changes")
	require.GreaterOrEqual(t, pulled[messages+out], 21.0, "two answers, two changes, three revisions")
	require.Greater(t, pulled[size+in], 300.0)
	require.Greater(t, pulled[size+out], 500.0)

	const body = 100_000

	push(t, sockets[0], "d", `{"text":"`+strings.Repeat("x", body)+`"}`)

	for _, l := range sockets {
		awaitDoc(t, l, "d") // this client asks for its own, too
	}

	_, err := sockets[0].Call(t.Context(), "rev", `{}`, "id", "a", "rev", sockets[0].NewRev(1), "noconflicts", "1")
	require.ErrorContains(t, err, "409")
	_, err = sockets[0].Call(t.Context(), "nosuch", "")
	require.ErrorContains(t, err, "404")

	pushed := liteMetrics(t, server)
	require.InDelta(t, 1, pushed[documents+in], 0)
	require.InDelta(t, 12, pushed[documents+out], 0)
	require.InDelta(t, 1, pushed[`caddy_sync_lite_errors_total{code="409"}`], 0)
	require.InDelta(t, 3, pushed[`caddy_sync_lite_errors_total{code="404"}`], 0)
	require.InDelta(t, 3, pushed["caddy_sync_lite_caught_up_total"], 0, "once a feed")
	require.Greater(t, pushed[messages+in], pulled[messages+in])
	require.Less(t, pushed[size+in]-pulled[size+in], float64(body/10), "bytes are those on the wire, deflated")

	sockets[0].Close()
	sockets[1].Drop()
	eventually(t, liteLimit, func() bool { return liteMetrics(t, server)["caddy_sync_lite_replications"] == 1 })
	sockets[2].Drop()
	eventually(t, liteLimit, func() bool { return liteMetrics(t, server)["caddy_sync_lite_replications"] == 0 })
}
