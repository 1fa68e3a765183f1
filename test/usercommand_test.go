package test

import (
	"net/http"
	"testing"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

func TestUsersAreDisabledAndSessionsEndedByCommand(t *testing.T) {
	t.Parallel()
	server := operated{harness.New(t, harness.Options{Settings: harness.Settings{NoIDP: true}}), t}
	notes := server.AdminURL + "/notes"
	server.put("/notes/_user/alice", `{"password":"long enough"}`)
	status, answer := server.ask(t.Context(), http.MethodPost, "/notes/_session", []byte(`{"name":"alice"}`))
	require.Equal(t, http.StatusOK, status, string(answer))

	require.Contains(t, server.command("user", "list", notes), "alice\n")
	require.Contains(t, server.command("user", "show", notes, "alice"), `"name": "alice"`)
	require.Contains(t, server.command("session", "list", notes, "alice"), `"created"`)
	server.command("session", "end", notes, "alice")
	require.NotContains(t, server.command("session", "list", notes, "alice"), `"created"`)
	server.command("user", "disable", notes, "alice")
	require.Contains(t, string(server.get("/notes/_user/alice")), `"disabled":true`)
	server.command("user", "enable", notes, "alice")
	require.NotContains(t, string(server.get("/notes/_user/alice")), `"disabled":true`)

	_, err := server.Command(t.Context(), "sync", "user", "disable", notes, "alcie")
	require.ErrorContains(t, err, "404")
	require.NotContains(t, server.command("user", "list", notes), "alcie", "a name that was mistyped makes no user")
}
