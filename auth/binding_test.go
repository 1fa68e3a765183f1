package auth

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// credential is somebody's, while the test changes what they may do.
type credential struct {
	header   string
	changing atomic.Bool // a change has begun
	refused  atomic.Bool // the change has returned
}

// Readers ask all the time, by token and by cookie, while users are disabled, deleted,
// unlinked and signed out. A request that begins after the change has returned sees it; one
// that ends before it has begun does not.
func TestDecision6_AChangeIsSeenByTheVeryNextRequest(t *testing.T) {
	t.Parallel()
	const name = "idp.example.com_"
	for kind, change := range map[string]func(w *world, sub, token string) error{
		"disable": func(w *world, sub, _ string) error {
			return w.state.SetDisabled(t.Context(), notes.ID, name+sub, true)
		},
		"delete": func(w *world, sub, _ string) error { return w.state.DeleteUser(t.Context(), notes.ID, name+sub) },
		"unlink": func(w *world, sub, _ string) error {
			return w.state.Unlink(t.Context(), notes.ID, name+sub, Identity{w.issuer.url, sub})
		},
		"end all sessions": func(w *world, sub, _ string) error {
			return w.state.EndAllSessions(t.Context(), notes.ID, name+sub)
		},
		"log out at the provider": func(w *world, sub, token string) error {
			_, err := w.state.LogOut(t.Context(), ProviderLogout{Issuer: w.issuer.url, Subject: sub, Issued: time.Now(), TokenID: token})
			return err
		},
		"end the session": func(w *world, sub, _ string) error {
			list, err := w.state.Sessions(t.Context(), notes.ID, name+sub)
			for _, x := range list {
				err = w.state.EndSession(t.Context(), notes.ID, name+sub, x.Handle)
			}
			return err
		},
	} {
		t.Run(kind, func(t *testing.T) { // one after the other: the readers keep the machine busy
			w := newWorld(t)
			const users, readers = 6, 3
			var list atomic.Pointer[[]*credential]
			list.Store(new([]*credential))
			var stop atomic.Bool
			var running sync.WaitGroup
			defer running.Wait()
			defer stop.Store(true)
			for range readers {
				running.Go(func() {
					for r := get(); !stop.Load(); {
						w.readOnce(r, *list.Load())
					}
				})
			}
			for n := range users {
				sub := fmt.Sprint("user", n)
				// The other token makes no session, and is not of this second, in which
				// tokens are refused by themselves.
				token := w.issuer.token(sub)
				other := w.issuer.token(sub, map[string]any{"iat": time.Now().Unix() - 5})
				made := []*credential{{header: bearer(token)}, {header: w.signIn(token)}}
				if kind != "end the session" {
					made = append(made, &credential{header: bearer(other)})
				}
				all := append(append([]*credential{}, *list.Load()...), made...)
				list.Store(&all)
				for r := get(); !w.byHeart(r, made); {
					runtime.Gosched()
				}
				for _, c := range made {
					c.changing.Store(true)
				}
				require.NoError(t, change(w, sub, token))
				for _, c := range made {
					c.refused.Store(true)
				}
				for _, c := range made {
					require.NotEmpty(t, w.out(c.header).Reason)
				}
			}
		})
	}
}

// byHeart asks until the credentials have bindings.
func (w *world) byHeart(r *http.Request, list []*credential) bool {
	for _, c := range list {
		p, err := w.service.Authenticate(c.on(r), w.site, notes)
		require.NoError(w.t, err)
		bound := &bindings{}
		switch {
		case p.session != nil:
			bound = &p.session.bindings
		case p.verified != nil:
			bound = &p.verified.bindings
		}
		if bound.find(w.service.policy("notes"), notes.ID) == nil {
			return false
		}
	}
	return true
}

// on puts the credential on a request instead of another.
func (c *credential) on(r *http.Request) *http.Request {
	r.Header = http.Header{"Authorization": {c.header}}
	if strings.Contains(c.header, "=") {
		r.Header = http.Header{"Cookie": {c.header}}
	}
	return r
}

func (w *world) readOnce(r *http.Request, list []*credential) {
	if len(list) == 0 {
		return
	}
	c := list[rand.IntN(len(list))]
	refused := c.refused.Load()
	_, err := w.service.Authenticate(c.on(r), w.site, notes)
	switch {
	case refused && err == nil:
		w.t.Error("an answer of before the change")
	case err != nil && !c.changing.Load():
		w.t.Error("refused before anything changed: ", err)
	}
}

// A binding must not outlive the moment in which a session does.
func TestABoundSessionEndsInTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cookie := w.signIn(w.issuer.token("alice"))
	first, again := w.in(cookie), w.in(cookie)
	require.Equal(t, first, again)
	require.NotNil(t, again.session.bindings.find(w.service.policy("notes"), notes.ID), "known by heart")
	again.session.Expires = time.Now().UnixMilli() - 1
	require.Equal(t, "session expired", w.out(cookie).Detail)
}

// What an administrator gives and takes shows at once.
func TestABoundUserHasTheRolesOfNow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.issuer.token("alice")
	cookie := w.signIn(token)
	for _, roles := range [][]string{{"a"}, {"a", "b"}, {}, {"c"}} {
		for range 3 {
			w.in(bearer(token))
			w.in(cookie)
		}
		_, err := w.state.PutUser(t.Context(), notes.ID, "idp.example.com_alice", UserUpdate{AdminRoles: &roles})
		require.NoError(t, err)
		require.ElementsMatch(t, roles, w.in(bearer(token)).Roles)
		require.ElementsMatch(t, roles, w.in(cookie).Roles)
	}
}

// One session is used in many databases, each with a user of its own.
func TestBindingsAreOfOneDatabase(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) {
		for n := range 2 * maxBindings {
			c.Databases = append(c.Databases, Policy{Name: fmt.Sprint("db", n), Providers: []string{"idp"}, AccessStated: true})
		}
	})
	cookie := w.signIn(w.issuer.token("alice"))
	in := func(n int) error {
		_, err := w.service.Authenticate(get(cookie), w.site, Database{fmt.Sprint("db", n), uint32(100 + n)})
		return err
	}
	for range 3 {
		for n := range 2 * maxBindings {
			require.NoError(t, in(n))
		}
	}
	require.NoError(t, w.state.SetDisabled(t.Context(), 101, "idp.example.com_alice", true))
	for n := range 2 * maxBindings {
		require.Equal(t, n == 1, in(n) != nil, n)
	}
	x := w.in(cookie).session
	length := 0
	for b := x.bindings.first.Load(); b != nil; b = b.next {
		length++
	}
	require.LessOrEqual(t, length, maxBindings)
}
