package auth

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddysync/caddy-sync/test/histories"
	"github.com/stretchr/testify/require"
)

// authModel is a service beside what it should say: who comes in with which credentials, and
// which leases go on.
type authModel struct {
	*world
	random   *rand.Rand
	dbs      []Database
	logins   []*modelLogin
	oneTimes []*modelOneTime
	accounts map[modelRef]*modelAccount // by the user's name
	bound    map[modelRef]string        // by subject: the name of its user
	// logouts are the seconds of the newest logout of a subject, or of a session at the provider.
	logouts map[string]int64
	clients int // that showed a password, each from an address of its own
	log     []string
}

type modelRef struct{ db, name string }

type modelAccount struct {
	exists, disabled bool
	password         string
}

// modelLogin is a token, a password, or a session.
type modelLogin struct {
	name, sub, sid string
	credentials    string
	user           modelRef    // of a password, and of its sessions
	password       string      // of a password
	token          *modelLogin // that a session was made from, or the password
	issued         int64       // of the token, in seconds
	ends           time.Time
	seen           bool                // of a token: it was shown
	refused        bool                // wherever it is shown
	gone           map[string]bool     // refused in these databases
	handle         string              // of a session
	leases         map[string][]*Lease // by database
}

func (l *modelLogin) isSession() bool { return l.token != nil }

func (l *modelLogin) isToken() bool { return l.token == nil && l.sub != "" }

// modelOneTime is a one-time token, for a connection with what it was bought with.
type modelOneTime struct {
	id     string
	parent *modelLogin
	ends   time.Time
	used   bool
	// doubtful: an event ended it, or left it to its parent.
	doubtful bool
}

// nameOf is the name that a subject's user has unless it was linked to another.
func nameOf(sub string) string { return "idp.example.com_" + sub }

func newAuthModel(t *testing.T, seed uint64) *authModel {
	t.Helper()
	m := &authModel{
		random: rand.New(rand.NewPCG(seed, 0)), logouts: map[string]int64{},
		accounts: map[modelRef]*modelAccount{}, bound: map[modelRef]string{},
		dbs: []Database{notes, {Name: "lists", ID: 8}},
	}
	m.world = newWorld(t, m.configure)
	m.state.passwords.argon2 = quickArgon2
	for _, db := range m.dbs {
		for _, name := range modelNames {
			m.accounts[modelRef{db.Name, name}] = &modelAccount{}
		}
	}
	return m
}

var modelNames = []string{nameOf("alice"), nameOf("bob"), "pat"}

func (m *authModel) configure(c *Config) {
	c.Databases = append(c.Databases, Policy{Name: "lists", Providers: []string{"idp"}, AccessStated: true, PasswordAuth: true})
	takesPasswords(c)
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
	case l.sub == "":
		return m.userAccepted(l, db)
	case l.issued < m.logouts[l.sub]:
		return false, "logged out"
	case l.sid != "" && l.issued < m.logouts["sid "+l.sid]:
		return false, "its session logged out"
	}
	name := m.bound[modelRef{db, l.sub}]
	account := m.accounts[modelRef{db, cmp.Or(name, nameOf(l.sub))}]
	switch {
	case account.disabled:
		return false, "disabled"
	case name == "" && account.exists && (account.password != "" || len(m.subjectsOf(db, nameOf(l.sub))) > 0):
		return false, "the name is another account's"
	}
	return true, ""
}

// userAccepted is accepted for what belongs to a user and not to an identity.
func (m *authModel) userAccepted(l *modelLogin, db string) (bool, string) {
	account := m.accounts[l.user]
	switch {
	case db != l.user.db:
		return false, "another database's"
	case !account.exists:
		return false, "no such user"
	case account.disabled:
		return false, "disabled"
	case !l.isSession() && account.password != l.password:
		return false, "another password"
	}
	return true, ""
}

// subjectsOf are those that are bound to a user.
func (m *authModel) subjectsOf(db, name string) (subs []string) {
	for _, sub := range []string{"alice", "bob"} {
		if m.bound[modelRef{db, sub}] == name {
			subs = append(subs, sub)
		}
	}
	return subs
}

// came takes up that a login came in: its user is there from now on.
func (m *authModel) came(l *modelLogin, db string) {
	if l.sub == "" || m.bound[modelRef{db, l.sub}] != "" {
		return
	}
	m.bound[modelRef{db, l.sub}] = nameOf(l.sub)
	m.accounts[modelRef{db, nameOf(l.sub)}].exists = true
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

// revokeUser revokes what the subjects of a user were issued so far, and refuses the user's own sessions.
func (m *authModel) revokeUser(user modelRef) {
	for _, sub := range m.subjectsOf(user.db, user.name) {
		m.revoke(sub, user.db)
	}
	for _, l := range m.logins {
		if l.isSession() && l.user == user {
			l.refused = true
		}
	}
	m.doubt(func(l *modelLogin) bool { return l.user == user })
}

// doubt takes up that one-time tokens may have ended before their parents.
func (m *authModel) doubt(of func(parent *modelLogin) bool) {
	for _, once := range m.oneTimes {
		once.doubtful = once.doubtful || of(once.parent)
	}
}

// requestOf shows a login.
func (m *authModel) requestOf(r *http.Request, l *modelLogin) *http.Request {
	if l.password == "" {
		return r
	}
	// Who fails too often from one address is refused for a while, whatever comes next.
	m.clients++
	addr := netip.AddrFrom4([4]byte{10, byte(m.clients >> 16), byte(m.clients >> 8), byte(m.clients)})
	return r.WithContext(WithClient(r.Context(), Client{Addr: addr, Host: "example.com"}))
}

// use shows a login to a database, and opens a lease with it.
func (m *authModel) use(l *modelLogin, db Database) {
	p, err := m.service.Authenticate(m.requestOf(get(l.credentials), l), m.site, db)
	want, why := m.accepted(l, db.Name)
	l.seen = true
	m.judge(l, db, p, err, want, why)
}

// judge compares what came of showing a login with what should.
func (m *authModel) judge(l *modelLogin, db Database, p *Principal, err error, want bool, why string) {
	if want != (err == nil) {
		m.fail("%s at %s: accepted %v (%s), but %v (%s)", l.name, db.Name, err == nil, detail(err), want, why)
		return
	}
	if err != nil {
		if asError(m.t, err).Status != http.StatusUnauthorized && asError(m.t, err).Status != http.StatusForbidden {
			m.fail("%s at %s: %v", l.name, db.Name, err)
		}
		return
	}
	m.came(l, db.Name)
	if name := cmp.Or(m.bound[modelRef{db.Name, l.sub}], l.user.name); p.Name != name {
		m.fail("%s at %s is %s, and not %s", l.name, db.Name, p.Name, name)
	}
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
	var l *modelLogin
	if len(m.logins) > 0 {
		l = m.logins[m.random.IntN(len(m.logins))]
	}
	switch n := m.random.IntN(32); {
	case n < 5:
		m.mint([]string{"alice", "bob"}[m.random.IntN(2)])
	case n < 10 && l != nil && !l.isSession():
		m.trade(l, db)
	case n < 14 && l != nil:
		m.note("use %s at %s", l.name, db.Name)
		m.use(l, db)
	case n < 17 && l != nil:
		m.buy(l, db)
	case n < 20 && len(m.oneTimes) > 0:
		m.connect(m.oneTimes[len(m.oneTimes)-1-m.random.IntN(min(len(m.oneTimes), 3))], db)
	case n == 20 && l != nil && l.isSession():
		m.signOut(l)
	case n == 21 && l != nil && l.isSession():
		m.endOne(l, db)
	case n == 22:
		m.logOutAtProvider(l)
	case n == 23:
		m.restart()
	case n == 24:
		d := time.Duration(m.random.IntN(90)) * time.Minute
		m.note("%s later", d)
		time.Sleep(d)
	case n > 24:
		m.administer(db)
	}
	time.Sleep([]time.Duration{time.Millisecond, 100 * time.Millisecond, 2 * time.Second}[m.random.IntN(3)])
	synctest.Wait()
	m.check()
}

// administer does what an administrator does to a user.
func (m *authModel) administer(db Database) {
	ctx := m.t.Context()
	user := modelRef{db.Name, modelNames[m.random.IntN(3)]}
	account := m.accounts[user]
	sub := []string{"alice", "bob"}[m.random.IntN(2)]
	identity := Identity{m.issuer.url, sub}
	switch n := m.random.IntN(8); {
	case n < 2:
		m.setUserPassword(user, db)
	case n == 2:
		err := m.state.Link(ctx, db.ID, user.name, identity)
		m.note("link %s to %v: %v", sub, user, err)
		switch bound := m.bound[modelRef{db.Name, sub}]; {
		case !account.exists:
			require.ErrorIs(m.t, err, ErrNoUser)
		case bound != "" && bound != user.name:
			require.ErrorIs(m.t, err, ErrLinked)
		default:
			require.NoError(m.t, err)
			m.bound[modelRef{db.Name, sub}] = user.name
		}
	case !account.exists:
	case n == 3:
		err := m.state.Unlink(ctx, db.ID, user.name, identity)
		m.note("unlink %s from %v: %v", sub, user, err)
		if m.bound[modelRef{db.Name, sub}] != user.name {
			require.ErrorIs(m.t, err, ErrNotLinked)
			return
		}
		require.NoError(m.t, err)
		delete(m.bound, modelRef{db.Name, sub})
		m.revoke(sub, db.Name)
	case n == 4:
		m.note("end all of %v", user)
		require.NoError(m.t, m.state.EndAllSessions(ctx, db.ID, user.name))
		m.revokeUser(user)
		for _, sub := range m.subjectsOf(db.Name, user.name) {
			m.endAll(sub, true)
		}
	case n < 7:
		disabled := !account.disabled
		m.note("disabled %v: %v", disabled, user)
		require.NoError(m.t, m.state.SetDisabled(ctx, db.ID, user.name, disabled))
		if account.disabled = disabled; disabled {
			m.revokeUser(user)
		}
	case n == 7:
		m.note("delete %v", user)
		require.NoError(m.t, m.state.DeleteUser(ctx, db.ID, user.name))
		m.revokeUser(user)
		for _, sub := range m.subjectsOf(db.Name, user.name) {
			delete(m.bound, modelRef{db.Name, sub})
		}
		*account = modelAccount{}
	}
}

// setUserPassword sets a user's password, or removes it; a user who is not there is made.
func (m *authModel) setUserPassword(user modelRef, db Database) {
	password, hash := "", ""
	if m.random.IntN(5) > 0 {
		password = fmt.Sprintf("%s password %d", db.Name, m.random.IntN(3))
		var err error
		hash, err = m.state.passwords.hash(m.t.Context(), password)
		require.NoError(m.t, err)
	}
	m.note("password of %v: %q", user, password)
	_, err := m.state.PutUser(m.t.Context(), db.ID, user.name, UserUpdate{PasswordHash: &hash})
	require.NoError(m.t, err)
	account := m.accounts[user]
	account.exists, account.password = true, password
	for _, l := range m.logins {
		if l.isSession() && l.user == user {
			l.refused = true
		}
		for _, lease := range l.leases[user.db] {
			if l.user == user && l.password == password && ended(lease) {
				delete(l.leases, user.db) // the same one set again: it counts as another
				break
			}
		}
	}
	m.doubt(func(l *modelLogin) bool { return l.user == user })
	for _, sub := range m.subjectsOf(user.db, user.name) {
		m.endAll(sub, false)
	}
	if password == "" {
		return
	}
	l := &modelLogin{
		name: fmt.Sprintf("%q of %v", password, user), user: user, password: password,
		credentials: basic(user.name, password), ends: time.Now().Add(1e6 * time.Hour),
		gone: map[string]bool{}, leases: map[string][]*Lease{},
	}
	m.logins = append(m.logins, l)
}

// signOut is one's own doing.
func (m *authModel) signOut(l *modelLogin) {
	m.note("sign out %s", l.name)
	for _, db := range m.dbs {
		if ok, _ := m.accepted(l, db.Name); ok {
			response, _ := m.session(request("DELETE", "/"+db.Name+"/_session", "", l.credentials), &db)
			require.Equal(m.t, http.StatusOK, response.StatusCode)
			l.refused = true
		}
	}
}

// logOutAtProvider has the provider log somebody out.
func (m *authModel) logOutAtProvider(l *modelLogin) {
	about := []string{"alice", "bob"}[m.random.IntN(2)]
	logout := ProviderLogout{Subject: about, Issued: time.Now(), TokenID: newState()}
	if m.random.IntN(2) == 0 && l != nil && l.sid != "" {
		logout.Subject, logout.SID, about = l.sub, l.sid, "sid "+l.sid
	}
	m.note("the provider logs %s out", about)
	m.logOut(logout)
	m.loggedOut(about)
}

// buy makes a one-time token of a login.
func (m *authModel) buy(l *modelLogin, db Database) {
	began := time.Now()
	r := m.requestOf(request(http.MethodPost, "/"+db.Name+"/_session?one_time=true", "", l.credentials), l)
	response, answer := m.session(r, &db)
	want, why := m.accepted(l, db.Name)
	l.seen = true
	m.note("a one-time token of %s at %s: %d", l.name, db.Name, response.StatusCode)
	if want != (response.StatusCode == http.StatusOK) {
		m.fail("a one-time token of %s at %s: %v, but %v (%s)", l.name, db.Name, answer, want, why)
	}
	if !want {
		return
	}
	m.came(l, db.Name)
	m.oneTimes = append(m.oneTimes, &modelOneTime{id: answer["one_time_session_id"].(string), parent: l, ends: began.Add(time.Minute)})
}

// connect uses a one-time token up.
func (m *authModel) connect(once *modelOneTime, db Database) {
	l := once.parent
	m.note("connect to %s by a one-time token of %s", db.Name, l.name)
	want, why := m.accepted(l, db.Name)
	switch {
	case once.used:
		want, why = false, "used"
	case !time.Now().Before(once.ends):
		want, why = false, "waited for too long"
	}
	once.used = true
	r := handshake("BLIP_3+CBMobile_4, SyncGatewaySession_" + once.id)
	p, err := m.service.Authenticate(r, m.site, db)
	if err != nil && once.doubtful {
		return
	}
	m.judge(l, db, p, err, want, why)
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

// trade makes a session of a token or a password.
func (m *authModel) trade(parent *modelLogin, db Database) {
	response, answer := m.session(m.requestOf(request(http.MethodPost, "/"+db.Name+"/_session", "", parent.credentials), parent), &db)
	want, why := m.accepted(parent, db.Name)
	parent.seen = true
	if want != (response.StatusCode == http.StatusOK) {
		m.fail("a session of %s at %s: %v, but %v (%s)", parent.name, db.Name, answer, want, why)
	}
	if !want {
		return
	}
	m.came(parent, db.Name)
	c := response.Cookies()[0]
	l := &modelLogin{
		name: fmt.Sprintf("session %d of %s", len(m.logins), parent.name), sub: parent.sub, sid: parent.sid, token: parent,
		user: parent.user, issued: parent.issued, ends: time.Now().Add(24 * time.Hour), credentials: c.Name + "=" + c.Value,
		gone: maps.Clone(parent.gone), leases: map[string][]*Lease{},
	}
	list, err := m.state.Sessions(m.t.Context(), db.ID, cmp.Or(m.bound[modelRef{db.Name, parent.sub}], parent.user.name))
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

// endAll ends the sessions of a subject, and, with refuse, refuses what they were made from.
func (m *authModel) endAll(sub string, refuse bool) {
	for _, l := range m.logins {
		if l.isSession() && l.sub == sub && !l.refused && time.Now().Before(l.ends) {
			l.refused, l.token.refused = true, l.token.refused || refuse
		}
	}
	m.endOneTimes(refuse, func(l *modelLogin) bool { return l.sub == sub })
}

// endOneTimes ends those that wait, as sessions.
func (m *authModel) endOneTimes(refuse bool, of func(parent *modelLogin) bool) {
	for _, once := range m.oneTimes {
		if l := once.parent; !once.used && time.Now().Before(once.ends) && of(l) {
			once.used = true
			l.refused = l.refused || refuse && l.isToken()
		}
	}
}

// loggedOut takes up a logout of now.
func (m *authModel) loggedOut(about string) {
	now := time.Now().Unix()
	m.logouts[about] = now
	concerned := func(l *modelLogin) bool {
		return (l.sub == about || l.sid != "" && "sid "+l.sid == about) && l.issued <= now
	}
	for _, l := range m.logins {
		switch {
		case !concerned(l):
		case l.isSession() && !l.refused && time.Now().Before(l.ends):
			l.refused, l.token.refused = true, true
		case l.seen && l.issued == now:
			l.refused = true
		}
	}
	m.endOneTimes(true, concerned)
}

// endOne ends a session from elsewhere.
func (m *authModel) endOne(l *modelLogin, db Database) {
	name := cmp.Or(m.bound[modelRef{db.Name, l.sub}], l.user.name, "nobody")
	err := m.state.EndSession(m.t.Context(), db.ID, name, l.handle)
	m.note("end %s of %s at %s: %v", l.name, name, db.Name, err)
	if err == nil {
		l.refused = true
		if l.token.isToken() {
			l.token.refused = true
		}
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
	m.state.passwords.argon2 = quickArgon2
	m.service = m.start(m.configure)
}

// Whatever is issued, traded, ended, disabled, deleted and logged out, in whatever order: who may
// come in does, who may not does not, and what is open ends just when it has to. HISTORIES says how
// many are played.
func TestDecision4_WhatEndsEndsAndNothingElse(t *testing.T) {
	t.Parallel()
	for seed := range histories.Count(60) {
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
