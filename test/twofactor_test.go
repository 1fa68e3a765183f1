package test

import (
	"crypto/hmac"
	"crypto/sha1" // what authenticator apps use (RFC 6238)
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

const twoFactorPassword = "correct horse battery"

// twoFactor is examples/two-factor-backend as its README starts it: backend and server,
// in a copy of the folder and on ports of their own.
type twoFactor struct {
	*harness.Server

	t       *testing.T
	folder  string
	backend *harness.Node
	env     map[string]string
	used    map[string]uint64 // the last code of a user
	secrets map[string][]byte
}

func newTwoFactor(t *testing.T) *twoFactor {
	t.Helper()

	clients, err := harness.Clients(t.Context())
	require.NoError(t, harness.NeedTool(t, err))

	root, err := harness.Root()
	require.NoError(t, err)

	folder := t.TempDir()
	for _, part := range []string{"backend", "client.mjs", "terminal.mjs", "package.json"} {
		copyTo(t, folder, filepath.Join(root, "examples", "two-factor-backend"), part)
	}

	require.NoError(t, os.Symlink(filepath.Join(clients, "node_modules"), filepath.Join(folder, "node_modules")))

	port, err := harness.FreePort()
	require.NoError(t, err)

	caddyfile := strings.NewReplacer(
		":8080", ":{{.Port}}", ":4985", ":{{.AdminPort}}", ":2020", ":{{.ControlPort}}", ":4000", ":"+strconv.Itoa(port),
		"store badger ./data\n", "store badger ./data {\nmemory 64MiB\nmin_free 32MiB\n}\n",
	).Replace(readFile(t, "examples", "two-factor-backend", "Caddyfile"))

	w := &twoFactor{
		Server: harness.New(t, harness.Options{Caddyfile: caddyfile, Dir: folder, Offline: true}),
		t:      t, folder: folder, used: map[string]uint64{}, secrets: map[string][]byte{},
	}
	w.env = map[string]string{"PORT": strconv.Itoa(port), "ISSUER": w.URL + "/login", "SYNC_URL": w.URL}

	// The backend goes first: it makes the keys.
	w.startBackend()
	require.NoError(t, w.Restart(t.Context()))

	return w
}

func copyTo(t *testing.T, folder, from, part string) {
	t.Helper()

	info, err := os.Stat(filepath.Join(from, part))
	require.NoError(t, err)

	if info.IsDir() {
		require.NoError(t, os.CopyFS(filepath.Join(folder, part), os.DirFS(filepath.Join(from, part))))

		return
	}

	text, err := os.ReadFile(filepath.Join(from, part))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, part), text, 0o600))
}

func (w *twoFactor) script(path string, args ...string) *harness.Node {
	w.t.Helper()

	return harness.NewScript(w.t, harness.Script{Path: filepath.Join(w.folder, path), Args: args, Dir: w.folder, Env: w.env})
}

func (w *twoFactor) startBackend() {
	w.t.Helper()

	w.backend = w.script("backend/server.mjs")
	_, err := w.backend.Await(w.t.Context(), "listening")
	require.NoError(w.t, err)
}

// addUser runs add-user.mjs and keeps the secret that it prints, as an app would.
func (w *twoFactor) addUser(name string) {
	w.t.Helper()

	node := w.script("backend/add-user.mjs", name)
	require.NoError(w.t, node.Tell(twoFactorPassword))
	finish(w.t, node)

	found := regexp.MustCompile(`(?m)^  ([A-Z2-7]{32})$`).FindStringSubmatch(node.Output())
	require.NotNil(w.t, found, node.Output())

	secret, err := base32.StdEncoding.DecodeString(found[1])
	require.NoError(w.t, err)

	w.secrets[name] = secret
}

// code is the next one of a user's app that was not used yet. The next step's is good
// already; the one after that is waited for.
func (w *twoFactor) code(name string) string {
	w.t.Helper()

	now := func() uint64 { return uint64(time.Now().Unix()) / 30 }
	next := max(now(), w.used[name]+1)

	eventually(w.t, time.Minute, func() bool { return next <= now()+1 })

	w.used[name] = next

	return totp(w.secrets[name], next)
}

// totp is the test's own, so that it tells whether the example's is right.
func totp(secret []byte, counter uint64) string {
	mac := hmac.New(sha1.New, secret)
	_, _ = mac.Write(binary.BigEndian.AppendUint64(nil, counter))
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 15

	return fmt.Sprintf("%06d", (binary.BigEndian.Uint32(sum[at:])&0x7fffffff)%1_000_000)
}

// login posts to /login through Caddy.
func (w *twoFactor) login(name, password, code string) reply {
	w.t.Helper()

	body, err := json.Marshal(map[string]string{"name": name, "password": password, "code": code})
	require.NoError(w.t, err)

	return ask(w.t, w.Server, request{method: http.MethodPost, url: "/login", body: string(body)})
}

// token signs a user in and returns the token and its key's ID.
func (w *twoFactor) token(name string) (token, kid string) {
	w.t.Helper()

	got := w.login(name, twoFactorPassword, w.code(name))
	require.Equal(w.t, http.StatusOK, got.status, got.body)

	var answer struct{ Token string }

	require.NoError(w.t, json.Unmarshal([]byte(got.body), &answer))

	head, _, _ := strings.Cut(answer.Token, ".")
	text, err := base64.RawURLEncoding.DecodeString(head)
	require.NoError(w.t, err)

	var header struct{ Alg, Kid string }

	require.NoError(w.t, json.Unmarshal(text, &header))
	require.Equal(w.t, "EdDSA", header.Alg)

	return answer.Token, header.Kid
}

// status is what the sync server says to a token.
func (w *twoFactor) status(token string) int {
	w.t.Helper()

	return ask(w.t, w.Server, request{url: "/notes", header: map[string]string{"Authorization": "Bearer " + token}}).status
}

// says waits until a script has written a text.
func says(t *testing.T, node *harness.Node, text string) {
	t.Helper()
	eventually(t, 30*time.Second, func() bool { return strings.Contains(node.Output(), text) })
}

// client runs client.mjs and signs in.
func (w *twoFactor) client(name string) *harness.Node {
	w.t.Helper()

	node := w.script("client.mjs", name)
	w.signIn(node, name)
	says(w.t, node, "Signed in as "+name+".")

	return node
}

func (w *twoFactor) signIn(node *harness.Node, name string) {
	w.t.Helper()
	require.NoError(w.t, node.Tell(twoFactorPassword))
	require.NoError(w.t, node.Tell(w.code(name)))
}

// endSessions ends a user's sessions, as an administrator does.
func (w *twoFactor) endSessions(name string) {
	w.t.Helper()

	got := ask(w.t, w.Server, request{method: http.MethodDelete, url: w.AdminURL + "/notes/_user/" + name + "/_session"})
	require.Equal(w.t, http.StatusOK, got.status, got.body)
}

func TestTwoFactorClientsSync(t *testing.T) {
	t.Parallel()

	w := newTwoFactor(t)
	w.addUser("alice")
	w.addUser("bob")

	alice, bob := w.client("alice"), w.client("bob")
	require.NoError(t, alice.Tell("buy milk"))
	says(t, alice, "sent: buy milk (alice)")
	says(t, bob, "received: buy milk (alice)")
	require.NoError(t, bob.Tell("and bread"))
	says(t, alice, "received: and bread (bob)")
	require.NoError(t, alice.Tell("pasted\nin one\nmoment"))
	says(t, bob, "received: pasted (alice)")
	says(t, bob, "received: in one (alice)")
	says(t, bob, "received: moment (alice)")

	// The session ends; what is written until the next sign-in is kept.
	w.endSessions("alice")
	says(t, alice, "The session has ended")
	require.NoError(t, bob.Tell("while she was away"))
	says(t, bob, "sent: while she was away (bob)")
	require.NotContains(t, alice.Output(), "while she was away")

	w.signIn(alice, "alice")
	says(t, alice, "received: while she was away (bob)")
	require.NoError(t, alice.Tell("back again"))
	says(t, bob, "received: back again (alice)")
	require.Equal(t, 2, strings.Count(alice.Output(), "Signed in as alice."))
}

func TestTwoFactorRefusals(t *testing.T) {
	t.Parallel()

	w := newTwoFactor(t)
	w.addUser("alice")

	first := w.code("alice")
	wrong := w.login("alice", "not her password", first)
	require.Equal(t, http.StatusUnauthorized, wrong.status, wrong.body)

	off := totp(w.secrets["alice"], w.used["alice"]+10)
	for why, got := range map[string]reply{
		"a wrong code":        w.login("alice", twoFactorPassword, off),
		"no code":             w.login("alice", twoFactorPassword, ""),
		"somebody unknown":    w.login("mallory", twoFactorPassword, first),
		"a file's name":       w.login("../users/alice", twoFactorPassword, first),
		"an injected pattern": w.login("*", twoFactorPassword, first),
	} {
		require.Equal(t, http.StatusUnauthorized, got.status, "%s: %s", why, got.body)
		require.Equal(t, wrong.body, got.body, "%s reads like a wrong password", why)
		require.Equal(t, "no-store", got.header.Get("Cache-Control"))
	}

	// The code was not used up by the wrong password; once it was used, it is.
	require.Equal(t, http.StatusOK, w.login("alice", twoFactorPassword, first).status)
	replayed := w.login("alice", twoFactorPassword, first)
	require.Equal(t, http.StatusUnauthorized, replayed.status, replayed.body)
	require.Equal(t, wrong.body, replayed.body)

	require.NoError(t, w.backend.Close())
	require.Equal(t, http.StatusBadGateway, w.login("alice", twoFactorPassword, first).status)
	w.startBackend()
	require.Equal(t, http.StatusUnauthorized, w.login("alice", twoFactorPassword, first).status, "nor does a restart bring it back")

	for range 4 {
		require.Equal(t, http.StatusUnauthorized, w.login("alice", "guess", first).status)
	}

	limited := w.login("alice", twoFactorPassword, w.code("alice"))
	require.Equal(t, http.StatusTooManyRequests, limited.status, limited.body)

	seconds, err := strconv.Atoi(limited.header.Get("Retry-After"))
	require.NoError(t, err)
	require.InDelta(t, 900, seconds, 120)

	log := w.backend.Output()
	for _, secret := range []string{twoFactorPassword, "guess", first, base32.StdEncoding.EncodeToString(w.secrets["alice"])} {
		require.NotContains(t, log, secret)
	}

	require.Equal(t, http.StatusUnauthorized, w.status("eyJhbGciOiJub25lIn0.e30."))
}

func TestTwoFactorFormsOfOtherSitesAreNotRead(t *testing.T) {
	t.Parallel()

	w := newTwoFactor(t)
	for contentType, status := range map[string]int{
		"text/plain":                        http.StatusUnsupportedMediaType,
		"application/x-www-form-urlencoded": http.StatusUnsupportedMediaType,
		"application/json; charset=utf-8":   http.StatusBadRequest,
	} {
		got := ask(t, w.Server, request{method: http.MethodPost, url: "/login", body: `{`, header: map[string]string{"Content-Type": contentType}})
		require.Equal(t, status, got.status, contentType)
	}

	require.Equal(t, http.StatusMethodNotAllowed, ask(t, w.Server, request{url: "/login"}).status)
	require.Equal(t, http.StatusRequestEntityTooLarge, ask(t, w.Server, request{
		method: http.MethodPost, url: "/login", body: `"` + strings.Repeat("x", 5000) + `"`,
	}).status)
}

func TestTwoFactorKeysRotate(t *testing.T) {
	t.Parallel()

	w := newTwoFactor(t)
	w.addUser("alice")
	w.addUser("bob")

	info, err := os.Stat(filepath.Join(w.folder, "keys", "private.json"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.NotContains(t, w.keys("jwks.json"), `"d"`)

	old, oldKey := w.token("alice")
	require.Equal(t, http.StatusOK, w.status(old))

	made := ask(t, w.Server, request{method: http.MethodPost, url: "/notes/_session", header: map[string]string{"Authorization": "Bearer " + old}})
	require.Equal(t, http.StatusOK, made.status, made.body)

	session := map[string]string{"Cookie": cookies(made)}

	// A new key is published first and signs later. The test cannot wait for that.
	finish(t, w.script("backend/rotate-key.mjs"))
	require.Equal(t, 2, strings.Count(w.keys("jwks.json"), `"kid"`))
	w.passLead()

	fresh, freshKey := w.token("alice")
	require.NotEqual(t, oldKey, freshKey)
	// The server, without a reload, looks at the file every five seconds.
	eventually(t, 20*time.Second, func() bool { return w.status(fresh) == http.StatusOK })
	require.Equal(t, http.StatusOK, w.status(old), "the old key's tokens live on")

	// A stolen key is gone at once, with the tokens that it signed.
	unseen, _ := w.token("bob")
	finish(t, w.script("backend/rotate-key.mjs", "--revoke"))
	require.Equal(t, 1, strings.Count(w.keys("jwks.json"), `"kid"`))

	last, _ := w.token("bob")
	eventually(t, 20*time.Second, func() bool { return w.status(last) == http.StatusOK })
	w.gone(unseen)
	w.gone(old) // also one that was used before
	require.Equal(t, http.StatusOK, ask(t, w.Server, request{url: "/notes", header: session}).status, "sessions go on")
}

// gone checks that a token's key is no longer known: 503 until the file was looked at once
// more (DECISIONS 7), then 401.
func (w *twoFactor) gone(token string) {
	w.t.Helper()

	eventually(w.t, 20*time.Second, func() bool {
		status := w.status(token)
		require.Contains(w.t, []int{http.StatusUnauthorized, http.StatusServiceUnavailable}, status)

		return status == http.StatusUnauthorized
	})
}

func (w *twoFactor) keys(name string) string {
	w.t.Helper()

	text, err := os.ReadFile(filepath.Join(w.folder, "keys", name))
	require.NoError(w.t, err)

	return string(text)
}

// passLead makes the newest key sign now.
func (w *twoFactor) passLead() {
	w.t.Helper()

	var keys []map[string]any

	require.NoError(w.t, json.Unmarshal([]byte(w.keys("private.json")), &keys))
	keys[len(keys)-1]["from"] = time.Now().Unix()

	text, err := json.Marshal(keys)
	require.NoError(w.t, err)
	require.NoError(w.t, os.WriteFile(filepath.Join(w.folder, "keys", "private.json"), text, 0o600))
}

// TestTwoFactorBackendsOwnTests runs those beside its code, with the RFCs' vectors.
func TestTwoFactorBackendsOwnTests(t *testing.T) {
	t.Parallel()

	root, err := harness.Root()
	require.NoError(t, err)

	if _, err := exec.LookPath("node"); err != nil {
		require.NoError(t, harness.NeedTool(t, harness.ErrNoTool))
	}

	command := exec.CommandContext(t.Context(), "node", "--test")
	command.Dir = filepath.Join(root, "examples", "two-factor-backend")

	output, err := command.CombinedOutput()
	require.NoError(t, err, "%s", output)
	require.Regexp(t, `(?m)^# pass [1-9]`, string(output))
}
