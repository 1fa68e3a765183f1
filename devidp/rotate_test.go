package devidp

import (
	"net/http"
	"net/url"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
)

func (i *testIDP) devToken() string {
	i.t.Helper()

	got := i.do(http.MethodPost, "/dev/token", url.Values{"user": {"alice"}})
	require.Equal(i.t, http.StatusOK, got.status, got.body)

	return got.json(i.t)["id_token"].(string) //nolint:forcetypeassert // a test
}

// published tells whether the key that signed a token is in the key set as served.
func (i *testIDP) published(token string) bool {
	i.t.Helper()

	jws, err := jose.ParseSignedCompact(token, algorithms())
	require.NoError(i.t, err)

	return len(servedKeys(i.t, i.do(http.MethodGet, "/keys", nil).body).Key(jws.Signatures[0].Protected.KeyID)) == 1
}

func TestRotationKeepsTheOldKeysPublishedUntilTheyAreDropped(t *testing.T) {
	t.Parallel()

	idp := newTestIDP(t, nil)
	first := idp.devToken()

	rotated := idp.do(http.MethodPost, "/dev/rotate", url.Values{})
	require.Equal(t, http.StatusOK, rotated.status, rotated.body)
	require.Len(t, rotated.json(t), 3, "the new key IDs, by algorithm")

	second := idp.devToken()
	idp.verify(first)
	idp.verify(second)
	require.Len(t, servedKeys(t, idp.do(http.MethodGet, "/keys", nil).body).Keys, 6)

	dropped := idp.do(http.MethodPost, "/dev/rotate", url.Values{"drop": {"true"}})
	require.Equal(t, http.StatusOK, dropped.status, dropped.body)

	third := idp.devToken()
	idp.verify(third)
	require.False(t, idp.published(first))
	require.False(t, idp.published(second))
	require.Len(t, servedKeys(t, idp.do(http.MethodGet, "/keys", nil).body).Keys, 3)

	out := idp.get("/logout", url.Values{"id_token_hint": {first}})
	require.Equal(t, http.StatusBadRequest, out.status, "a token of a dropped key names nobody")
}

func TestRotationIsKeptByARestart(t *testing.T) {
	t.Parallel()

	idp := newTestIDP(t, nil)
	before := idp.devToken()
	require.Equal(t, http.StatusOK, idp.do(http.MethodPost, "/dev/rotate", url.Values{}).status)
	after := idp.devToken()

	folder := idp.handler.Data
	require.NoError(t, idp.handler.Cleanup())
	entries, err := filepath.Glob(filepath.Join(folder, "*"))
	require.NoError(t, err)
	require.Len(t, entries, 1, "no temporary file stays")

	idp.handler = provision(t, &Handler{Issuer: idp.handler.Issuer, Clients: idp.handler.Clients, Users: idp.handler.Users, Data: folder})
	idp.verify(after)
	require.False(t, idp.published(before), "retired keys end with the process, as sign-ins do")
}

func TestRetiredKeysGoWhenTheirTimeHasPassed(t *testing.T) {
	t.Parallel()

	folder := t.TempDir()

	synctest.Test(t, func(t *testing.T) {
		keys := newKeyring(folder)
		count := func() int {
			public, err := keys.public()
			require.NoError(t, err)

			return len(public)
		}

		_, err := keys.rotate(time.Hour)
		require.NoError(t, err)
		time.Sleep(time.Hour - time.Second)
		require.Equal(t, 6, count())

		_, err = keys.rotate(time.Minute)
		require.NoError(t, err)
		require.Equal(t, 9, count())

		time.Sleep(time.Second)
		require.Equal(t, 6, count())
		time.Sleep(time.Minute)
		require.Equal(t, 3, count())
	})
}

func TestRotationRefusesWhatItDoesNotUnderstand(t *testing.T) {
	t.Parallel()

	idp := newTestIDP(t, nil)
	token := idp.devToken()

	for name, form := range map[string]url.Values{
		"unknown field":  {"alg": {"RS256"}},
		"repeated field": {"keep": {"1h", "2h"}},
		"keep":           {"keep": {"soon"}},
		"negative keep":  {"keep": {"-1h"}},
		"drop":           {"drop": {"yes"}},
		"both":           {"drop": {"true"}, "keep": {"1h"}},
	} {
		got := idp.do(http.MethodPost, "/dev/rotate", form)
		require.Equal(t, http.StatusBadRequest, got.status, name)
	}

	require.Equal(t, http.StatusMethodNotAllowed, idp.get("/dev/rotate", nil).status)
	require.Equal(t, http.StatusForbidden, idp.do(http.MethodPost, "/dev/rotate", url.Values{}, "Via", "1.1 proxy").status)
	require.Equal(t, http.StatusForbidden, idp.do(http.MethodPost, "/dev/rotate", url.Values{}, "Origin", "https://evil.example").status)
	require.True(t, idp.published(token), "and nothing has changed")
	require.Len(t, servedKeys(t, idp.do(http.MethodGet, "/keys", nil).body).Keys, 3)
}
