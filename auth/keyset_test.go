package auth

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func (w *world) signedBy(key, kid, sub string) string {
	alg := jose.ES256
	if strings.HasPrefix(key, "rsa") {
		alg = jose.RS256
	}
	return bearer(sign(w.t, key, alg, map[string]any{"kid": kid}, w.issuer.claims(sub)))
}

func TestKnownKeyWithBadSignatureFetchesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.in(bearer(w.issuer.token("alice")))
	fetches := w.issuer.fetches.Load()
	for n := range 50 {
		require.Equal(t, 401, w.out(w.signedBy("ec2", "ec", fmt.Sprint("u", n))).Status)
	}
	require.Equal(t, fetches, w.issuer.fetches.Load())
}

func TestBadTokensFetchNothingAtAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.NotZero(t, w.out(bearer(w.issuer.token("alice", map[string]any{"aud": "other"}))))
	require.NotZero(t, w.out(bearer(w.issuer.token("alice", map[string]any{"iss": "https://evil.example.com"}))))
	require.NotZero(t, w.out(bearer(w.issuer.token("alice", map[string]any{"exp": 1}))))
	require.Zero(t, w.issuer.discoveries.Load()+w.issuer.fetches.Load())
}

// A flood of random key IDs makes one fetch in 30 s; the tokens in between are answered
// 503 with Retry-After, never 401: one of them may be signed by a new key.
func TestDecision7_UnknownKidWaitsForTheNextRefresh(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.in(bearer(w.issuer.token("alice")))
		require.EqualValues(t, 1, w.issuer.fetches.Load())

		e := w.out(w.signedBy("ec2", "random", "alice"))
		require.Equal(t, 401, e.Status, "fetched just now, and not there")
		require.EqualValues(t, 2, w.issuer.fetches.Load())
		for n := range 20 {
			e := w.out(w.signedBy("ec2", fmt.Sprint("random", n), "alice"))
			require.Equal(t, http.StatusServiceUnavailable, e.Status)
			require.Positive(t, e.RetryAfter)
			require.LessOrEqual(t, e.RetryAfter, kidInterval)
		}
		require.EqualValues(t, 2, w.issuer.fetches.Load())

		w.issuer.publish("ec", "ec2")
		time.Sleep(kidInterval)
		w.in(w.signedBy("ec2", "ec2", "alice"))
		require.EqualValues(t, 3, w.issuer.fetches.Load())
	})
}

func TestRotationIsFollowedAtTheFirstNewToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.in(bearer(w.issuer.token("alice")))
	w.issuer.publish("ec2")
	w.in(w.signedBy("ec2", "ec2", "alice"))
	require.Equal(t, 503, w.out(w.signedBy("ec", "ec", "bob")).Status, "the old key is gone; that is known for sure in 30 s")
}

// An operator sees in the log when a provider's keys change, and only then.
func TestAChangeOfKeysIsLoggedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		core, logs := observer.New(zap.InfoLevel)
		state, err := openState(t.Context(), w.records, zap.New(core))
		require.NoError(t, err)
		t.Cleanup(state.Close)
		w.state = state
		w.service = w.start()
		said := func(count int) map[string]any {
			t.Helper()
			synctest.Wait()
			lines := logs.FilterMessage("provider's keys are new and stored").All()
			require.Len(t, lines, count)
			return lines[count-1].ContextMap()
		}
		w.in(bearer(w.issuer.token("alice")))
		require.Equal(t, map[string]any{"provider": "idp", "keys": []any{"rsa", "ec", "ed"}}, said(1))

		require.Equal(t, 401, w.out(w.signedBy("ec2", "unknown", "alice")).Status)
		require.EqualValues(t, 2, w.issuer.fetches.Load())
		said(1)

		w.issuer.publish("ec", "ec2")
		time.Sleep(kidInterval)
		w.in(w.signedBy("ec2", "ec2", "alice"))
		require.Equal(t, []any{"ec", "ec2"}, said(2)["keys"])
	})
}

func TestOldKeysAreKeptWhenARefreshFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.issuer.maxAge = "max-age=300"
		w.in(w.signedBy("ec", "ec", "alice"))
		for _, bad := range []http.HandlerFunc{
			func(rw http.ResponseWriter, _ *http.Request) { http.Error(rw, "down", http.StatusInternalServerError) },
			func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write([]byte(`{"keys":[]}`)) },
			func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write([]byte(`<html>`)) },
		} {
			w.issuer.answer(bad)
			time.Sleep(time.Hour)
			synctest.Wait()
			w.in(w.signedBy("ec", "ec", fmt.Sprintf("%p", bad)))
		}
		w.issuer.up()
		w.issuer.publish("ec2")
		time.Sleep(time.Hour + time.Minute)
		synctest.Wait()
		require.Equal(t, 401, w.out(w.signedBy("ec", "ec", "zoe")).Status, "and refreshed once it is back")
	})
}

// The first token triggers discovery; the second failure begins the back-off, for the
// provider may be behind this same Caddy.
func TestDecision7_DiscoveryBacksOffAfterTwoFailures(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		require.Zero(t, w.issuer.discoveries.Load(), "nothing is asked before the first token")
		w.issuer.down()
		for n := range 10 {
			e := w.out(bearer(w.issuer.token(fmt.Sprint("u", n))))
			require.Equal(t, 503, e.Status)
			require.GreaterOrEqual(t, e.RetryAfter, time.Second)
		}
		require.EqualValues(t, 2, w.issuer.discoveries.Load())
		time.Sleep(time.Second)
		require.NotZero(t, w.out(bearer(w.issuer.token("alice"))))
		require.EqualValues(t, 3, w.issuer.discoveries.Load())
		for range 20 {
			time.Sleep(maxBackoff)
			require.NotZero(t, w.out(bearer(w.issuer.token("alice"))))
		}
		require.EqualValues(t, 23, w.issuer.discoveries.Load(), "the wait is a minute at most")
		w.issuer.up()
		time.Sleep(maxBackoff)
		w.in(bearer(w.issuer.token("alice")))
	})
}

func TestManyTokensAtOnceShareOneDiscovery(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.issuer.publish("ec")
	var all sync.WaitGroup
	for n := range 50 {
		tok := bearer(w.issuer.token(fmt.Sprint("u", n)))
		all.Go(func() {
			_, err := w.service.Authenticate(get(tok), w.site, notes)
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	require.EqualValues(t, 1, w.issuer.discoveries.Load())
	require.EqualValues(t, 1, w.issuer.fetches.Load())
}

func TestRestartWorksWhileTheProviderIsDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.in(bearer(w.issuer.token("alice")))
		synctest.Wait() // the keys are stored behind the answer's back
		w.service.Stop()
		w.state.Close()
		w.issuer.down()
		time.Sleep(48 * time.Hour)

		w.state = openTestState(t, w.records)
		w.service = w.start()
		w.in(bearer(w.issuer.token("bob")))

		// And when it is up, stored keys that are overdue are not trusted unasked.
		w.service.Stop()
		w.state.Close()
		w.issuer.up()
		w.issuer.publish("ec2")
		w.state = openTestState(t, w.records)
		w.service = w.start()
		require.Equal(t, 401, w.out(bearer(w.issuer.token("carol"))).Status)
	})
}

func TestAReloadForgetsNeitherKeysNorLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.in(bearer(w.issuer.token("alice")))
	require.NotZero(t, w.out(w.signedBy("ec2", "random", "alice")))
	fetches := w.issuer.fetches.Load()
	old := w.service
	w.service = w.start()
	old.Stop()
	w.in(bearer(w.issuer.token("alice")))
	require.Equal(t, 503, w.out(w.signedBy("ec2", "random", "alice")).Status)
	require.Equal(t, fetches, w.issuer.fetches.Load())
}

func TestStopEndsBackgroundRefreshes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.in(bearer(w.issuer.token("alice")))
		w.service.Stop()
		w.service.Stop()
		time.Sleep(48 * time.Hour)
		synctest.Wait()
		require.EqualValues(t, 1, w.issuer.fetches.Load())
	})
}

func TestKeysWithoutIDsAreTried(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.issuer.mu.Lock()
	for n := range w.issuer.published {
		w.issuer.published[n].KeyID = ""
	}
	w.issuer.mu.Unlock()
	w.in(bearer(w.issuer.token("alice")))
}

func TestDirectKeyAddressNeedsNoDiscovery(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) { c.Providers[0].JWKSURL = "https://idp.example.com/keys" })
	w.in(bearer(w.issuer.token("alice")))
	require.Zero(t, w.issuer.discoveries.Load())
}
