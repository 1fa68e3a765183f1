package auth

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

// interrupted are records before whose next update something else is done: another request was faster.
type interrupted struct {
	*memoryRecords
	first func()
}

func (i *interrupted) Update(ctx context.Context, fn func(syncstore.RecordTx) error) error {
	if first := i.first; first != nil {
		i.first = nil
		first()
	}
	return i.memoryRecords.Update(ctx, fn)
}

// meanwhile has something done before the next update.
func (w *world) meanwhile(first func() error) {
	w.state.records = &interrupted{w.records, func() { require.NoError(w.t, first()) }}
}

// The deleted user's token is of the second of the deletion, which not_before does not refuse, and the request with it
// had looked at what was cached before.
func TestDecision4_ATokenRevokedMeanwhileMakesNoUser(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.settle()
		w.meanwhile(func() error {
			w.in(bearer(w.issuer.token("alice")))
			return w.state.DeleteUser(t.Context(), notes.ID, alice)
		})
		slow := w.issuer.token("alice", map[string]any{"jti": "slow"})
		require.Equal(t, "Invalid login: token revoked", w.out(bearer(slow)).Reason)
		_, err := w.state.User(t.Context(), notes.ID, alice)
		require.ErrorIs(t, err, ErrNoUser)
	})
}

func TestDecision4_ATokenRevokedMeanwhileGivesNoRoles(t *testing.T) {
	t.Parallel()
	for _, delay := range []time.Duration{0, time.Second} { // not_before refuses the token, or it alone is refused
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, func(c *Config) { c.Providers[0].RolesClaim = "roles" })
			w.in(bearer(w.issuer.token("alice")))
			w.settle()
			w.meanwhile(func() error {
				time.Sleep(delay)
				return w.state.EndAllSessions(t.Context(), notes.ID, alice)
			})
			slow := w.issuer.token("alice", map[string]any{"roles": []string{"red"}})
			require.Equal(t, "Invalid login: token revoked", w.out(bearer(slow)).Reason)
			u, err := w.state.User(t.Context(), notes.ID, alice)
			require.NoError(t, err)
			require.Empty(t, u.TokenRoles)
		})
	}
}

// 500 would have the app come again with the same token.
func TestDecision4_ATokenRevokedMeanwhileBuysNoOneTimeToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.settle()
		token := bearer(w.issuer.token("alice"))
		w.in(token)
		w.meanwhile(func() error { return w.state.EndAllSessions(t.Context(), notes.ID, alice) })
		resp, body := w.session(request(http.MethodPost, "/notes/_session?one_time=true", "", token), &notes)
		require.Equal(t, http.StatusUnauthorized, resp.StatusCode, body)
		require.Equal(t, "Invalid login: token revoked", body["reason"])
	})
}
