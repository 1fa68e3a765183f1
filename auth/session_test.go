package auth

import (
	"crypto/elliptic"
	"encoding/base64"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

func TestDecision3_AbsoluteLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *Config) { c.Databases[0].Session.Lifetime = time.Hour })
		cookie := w.signIn(w.issuer.token("alice"))
		require.Equal(t, time.Now().Add(time.Hour).UnixMilli(), w.in(cookie).Expires.UnixMilli())
		time.Sleep(time.Hour - time.Second)
		w.in(cookie)
		time.Sleep(time.Second)
		require.Equal(t, "Session Invalid", w.out(cookie).Reason)
		time.Sleep(2 * time.Second)
		require.Equal(t, 401, w.out(cookie).Status)
	})
}

func TestDecision3_IdleLimitSlidesAndIsTheServers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *Config) { c.Databases[0].Session = SessionPolicy{Idle: 10 * time.Minute} })
		cookie := w.signIn(w.issuer.token("alice"))
		for range 20 {
			time.Sleep(9 * time.Minute)
			w.in(cookie)
		}
		time.Sleep(10 * time.Minute)
		require.Equal(t, "Session Invalid", w.out(cookie).Reason)
	})
}

// A feed that is open keeps its session in use.
func TestDecision3_AnOpenFeedKeepsTheSessionInUse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *Config) { c.Databases[0].Session = SessionPolicy{Idle: time.Minute, Lifetime: 5 * time.Hour} })
		cookie := w.signIn(w.issuer.token("alice"))
		l := w.lease(w.in(cookie))
		time.Sleep(3 * time.Hour)
		w.in(cookie)
		require.False(t, ended(l))
		l.Close()
		time.Sleep(time.Minute)
		require.Equal(t, 401, w.out(cookie).Status)
	})
}

// The last use is written at most once a minute, also under load, and is there after a
// restart.
func TestDecision3_LastUseIsWrittenAtMostOnceAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *Config) { c.Databases[0].Session = SessionPolicy{Idle: time.Hour} })
		cookie := w.signIn(w.issuer.token("alice"))
		synctest.Wait()
		before := w.records.updates.Load()
		for range 600 {
			time.Sleep(time.Second)
			w.in(cookie)
		}
		synctest.Wait()
		require.InDelta(t, 10, w.records.updates.Load()-before, 1)
		w.service.Stop()
		w.state.Close()
		time.Sleep(55 * time.Minute)
		w.state = openTestState(t, w.records)
		w.service = w.start()
		w.in(cookie)
	})
}

// A minute more or less of a day does not matter; a write for each session and minute does.
// Requests that come at once read the session of a server that just started several times, and
// so does one whose session went out of the cache: one of them is kept, and a feed has another.
func TestAFeedKeepsASessionInUseThatWasReadAgainSince(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *Config) { c.Databases[0].Session = SessionPolicy{Idle: time.Hour} })
		cookie := w.signIn(w.issuer.token("alice"))
		feed := w.in(cookie)
		w.state.sessions.drop(feed.session.key)
		require.NotSame(t, feed.session, w.in(cookie).session)
		l := w.lease(feed)
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		require.False(t, ended(l))
		w.in(cookie)
	})
}

func TestLastUseIsWrittenAsOftenAsTheShortestIdleLimitNeeds(t *testing.T) {
	t.Parallel()
	for want, idles := range map[time.Duration][]time.Duration{
		10 * time.Minute: {0, 24 * time.Hour}, 2 * time.Minute: {0, 24 * time.Hour, 2 * time.Hour}, time.Minute: {time.Hour, time.Minute},
	} {
		policies := make(map[string]*policy)
		for i, idle := range idles {
			policies[string(rune('a'+i))] = &policy{Policy: Policy{Session: SessionPolicy{Idle: idle}}}
		}
		require.Equal(t, want, touchEvery(policies))
	}
	require.Equal(t, 10*time.Minute, touchEvery(nil))
}

func TestDecision3_UntilTokenExpiry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tok := map[string]any{"exp": time.Now().Add(10 * time.Minute).Unix()}
		w := newWorld(t)
		free := w.signIn(w.issuer.token("alice", tok))
		capped := newWorld(t, func(c *Config) { c.Databases[0].Session.UntilTokenExpiry = true })
		bound := capped.signIn(capped.issuer.token("alice", tok))
		time.Sleep(10 * time.Minute)
		w.in(free)
		require.Equal(t, 401, capped.out(bound).Status)
	})
}

func TestSessionsOutliveARestart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) { c.Providers[0].Require = map[string][]string{"org": {"7"}} })
	require7 := func(c *Config) { c.Providers[0].Require = map[string][]string{"org": {"7"}} }
	cookie := w.signIn(w.issuer.token("alice", map[string]any{"org": 7}))
	w.service.Stop()
	w.state.Close()
	w.state = openTestState(t, w.records)
	w.service = w.start(require7)
	require.Equal(t, "alice", w.in(cookie).Subject)
	w.service = w.start(func(c *Config) { c.Providers[0].Require = map[string][]string{"org": {"8"}} })
	require.Equal(t, 401, w.out(cookie).Status, "stricter rules hold for sessions too")
}

// An operator takes a client ID away, as the app was stolen or is no longer theirs: sessions made of its tokens are
// refused as the tokens are, also after a restart, and not deleted.
func TestDecision17_SessionsOfAnAbsentClient(t *testing.T) {
	t.Parallel()
	clients := func(ids ...string) func(*Config) { return func(c *Config) { c.Providers[0].ClientIDs = ids } }
	for name, claims := range map[string]map[string]any{
		"audience": {"aud": "old"}, "authorized party": {"aud": []string{"app", "old"}, "azp": "old"},
	} {
		w := newWorld(t, clients("app", "old"))
		cookie := w.signIn(w.issuer.token("alice", claims))
		byCookie, byToken := w.oneTimeToken(cookie), w.oneTimeToken(bearer(w.issuer.token("alice", claims)))
		l := w.lease(w.in(cookie))
		w.service = w.start(clients("app", "new", "old"))
		require.False(t, ended(l), name)
		w.service = w.start(clients("app"))
		require.True(t, ended(l), name)
		for _, id := range []string{byCookie, byToken} {
			_, err := w.connect("SyncGatewaySession_" + id)
			require.Equal(t, 401, asError(t, err).Status, name)
		}
		w.service.Stop()
		w.state.Close()
		w.state = openTestState(t, w.records)
		w.service = w.start(clients("app"))
		require.Equal(t, "sign-in rules changed", w.out(cookie).Detail, name)
		w.service = w.start(clients("old", "app"))
		w.in(cookie)
	}
}

// Of a session that an earlier version stored it is not known for which client its token was.
func TestASessionStoredWithoutItsAudienceGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cookie := w.signIn(w.issuer.token("alice"))
	w.service.Stop()
	w.state.Close()
	w.records.rewrite(sessionPrefix, `"audience":["app"],`, "")
	w.state = openTestState(t, w.records)
	w.service = w.start(func(c *Config) { c.Providers[0].ClientIDs = []string{"other"} })
	w.in(cookie)
}

// Sessions of an absent provider are refused, not deleted.
func TestDecision17_SessionsOfAnAbsentProvider(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cookie := w.signIn(w.issuer.token("alice"))
	without := func(c *Config) { c.Providers, c.Databases[0].Providers = nil, nil }
	w.service = w.start(without)
	require.Equal(t, "provider removed", w.out(cookie).Detail)
	w.service = w.start(func(c *Config) { c.Databases[0].Providers = nil })
	require.Equal(t, "provider not accepted here", w.out(cookie).Detail)
	w.service = w.start()
	w.in(cookie)
}

func TestSessionsAreListedWithoutTheirSecret(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		_, err := w.state.Sessions(t.Context(), notes.ID, "idp.example.com_alice")
		require.ErrorIs(t, err, ErrNoUser)
		tok := w.issuer.token("alice", map[string]any{"jti": "t-1"})
		r := request(http.MethodPost, "/notes/_session", "", bearer(tok))
		r.Header.Set("User-Agent", "test/1 "+strings.Repeat("x", 500))
		resp, _ := w.session(r, &notes)
		id := resp.Cookies()[0].Value
		time.Sleep(30 * time.Second)
		w.in("SyncGatewaySession=" + id)
		list, err := w.state.Sessions(t.Context(), notes.ID, "idp.example.com_alice")
		require.NoError(t, err)
		require.Len(t, list, 1)
		s := list[0]
		require.Equal(t, "192.0.2.1", s.Address)
		require.Len(t, s.UserAgent, 200)
		require.Equal(t, "t-1", s.TokenID)
		require.Equal(t, "idp", s.Provider)
		require.Equal(t, 30*time.Second, s.LastUsed.Sub(s.Created))
		require.NotContains(t, s.Handle, id)
		require.Equal(t, 401, w.out("SyncGatewaySession="+s.Handle).Status)
	})
}

// Ending one session from elsewhere refuses the token that it was made from; the
// user's other sessions and tokens go on.
func TestDecision4_EndingOneSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tokA, tokB := w.issuer.token("alice", map[string]any{"jti": "a"}), w.issuer.token("alice", map[string]any{"jti": "b"})
	a, b := w.signIn(tokA), w.signIn(tokB)
	const name = "idp.example.com_alice"
	list, err := w.state.Sessions(t.Context(), notes.ID, name)
	require.NoError(t, err)
	for _, s := range list {
		if s.TokenID == "a" {
			require.NoError(t, w.state.EndSession(t.Context(), notes.ID, name, s.Handle))
			require.ErrorIs(t, w.state.EndSession(t.Context(), notes.ID, name, s.Handle), ErrNoSession)
		}
	}
	require.Equal(t, 401, w.out(a).Status)
	require.Equal(t, "Invalid login: token revoked", w.out(bearer(tokA)).Reason)
	w.in(b)
	w.in(bearer(tokB))

	// Nor is it good in another spelling of its signature, or after a restart.
	require.Equal(t, "Invalid login: token revoked", w.out(bearer(otherSignature(t, tokA))).Reason)
	w.service.Stop()
	w.state.Close()
	w.state = openTestState(t, w.records)
	w.service = w.start()
	require.Equal(t, "Invalid login: token revoked", w.out(bearer(tokA)).Reason)
	w.in(bearer(tokB))
}

// Ending all sessions refuses earlier tokens and those that were used already, also of
// the same second; a token issued afterwards signs in again.
func TestDecision4_EndingAllSessionsReachesTokens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		const name = "idp.example.com_alice"
		early := w.issuer.token("alice", map[string]any{"jti": "early"})
		time.Sleep(10*time.Second + 200*time.Millisecond)
		used := w.issuer.token("alice", map[string]any{"jti": "used"})
		ahead := w.issuer.token("alice", map[string]any{"jti": "ahead", "iat": time.Now().Unix() + 20})
		w.in(bearer(used))
		w.in(bearer(ahead))
		cookie := w.signIn(used)
		time.Sleep(100 * time.Millisecond)
		require.NoError(t, w.state.EndAllSessions(t.Context(), notes.ID, name))
		for _, refused := range []string{bearer(early), bearer(used), bearer(ahead), cookie} {
			require.Equal(t, 401, w.out(refused).Status)
		}
		list, err := w.state.Sessions(t.Context(), notes.ID, name)
		require.NoError(t, err)
		require.Empty(t, list)
		w.in(bearer(w.issuer.token("alice", map[string]any{"jti": "fresh"})))
		require.Equal(t, "bob", w.in(bearer(w.issuer.token("bob"))).Subject, "others are not concerned")

		w.service.Stop()
		w.state.Close()
		w.state = openTestState(t, w.records)
		w.service = w.start()
		for _, refused := range []string{bearer(early), bearer(used), bearer(ahead), cookie} {
			require.Equal(t, 401, w.out(refused).Status)
		}
		require.ErrorIs(t, w.state.EndAllSessions(t.Context(), notes.ID, "nosuch"), ErrNoUser)
	})
}

// Disabling blocks every way at once, and what there was stays refused after enabling.
func TestDecision4_DisabledUsersAreRefusedByEveryMethod(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		const name = "idp.example.com_alice"
		tok := w.issuer.token("alice")
		cookie := w.signIn(tok)
		time.Sleep(2 * time.Second)
		require.NoError(t, w.state.SetDisabled(t.Context(), notes.ID, name, true))
		require.Equal(t, "Invalid login: user is disabled", w.out(bearer(tok)).Reason)
		require.Equal(t, "Invalid login: user is disabled", w.out(bearer(w.issuer.token("alice"))).Reason)
		require.Equal(t, 401, w.out(cookie).Status)
		resp, _ := w.session(request(http.MethodPost, "/notes/_session", "", bearer(w.issuer.token("alice"))), &notes)
		require.Equal(t, 401, resp.StatusCode)
		resp, body := w.session(request(http.MethodGet, "/notes/_session", "", cookie), &notes)
		require.Equal(t, 200, resp.StatusCode)
		require.Nil(t, body["userCtx"].(map[string]any)["name"])

		require.NoError(t, w.state.SetDisabled(t.Context(), notes.ID, name, false))
		require.Equal(t, 401, w.out(bearer(tok)).Status)
		require.Equal(t, 401, w.out(cookie).Status)
		w.in(bearer(w.issuer.token("alice")))
		require.ErrorIs(t, w.state.SetDisabled(t.Context(), notes.ID, "nosuch", true), ErrNoUser)
	})
}

func TestDecision4_DeletedUsersComeBackOnlyWithANewToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		const name = "idp.example.com_alice"
		tok := w.issuer.token("alice", map[string]any{"email": "a@x.example"})
		cookie := w.signIn(tok)
		time.Sleep(2 * time.Second)
		require.NoError(t, w.state.DeleteUser(t.Context(), notes.ID, name))
		require.ErrorIs(t, w.state.DeleteUser(t.Context(), notes.ID, name), ErrNoUser)
		require.Equal(t, "Invalid login: token revoked", w.out(bearer(tok)).Reason)
		require.Equal(t, 401, w.out(cookie).Status)
		w.in(bearer(w.issuer.token("alice")))
		u, err := w.state.User(t.Context(), notes.ID, name)
		require.NoError(t, err)
		require.Empty(t, u.Email, "a new user")
	})
}

// What a token says is known by its digest; what a user may is read on each request.
func TestDecision6_DigestCacheHoldsNoUserState(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) {
		c.Databases = append(c.Databases, Policy{Name: "closed"})
	})
	tok := bearer(w.issuer.token("alice"))
	w.in(tok)
	w.in(tok)
	require.Equal(t, 1, w.service.digests.len())
	_, err := w.service.Authenticate(get(tok), w.site, Database{"closed", 9})
	require.Equal(t, 401, asError(t, err).Status, "the database's policy is not cached")
	require.NoError(t, w.state.SetDisabled(t.Context(), notes.ID, "idp.example.com_alice", true))
	require.Equal(t, 401, w.out(tok).Status)
}

func TestDecision6_DigestIsForgottenAfterFiveMinutes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.issuer.maxAge = "max-age=300"
		tok := bearer(w.issuer.token("alice"))
		w.in(tok)
		w.issuer.publish("ec2")
		time.Sleep(digestLifetime - time.Second)
		w.in(tok)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.Equal(t, "Invalid login: unknown key", w.out(tok).Reason, "its key was withdrawn")
	})
}

// otherSignature is the second valid form of an ES256 signature: (r, n-s).
func otherSignature(t *testing.T, tok string) string {
	t.Helper()
	dot := strings.LastIndexByte(tok, '.')
	sig, err := base64.RawURLEncoding.DecodeString(tok[dot+1:])
	require.NoError(t, err)
	s := new(big.Int).Sub(elliptic.P256().Params().N, new(big.Int).SetBytes(sig[32:]))
	s.FillBytes(sig[32:])
	return tok[:dot+1] + base64.RawURLEncoding.EncodeToString(sig)
}

// The last use is a record of its own that goes with the session.
func TestDecision3_LastUseGoesWithItsSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		cookie := w.signIn(w.issuer.token("alice"))
		x := w.in(cookie).session
		lastUse := func() (ms int64, found bool) {
			require.NoError(t, w.records.View(t.Context(), func(r syncstore.RecordReader) error {
				var err error
				ms, found, err = readLastUse(r, x.key)
				return err
			}))
			return ms, found
		}
		_, found := lastUse()
		require.False(t, found, "a session that was only made")
		time.Sleep(2 * maxTouchInterval)
		used := time.Now()
		w.in(cookie)
		time.Sleep(touchDelay)
		synctest.Wait()
		ms, found := lastUse()
		require.True(t, found)
		require.Equal(t, used.UnixMilli(), ms)

		// Used again, and ended before that was written.
		time.Sleep(2 * maxTouchInterval)
		w.in(cookie)
		require.NoError(t, w.state.EndAllSessions(t.Context(), notes.ID, "idp.example.com_alice"))
		time.Sleep(time.Minute)
		synctest.Wait()
		_, found = lastUse()
		require.False(t, found)
	})
}

// A token that is revoked while it makes a session makes none that outlives that.
func TestASessionIsNotYoungerThanTheLookAtItsToken(t *testing.T) {
	t.Parallel()
	const name = "idp.example.com_alice"
	signIn := func(w *world, token string, revoke func()) (cookie string, code int) {
		rec := httptest.NewRecorder()
		r := request(http.MethodPost, "/notes/_session", "", bearer(token))
		c, ok := w.service.sessionCall(rec, r, w.site, &notes, nil)
		require.True(t, ok)
		p, refusal := c.bearer(token)
		require.Nil(t, refusal)
		time.Sleep(time.Millisecond)
		revoke()
		time.Sleep(time.Millisecond)
		c.postSession(p)
		for _, set := range rec.Result().Cookies() {
			cookie = set.Name + "=" + set.Value
		}
		return cookie, rec.Code
	}
	synctest.Test(t, func(t *testing.T) {
		for how, revoke := range map[string]func(*State) error{
			"all sessions ended": func(s *State) error { return s.EndAllSessions(t.Context(), notes.ID, name) },
			"deleted":            func(s *State) error { return s.DeleteUser(t.Context(), notes.ID, name) },
			"disabled, enabled": func(s *State) error {
				return errors.Join(s.SetDisabled(t.Context(), notes.ID, name, true), s.SetDisabled(t.Context(), notes.ID, name, false))
			},
		} {
			w := newWorld(t)
			token := w.issuer.token("alice")
			time.Sleep(time.Minute + time.Second) // so old that not_before alone refuses it
			cookie, _ := signIn(w, token, func() { require.NoError(t, revoke(w.state), how) })
			require.Equal(t, http.StatusUnauthorized, w.out(cookie).Status, how)
			require.Equal(t, http.StatusUnauthorized, w.out(bearer(token)).Status, how)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		token := w.issuer.token("alice")
		w.signIn(token)
		sessions, err := w.state.Sessions(t.Context(), notes.ID, name)
		require.NoError(t, err)
		cookie, code := signIn(w, token, func() {
			require.NoError(t, w.state.EndSession(t.Context(), notes.ID, name, sessions[0].Handle))
		})
		require.Equal(t, http.StatusUnauthorized, code, "the token of a session that was ended from elsewhere")
		require.Empty(t, cookie)
	})
}
