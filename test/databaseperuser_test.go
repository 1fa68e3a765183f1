package test

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

// TestADatabasePerUserIsOpenToItsUserOnly runs the commands of the example's page.
func TestADatabasePerUserIsOpenToItsUserOnly(t *testing.T) {
	t.Parallel()

	page, err := os.ReadFile("../examples/database-per-user/README.md")
	require.NoError(t, err)

	port, err := harness.FreePort()
	require.NoError(t, err)

	// `sync *` would answer for the development provider's path too.
	server := harness.New(t, harness.Options{Settings: harness.Settings{
		Provider: "username_claim sub", Sync: "database * {\noidc dev\naccess shared\n}", AdminDatabases: "*",
		Extra: fmt.Sprintf("http://localhost:%d {\nbind 127.0.0.1\nsync *\nrespond 404\n}", port),
	}})
	text := strings.NewReplacer("http://127.0.0.1:4985", server.AdminURL, "$OIDC_ISSUER", server.Issuer,
		"_user/4711", "_user/alice", `"subject\": \"4711`, `"subject\": \"alice`).Replace(string(page))
	commands := shellBlock.FindAllStringSubmatch(text, -1)
	require.NotEmpty(t, commands)

	for _, block := range commands {
		runShell(t, server, []string{block[2]})
	}

	path := fmt.Sprintf("http://localhost:%d/u-4711/shopping", port)
	for _, r := range []struct {
		user   string
		status int
	}{{"bob", http.StatusUnauthorized}, {"alice", http.StatusCreated}} {
		got := ask(t, server, request{method: http.MethodPut, url: path, body: `{"milk":2}`, header: bearer(t, server, r.user)})
		require.Equal(t, r.status, got.status, "%s: %s", r.user, got.body)
	}
}
