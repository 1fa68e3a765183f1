package test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

// office is a server whose administrator's site has every database, so that a back office
// can make its own.
func office(t *testing.T, settings harness.Settings) site {
	t.Helper()

	settings.AdminDatabases = "*"
	settings.Sync += "\ndatabase * {\noidc dev\naccess shared\n}"
	server := harness.New(t, harness.Options{Settings: settings})

	return site{Server: server, issuer: server.Issuer}
}

// CouchDB's own Node client: databases, documents, attachments, its readers of changes; as the
// administrator, as a user with a token, and by name and password.
func TestNanoServesAdministratorsAndUsers(t *testing.T) {
	t.Parallel()

	s := office(t, harness.Settings{Database: "password_auth"})
	answer := ask(t, s.Server, request{
		method: "PUT", url: s.AdminURL + "/notes/_user/officer", body: `{"password":"` + officerPassword + `"}`,
	})
	require.Equal(t, 201, answer.status, answer.body)
	s.run(t, "nano", map[string]string{"ADMIN_URL": s.AdminURL, "PASSWORD": officerPassword})
}

const officerPassword = "correct horse battery"

// Cloudant's backup tool restores what it kept of 100 000 documents: every leaf, its ancestry, its
// body, and the deletions.
func TestCouchbackupRestoresWhatItKept(t *testing.T) {
	t.Parallel()

	documents := "100000"
	if testing.Short() {
		documents = "2000"
	}

	s := office(t, harness.Settings{})
	s.run(t, "couchbackup", map[string]string{"ADMIN_URL": s.AdminURL, "DOCUMENTS": documents})
}

// Go's CouchDB client, in a module of its own (kivik/).
func TestKivikServesAdministratorsAndUsers(t *testing.T) {
	t.Parallel()

	s := office(t, harness.Settings{})
	token, err := s.Token(t.Context(), "alice", nil)
	require.NoError(t, err)

	root, err := harness.Root()
	require.NoError(t, err)

	ctx, cancel := context.WithTimeout(t.Context(), 2*scenarioTime) // a cold build
	defer cancel()

	kivik := exec.CommandContext(ctx, "go", "run", ".")
	kivik.Dir = filepath.Join(root, "test", "kivik")
	kivik.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=", "ADMIN_URL="+s.AdminURL, "SYNC_URL="+s.URL, "TOKEN="+token)
	output, err := kivik.CombinedOutput()
	require.NoError(t, err, string(output))
}
