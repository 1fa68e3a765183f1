package auth

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// Every cause ends the leases it concerns, and no others.
func TestDecision38_WhatEndsALease(t *testing.T) {
	t.Parallel()
	const alice = "idp.example.com_alice"
	for _, c := range []struct {
		name           string
		do             func(w *world, cookie string)
		token, session string // reason, "" = goes on
	}{
		{"sign-out", func(w *world, cookie string) {
			w.session(request("DELETE", "/notes/_session", "", cookie), &notes)
		}, "", "session ended"},
		{"session ended from elsewhere", func(w *world, _ string) {
			list, _ := w.state.Sessions(w.t.Context(), notes.ID, alice)
			require.NoError(w.t, w.state.EndSession(w.t.Context(), notes.ID, alice, list[0].Handle))
		}, "token revoked", "session ended"},
		{"all sessions ended", func(w *world, _ string) {
			require.NoError(w.t, w.state.EndAllSessions(w.t.Context(), notes.ID, alice))
		}, "token revoked", "session ended"},
		{"user disabled", func(w *world, _ string) {
			require.NoError(w.t, w.state.SetDisabled(w.t.Context(), notes.ID, alice, true))
		}, "user is disabled", "user is disabled"},
		{"user deleted", func(w *world, _ string) {
			require.NoError(w.t, w.state.DeleteUser(w.t.Context(), notes.ID, alice))
		}, "token revoked", "made before all sessions were ended"},
		{"token expired", func(*world, string) { time.Sleep(time.Hour) }, "token expired", ""},
		{"session expired", func(*world, string) { time.Sleep(24 * time.Hour) }, "token expired", "session expired"},
		{"provider removed by a reload", func(w *world, _ string) {
			w.start(func(c *Config) { c.Providers, c.Databases[0].Providers = nil, nil })
		}, "provider removed", "provider removed"},
		{"issuer changed by a reload", func(w *world, _ string) {
			w.start(func(c *Config) { c.Providers[0].Issuer = "https://new.example.com" })
		}, "provider removed", "provider removed"},
		{"database lists the provider no more", func(w *world, _ string) {
			w.start(func(c *Config) { c.Databases[0].Providers = nil })
		}, "provider not accepted here", "provider not accepted here"},
		{"client removed by a reload", func(w *world, _ string) {
			w.start(func(c *Config) { c.Providers[0].ClientIDs = []string{"web"} })
		}, "sign-in rules changed", "sign-in rules changed"},
		{"client added by a reload", func(w *world, _ string) {
			w.start(func(c *Config) { c.Providers[0].ClientIDs = []string{"web", "app"} })
		}, "", ""},
		{"requirement added by a reload", func(w *world, _ string) {
			w.start(func(c *Config) { c.Providers[0].Require = map[string][]string{"a": {"b"}} })
		}, "sign-in rules changed", "sign-in rules changed"},
		{"sessions turned off by a reload", func(w *world, _ string) {
			w.start(func(c *Config) { c.Databases[0].Session.Off = true })
		}, "", "sessions are off"},
		{"lifetime shortened by a reload", func(w *world, _ string) {
			w.start(func(c *Config) { c.Databases[0].Session.Lifetime = time.Minute })
			time.Sleep(time.Minute)
		}, "", "session expired"},
		{"token age limited by a reload", func(w *world, _ string) {
			w.start(func(c *Config) { c.Providers[0].MaxTokenAge = time.Minute })
			time.Sleep(time.Minute)
		}, "token expired", ""},
		{"a reload that changes nothing", func(w *world, _ string) { w.start().Stop() }, "", ""},
		{"another user disabled", func(w *world, _ string) {
			require.NoError(w.t, w.state.SetDisabled(w.t.Context(), notes.ID, "idp.example.com_bob", true))
		}, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.in(bearer(w.issuer.token("bob", map[string]any{"jti": "other"})))
				tok := w.issuer.token("alice")
				cookie := w.signIn(tok)
				byToken, bySession := w.lease(w.in(bearer(tok))), w.lease(w.in(cookie))
				bob := w.lease(w.in(bearer(w.issuer.token("bob", map[string]any{"exp": time.Now().Add(48 * time.Hour).Unix()}))))
				require.Empty(t, byToken.Reason())

				c.do(w, cookie)
				synctest.Wait()
				for _, l := range []struct {
					lease *Lease
					want  string
				}{{byToken, c.token}, {bySession, c.session}} {
					require.Equal(t, l.want != "", ended(l.lease), c.name)
					require.Equal(t, l.want, l.lease.Reason())
				}
				if c.name == "another user disabled" {
					require.True(t, ended(bob))
				}
			})
		})
	}
}

// What a reload refuses of a token ends what it opened, and one-time tokens bought with it connect no more. Sessions made
// of it go on: the token was good when it was traded.
func TestDecision17_WhatAReloadTakesNoMoreOfTokens(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		make func(*issuer) string
		bend func(*Provider)
		want string
	}{
		{"access tokens", func(i *issuer) string { return i.accessToken("alice") }, func(p *Provider) { p.AccessTokens = false }, "not an ID token"},
		{"an algorithm", func(i *issuer) string { return i.token("alice") }, func(p *Provider) { p.Algorithms = []string{"RS256"} }, "signature algorithm not accepted"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			takes := func(c *Config) { c.Providers[0].AccessTokens = true }
			w := newWorld(t, takes)
			token := c.make(w.issuer)
			cookie := w.signIn(token)
			once, err := w.connect("SyncGatewaySession_" + w.oneTimeToken(bearer(token)))
			require.NoError(t, err)
			unused := w.oneTimeToken(bearer(token))
			leases := []*Lease{w.lease(w.in(bearer(token))), w.lease(once)}
			session := w.lease(w.in(cookie))
			w.start(takes).Stop()
			for _, l := range leases {
				require.False(t, ended(l), l.Reason())
			}

			w.service = w.start(takes, func(cfg *Config) { c.bend(&cfg.Providers[0]) })
			for _, l := range leases {
				require.True(t, ended(l))
				require.Equal(t, c.want, l.Reason())
			}
			require.Equal(t, "Invalid login: "+c.want, w.out(bearer(token)).Reason)
			_, err = w.connect("SyncGatewaySession_" + unused)
			require.Equal(t, "Invalid login: "+c.want, asError(t, err).Reason)
			require.False(t, ended(session), session.Reason())
			w.in(cookie)
		})
	}
}

// Closed by whoever held it, a lease leaves nothing.
func TestLeaseClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p := w.in(bearer(w.issuer.token("alice")))
		l := w.lease(p)
		require.Equal(t, 1, w.state.leases.count())
		l.Close()
		l.Close()
		require.Zero(t, w.state.leases.count())
		require.Zero(t, w.state.leases.heads.len())
		require.Empty(t, w.state.leases.heap)
		time.Sleep(2 * time.Hour)
		require.False(t, ended(l), "a closed lease tells nobody anything")
		require.NoError(t, w.state.EndAllSessions(t.Context(), notes.ID, p.Name))
		require.False(t, ended(l))

		_, err := w.service.Lease(t.Context(), p)
		require.Equal(t, 401, asError(t, err).Status, "who is refused already gets none")
		require.Zero(t, w.state.leases.count())
	})
}

// A lease registers first and then reads again: a revocation between sign-in and lease
// is not missed.
func TestDecision38_RevocationBetweenSignInAndLease(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for n := range 50 {
		sub := fmt.Sprint("u", n)
		tok := w.issuer.token(sub)
		p := w.in(w.signIn(tok))
		var both sync.WaitGroup
		var l *Lease
		both.Go(func() { l, _ = w.service.Lease(t.Context(), p) })
		both.Go(func() {
			if err := w.state.EndAllSessions(t.Context(), notes.ID, p.Name); err != nil {
				t.Error(err)
			}
		})
		both.Wait()
		require.True(t, l == nil || ended(l), "refused or ended, never forgotten")
	}
	require.Zero(t, w.state.leases.count())
}

func TestLeaseIsJudgedByTheNewestConfiguration(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.in(bearer(w.issuer.token("alice")))
	w.start(func(c *Config) { c.Databases[0].Providers = nil })
	_, err := w.service.Lease(t.Context(), p) // of a request that began before the reload
	require.Equal(t, "Invalid login: provider not accepted here", asError(t, err).Reason)
}

func TestGuestLeases(t *testing.T) {
	t.Parallel()
	guest := func(c *Config) { c.Databases[0].Guest = true }
	w := newWorld(t, guest)
	p := w.in()
	require.Equal(t, MethodGuest, p.Method)
	require.Empty(t, p.Name)
	l := w.lease(p)
	w.start(guest)
	require.False(t, ended(l))
	w.start()
	require.True(t, ended(l))
	require.Equal(t, "guest access was turned off", l.Reason())
}

// A guest's connection that a reload makes read-only, or one that may write, begins anew: what guests may do was decided
// when it began.
func TestGuestLeasesEndWhenGuestsMayDoSomethingElse(t *testing.T) {
	t.Parallel()
	guests := func(readOnly bool) func(*Config) {
		return func(c *Config) { c.Databases[0].Guest, c.Databases[0].GuestReadOnly = true, readOnly }
	}
	for _, readOnly := range []bool{false, true} {
		w := newWorld(t, guests(readOnly))
		p := w.in()
		l := w.lease(p)
		w.start(guests(readOnly))
		require.False(t, ended(l))
		w.service = w.start(guests(!readOnly))
		require.True(t, ended(l))
		require.Equal(t, "what guests may do was changed", l.Reason())
		_, err := w.service.Lease(t.Context(), p) // of a request that began before the reload
		require.Equal(t, 503, asError(t, err).Status, "who comes again comes in")
		require.Equal(t, !readOnly, w.in().ReadOnly)
	}
}

func TestClosingTheStateEndsLeases(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.lease(w.in(bearer(w.issuer.token("alice"))))
	w.state.Close()
	require.True(t, ended(l))
	require.Equal(t, "server stopped", l.Reason())
	late, err := w.service.Lease(t.Context(), w.in(bearer(w.issuer.token("alice"))))
	require.NoError(t, err)
	require.True(t, ended(late))
}

// One timer for all: ten thousand leases start no goroutine, and each ends in its time.
func TestTenThousandLeasesAreCheap(t *testing.T) { // not parallel: it counts all that is allocated
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		tokens := make([]*Principal, 10)
		for n := range tokens {
			tokens[n] = w.in(bearer(w.issuer.token("alice", map[string]any{"exp": time.Now().Unix() + int64(60*(n+1))})))
		}
		goroutines := runtime.NumGoroutine()
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		leases := make([]*Lease, 10_000)
		for n := range leases {
			leases[n] = w.lease(tokens[n%10])
		}
		runtime.ReadMemStats(&after)
		require.LessOrEqual(t, runtime.NumGoroutine(), goroutines+1000) // others' tests run beside this one
		require.Less(t, (after.TotalAlloc-before.TotalAlloc)/10_000, uint64(8<<10))
		for minute := range 10 {
			time.Sleep(time.Minute)
			synctest.Wait()
			open := 0
			for _, l := range leases {
				if !ended(l) {
					open++
				}
			}
			require.Equal(t, 10_000-1000*(minute+1), open)
		}
		require.Zero(t, w.state.leases.heads.len())
	})
}
