package test

import (
	"net/http"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

// read is a request signed in by a token.
func read(token string) request {
	return request{url: "/notes", header: map[string]string{"Authorization": "Bearer " + token}}
}

// requireStatus says how the server answers to a token.
func requireStatus(t *testing.T, s *harness.Server, token string, want int, why string) reply {
	t.Helper()

	got := ask(t, s, read(token))
	require.Equal(t, want, got.status, "%s: %s", why, got.body)

	return got
}

func TestANewKeyIsTakenAtOnceAndADroppedOneNoMore(t *testing.T) {
	t.Parallel()
	withKeyProviders(t, func(t *testing.T, server *harness.Server, p keyProvider) {
		t.Helper()

		seen, unseen := p.token(), p.token()
		requireStatus(t, server, seen, http.StatusOK, "the first key")

		p.rotate(false)

		requireStatus(t, server, unseen, http.StatusOK, "the server has not heard of the change yet")
		requireStatus(t, server, p.token(), http.StatusOK, "the new key, without a restart")

		// Whether the key was dropped or is newer than it knows the server cannot tell until it
		// may ask again (DECISIONS 7); that it answers 401 then is tested in auth, where half a
		// minute takes no time.
		for _, token := range []string{seen, unseen} {
			got := ask(t, server, read(token))
			require.Contains(t, []int{http.StatusUnauthorized, http.StatusServiceUnavailable}, got.status, "a token of the dropped key: %s", got.body)
		}
	})
}

func TestDecision7_AProviderThatGoesDownLaterKeepsItsUsers(t *testing.T) {
	t.Parallel()
	withKeyProviders(t, func(t *testing.T, server *harness.Server, p keyProvider) {
		t.Helper()

		seen, unseen := p.token(), p.token()
		requireStatus(t, server, seen, http.StatusOK, "the first key")

		p.rotate(true)

		fresh := p.token()

		p.stop()

		requireStatus(t, server, seen, http.StatusOK, "a token known already")
		requireStatus(t, server, unseen, http.StatusOK, "a token of a known key")

		// It may well be good: 401 would stop Couchbase Lite for good.
		later := requireStatus(t, server, fresh, http.StatusServiceUnavailable, "a token of a key not seen yet")
		require.NotEmpty(t, later.header.Get("Retry-After"))
		requireStatus(t, server, unseen, http.StatusOK, "the failure is nobody else's")

		if _, ok := p.(devidpKeys); ok { // once is enough of half a minute
			p.start()
			eventually(t, 45*time.Second, func() bool { return ask(t, server, read(fresh)).status == http.StatusOK })
		}
	})
}

// A provider goes down and comes back, again and again, and changes its keys now and then. Nobody who
// holds a good token is ever told that it is bad.
func TestAProviderThatFlapsTurnsNobodyAway(t *testing.T) {
	t.Parallel()
	withKeyProviders(t, func(t *testing.T, server *harness.Server, p keyProvider) {
		t.Helper()

		var good []string

		for round := range 6 {
			good = append(good, p.token())
			// That of a key that came since may have to wait until the provider may be asked again.
			first := ask(t, server, read(good[round]))
			require.Contains(t, []int{http.StatusOK, http.StatusServiceUnavailable}, first.status, "round %d: %s", round, first.body)

			if round == 2 {
				p.rotate(true)
			}

			unseen := p.token()

			p.stop()

			for i, token := range append(good, unseen) {
				got := ask(t, server, read(token))
				require.NotEqual(t, http.StatusUnauthorized, got.status, "round %d, token %d: %s", round, i, got.body)

				if i == 0 {
					require.Equal(t, http.StatusOK, got.status, "round %d: %s", round, got.body)
				}
			}

			p.start()
		}

		last := p.token()

		eventually(t, 45*time.Second, func() bool { return ask(t, server, read(last)).status == http.StatusOK })
	})
}
