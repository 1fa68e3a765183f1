package auth

import (
	"testing"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

func TestGuestsMayBeReadOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) { c.Databases[0].Guest = true })
	require.False(t, w.in().ReadOnly)
	w = newWorld(t, func(c *Config) { c.Databases[0].Guest, c.Databases[0].GuestReadOnly = true, true })
	require.True(t, w.in().ReadOnly)
	require.False(t, w.in(bearer(w.issuer.token("alice"))).ReadOnly, "users are not guests")
}

func TestGuestsAreGivenChannels(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) {
		c.Databases[0].Guest = true
		c.Databases[0].GuestChannels = []string{"news", "a", "news"}
		c.Databases[0].GuestCollections = CollectionGrants{"_default": {"items": {"open"}}}
	})
	guest := grantee{notes.ID, "", byAdmin}
	require.NoError(t, w.service.GrantGuests(t.Context(), w.state, notes))
	require.Equal(t, []syncstore.Given{
		{Channel: "a"}, {Channel: "news"}, {Scope: "_default", Collection: "items", Channel: "open"},
	}, w.records.given[guest])

	closed := w.start(func(c *Config) { c.Databases[0].GuestChannels = []string{"news"} })
	require.NoError(t, closed.GrantGuests(t.Context(), w.state, notes))
	require.Empty(t, w.records.given[guest], "nobody comes in as a guest")
}

func TestGuestsAreGivenNoChannelThatCannotBe(t *testing.T) {
	t.Parallel()
	w := &world{t: t, issuer: newIssuer(t)}
	_, err := New(w.config(func(c *Config) { c.Databases[0].GuestChannels = []string{"a,b"} }))
	require.ErrorContains(t, err, `database notes: guest: Illegal channel name "a,b"`)
	_, err = New(w.config(func(c *Config) {
		c.Databases[0].GuestCollections = CollectionGrants{"_default": {"items": {""}}}
	}))
	require.ErrorContains(t, err, "Illegal channel name")
}
