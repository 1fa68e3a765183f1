package auth

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
)

// Good tokens that are signed with a key which a provider has just published. Whoever brings one must not be told 401,
// on which Couchbase Lite stops for good (DECISIONS 7).

// nameless is a token that names no key.
func (w *world) nameless(key string, more ...map[string]any) string {
	return bearer(sign(w.t, key, jose.ES256, nil, w.issuer.claims("alice", more...)))
}

// A stranger may have just had the keys fetched by a token of their own making, as they can every 30 s.
func TestDecision7_ATokenWithoutKidWaitsForTheNextRefresh(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.in(w.nameless("ec"))
		require.Equal(t, 401, w.out(w.nameless("ec2", map[string]any{"sub": "stranger"})).Status, "fetched just now, and not there")
		w.issuer.publish("ec2")
		e := w.out(w.nameless("ec2"))
		require.Equal(t, http.StatusServiceUnavailable, e.Status)
		time.Sleep(e.RetryAfter)
		w.in(w.nameless("ec2"))
	})
}

func TestDecision7_ATokenWithoutKidWhileTheProviderIsDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.in(w.nameless("ec"))
		w.issuer.publish("ec2")
		w.issuer.down()
		require.Equal(t, http.StatusServiceUnavailable, w.out(w.nameless("ec2")).Status)
		w.issuer.up()
		time.Sleep(kidInterval)
		w.in(w.nameless("ec2"))
	})
}

// Tokens of a key that is gone are told so, though the keys cannot be fetched for each: a device that has one gets a new
// one by that.
func TestAnOldTokenWithoutKidIsNotToldToWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.in(w.nameless("ec"))
		token := w.nameless("ec", map[string]any{"sub": "bob"})
		time.Sleep(time.Minute)
		w.issuer.publish("ec2")
		w.in(w.nameless("ec2"))
		fetches := w.issuer.fetches.Load()
		require.Equal(t, 401, w.out(token).Status)
		w.issuer.down()
		require.Equal(t, 401, w.out(token).Status)
		require.Equal(t, fetches, w.issuer.fetches.Load())
	})
}

// slowly has the provider answer five seconds after it looked up its keys.
func (i *issuer) slowly(rw http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/keys" {
		writeJSON(rw, map[string]any{"issuer": i.url, "jwks_uri": i.url + "/keys"})
		return
	}
	i.mu.Lock()
	keys := jose.JSONWebKeySet{Keys: i.published}
	i.mu.Unlock()
	time.Sleep(5 * time.Second)
	rw.Header().Set("Cache-Control", "max-age=300")
	writeJSON(rw, keys)
}

// A fetch that began before the key was published does not bring it. By that alone a token is not judged that came while
// it was under way, unless it was made before: no key that is to come is meant then.
func TestDecision7_AFetchOfBeforeTheKeyWasPublished(t *testing.T) {
	t.Parallel()
	type h = map[string]any
	for name, c := range map[string]struct {
		known    bool // keys
		stranger bool // has them fetched; otherwise they are overdue
		header   h
		made     time.Duration // before it is shown
		late     time.Duration // that is how long the fetch is under way
		status   int
	}{
		"for a stranger":                      {true, true, h{"kid": "ec2"}, 0, time.Second, 503},
		"for a stranger, without kid":         {true, true, nil, 0, time.Second, 503},
		"for a stranger, made before":         {true, true, h{"kid": "gone"}, time.Minute, time.Second, 401},
		"for a stranger, before, without kid": {true, true, nil, time.Minute, time.Second, 401},
		"as they are overdue":                 {true, false, h{"kid": "ec2"}, 0, time.Second, 200},
		"as they are overdue, and soon there": {true, false, h{"kid": "ec2"}, 0, 4 * time.Second, 200},
		"the first of all":                    {false, true, h{"kid": "ec2"}, 0, time.Second, 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.issuer.answer(w.issuer.slowly)
				if c.known {
					w.in(w.signedBy("ec", "ec", "alice"))
				}
				if c.stranger {
					forged := get(w.signedBy("ec2", "stranger's", "stranger"))
					go func() { _, _ = w.service.Authenticate(forged, w.site, notes) }()
				} else {
					time.Sleep(minRefresh)
				}
				time.Sleep(c.late)
				w.issuer.publish("ec2")
				claims := w.issuer.claims("alice", h{"iat": time.Now().Add(-c.made).Unix()})
				_, err := w.service.Authenticate(get(bearer(sign(t, "ec2", jose.ES256, c.header, claims))), w.site, notes)
				if c.status == 200 {
					require.NoError(t, err, detail(err))
					return
				}
				require.Equal(t, c.status, asError(t, err).Status)
				if c.status == 503 {
					time.Sleep(asError(t, err).RetryAfter)
					w.in(bearer(sign(t, "ec2", jose.ES256, c.header, claims)))
				}
			})
		})
	}
}
