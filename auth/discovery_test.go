package auth

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// Real servers that are slow, down, lying, or sending too much.
func TestProvidersThatMisbehave(t *testing.T) {
	t.Parallel()
	discovery := func(i *issuer, jwks string) http.HandlerFunc {
		return func(rw http.ResponseWriter, _ *http.Request) {
			writeJSON(rw, map[string]any{"issuer": i.url, "jwks_uri": jwks})
		}
	}
	elsewhere := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(elsewhere.Close)
	for _, c := range []struct {
		name    string
		handler func(i *issuer) http.HandlerFunc
		says    string
	}{
		{"lies about its issuer", func(*issuer) http.HandlerFunc {
			return func(rw http.ResponseWriter, _ *http.Request) {
				writeJSON(rw, map[string]any{"issuer": "https://other.example.com", "jwks_uri": "https://other.example.com/keys"})
			}
		}, "names the issuer"},
		{"sends 100 MB of metadata", func(*issuer) http.HandlerFunc { return flood }, "answer over"},
		{"sends 100 MB of keys", func(i *issuer) http.HandlerFunc {
			return func(rw http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/keys" {
					flood(rw, r)
					return
				}
				discovery(i, i.url+"/keys")(rw, r)
			}
		}, "answer over"},
		{"sends HTML", func(*issuer) http.HandlerFunc {
			return func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write([]byte("<html>")) }
		}, "not a JSON object"},
		{"redirects to another host", func(*issuer) http.HandlerFunc {
			return func(rw http.ResponseWriter, r *http.Request) {
				http.Redirect(rw, r, elsewhere.URL, http.StatusFound)
			}
		}, "redirect to another host"},
		{"redirects in a circle", func(*issuer) http.HandlerFunc {
			return func(rw http.ResponseWriter, r *http.Request) { http.Redirect(rw, r, r.URL.Path, http.StatusFound) }
		}, "too many redirects"},
		{"has keys at a plain http address elsewhere", func(i *issuer) http.HandlerFunc {
			return discovery(i, "http://keys.example.com/keys")
		}, "use https"},
		{"has no keys' address", func(i *issuer) http.HandlerFunc { return discovery(i, "") }, "jwks_uri is missing"},
		{"has a file's address", func(i *issuer) http.HandlerFunc { return discovery(i, "file:///etc/passwd") }, "jwks_uri"},
		{"answers 500", func(*issuer) http.HandlerFunc {
			return func(rw http.ResponseWriter, _ *http.Request) {
				http.Error(rw, "secret stack trace", http.StatusInternalServerError)
			}
		}, "status 500"},
		{"hangs up", func(*issuer) http.HandlerFunc {
			return func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
		}, "EOF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			i := newIssuer(t)
			server := httptest.NewServer(i)
			t.Cleanup(server.Close)
			i.url = server.URL
			w := newWorld(t, func(cfg *Config) {
				cfg.Providers[0].Issuer = i.url
				cfg.Providers[0].HTTPClient = nil
			})
			i.answer(c.handler(i))
			e := w.out(bearer(i.token("alice")))
			require.Equal(t, 503, e.Status)
			require.Contains(t, e.Detail, c.says)
			require.NotContains(t, e.Detail, "secret")
			i.up()
			require.NotNil(t, w.in(bearer(i.token("alice"))), "and it recovers")
		})
	}
}

func flood(rw http.ResponseWriter, _ *http.Request) {
	_, _ = rw.Write([]byte(`{"issuer":"`))
	chunk := []byte(strings.Repeat("x", 1<<20))
	for range 100 {
		if _, err := rw.Write(chunk); err != nil {
			return
		}
	}
}

func TestASlowProviderDelaysNobodyForLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		slow := func(rw http.ResponseWriter, r *http.Request) {
			select {
			case <-time.After(time.Hour):
			case <-r.Context().Done():
			}
		}
		w.issuer.answer(slow)
		began := time.Now()
		require.Equal(t, 503, w.out(bearer(w.issuer.token("alice"))).Status)
		require.LessOrEqual(t, time.Since(began), fetchTimeout)

		// With keys that are overdue, tokens go on after a short wait.
		w.issuer.up()
		w.in(bearer(w.issuer.token("alice")))
		w.issuer.answer(slow)
		time.Sleep(defaultRefresh + 5*time.Second)
		began = time.Now()
		w.in(bearer(w.issuer.token("alice")))
		require.LessOrEqual(t, time.Since(began), overdueWait)
	})
}

func TestATokenDoesNotWaitLongerThanItsClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		gate := make(chan struct{})
		w.issuer.answer(func(_ http.ResponseWriter, r *http.Request) { <-gate })
		ctx, cancel := context.WithCancel(t.Context())
		r := get(bearer(w.issuer.token("alice")))
		done := make(chan error, 1)
		go func() {
			_, err := w.service.Authenticate(r.WithContext(ctx), w.site, notes)
			done <- err
		}()
		synctest.Wait()
		cancel()
		require.Equal(t, 503, asError(t, <-done).Status)
		close(gate)
		synctest.Wait()
		w.issuer.up()
		w.in(bearer(w.issuer.token("alice")))
	})
}
