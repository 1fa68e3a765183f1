package auth

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
)

// twoProviders has the issuers idp (of notes and shared) and other (of others and shared).
func twoProviders(t *testing.T, change ...func(*Config)) (w *world, other *issuer) {
	t.Helper()
	other = newIssuer(t)
	other.url = "https://other.example.com"
	other.publish("ec2")
	w = newWorld(t, append([]func(*Config){func(c *Config) {
		p := other.provider()
		p.Name = "other"
		c.Providers = append(c.Providers, p)
		c.Databases = append(c.Databases,
			Policy{Name: "others", Providers: []string{"other"}, AccessStated: true},
			Policy{Name: "shared", Providers: []string{"idp", "other"}, AccessStated: true})
	}}, change...)...)
	return w, other
}

var others, shared = Database{"others", 8}, Database{"shared", 9}

func (i *issuer) tokenBy(key, sub string) string {
	return sign(i.t, key, jose.ES256, map[string]any{"kid": key}, i.claims(sub))
}

// A token or session for one database shown to another, before and after it is known by
// its digest. RFC 9700 section 4.9 (a token is for its audience), DECISIONS 2 and 6.
func TestAttack_TokenOfAnotherDatabase(t *testing.T) {
	t.Parallel()
	w, other := twoProviders(t)
	mine, theirs := w.issuer.token("alice"), other.tokenBy("ec2", "alice")
	refused := func(db Database, credentials string) {
		t.Helper()
		before := w.records.updates.Load()
		_, err := w.service.Authenticate(get(credentials), w.site, db)
		require.Equal(t, http.StatusUnauthorized, asError(t, err).Status)
		require.Equal(t, before, w.records.updates.Load(), "nobody was registered")
	}
	refused(notes, bearer(theirs))
	refused(others, bearer(mine))
	require.Zero(t, w.issuer.fetches.Load()+other.fetches.Load(), "not even the keys are asked for")
	accepted := func(db Database, credentials string) *Principal {
		t.Helper()
		p, err := w.service.Authenticate(get(credentials), w.site, db)
		require.NoError(t, err)
		return p
	}
	accepted(notes, bearer(mine))
	accepted(others, bearer(theirs))
	cookie := w.signIn(mine)
	accepted(shared, bearer(mine))
	accepted(shared, cookie)
	for range 2 {
		refused(notes, bearer(theirs))
		refused(others, bearer(mine))
		refused(others, cookie)
	}
	resp, _ := w.session(request(http.MethodPost, "/others/_session", "", bearer(mine)), &others)
	require.Equal(t, http.StatusUnauthorized, resp.StatusCode)
	resp, _ = w.session(request(http.MethodPost, "/others/_session", "", cookie), &others)
	require.Equal(t, http.StatusUnauthorized, resp.StatusCode, "a session is not traded for one of another database")
	require.Empty(t, resp.Cookies())
}

// The same subject at another provider is somebody else. OpenID Connect Core section 5.7:
// only issuer and subject together identify; RFC 9700 section 4.4.
func TestAttack_SubjectOfAnotherProvider(t *testing.T) {
	t.Parallel()
	w, other := twoProviders(t)
	p, err := w.service.Authenticate(get(bearer(w.issuer.token("alice"))), w.site, shared)
	require.NoError(t, err)
	q, err := w.service.Authenticate(get(bearer(other.tokenBy("ec2", "alice"))), w.site, shared)
	require.NoError(t, err)
	require.NotEqual(t, p.Name, q.Name)

	// Where the configuration would give both one name, the first keeps it.
	w, other = twoProviders(t, func(c *Config) { c.Providers[0].UserPrefix, c.Providers[1].UserPrefix = "corp", "corp" })
	_, err = w.service.Authenticate(get(bearer(w.issuer.token("alice"))), w.site, shared)
	require.NoError(t, err)
	_, err = w.service.Authenticate(get(bearer(other.tokenBy("ec2", "alice"))), w.site, shared)
	require.Equal(t, http.StatusForbidden, asError(t, err).Status)

	// Nor can the border between issuer and subject be moved, which a line break marks.
	_, err = New(w.config(func(c *Config) { c.Providers[0].Issuer = "https://a.example\nb" }))
	require.Error(t, err)
}

// A token that says it is of one provider and is signed by another, or for the client of
// another: RFC 8725 section 3.8, OpenID Connect Core section 3.1.3.7.
func TestAttack_TokenOfAnotherProvider(t *testing.T) {
	t.Parallel()
	w, other := twoProviders(t, func(c *Config) { c.Providers[1].ClientIDs = []string{"their-app"} })
	theirs := map[string]any{"aud": "their-app"}
	for name, tok := range map[string]string{
		"their key, our issuer":                    sign(t, "ec2", jose.ES256, map[string]any{"kid": "ec2"}, w.issuer.claims("alice")),
		"their key, our issuer, our kid":           sign(t, "ec2", jose.ES256, map[string]any{"kid": "ec"}, w.issuer.claims("alice")),
		"their key, our issuer, their client":      sign(t, "ec2", jose.ES256, map[string]any{"kid": "ec2"}, w.issuer.claims("alice", theirs)),
		"our key, their issuer":                    sign(t, "ec", jose.ES256, map[string]any{"kid": "ec"}, other.claims("alice", theirs)),
		"our key, their issuer, our client":        sign(t, "ec", jose.ES256, map[string]any{"kid": "ec"}, other.claims("alice")),
		"their key, their issuer, our client":      other.tokenBy("ec2", "alice"),
		"our key, our issuer, their client":        w.issuer.token("alice", theirs),
		"our key, our issuer, their client as azp": w.issuer.token("alice", theirs, map[string]any{"azp": "app"}),
	} {
		_, err := w.service.Authenticate(get(bearer(tok)), w.site, shared)
		require.Equal(t, http.StatusUnauthorized, asError(t, err).Status, name)
	}
	require.False(t, w.records.holds("alice"))
}

// A token that one database refuses, because its user was signed out or deleted there, opens that
// database by no session that another database makes of it. DECISIONS 4.
func TestAttack_RefusedTokenTradedElsewhere(t *testing.T) {
	t.Parallel()
	const alice = "idp.example.com_alice"
	lists := Database{Name: "lists", ID: 8}
	for name, end := range map[string]func(w *world) error{
		"signed out everywhere": func(w *world) error { return w.state.EndAllSessions(w.t.Context(), notes.ID, alice) },
		"deleted":               func(w *world) error { return w.state.DeleteUser(w.t.Context(), notes.ID, alice) },
		"disabled for a while": func(w *world) error {
			if err := w.state.SetDisabled(w.t.Context(), notes.ID, alice, true); err != nil {
				return err
			}
			return w.state.SetDisabled(w.t.Context(), notes.ID, alice, false)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(c *Config) {
					c.Databases = append(c.Databases, Policy{Name: "lists", Providers: []string{"idp"}, AccessStated: true})
				})
				stolen := w.issuer.token("alice")
				w.in(bearer(w.issuer.token("alice", map[string]any{"jti": "hers"})))
				time.Sleep(2 * time.Second)
				require.NoError(t, end(w))
				require.Equal(t, 401, w.out(bearer(stolen)).Status)
				time.Sleep(2 * time.Second)
				response, body := w.session(request(http.MethodPost, "/lists/_session", "", bearer(stolen)), &lists)
				require.Equal(t, http.StatusOK, response.StatusCode, body)
				cookie := response.Cookies()[0].Name + "=" + response.Cookies()[0].Value
				_, err := w.service.Authenticate(get(cookie), w.site, lists)
				require.NoError(t, err)
				refused := w.out(cookie)
				require.Equal(t, 401, refused.Status)
				require.Equal(t, "made from a token of before all sessions were ended", refused.Detail)
				w.in(w.signIn(w.issuer.token("alice", map[string]any{"jti": "new"})))
			})
		})
	}
}
