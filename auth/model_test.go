package auth

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// authModel is a service beside what it should say: who comes in with which credentials, and
// which leases go on.
type authModel struct {
	*world
	random *rand.Rand
	dbs    []Database
	logins []*modelLogin
	users  map[modelUser]*modelAccount
	// logouts are the seconds of the newest logout of a subject, or of a session at the provider.
	logouts map[string]int64
	log     []string
}

type modelUser struct {
	db  string
	sub string
}

type modelAccount struct{ exists, disabled bool }

// modelLogin is a token, or a session.
type modelLogin struct {
	name, sub, sid string
	credentials    string
	token          *modelLogin // that a session was made from
	issued         int64       // of the token, in seconds
	ends           time.Time
	seen           bool                // of a token: it was shown
	refused        bool                // wherever it is shown
	gone           map[string]bool     // refused in these databases
	handle         string              // of a session
	leases         map[string][]*Lease // by database
}

func (l *modelLogin) isSession() bool { return l.token != nil }

func newAuthModel(t *testing.T, seed uint64) *authModel {
	t.Helper()
	m := &authModel{
		random: rand.New(rand.NewPCG(seed, 0)), users: map[modelUser]*modelAccount{}, logouts: map[string]int64{},
		dbs: []Database{notes, {Name: "lists", ID: 8}},
	}
	m.world = newWorld(t, m.configure)
	for _, db := range m.dbs {
		for _, sub := range []string{"alice", "bob"} {
			m.users[modelUser{db.Name, sub}] = &modelAccount{}
		}
	}
	return m
}

func (m *authModel) configure(c *Config) {
	c.Databases = append(c.Databases, Policy{Name: "lists", Providers: []string{"idp"}, AccessStated: true})
}

func (m *authModel) note(format string, args ...any) {
	m.log = append(m.log, time.Now().Format("15:04:05 ")+fmt.Sprintf(format, args...))
}

// accepted is whether a login comes in to a database now, and why not.
func (m *authModel) accepted(l *modelLogin, db string) (bool, string) {
	switch {
	case l.refused:
		return false, "refused"
	case l.gone[db]:
		return false, "refused here"
	case !time.Now().Before(l.ends):
		return false, "expired"
	case m.users[modelUser{db, l.sub}].disabled:
		return false, "disabled"
	case l.issued < m.logouts[l.sub]:
		return false, "logged out"
	case l.sid != "" && l.issued < m.logouts["sid "+l.sid]:
		return false, "its session logged out"
	}
	return true, ""
}

// revoke refuses what a subject was issued so far, in one database. A token tells the second of its
// issue: one of this second is refused if it was used already.
func (m *authModel) revoke(sub, db string) {
	for _, l := range m.logins {
		switch {
		case l.sub != sub:
		case l.isSession() || l.issued < time.Now().Unix():
			l.gone[db] = true
		case l.seen:
			l.refused = true
		}
	}
}

// use shows a login to a database, and opens a lease with it.
func (m *authModel) use(l *modelLogin, db Database) {
	p, err := m.service.Authenticate(get(l.credentials), m.site, db)
	want, why := m.accepted(l, db.Name)
	l.seen = true
	if want != (err == nil) {
		m.fail("%s at %s: accepted %v, but %v (%s)", l.name, db.Name, err == nil, want, why)
		return
	}
	if err != nil {
		if asError(m.t, err).Status != http.StatusUnauthorized && asError(m.t, err).Status != http.StatusForbidden {
			m.fail("%s at %s: %v", l.name, db.Name, err)
		}
		return
	}
	m.users[modelUser{db.Name, l.sub}].exists = true
	if m.random.IntN(3) == 0 {
		l.leases[db.Name] = append(l.leases[db.Name], m.lease(p))
	}
}

func (m *authModel) fail(format string, args ...any) {
	m.t.Helper()
	m.t.Fatalf(format+"\n%s", append(args, strings.Join(m.log, "\n"))...)
}

// check compares everything.
func (m *authModel) check() {
	for _, l := range m.logins {
		for _, db := range m.dbs {
			want, why := m.accepted(l, db.Name)
			for _, lease := range l.leases[db.Name] {
				if ended(lease) == want {
					m.fail("lease of %s at %s: ended %v (%s), but accepted %v (%s)", l.name, db.Name, ended(lease), lease.Reason(), want, why)
				}
			}
			if !want {
				delete(l.leases, db.Name)
			}
		}
	}
	if m.random.IntN(3) == 0 && len(m.logins) > 0 {
		m.use(m.logins[m.random.IntN(len(m.logins))], m.dbs[m.random.IntN(2)])
	}
}

func (m *authModel) step() {
	db := m.dbs[m.random.IntN(2)]
	sub := []string{"alice", "bob"}[m.random.IntN(2)]
	account := m.users[modelUser{db.Name, sub}]
	name := "idp.example.com_" + sub
	ctx := m.t.Context()
	var l *modelLogin
	if len(m.logins) > 0 {
		l = m.logins[m.random.IntN(len(m.logins))]
	}
	switch n := m.random.IntN(24); {
	case n < 5:
		m.mint(sub)
	case n < 10 && l != nil && !l.isSession():
		m.trade(l, db)
	case n < 14 && l != nil:
		m.note("use %s at %s", l.name, db.Name)
		m.use(l, db)
	case n == 14 && account.exists:
		m.note("end all of %s at %s", sub, db.Name)
		require.NoError(m.t, m.state.EndAllSessions(ctx, db.ID, name))
		m.revoke(sub, db.Name)
		m.endAll(sub)
	case n == 15 && account.exists:
		disabled := !account.disabled
		m.note("disabled %v: %s at %s", disabled, sub, db.Name)
		require.NoError(m.t, m.state.SetDisabled(ctx, db.ID, name, disabled))
		if account.disabled = disabled; disabled {
			m.revoke(sub, db.Name)
		}
	case n == 16 && account.exists:
		m.note("delete %s at %s", sub, db.Name)
		require.NoError(m.t, m.state.DeleteUser(ctx, db.ID, name))
		*account = modelAccount{}
		m.revoke(sub, db.Name)
	case n == 17 && l != nil && l.isSession():
		m.note("sign out %s", l.name)
		if ok, _ := m.accepted(l, "notes"); ok {
			response, _ := m.session(request("DELETE", "/notes/_session", "", l.credentials), &notes)
			require.Equal(m.t, http.StatusOK, response.StatusCode)
			l.refused = true
		}
	case n == 18 && l != nil && l.isSession() && account.exists:
		m.endOne(l, db)
	case n == 19:
		logout := ProviderLogout{Subject: sub, Issued: time.Now(), TokenID: newState()}
		about := sub
		if m.random.IntN(2) == 0 && l != nil && l.sid != "" {
			logout.Subject, logout.SID, about = l.sub, l.sid, "sid "+l.sid
		}
		m.note("the provider logs %s out", about)
		m.logOut(logout)
		m.loggedOut(about)
	case n == 20:
		m.restart()
	case n == 21:
		d := time.Duration(m.random.IntN(90)) * time.Minute
		m.note("%s later", d)
		time.Sleep(d)
	}
	time.Sleep([]time.Duration{time.Millisecond, 100 * time.Millisecond, 2 * time.Second}[m.random.IntN(3)])
	synctest.Wait()
	m.check()
}

// mint has the provider issue a token.
func (m *authModel) mint(sub string) {
	life := time.Duration(1+m.random.IntN(120)) * time.Minute
	l := &modelLogin{
		name: fmt.Sprintf("token %d of %s", len(m.logins), sub), sub: sub,
		issued: time.Now().Unix(), ends: time.Now().Truncate(time.Second).Add(life),
		gone: map[string]bool{}, leases: map[string][]*Lease{},
	}
	claims := map[string]any{"jti": newState(), "exp": l.ends.Unix()}
	if m.random.IntN(3) == 0 {
		l.sid = fmt.Sprint(sub, m.random.IntN(2))
		claims["sid"] = l.sid
	}
	l.credentials = bearer(m.issuer.token(sub, claims))
	m.logins = append(m.logins, l)
	m.note("%s, sid %q, for %s", l.name, l.sid, life)
}

// trade makes a session of a token.
func (m *authModel) trade(token *modelLogin, db Database) {
	response, answer := m.session(request(http.MethodPost, "/"+db.Name+"/_session", "", token.credentials), &db)
	want, why := m.accepted(token, db.Name)
	token.seen = true
	if want != (response.StatusCode == http.StatusOK) {
		m.fail("a session of %s at %s: %v, but %v (%s)", token.name, db.Name, answer, want, why)
	}
	if !want {
		return
	}
	m.users[modelUser{db.Name, token.sub}].exists = true
	c := response.Cookies()[0]
	l := &modelLogin{
		name: fmt.Sprintf("session %d of %s", len(m.logins), token.name), sub: token.sub, sid: token.sid, token: token,
		issued: token.issued, ends: time.Now().Add(24 * time.Hour), credentials: c.Name + "=" + c.Value,
		gone: maps.Clone(token.gone), leases: map[string][]*Lease{},
	}
	list, err := m.state.Sessions(m.t.Context(), db.ID, "idp.example.com_"+token.sub)
	require.NoError(m.t, err)
	known := map[string]bool{}
	for _, other := range m.logins {
		known[other.handle] = true
	}
	for _, s := range list {
		if !known[s.Handle] {
			l.handle = s.Handle
		}
	}
	require.NotEmpty(m.t, l.handle)
	m.logins = append(m.logins, l)
	m.note("%s, made at %s", l.name, db.Name)
}

// endAll ends the sessions of a subject, and refuses what they were made from.
func (m *authModel) endAll(sub string) {
	for _, l := range m.logins {
		if l.isSession() && l.sub == sub && !l.refused && time.Now().Before(l.ends) {
			l.refused, l.token.refused = true, true
		}
	}
}

// loggedOut takes up a logout of now.
func (m *authModel) loggedOut(about string) {
	now := time.Now().Unix()
	m.logouts[about] = now
	for _, l := range m.logins {
		concerned := l.sub == about || l.sid != "" && "sid "+l.sid == about
		switch {
		case !concerned || l.issued > now:
		case l.isSession() && !l.refused && time.Now().Before(l.ends):
			l.refused, l.token.refused = true, true
		case l.seen && l.issued == now:
			l.refused = true
		}
	}
}

// endOne ends a session from elsewhere.
func (m *authModel) endOne(l *modelLogin, db Database) {
	name := "idp.example.com_" + l.sub
	err := m.state.EndSession(m.t.Context(), db.ID, name, l.handle)
	m.note("end %s at %s: %v", l.name, db.Name, err)
	if err == nil {
		l.refused, l.token.refused = true, true
	}
}

// restart stops and opens everything.
func (m *authModel) restart() {
	m.note("restart")
	for _, l := range m.logins {
		for _, leases := range l.leases {
			for _, lease := range leases {
				lease.Close()
			}
		}
		l.leases = map[string][]*Lease{}
	}
	for _, l := range m.logins {
		l.seen = false
	}
	m.service.Stop()
	m.state.Close()
	m.state = openTestState(m.t, m.records)
	m.service = m.start(m.configure)
}

// Whatever is issued, traded, ended, disabled, deleted and logged out, in whatever order: who may
// come in does, who may not does not, and what is open ends just when it has to. HISTORIES says how
// many are played.
func TestDecision4_WhatEndsEndsAndNothingElse(t *testing.T) {
	t.Parallel()
	histories := 60
	if n, err := strconv.Atoi(os.Getenv("HISTORIES")); err == nil {
		histories = n
	}
	for seed := range uint64(histories) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := newAuthModel(t, seed)
				for range 80 {
					m.step()
				}
				for _, l := range m.logins {
					for _, db := range m.dbs {
						m.use(l, db)
					}
				}
			})
		})
	}
}
