package devidp

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
)

func newKeyring(folder string) *keyring {
	return &keyring{file: keyFile{folder: folder}}
}

func TestDecision20_KeysSurviveARestart(t *testing.T) {
	t.Parallel()

	folder := t.TempDir()
	ask := func(h *Handler, form url.Values) string {
		got := serve(h, loopbackRequest(http.MethodPost, "/idp/dev/token", form))
		require.Equal(t, http.StatusOK, got.status, got.body)

		return got.json(t)["id_token"].(string) //nolint:forcetypeassert // a test
	}
	start := func() *Handler {
		h := testHandler(t)
		h.Data = filepath.Join(folder, "data", "idp")

		return provision(t, h)
	}

	before := start()
	token := ask(before, url.Values{"user": {"alice"}})
	require.NoError(t, before.Cleanup())

	after := start()
	require.NotSame(t, before.provider.storage.keys, after.provider.storage.keys, "the process has forgotten the keys")

	served := serve(after, loopbackRequest(http.MethodGet, "/idp/keys", nil))
	_, claims := verifyWith(t, served.body, token)
	require.Equal(t, "alice", claims["sub"])
}

func TestDecision20_KeysAreTheOwnersAlone(t *testing.T) {
	t.Parallel()

	if runtime.GOOS == "windows" {
		t.Skip("file modes mean nothing here")
	}

	folder := filepath.Join(t.TempDir(), "idp")
	_, err := newKeyring(folder).all()
	require.NoError(t, err)

	info, err := os.Stat(filepath.Join(folder, keyFileName))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	info, err = os.Stat(folder)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())

	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Len(t, entries, 1, "no temporary file stays")

	// A file that was opened to others is closed again.
	require.NoError(t, os.Chmod(filepath.Join(folder, keyFileName), 0o644))
	require.NoError(t, newKeyring(folder).load())

	info, err = os.Stat(filepath.Join(folder, keyFileName))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

func TestDecision20_KeysAreRandomAndMadeOnce(t *testing.T) {
	t.Parallel()

	folder := t.TempDir()

	const racers = 4

	ids := make([]string, racers)

	var group sync.WaitGroup
	for n := range racers {
		group.Go(func() {
			// One keyring each, as if they were processes.
			if key, err := newKeyring(folder).signing(jose.EdDSA); err == nil {
				ids[n] = key.ID()
			}
		})
	}

	group.Wait()

	require.NotEmpty(t, ids[0])

	for _, id := range ids {
		require.Equal(t, ids[0], id, "whoever comes first makes the keys of all")
	}

	elsewhere, err := newKeyring(t.TempDir()).signing(jose.EdDSA)
	require.NoError(t, err)
	require.NotEqual(t, ids[0], elsewhere.ID())
}

func TestDamagedKeysAreRefusedAndLeftAlone(t *testing.T) {
	t.Parallel()

	good := t.TempDir()
	_, err := newKeyring(good).all()
	require.NoError(t, err)

	whole, err := os.ReadFile(filepath.Join(good, keyFileName))
	require.NoError(t, err)

	public, err := generateKeys()
	require.NoError(t, err)

	for n := range public {
		public[n].jwk = public[n].jwk.Public()
	}

	onlyPublic, err := formatKeys(public)
	require.NoError(t, err)

	onlyOne, err := formatKeys(public[:1])
	require.NoError(t, err)

	for name, text := range map[string][]byte{
		"empty": {}, "cut short": whole[:len(whole)/2], "no JSON": []byte("secret-nonsense"), "no keys": []byte(`{"keys":[]}`),
		"public keys": onlyPublic, "a key is missing": onlyOne,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			h := testHandler(t)
			path := filepath.Join(h.Data, keyFileName)
			require.NoError(t, os.WriteFile(path, text, 0o600))

			_, err := newKeyring(h.Data).all()
			require.ErrorIs(t, err, ErrDamagedKeys)
			require.ErrorContains(t, err, path)
			require.NotContains(t, err.Error(), "secret-nonsense")

			left, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, text, left)

			require.ErrorIs(t, tryProvision(t, h), ErrDamagedKeys, "and the configuration does not load")
		})
	}
}

func TestKeysThatCannotBeMadeAnswer500WithoutThePath(t *testing.T) {
	t.Parallel()

	h := testHandler(t)
	blocked := filepath.Join(h.Data, "a-file")
	require.NoError(t, os.WriteFile(blocked, nil, 0o600))

	h.Data = filepath.Join(h.Data, "later")
	provision(t, h)
	require.NoError(t, os.WriteFile(h.Data, nil, 0o600)) // now a file stands in the folder's place

	logs := observe(h)

	for _, r := range []*http.Request{
		loopbackRequest(http.MethodGet, "/idp/keys", nil),
		loopbackRequest(http.MethodPost, "/idp/dev/token", url.Values{"user": {"alice"}}),
		loopbackRequest(http.MethodPost, "/idp/token", url.Values{"grant_type": {"authorization_code"}}),
	} {
		got := serve(h, r)
		require.Equal(t, http.StatusInternalServerError, got.status)
		require.NotContains(t, got.body, h.Data)
	}

	require.Equal(t, 3, logs.Len())
}

func TestCheckingAConfigurationWritesNothing(t *testing.T) {
	t.Parallel()

	h := testHandler(t)
	h.Data = filepath.Join(h.Data, "idp")
	provision(t, h) // what `caddy validate` does

	require.NoDirExists(t, h.Data)
}

func TestCanonicalFolderOfWhatDoesNotExistYet(t *testing.T) {
	t.Parallel()

	folder, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	require.NoError(t, os.Mkdir(filepath.Join(folder, "real"), 0o700))
	require.NoError(t, os.Symlink(filepath.Join(folder, "real"), filepath.Join(folder, "link")))

	want := filepath.Join(folder, "real", "a", "b")

	got, err := canonicalFolder(filepath.Join(folder, "link", "a", "b"))
	require.NoError(t, err)
	require.Equal(t, want, got)

	require.NoError(t, os.MkdirAll(want, 0o700))

	got, err = canonicalFolder(filepath.Join(folder, "link", "a", "b"))
	require.NoError(t, err)
	require.Equal(t, want, got, "the name stays when the folder appears")
}
