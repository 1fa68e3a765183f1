package caddysync

import (
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/caddysync/caddy-sync/movein"
	"github.com/stretchr/testify/require"
)

// moveFlags are those of a command line behind `sync import couchdb`.
func moveFlags(t *testing.T, args ...string) caddycmd.Flags {
	t.Helper()
	cmd := moveCommand(movein.CouchDB)
	require.NoError(t, cmd.ParseFlags(args))
	return caddycmd.Flags{FlagSet: cmd.Flags()}
}

func secretFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestCredentialsAtASourceAreInNoCommandLine(t *testing.T) {
	const there, here = "https://couch.example.com/notes", "http://127.0.0.1:4985/notes"
	_, err := sourceOf(t.Context(), moveFlags(t, "https://admin:hidden@couch.example.com/notes", here))
	require.ErrorIs(t, err, errCredentialsInURL)
	require.NotContains(t, err.Error(), "hidden")
	_, err = targetOf(moveFlags(t, there, "http://admin:hidden@127.0.0.1:4985/notes"))
	require.ErrorContains(t, err, "--authorization-file")
	require.NotContains(t, err.Error(), "hidden")

	bearer := secretFile(t, "Bearer t0ken\n")
	_, err = sourceOf(t.Context(), moveFlags(t, there, here, "--user", "admin", "--source-authorization-file", bearer))
	require.ErrorContains(t, err, "exclude one another")
	r, err := sourceOf(t.Context(), moveFlags(t, there, here, "--source-authorization-file", bearer))
	require.NoError(t, err)
	require.Equal(t, "t0ken", r.Credentials.Secret)
	_, err = sourceOf(t.Context(), moveFlags(t, there, here, "--source-authorization-file", secretFile(t, "just a password")))
	require.Error(t, err)
	require.NotContains(t, err.Error(), "just a password")
	r, err = targetOf(moveFlags(t, there, here, "--authorization-file", bearer))
	require.NoError(t, err)
	require.Equal(t, "t0ken", r.Credentials.Secret)

	r, err = sourceOf(t.Context(), moveFlags(t, there, here, "--user", "admin", "--password-file", secretFile(t, " with spaces \r\n")))
	require.NoError(t, err)
	require.Equal(t, " with spaces ", r.Credentials.Secret, "only the end of the line goes")
	t.Setenv(sourcePassword, "from the environment")
	r, err = sourceOf(t.Context(), moveFlags(t, there, here, "--user", "admin"))
	require.NoError(t, err)
	require.Equal(t, "admin", r.Credentials.Name)
	require.Equal(t, "from the environment", r.Credentials.Secret)
	r, err = sourceOf(t.Context(), moveFlags(t, there, here))
	require.NoError(t, err)
	require.Nil(t, r.Credentials, "nobody signs in who was not named")
}

func TestASourceWithAnAuthorityOfItsOwnIsTrusted(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") }))
	t.Cleanup(server.Close)
	file := secretFile(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	r, err := sourceOf(t.Context(), moveFlags(t, server.URL+"/notes", "http://127.0.0.1:4985/notes", "--source-ca-file", file))
	require.NoError(t, err)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
	require.NoError(t, err)
	answer, err := r.Transport.RoundTrip(request)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	_, err = http.DefaultTransport.RoundTrip(request)
	require.Error(t, err, "others are not")
	_, err = transportFor(secretFile(t, "no certificate"))
	require.ErrorContains(t, err, "no certificate in it")
}

// The command says to write the path of the file into the Caddyfile, where the server reads it again when it changes, and that
// it may be begun again.
func TestAMoveBegunAgainLeavesTheFunctionThatTheOperatorMadeOfItsFile(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "functions")
	var said []string
	save := saveTo(folder, func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) })
	holds := func(path, text string) {
		t.Helper()
		has, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, text, string(has))
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o644), info.Mode().Perm(), "the server may be another user")
	}
	const there, mended = "function (doc) { channel('all') }", "function (doc) { requireRole('staff'); channel(doc.c) }"
	path, err := save("notes.sync.js", there)
	require.NoError(t, err)
	require.Equal(t, filepath.Join(folder, "notes.sync.js"), path)
	holds(path, there)
	again, err := save("notes.sync.js", there)
	require.NoError(t, err)
	require.Equal(t, path, again, "it is the same")
	require.Empty(t, said)

	require.NoError(t, os.WriteFile(path, []byte(mended), 0o600))
	for range 2 {
		said = nil
		again, err = save("notes.sync.js", there)
		require.NoError(t, err)
		require.Equal(t, filepath.Join(folder, "notes.sync.2.js"), again)
		holds(again, there)
		holds(path, mended)
		require.Equal(t, []string{path + " is there with other contents, and stays as it is."}, said)
	}
	third, err := save("notes.sync.js", "function () {}")
	require.NoError(t, err)
	require.Equal(t, filepath.Join(folder, "notes.sync.3.js"), third)
	files, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Len(t, files, 3)
}
