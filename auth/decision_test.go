package auth

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// Parts of decisions that are no feature's own and that nothing else pins: each of these
// tests fails without its sentence.

// First use is the first identity's alone, also after an administrator took it away again.
func TestDecision1_FirstUseIsOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) { c.Providers[0].UsernameClaim = "nick" })
	nick := map[string]any{"nick": "bobby"}
	require.NoError(t, w.state.CreateUser(t.Context(), notes.ID, "bobby", true))
	w.in(bearer(w.issuer.token("bob", nick)))
	require.NoError(t, w.state.Unlink(t.Context(), notes.ID, "bobby", Identity{w.issuer.url, "bob"}))
	require.Equal(t, 403, w.out(bearer(w.issuer.token("eve", nick))).Status)
}

// Where an administrator links the first identity, that was the first use, and an account whose identity was taken
// away, because it was stolen for one, is not for whoever asks for its name. A store of before may have both.
func TestDecision1_FirstUseEndsWithALink(t *testing.T) {
	t.Parallel()
	again := true
	for name, change := range map[string]func(*world){
		"linked": func(*world) {},
		"said again of a user with an identity": func(w *world) {
			_, err := w.state.PutUser(t.Context(), notes.ID, "boss", UserUpdate{FirstUse: &again})
			require.NoError(t, err)
		},
	} {
		w := newWorld(t, func(c *Config) { c.Providers[0].UsernameClaim = "nick" })
		id := Identity{w.issuer.url, "bob"}
		require.NoError(t, w.state.CreateUser(t.Context(), notes.ID, "boss", true))
		require.NoError(t, w.state.Link(t.Context(), notes.ID, "boss", id))
		change(w)
		require.NoError(t, w.state.Unlink(t.Context(), notes.ID, "boss", id))
		require.Equal(t, 403, w.out(bearer(w.issuer.token("eve", map[string]any{"nick": "boss"}))).Status, name)
	}
}

// Whoever asks for an account that is not theirs is refused with 403, and it is in the log
// that somebody tried, with who and what.
func TestDecision1_ARefusedTakeoverIsAudited(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zap.InfoLevel)
	w := newWorld(t, func(c *Config) { c.Logger, c.Providers[0].UsernameClaim = zap.New(core), "nick" })
	nick := map[string]any{"nick": "bobby"}
	w.in(bearer(w.issuer.token("bob", nick)))
	require.Equal(t, 403, w.out(bearer(w.issuer.token("mallory", nick))).Status)
	warnings := logs.FilterLevelExact(zap.WarnLevel).FilterMessage("sign-in refused").All()
	require.Len(t, warnings, 1)
	require.Contains(t, warnings[0].ContextMap()["detail"], `identity "mallory"`)
	require.Contains(t, warnings[0].ContextMap()["detail"], `user "bobby"`)
}

// A session that a password or an administrator made is of a user of one database, though
// another has a user of the same name.
func TestDecision2_AUsersSessionIsOfOneDatabase(t *testing.T) {
	t.Parallel()
	w, _ := twoProviders(t)
	for _, db := range []Database{notes, shared} {
		require.NoError(t, w.state.CreateUser(t.Context(), db.ID, "dora", false))
	}
	time.Sleep(time.Millisecond) // what is made at the same time is taken for older
	status, body := w.backend(http.MethodPost, "", `{"name":"dora"}`)
	require.Equal(t, 200, status, body)
	cookie := "SyncGatewaySession=" + body["session_id"].(string)
	require.Equal(t, "dora", w.in(cookie).Name)
	_, err := w.service.Authenticate(get(cookie), w.site, shared)
	require.Equal(t, 401, asError(t, err).Status)
}

// A token is good only where its provider is listed, also one that is not known yet.
func TestDecision2_ATokenIsGoodWhereItsProviderIsListed(t *testing.T) {
	t.Parallel()
	w, other := twoProviders(t)
	tok := bearer(other.tokenBy("ec2", "alice"))
	require.Equal(t, "Invalid login: provider not accepted here", w.out(tok).Reason)
	_, err := w.service.Authenticate(get(tok), w.site, others)
	require.NoError(t, err)
	require.Equal(t, "Invalid login: provider not accepted here", w.out(tok).Reason)
}

// An identity may be another user in each database, with another name and other rights.
func TestDecision2_AnIdentityIsAUserOfEachDatabase(t *testing.T) {
	t.Parallel()
	w, _ := twoProviders(t)
	alice := Identity{w.issuer.url, "alice"}
	for db, name := range map[Database]string{notes: "chief", shared: "guest1"} {
		require.NoError(t, w.state.CreateUser(t.Context(), db.ID, name, false))
		require.NoError(t, w.state.Link(t.Context(), db.ID, name, alice))
	}
	tok := w.issuer.token("alice")
	cookie := w.signIn(tok)
	for _, credentials := range []string{bearer(tok), cookie} {
		require.Equal(t, "chief", w.in(credentials).Name)
		p, err := w.service.Authenticate(get(credentials), w.site, shared)
		require.NoError(t, err)
		require.Equal(t, "guest1", p.Name)
	}
	require.NoError(t, w.state.SetDisabled(t.Context(), shared.ID, "guest1", true))
	require.Equal(t, "chief", w.in(cookie).Name)
	_, err := w.service.Authenticate(get(cookie), w.site, shared)
	require.Equal(t, 401, asError(t, err).Status)
}

// Several cookies of the name are all tried, also behind one that names somebody's
// session who may not come in.
func TestDecision2_ARefusedCookieBesideAGoodOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bob, alice := w.signIn(w.issuer.token("bob")), w.signIn(w.issuer.token("alice"))
	require.NoError(t, w.state.SetDisabled(t.Context(), notes.ID, "idp.example.com_bob", true))
	require.Equal(t, "alice", w.in(bob+"; "+alice).Subject)
	require.Equal(t, 401, w.out(bob).Status)
}

// The cookie's Path is the site's prefix as the browser sees it, whatever path made it.
func TestDecision2_TheCookiesPath(t *testing.T) {
	t.Parallel()
	for sitePath, want := range map[string]string{"": "/", "/": "/", "/api": "/api"} {
		w := newWorld(t)
		w.site.CookiePath = sitePath
		for _, db := range []*Database{&notes, nil} {
			resp, _ := w.session(request(http.MethodPost, "/notes/_session", "", bearer(w.issuer.token("alice"))), db, notes)
			require.Equal(t, want, resp.Cookies()[0].Path)
			resp, _ = w.session(request(http.MethodDelete, "/notes/_session", ""), db, notes)
			require.Equal(t, want, resp.Cookies()[0].Path)
		}
	}
}

// The limits are each database's own: one session ends here, and there it goes on.
func TestDecision3_LimitsAreTheDatabases(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *Config) {
			c.Databases[0].Session.Lifetime = 8 * time.Hour
			c.Databases = append(c.Databases,
				Policy{Name: "short", Providers: []string{"idp"}, AccessStated: true, Session: SessionPolicy{Lifetime: time.Hour}},
				Policy{Name: "capped", Providers: []string{"idp"}, AccessStated: true, Session: SessionPolicy{UntilTokenExpiry: true}})
		})
		cookie := w.signIn(w.issuer.token("alice", map[string]any{"exp": time.Now().Add(30 * time.Minute).Unix()}))
		in := func(db Database) bool {
			_, err := w.service.Authenticate(get(cookie), w.site, db)
			return err == nil
		}
		short, capped := Database{"short", 11}, Database{"capped", 12}
		require.True(t, in(notes) && in(short) && in(capped))
		time.Sleep(30 * time.Minute)
		require.True(t, in(notes) && in(short))
		require.False(t, in(capped), "until the token's expiry")
		time.Sleep(30 * time.Minute)
		require.True(t, in(notes))
		require.False(t, in(short))
	})
}

// The cookie's Max-Age is the absolute limit; of the idle limit the browser knows nothing.
func TestDecision3_MaxAgeIsTheAbsoluteLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *Config) {
			c.Databases[0].Session = SessionPolicy{Lifetime: 720 * time.Hour, Idle: time.Minute}
		})
		resp, _ := w.session(request(http.MethodPost, "/notes/_session", "", bearer(w.issuer.token("alice"))), &notes)
		require.Equal(t, 720*3600, resp.Cookies()[0].MaxAge)
	})
}

// One's own sign-out refuses no token: an app that signs out of the browser may go on.
func TestDecision4_OnesOwnSignOutRefusesNoToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tok := w.issuer.token("alice")
	cookie := w.signIn(tok)
	w.session(request(http.MethodDelete, "/notes/_session", "", cookie), &notes)
	require.Equal(t, 401, w.out(cookie).Status)
	w.in(bearer(tok))
}

// A logout token sets not_before to its iat, not to when it came: what was issued in
// between is good. And it reaches tokens that were never seen here.
func TestDecision4_ALateLogoutTokenEndsNothingNewer(t *testing.T) {
	t.Parallel()
	for _, logout := range []ProviderLogout{{Subject: "alice", TokenID: "1"}, {Subject: "alice", SID: "s1", TokenID: "1"}} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			sid := map[string]any{"sid": "s1"}
			unseen := w.issuer.token("alice", sid)
			old := w.signIn(w.issuer.token("alice", sid))
			time.Sleep(5 * time.Minute)
			logout.Issued = time.Now()
			time.Sleep(10 * time.Second)
			newer := w.issuer.token("alice", sid)
			fresh := w.signIn(newer)
			time.Sleep(10 * time.Second)
			require.Equal(t, 1, w.logOut(logout))
			w.in(fresh)
			w.in(bearer(newer))
			require.Equal(t, 401, w.out(old).Status)
			require.Equal(t, "Invalid login: logged out at the provider", w.out(bearer(unseen)).Reason)
		})
	}
}

// A token with events, or of the type of logout tokens, is never a bearer.
func TestDecision4_ALogoutTokenIsNoBearer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, tok := range []string{
		w.issuer.token("alice", map[string]any{"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}}),
		sign(t, "ec", jose.ES256, map[string]any{"kid": "ec", "typ": "logout+jwt"}, w.issuer.claims("alice")),
	} {
		require.Equal(t, "Invalid login: not an ID token", w.out(bearer(tok)).Reason)
	}
}

// clock_skew forgives iat and nbf, as far as it goes.
func TestDecision5_ClockSkewForgivesIatAndNbf(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *Config) { c.Providers[0].ClockSkew = time.Minute })
		for _, claim := range []string{"iat", "nbf"} {
			at := func(d time.Duration) string {
				return bearer(w.issuer.token("alice", map[string]any{claim: time.Now().Add(d).Unix()}))
			}
			w.in(at(time.Minute))
			require.Equal(t, 401, w.out(at(time.Minute+time.Second)).Status, claim)
		}
	})
}

// A lease ends at exp, to the second, and is not refreshed by a newer token.
func TestDecision5_ALeaseEndsAtExp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		l := w.lease(w.in(bearer(w.issuer.token("alice", map[string]any{"exp": time.Now().Add(time.Minute).Unix()}))))
		time.Sleep(30 * time.Second)
		w.in(bearer(w.issuer.token("alice")))
		time.Sleep(30*time.Second - time.Millisecond)
		synctest.Wait()
		require.False(t, ended(l))
		time.Sleep(time.Millisecond)
		synctest.Wait()
		require.True(t, ended(l))
		require.Equal(t, "token expired", l.Reason())
	})
}
