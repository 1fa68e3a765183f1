package test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

// TestTheFirstStepsWithCouchbaseLiteAreThere does over HTTP and by a WebSocket what the code of
// the pages for iOS, Android, .NET and Flutter does, which cannot be compiled here: it asks
// the quickstart for a token, trades it for a session, and replicates with that.
func TestTheFirstStepsWithCouchbaseLiteAreThere(t *testing.T) {
	t.Parallel()
	server := harness.New(t, harness.Options{Caddyfile: quickstart(t)})
	for _, page := range []string{"docs/start-ios.md", "docs/start-android.md", "docs/start-dotnet.md", "docs/start-flutter.md"} {
		var code strings.Builder
		for _, block := range allPages(t)[page].Blocks {
			code.WriteString(block.Text)
		}
		for _, name := range []string{"/idp/dev/token", "text/plain", "user", "/notes/_session", "Authorization", "Bearer ", "SyncGatewaySession", "/notes"} {
			require.Contains(t, code.String(), name, page)
		}
	}
	got := ask(t, server, request{method: http.MethodPost, url: "/idp/dev/token", body: "user=alice", header: map[string]string{
		"Accept": "text/plain", "Content-Type": "application/x-www-form-urlencoded",
	}})
	require.Equal(t, http.StatusOK, got.status, got.body)
	// Without a body and without a Content-Type, as those clients post.
	got = ask(t, server, request{method: http.MethodPost, url: "/notes/_session", header: map[string]string{"Authorization": "Bearer " + got.body}})
	require.Equal(t, http.StatusOK, got.status, got.body)
	session, _, _ := strings.Cut(got.header.Get("Set-Cookie"), ";")
	require.True(t, strings.HasPrefix(session, "SyncGatewaySession="), session)
	lite, err := harness.DialLite(t.Context(), server.URL+"/notes", harness.LiteOptions{Header: http.Header{"Cookie": {session}}})
	require.NoError(t, err)
	t.Cleanup(lite.Close)
	_, _, err = lite.Open(t.Context(), "first steps")
	require.NoError(t, err)
	_, err = lite.Push(t.Context(), "note", `{"text":"written offline"}`)
	require.NoError(t, err)
	require.Contains(t, ask(t, server, request{url: "/notes/note", header: bearer(t, server, "bob")}).body, "written offline")
}
