package auth

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func (w *world) logOut(l ProviderLogout) int {
	w.t.Helper()
	l.Issuer = w.issuer.url
	ended, err := w.state.LogOut(w.t.Context(), l)
	require.NoError(w.t, err)
	return ended
}

// The provider's logout of a subject ends sessions, leases and tokens in every database;
// what is issued later is good, and the same logout token again ends nothing newer.
func TestDecision4_AProvidersLogoutEndsWhatWasIssuedUntilThen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		lists := Database{Name: "lists", ID: 8}
		w := newWorld(t, func(c *Config) {
			c.Databases = append(c.Databases, Policy{Name: "lists", Providers: []string{"idp"}, AccessStated: true})
		})
		time.Sleep(500 * time.Millisecond)
		token := w.issuer.token("alice")
		cookie := w.signIn(token)
		other := w.lease(w.in(bearer(w.issuer.token("bob"))))
		byToken, bySession := w.lease(w.in(bearer(token))), w.lease(w.in(cookie))
		inLists, err := w.service.Authenticate(get(cookie), w.site, lists)
		require.NoError(t, err)
		elsewhere := w.lease(inLists)

		logout := ProviderLogout{Subject: "alice", Issued: time.Now(), TokenID: "1"}
		require.Equal(t, 1, w.logOut(logout))
		for _, l := range []*Lease{byToken, bySession, elsewhere} {
			require.True(t, ended(l))
		}
		require.False(t, ended(other))
		require.Equal(t, "Invalid login: token revoked", w.out(bearer(token)).Reason)
		require.Equal(t, 401, w.out(cookie).Status)

		newer := w.issuer.token("alice", map[string]any{"jti": "newer"}) // of the same second
		fresh := w.signIn(newer)
		require.Equal(t, 0, w.logOut(logout), "replayed")
		w.in(fresh)
		w.in(bearer(newer))

		time.Sleep(time.Minute)
		require.Equal(t, 1, w.logOut(ProviderLogout{Subject: "alice", Issued: time.Now(), TokenID: "2"}))
		require.Equal(t, 401, w.out(fresh).Status)
		require.Equal(t, "Invalid login: logged out at the provider", w.out(bearer(newer)).Reason)
		require.Equal(t, 0, w.logOut(logout), "an old one says nothing any more")
	})
}

// Section 2.7 of Back-Channel Logout: a sid names one session of the subject.
func TestDecision4_AProvidersLogoutOfOneSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		phone, laptop := map[string]any{"sid": "phone"}, map[string]any{"sid": "laptop"}
		onPhone, onLaptop := w.issuer.token("alice", phone), w.issuer.token("alice", laptop)
		phoneCookie, laptopCookie := w.signIn(onPhone), w.signIn(onLaptop)
		lease := w.lease(w.in(bearer(onPhone)))
		stays := w.lease(w.in(bearer(onLaptop)))
		time.Sleep(2 * time.Second)
		require.Equal(t, 1, w.logOut(ProviderLogout{Subject: "alice", SID: "phone", Issued: time.Now(), TokenID: "1"}))
		require.True(t, ended(lease))
		require.False(t, ended(stays))
		require.Equal(t, 401, w.out(phoneCookie).Status)
		require.Equal(t, 401, w.out(bearer(onPhone)).Status)
		w.in(laptopCookie)
		w.in(bearer(onLaptop))

		w.logOut(ProviderLogout{SID: "laptop", Issued: time.Now(), TokenID: "2"})
		require.Equal(t, 401, w.out(laptopCookie).Status, "also without a subject")
		w.in(bearer(w.issuer.token("alice", laptop, map[string]any{"iat": time.Now().Unix() + 1})))
	})
}

// A record of a logout outlives a restart.
func TestDecision4_AProvidersLogoutIsStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		token := w.issuer.token("alice")
		w.in(bearer(token))
		time.Sleep(time.Second)
		w.logOut(ProviderLogout{Subject: "alice", Issued: time.Now(), TokenID: "1"})
		w.service.Stop()
		w.state.Close()
		w.state = openTestState(t, w.records)
		w.service = w.start()
		require.Equal(t, 401, w.out(bearer(token)).Status)
		r := request(http.MethodPost, "/notes/_session", "", bearer(token))
		resp, _ := w.session(r, &notes)
		require.Equal(t, 401, resp.StatusCode)
	})
}
