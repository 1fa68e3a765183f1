package auth

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

const (
	byAdmin = syncstore.GrantedByAdmin
	byToken = syncstore.GrantedByToken
)

// moved says that somebody was given something else by exactly these sources since it was
// asked last.
func (w *world) moved(principal string, sources ...syncstore.GrantSource) {
	w.t.Helper()
	var want []grantee
	for _, source := range sources {
		want = append(want, grantee{notes.ID, principal, source})
	}
	require.Equal(w.t, want, w.records.changed())
}

func (w *world) put(name string, change UserUpdate) {
	w.t.Helper()
	_, err := w.state.PutUser(w.t.Context(), notes.ID, name, change)
	require.NoError(w.t, err)
}

// grantClaims are the claims of most tests' tokens.
func grantClaims(c *Config) {
	c.Providers[0].RolesClaim, c.Providers[0].ChannelsClaim = "roles", "channels"
}

// F96: what is absent stays, and what is empty is cleared, in the index too.
func TestF96_AdministratorsGrantsAreIndexedAsTheyChange(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put("alice", UserUpdate{
		AdminChannels: &[]string{"b", "a", "b", "*", "!"}, AdminRoles: &[]string{"staff"},
		Collections: CollectionGrants{"s": {"c": {"x"}, "d": {"y"}}, "_default": {"_default": {"a", "z"}, "c": {"x"}}},
	})
	w.moved("alice", byAdmin)
	require.Equal(t, []syncstore.Given{
		{Role: "staff"}, {Channel: "!"}, {Channel: "*"}, {Channel: "a"}, {Channel: "b"}, {Channel: "z"},
		{Scope: "_default", Collection: "c", Channel: "x"},
		{Scope: "s", Collection: "c", Channel: "x"}, {Scope: "s", Collection: "d", Channel: "y"},
	}, w.records.gives("alice", byAdmin))

	email := "alice@example.com"
	w.put("alice", UserUpdate{Email: &email})
	w.put("alice", UserUpdate{AdminChannels: &[]string{"!", "*", "a", "b"}, AdminRoles: &[]string{"staff", "staff"}})
	w.put("alice", UserUpdate{Collections: CollectionGrants{"s": {"c": {"x"}}}})
	w.moved("alice")

	w.put("alice", UserUpdate{Collections: CollectionGrants{"s": {"c": nil}, "_default": {"_default": nil, "c": {}}}})
	w.moved("alice", byAdmin)
	w.put("alice", UserUpdate{AdminChannels: &[]string{}})
	w.moved("alice", byAdmin)
	require.Equal(t, []syncstore.Given{{Role: "staff"}, {Scope: "s", Collection: "d", Channel: "y"}}, w.records.gives("alice", byAdmin))
	w.put("alice", UserUpdate{AdminRoles: &[]string{}, Collections: CollectionGrants{"s": {"d": nil}}})
	w.moved("alice", byAdmin)
	require.Empty(t, w.records.gives("alice", byAdmin))
}

func TestUsersWithoutGrantsTakeNoSequence(t *testing.T) {
	t.Parallel()
	w := newWorld(t, grantClaims)
	require.NoError(t, w.state.CreateUser(t.Context(), notes.ID, "dora", true))
	w.in(bearer(w.issuer.token("alice")))
	require.NoError(t, w.state.DeleteUser(t.Context(), notes.ID, "dora"))
	w.moved("")
}

// What says nothing of grants leaves the index alone.
func TestOtherChangesOfAUserLeaveTheIndexAlone(t *testing.T) {
	t.Parallel()
	w := passwordWorld(t, grantClaims)
	const alice = "idp.example.com_alice"
	w.put(alice, UserUpdate{AdminChannels: &[]string{"a"}})
	w.moved(alice, byAdmin)
	tok := w.issuer.token("alice", map[string]any{"channels": "t"})
	w.signIn(tok)
	w.moved(alice, byToken)

	yes, no := true, false
	w.put(alice, UserUpdate{Disabled: &yes})
	w.put(alice, UserUpdate{Disabled: &no})
	w.setHash(alice, "$2a$10$x")
	require.NoError(t, w.state.rehash(t.Context(), notes.ID, alice, "$2a$10$x", "$2a$11$y"))
	require.NoError(t, w.state.EndAllSessions(t.Context(), notes.ID, alice))
	require.NoError(t, w.state.Link(t.Context(), notes.ID, alice, Identity{w.issuer.url, "another"}))
	_, err := w.state.PutUser(t.Context(), notes.ID, alice, UserUpdate{New: true, AdminChannels: &[]string{"refused"}})
	require.ErrorIs(t, err, ErrUserExists)
	w.moved(alice)
}

// F23, F35: the newest token moves what tokens gave, and nothing else.
func TestF35_OnlyATokenWithOtherGrantsMovesTheTokensPart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, grantClaims)
		const alice = "idp.example.com_alice"
		issue := func(roles, channels any) string {
			time.Sleep(time.Second) // grants follow whole seconds
			return w.issuer.token("alice", map[string]any{"roles": roles, "channels": channels})
		}
		first := issue([]string{"staff", "a:b"}, []string{"x", "y", "x", "", "p,q", strings.Repeat("l", maxChannel+1)})
		cookie := w.signIn(first)
		w.moved(alice, byToken)
		require.Equal(t, []syncstore.Given{
			{Role: "a:b"}, {Role: "staff"}, {Everywhere: true, Channel: "x"}, {Everywhere: true, Channel: "y"},
		}, w.records.gives(alice, byToken))

		w.in(bearer(first))
		w.in(cookie)
		w.signIn(first)
		w.moved(alice)

		w.put(alice, UserUpdate{AdminChannels: &[]string{"x"}})
		w.moved(alice, byAdmin)
		w.in(bearer(issue([]string{"a:b", "staff"}, []string{"y", "x"})))
		w.moved(alice)
		w.in(bearer(issue("staff", "x")))
		w.moved(alice, byToken)
		require.Equal(t, []syncstore.Given{{Role: "staff"}, {Everywhere: true, Channel: "x"}}, w.records.gives(alice, byToken))
		w.in(bearer(first)) // older
		w.moved(alice)
		w.in(bearer(issue(nil, nil)))
		w.moved(alice, byToken)
		require.Empty(t, w.records.gives(alice, byToken))
		require.Equal(t, []syncstore.Given{{Channel: "x"}}, w.records.gives(alice, byAdmin))
	})
}

// F36, F37: what tokens gave does not count while the database takes no tokens of their
// issuer. The index keeps it: nothing is written, and it counts again when they are taken.
func TestF36_TheIndexKeepsWhatTokensOfARemovedProviderGave(t *testing.T) {
	t.Parallel()
	w := passwordWorld(t, grantClaims)
	const alice = "idp.example.com_alice"
	require.True(t, w.in(bearer(w.issuer.token("alice", map[string]any{"channels": "t"}))).TokenGrants)
	w.moved(alice, byToken)
	w.setPassword(alice, "correct horse")
	password := basic(alice, "correct horse")
	require.True(t, w.in(password).TokenGrants)
	for name, change := range map[string]func(*Config){
		"F36: removed":       func(c *Config) { c.Databases[0].Providers = nil },
		"F37: other issuer":  func(c *Config) { c.Providers[0].Issuer = "https://elsewhere.example.com" },
		"both, from nowhere": func(c *Config) { c.Providers, c.Databases[0].Providers = nil, nil },
	} {
		w.service = w.start(grantClaims, takesPasswords, change)
		p := w.in(password)
		require.False(t, p.TokenGrants, name)
		require.Empty(t, p.Channels, name)
		w.moved(alice)
	}
	w.service = w.start(grantClaims, takesPasswords)
	require.True(t, w.in(password).TokenGrants)
	w.moved(alice)
}

// A feed that is open when the first token gives something has what it gives.
func TestTokensCountForUsersWhomNoneGaveAnything(t *testing.T) {
	t.Parallel()
	w := passwordWorld(t)
	require.True(t, w.in(basic("alice", "alice's password")).TokenGrants)
}

func TestEachWayToSignInSaysWhetherTokensCount(t *testing.T) {
	t.Parallel()
	w := newWorld(t, grantClaims)
	tok := w.issuer.token("alice", map[string]any{"channels": "t"})
	cookie := w.signIn(tok)
	for range 2 { // found, and found again
		require.True(t, w.in(bearer(tok)).TokenGrants)
		require.True(t, w.in(cookie).TokenGrants)
	}
	for _, credentials := range []string{bearer(tok), cookie} {
		p, err := w.connect("SyncGatewaySession_" + w.oneTimeToken(credentials))
		require.NoError(t, err, detail(err))
		require.True(t, p.TokenGrants)
	}
}

func TestUnlinkingTakesWhatTheIdentitysTokensGave(t *testing.T) {
	t.Parallel()
	w := newWorld(t, grantClaims)
	const alice = "idp.example.com_alice"
	w.in(bearer(w.issuer.token("alice", map[string]any{"roles": "staff"})))
	w.put(alice, UserUpdate{AdminChannels: &[]string{"a"}})
	w.records.changed()
	other := Identity{"https://elsewhere.example.com", "a"}
	require.NoError(t, w.state.Link(t.Context(), notes.ID, alice, other))
	require.NoError(t, w.state.Unlink(t.Context(), notes.ID, alice, other))
	w.moved(alice)
	require.NoError(t, w.state.Unlink(t.Context(), notes.ID, alice, Identity{w.issuer.url, "alice"}))
	w.moved(alice, byToken)
	require.Empty(t, w.records.gives(alice, byToken))
	require.NotEmpty(t, w.records.gives(alice, byAdmin))
}

// Nobody inherits by a name.
func TestDeletedUsersHaveNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, grantClaims)
	const alice = "idp.example.com_alice"
	w.in(bearer(w.issuer.token("alice", map[string]any{"roles": "staff"})))
	w.put(alice, UserUpdate{AdminChannels: &[]string{"a"}})
	w.records.changed()
	require.NoError(t, w.state.DeleteUser(t.Context(), notes.ID, alice))
	w.moved(alice, byAdmin, byToken)
	require.Empty(t, w.records.gives(alice, byAdmin))
	require.Empty(t, w.records.gives(alice, byToken))

	w.put(alice, UserUpdate{})
	w.moved(alice)
	w.put(alice, UserUpdate{AdminChannels: &[]string{"a"}})
	w.moved(alice, byAdmin)
}

// F97: a role may be given before it is made. It has itself while it is there, so that the
// index knows, and a role that is made again gives again.
func TestF97_RolesAreIndexedWhileTheyAreThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put("alice", UserUpdate{AdminRoles: &[]string{"staff"}})
	w.moved("alice", byAdmin)
	require.Equal(t, []syncstore.Given{{Role: "staff"}}, w.records.gives("alice", byAdmin))

	staff := syncstore.RolePrincipal("staff")
	put := func(change RoleUpdate) {
		t.Helper()
		_, err := w.state.PutRole(t.Context(), notes.ID, "staff", change)
		require.NoError(t, err)
	}
	remove := func(purge bool) {
		t.Helper()
		require.NoError(t, w.state.DeleteRole(t.Context(), notes.ID, "staff", purge))
	}
	put(RoleUpdate{})
	w.moved(staff, byAdmin)
	require.Equal(t, []syncstore.Given{{Role: "staff"}}, w.records.gives(staff, byAdmin), "without channels too")
	put(RoleUpdate{AdminChannels: &[]string{"b", "a"}, Collections: CollectionGrants{"s": {"c": {"x"}}}})
	w.moved(staff, byAdmin)
	put(RoleUpdate{AdminChannels: &[]string{"a", "b"}})
	put(RoleUpdate{})
	w.moved(staff)
	want := []syncstore.Given{{Role: "staff"}, {Channel: "a"}, {Channel: "b"}, {Scope: "s", Collection: "c", Channel: "x"}}
	require.Equal(t, want, w.records.gives(staff, byAdmin))

	remove(false)
	w.moved(staff, byAdmin)
	require.Empty(t, w.records.gives(staff, byAdmin))
	put(RoleUpdate{AdminChannels: &[]string{"c"}})
	w.moved(staff, byAdmin)
	require.Equal(t, []syncstore.Given{{Role: "staff"}, {Channel: "c"}}, w.records.gives(staff, byAdmin), "made anew")
	remove(true)
	w.moved(staff, byAdmin)
	require.Empty(t, w.records.gives(staff, byAdmin))

	put(RoleUpdate{})
	remove(false)
	w.records.changed()
	remove(true)
	w.moved(staff)
	require.Equal(t, []syncstore.Given{{Role: "staff"}}, w.records.gives("alice", byAdmin), "who has the role is not touched")
}

// An update that fails leaves records and index as they were.
func TestRefusedUpdatesGiveNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	full := syncstore.ErrInsufficientStorage
	w.records.refuse.Store(&full)
	_, err := w.state.PutUser(t.Context(), notes.ID, "alice", UserUpdate{AdminChannels: &[]string{"a"}})
	require.ErrorIs(t, err, full)
	w.records.refuse.Store(nil)
	w.moved("alice")
	w.put("alice", UserUpdate{AdminChannels: &[]string{"a"}})
	w.moved("alice", byAdmin)
}
