package auth

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/test/histories"
	"github.com/stretchr/testify/require"
)

// changingLogins are credentials that are good one after the other, while some clients show them.
type changingLogins struct {
	*world
	rng    *rand.Rand
	recent atomic.Pointer[[]*changingLogin] // the newest last
	all    []*changingLogin
}

// changingLogin was good until something ended it between two moments.
type changingLogin struct {
	name, credentials string
	began, done       time.Time
}

// loginShown is what came of showing a login.
type loginShown struct {
	login    *changingLogin
	from, to time.Time
	ok       bool
	lease    *Lease
	refusal  string
}

const changingUser = "idp.example.com_alice"

// replace makes a login, leaves it to the clients for a while, and ends it.
func (c *changingLogins) replace(n int) {
	token := bearer(c.issuer.token("alice", map[string]any{"jti": newState(), "sid": fmt.Sprint("sid ", n)}))
	l := &changingLogin{name: fmt.Sprint("token ", n), credentials: token}
	c.in(token) // the first sees to it that it is known: of those of this second, only these are refused
	user := changingUser
	ways := []func(){
		func() { require.NoError(c.t, c.state.EndAllSessions(c.t.Context(), notes.ID, user)) },
		func() { require.NoError(c.t, c.state.SetDisabled(c.t.Context(), notes.ID, user, true)) },
		func() { require.NoError(c.t, c.state.DeleteUser(c.t.Context(), notes.ID, user)) },
	}
	ofProvider := []func(){
		func() { c.logOut(ProviderLogout{Subject: "alice", Issued: time.Now(), TokenID: newState()}) },
		func() {
			c.logOut(ProviderLogout{Subject: "alice", SID: fmt.Sprint("sid ", n), Issued: time.Now(), TokenID: newState()})
		},
		func() {
			require.NoError(c.t, c.state.Unlink(c.t.Context(), notes.ID, user, Identity{c.issuer.url, "alice"}))
		},
	}
	switch c.rng.IntN(3) {
	case 0:
		ways = append(ways, ofProvider...)
	case 1:
		cookie := c.signIn(token[len("Bearer "):])
		l.name, l.credentials = fmt.Sprint("session ", n), cookie
		ways = append(ways, ofProvider...)
		ways = append(ways, func() {
			response, _ := c.session(request(http.MethodDelete, "/notes/_session", "", cookie), &notes)
			require.Equal(c.t, http.StatusOK, response.StatusCode)
		}, func() {
			list, err := c.state.Sessions(c.t.Context(), notes.ID, user)
			require.NoError(c.t, err)
			for _, s := range list {
				require.NoError(c.t, c.state.EndSession(c.t.Context(), notes.ID, user, s.Handle))
			}
		})
	case 2:
		user = "pat"
		c.setPassword(user, fmt.Sprint("password ", n))
		response, _ := c.login(user, fmt.Sprint("password ", n))
		l.name, l.credentials = fmt.Sprint("session of a password ", n), cookieOf(c.t, response)
		ways = append(ways, func() { c.setPassword(user, "another password") })
	}
	c.in(l.credentials)
	c.all = append(c.all, l)
	recent := slices.Clone(c.all[max(len(c.all)-3, 0):])
	c.recent.Store(&recent)
	time.Sleep(time.Duration(c.rng.IntN(1000)) * time.Microsecond)
	way := c.rng.IntN(len(ways))
	l.began = time.Now()
	ways[way]()
	l.done = time.Now()
	l.name += fmt.Sprint(", ended by way ", way)
	if way == 1 {
		time.Sleep(time.Duration(c.rng.IntN(300)) * time.Microsecond)
		require.NoError(c.t, c.state.SetDisabled(c.t.Context(), notes.ID, user, false))
	}
}

// show shows one of the newest logins.
func (c *changingLogins) show(rng *rand.Rand) (s loginShown) {
	recent := *c.recent.Load()
	s.login = recent[rng.IntN(len(recent))]
	s.from = time.Now()
	p, err := c.service.Authenticate(get(s.login.credentials), c.site, notes)
	if err == nil && rng.IntN(4) == 0 {
		s.lease, err = c.service.Lease(c.t.Context(), p)
	}
	s.to, s.ok, s.refusal = time.Now(), err == nil, detail(err)
	return s
}

// While logins are made and ended in every way, and clients show them all the time: none is refused before it is
// ended, none is accepted after that, and nothing that was opened with one goes on. HISTORIES says how many
// histories are played.
func TestDecision6_NoLoginOutlivesItsEndInACache(t *testing.T) {
	t.Parallel()
	for seed := range histories.Count(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			c := &changingLogins{world: passwordWorld(t), rng: rand.New(rand.NewPCG(seed, 0))}
			late := func() {
				if rand.IntN(3) == 0 {
					time.Sleep(time.Duration(rand.IntN(200)) * time.Microsecond)
				}
			}
			c.records.delay.Store(&late)
			c.replace(0)
			var group sync.WaitGroup
			stop := make(chan struct{})
			answers := make([][]loginShown, 4)
			for i := range answers {
				group.Go(func() {
					rng := rand.New(rand.NewPCG(seed, uint64(1+i)))
					for {
						select {
						case <-stop:
							return
						default:
							answers[i] = append(answers[i], c.show(rng))
						}
					}
				})
			}
			for n := range 100 {
				c.replace(1 + n)
			}
			close(stop)
			group.Wait()
			for _, s := range slices.Concat(answers...) {
				if s.ok {
					require.False(t, s.from.After(s.login.done), "%s is accepted %s after that", s.login.name, s.from.Sub(s.login.done))
				} else {
					require.False(t, s.to.Before(s.login.began), "%s is refused %s before that: %s", s.login.name, s.login.began.Sub(s.to), s.refusal)
				}
				if s.lease != nil {
					require.True(t, ended(s.lease), "a lease of %s goes on; begun %s after that", s.login.name, s.from.Sub(s.login.began))
					s.lease.Close()
				}
			}
		})
	}
}
