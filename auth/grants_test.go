package auth

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// F35, F36, F37: claims' grants are kept apart from the administrator's, follow the newest
// token, and count only while the database takes the provider's tokens.
func TestF35_ClaimsGrantsFollowTheNewestToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		claims := func(c *Config) { c.Providers[0].RolesClaim, c.Providers[0].ChannelsClaim = "a.roles", "channels" }
		w := newWorld(t, claims)
		const alice = "idp.example.com_alice"
		roles, channels := []string{"editor"}, []string{"news"}
		_, err := w.state.PutUser(t.Context(), notes.ID, alice, UserUpdate{AdminRoles: &roles, AdminChannels: &channels})
		require.NoError(t, err)
		token := w.issuer.token("alice", map[string]any{
			"a": map[string]any{"roles": []string{"staff", "editor", "staff", ""}}, "channels": "sport",
		})
		p := w.in(bearer(token))
		require.Equal(t, []string{"editor", "staff"}, p.Roles)
		require.Equal(t, []string{"news", "sport"}, p.Channels)
		u, err := w.state.User(t.Context(), notes.ID, alice)
		require.NoError(t, err)
		require.Equal(t, roles, u.AdminRoles)
		require.Equal(t, []string{"staff", "editor"}, u.TokenRoles)
		cookie := w.signIn(token)

		writes := w.records.updates.Load()
		w.in(bearer(token))
		w.in(cookie)
		require.Equal(t, writes, w.records.updates.Load(), "F23: the same token twice writes nothing")

		other := w.start(func(c *Config) { // F36
			claims(c)
			c.Providers[0].Issuer = "https://elsewhere.example.com"
			c.Databases[0].Guest = true
		})
		_, err = other.Authenticate(get(cookie), w.site, notes)
		require.Error(t, err)
		pol := other.policy("notes")
		gone, _ := pol.grants(&u)
		require.Equal(t, roles, gone, "the administrator's stay")

		w.service = w.start(claims)
		time.Sleep(time.Second)
		p = w.in(bearer(w.issuer.token("alice")))
		require.Equal(t, roles, p.Roles, "a newer token without the claims takes them away")
		require.Equal(t, channels, p.Channels)
		require.Equal(t, roles, w.in(cookie).Roles, "also where an older token made the session")
	})
}

// F35: what _session answers is what the token says that it was asked with.
func TestF35_SessionAnswersFollowTheNewestToken(t *testing.T) {
	t.Parallel()
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, func(c *Config) { c.Providers[0].RolesClaim = "roles" })
			w.in(bearer(w.issuer.token("alice", map[string]any{"roles": "staff"})))
			time.Sleep(time.Second)
			_, got := w.session(request(method, "/notes/_session", "", bearer(w.issuer.token("alice"))), &notes)
			require.Empty(t, got["userCtx"].(map[string]any)["roles"], method)
			u, err := w.state.User(t.Context(), notes.ID, "idp.example.com_alice")
			require.NoError(t, err)
			require.Empty(t, u.TokenRoles, method)
		})
	}
}

// DECISIONS 1: an imported user is its issuer's, and a user with a password nobody's.
func TestDecision1_ImportedUsersBindToTheirIssuer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) { c.Providers[0].UsernameClaim = "nick" })
	right, wrong, hash := w.issuer.url, "https://other.example.com", "$2a$10$x"
	for name, change := range map[string]UserUpdate{
		"right": {TokenIssuer: &right}, "wrong": {TokenIssuer: &wrong}, "plain": {}, "secret": {PasswordHash: &hash},
	} {
		_, err := w.state.PutUser(t.Context(), notes.ID, name, change)
		require.NoError(t, err)
	}
	w.in(bearer(w.issuer.token("1", map[string]any{"nick": "right"})))
	for i, name := range []string{"wrong", "plain", "secret"} {
		refusal := w.out(bearer(w.issuer.token(string(rune('2'+i)), map[string]any{"nick": name})))
		require.Equal(t, 403, refusal.Status, name)
	}

	bySubject := w.start()
	hashed := "idp.example.com_eve"
	_, err := w.state.PutUser(t.Context(), notes.ID, hashed, UserUpdate{PasswordHash: &hash})
	require.NoError(t, err)
	_, err = bySubject.Authenticate(get(bearer(w.issuer.token("eve"))), w.site, notes)
	require.Equal(t, 403, asError(t, err).Status, "a password owns the account")
}

func TestUnlinkedIdentitiesAreNobodyAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) { c.Providers[0].Register = false })
	require.NoError(t, w.state.CreateUser(t.Context(), notes.ID, "dora", false))
	id := Identity{w.issuer.url, "d1"}
	require.NoError(t, w.state.Link(t.Context(), notes.ID, "dora", id))
	lease := w.lease(w.in(bearer(w.issuer.token("d1"))))
	require.NoError(t, w.state.Unlink(t.Context(), notes.ID, "dora", id))
	require.True(t, ended(lease))
	require.Equal(t, 401, w.out(bearer(w.issuer.token("d1", map[string]any{"jti": "2"}))).Status)
	require.ErrorIs(t, w.state.Unlink(t.Context(), notes.ID, "dora", id), ErrNotLinked)
}
