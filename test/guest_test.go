package test

import (
	"net/http"
	"testing"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

func TestGuestsAreRefusedUnlessTheCaddyfileSaysSo(t *testing.T) {
	t.Parallel()

	closed := harness.New(t, harness.Options{})

	for _, r := range []request{
		{url: "/notes"},
		{url: "/notes/"},
		{url: "/notes/_changes"},
		{url: "/notes/_all_docs"},
		{url: "/notes/a"},
		{method: http.MethodPut, url: "/notes/a", body: `{}`},
		{method: http.MethodPost, url: "/notes/_bulk_docs", body: `{"docs":[]}`},
		{url: "/notes", header: map[string]string{"Authorization": "Basic Og=="}}, // DECISIONS 39
	} {
		got := ask(t, closed, r)
		require.Equal(t, http.StatusUnauthorized, got.status, "%s %s: %s", r.method, r.url, got.body)
		require.NotEmpty(t, got.header.Get("WWW-Authenticate"), r.url)
		require.Contains(t, got.body, `"error":"unauthorized"`, r.url)
	}

	require.Equal(t, http.StatusOK, ask(t, closed, request{url: "/"}).status, "the welcome needs no sign-in")
	require.Equal(t, http.StatusOK, ask(t, closed, request{url: closed.AdminURL + "/notes"}).status)

	open := harness.New(t, harness.Options{Settings: harness.Settings{Database: "guest\naccess shared", NoIDP: true}})
	site{Server: open}.run(t, "replicate", map[string]string{"ADAPTER": "memory"})
}

func TestDecision14_UnknownNamesAreRefusedAsIfTheyWereDatabases(t *testing.T) {
	t.Parallel()

	server := harness.New(t, harness.Options{Settings: harness.Settings{Databases: "*"}})

	known, unknown := ask(t, server, request{url: "/notes"}), ask(t, server, request{url: "/nosuch"})
	require.Equal(t, http.StatusUnauthorized, known.status)
	require.Equal(t, known.status, unknown.status, "names of databases cannot be probed")
	require.Equal(t, known.body, unknown.body)
	require.Equal(t, known.header.Get("WWW-Authenticate"), unknown.header.Get("WWW-Authenticate"))

	// A site with names of its own leaves the others to what comes next.
	named := harness.New(t, harness.Options{})
	require.Equal(t, http.StatusNotFound, ask(t, named, request{url: "/nosuch"}).status)
}

func TestDecision39_PouchDBsEmptyBasicMeansGuest(t *testing.T) {
	t.Parallel()

	server := harness.New(t, harness.Options{Settings: harness.Settings{Database: "guest\naccess shared"}})

	for _, authorization := range []string{"Basic Og==", "Basic: Og==", "Negotiate abc"} {
		got := ask(t, server, request{url: "/notes", header: map[string]string{"Authorization": authorization}})
		require.Equal(t, http.StatusOK, got.status, "%s: %s", authorization, got.body)
	}
}
