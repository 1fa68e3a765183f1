package auth

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

// Names follow sync-gateway F row 31.
func TestDecision1_UserNames(t *testing.T) {
	t.Parallel()
	type m = map[string]any
	for _, c := range []struct {
		name          string
		claim, prefix string
		token         m
		want          string // "" = refused
		says          string
	}{
		{"default", "", "", m{"sub": "bob"}, "idp.example.com_bob", ""},
		{"prefix only", "", "acme", m{"sub": "bob"}, "acme_bob", ""},
		{"claim only", "nick", "", m{"nick": "bobby"}, "bobby", ""},
		{"claim and prefix", "nick", "acme", m{"nick": "bobby"}, "acme_bobby", ""},
		{"subject is escaped", "", "p", m{"sub": "auth0|a b/c:d,e`f@g"}, "p_auth0%7Ca+b%2Fc%3Ad%2Ce%60f%40g", ""},
		{"claim is escaped", "nick", "", m{"nick": "../admin"}, "..%2Fadmin", ""},
		{"claim by path", "a.b.nick", "", m{"a": m{"b": m{"nick": "bobby"}}}, "bobby", ""},
		{"claim whose name has dots", "https://x.example/nick", "", m{"https://x.example/nick": "bobby"}, "bobby", ""},
		{"whole number", "n", "", m{"n": 12345678901234567}, "12345678901234567", ""},
		{"number with an exponent", "n", "", m{"n": 1e6}, "1000000", ""},
		{"fraction", "n", "", m{"n": 1.5}, "1.5", ""},
		{"missing (F32)", "nick", "", m{}, "", "token gives no user name: claim nick is missing"},
		{"array (F33)", "nick", "", m{"nick": []string{"bobby"}}, "", "token gives no user name: claim nick is not a string or number"},
		{"object (F33)", "nick", "", m{"nick": m{}}, "", "token gives no user name: claim nick is not a string or number"},
		{"bool (F33)", "nick", "", m{"nick": true}, "", "token gives no user name: claim nick is not a string or number"},
		{"empty", "nick", "", m{"nick": ""}, "", "token gives no user name: claim nick is not a string or number"},
		{"no letter or digit", "nick", "", m{"nick": "--"}, "", "invalid user name"},
		{"too long", "nick", "", m{"nick": strings.Repeat("x", 240)}, "", "invalid user name"},
		{"the guest's name", "nick", "", m{"nick": "GUEST"}, "", "invalid user name"},
		{"verified e-mail", "email", "", m{"email": "b@x.example", "email_verified": true}, "b%40x.example", ""},
		{"e-mail verified in words", "email", "", m{"email": "b@x.example", "email_verified": "true"}, "b%40x.example", ""},
		{"e-mail not verified", "email", "", m{"email": "b@x.example", "email_verified": false}, "", "token gives no user name: email is not verified"},
		{"e-mail of unknown truth", "email", "", m{"email": "b@x.example"}, "", "token gives no user name: email is not verified"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(cfg *Config) {
				cfg.Providers[0].UsernameClaim, cfg.Providers[0].UserPrefix = c.claim, c.prefix
			})
			tok := bearer(w.issuer.token("bob", c.token))
			if c.want == "" {
				e := w.out(tok)
				require.Equal(t, 401, e.Status)
				require.Equal(t, "Invalid login: "+c.says, e.Reason)
				return
			}
			require.Equal(t, c.want, w.in(tok).Name)
		})
	}
}

func TestDecision1_DefaultPrefixIsTheEscapedIssuer(t *testing.T) {
	t.Parallel()
	require.Equal(t, "127.0.0.1%3A5556", defaultUserPrefix("http://127.0.0.1:5556", "p"))
	require.Equal(t, "acme.example%2Fauth%2Frealms%2Fx", defaultUserPrefix("https://acme.example/auth/realms/x", "p"))
	require.Equal(t, "p", defaultUserPrefix("not a URL", "p"))
}

// A name is fixed at an identity's first sign-in.
func TestDecision1_NameIsFixedAtFirstSignIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) { c.Providers[0].UsernameClaim = "nick" })
	require.Equal(t, "bobby", w.in(bearer(w.issuer.token("bob", map[string]any{"nick": "bobby"}))).Name)
	require.Equal(t, "bobby", w.in(bearer(w.issuer.token("bob", map[string]any{"nick": "robert"}))).Name)
	_, err := w.state.User(t.Context(), notes.ID, "robert")
	require.ErrorIs(t, err, ErrNoUser)
}

// A name claim never takes over the account of another identity.
func TestDecision1_ExistingAccountIsNotTakenOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) { c.Providers[0].UsernameClaim = "nick" })
	w.in(bearer(w.issuer.token("bob", map[string]any{"nick": "bobby"})))
	before := w.records.updates.Load()
	e := w.out(bearer(w.issuer.token("mallory", map[string]any{"nick": "bobby"})))
	require.Equal(t, 403, e.Status)
	require.Equal(t, "forbidden", e.Name)
	require.Contains(t, e.Detail, "mallory")
	require.NotContains(t, e.Reason, "mallory")
	require.Equal(t, before, w.records.updates.Load())
}

func TestDecision1_UnboundAccounts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		claim  string
		user   string
		first  bool
		status int
	}{
		{"name derives from sub", "", "idp.example.com_bob", false, 200},
		{"name is the sub claim", "sub", "bob", false, 200},
		{"name is another claim", "nick", "bobby", false, 403},
		{"name is another claim, first use allowed", "nick", "bobby", true, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(cfg *Config) {
				cfg.Providers[0].UsernameClaim, cfg.Providers[0].Register = c.claim, false
			})
			require.NoError(t, w.state.CreateUser(t.Context(), notes.ID, c.user, c.first))
			tok := bearer(w.issuer.token("bob", map[string]any{"nick": "bobby"}))
			if c.status != 200 {
				require.Equal(t, c.status, w.out(tok).Status)
				return
			}
			require.Equal(t, c.user, w.in(tok).Name)
			if c.claim != "nick" {
				return
			}
			require.Equal(t, 403, w.out(bearer(w.issuer.token("eve", map[string]any{"nick": "bobby"}))).Status, "only the first")
		})
	}
}

func TestDecision1_LinkedIdentityIsTheUser(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) { c.Providers[0].Register = false })
	id := Identity{w.issuer.url, "bob"}
	require.ErrorIs(t, w.state.Link(t.Context(), notes.ID, "chief", id), ErrNoUser)
	require.NoError(t, w.state.CreateUser(t.Context(), notes.ID, "chief", false))
	require.NoError(t, w.state.CreateUser(t.Context(), notes.ID, "other", false))
	require.NoError(t, w.state.Link(t.Context(), notes.ID, "chief", id))
	require.NoError(t, w.state.Link(t.Context(), notes.ID, "chief", id))
	require.ErrorIs(t, w.state.Link(t.Context(), notes.ID, "other", id), ErrLinked)
	require.Equal(t, "chief", w.in(bearer(w.issuer.token("bob"))).Name)
}

// sync-gateway F row 22.
func TestRegisterOffKnowsOnlyExistingUsers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) { c.Providers[0].Register = false })
	before := w.records.updates.Load()
	require.Equal(t, 401, w.out(bearer(w.issuer.token("bob"))).Status)
	require.Equal(t, before, w.records.updates.Load())
	require.NoError(t, w.state.CreateUser(t.Context(), notes.ID, "idp.example.com_bob", false))
	w.in(bearer(w.issuer.token("bob")))
}

// sync-gateway F row 23: the same token again writes nothing; nor does another that
// says the same.
func TestSameTokenTwiceWritesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		tok := bearer(w.issuer.token("bob", map[string]any{"email": "b@x.example"}))
		w.in(tok)
		synctest.Wait()
		before := w.records.updates.Load()
		w.in(tok)
		time.Sleep(2 * time.Second)
		w.in(bearer(w.issuer.token("bob", map[string]any{"email": "b@x.example"})))
		synctest.Wait()
		require.Equal(t, before, w.records.updates.Load())
	})
}

// sync-gateway F rows 21 and 30.
// F30: an address that is none is no reason to refuse, and is not kept.
func TestEmailIsSavedWhenValidAndNeverErased(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for _, c := range []struct {
			claim any
			want  string
		}{
			{"b@x.example", "b@x.example"},
			{absent, "b@x.example"},
			{"no address", "b@x.example"},
			{7, "b@x.example"},
			{"a@b@c", "b@x.example"},
			{"new@x.example", "new@x.example"},
		} {
			time.Sleep(time.Second)
			w.in(bearer(w.issuer.token("bob", verifiedEmail(c.claim))))
			u, err := w.state.User(t.Context(), notes.ID, "idp.example.com_bob")
			require.NoError(t, err)
			require.Equal(t, c.want, u.Email, c.claim)
		}
		old := w.issuer.token("bob", verifiedEmail("old@x.example"), map[string]any{"iat": time.Now().Add(-time.Hour).Unix()})
		w.in(bearer(old))
		u, _ := w.state.User(t.Context(), notes.ID, "idp.example.com_bob")
		require.Equal(t, "new@x.example", u.Email, "an older token says nothing new")
	})
}

// verifiedEmail is an e-mail address that the provider verified.
func verifiedEmail(address any) map[string]any {
	return map[string]any{"email": address, "email_verified": true}
}

// An address that the provider did not verify is never stored (and, as F31's table of
// names has it, never a name).
func TestDecision1_UnverifiedEmailIsNotStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		email := func(more map[string]any) string {
			time.Sleep(time.Second)
			w.in(bearer(w.issuer.token("bob", map[string]any{"email": "b@x.example"}, more)))
			u, err := w.state.User(t.Context(), notes.ID, "idp.example.com_bob")
			require.NoError(t, err)
			return u.Email
		}
		for _, not := range []any{absent, false, "false", nil, 1, "yes", []any{true}} {
			require.Empty(t, email(map[string]any{"email_verified": not}), "%v", not)
		}
		require.Equal(t, "b@x.example", email(map[string]any{"email_verified": "true"}), "as Apple writes it")
		require.Equal(t, "b@x.example", email(map[string]any{"email": "eve@x.example", "email_verified": false}))
	})
}

func TestRolesComeFromTheToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *Config) { c.Providers[0].RolesClaim = "realm_access.roles" })
		roles := func(v any) map[string]any { return map[string]any{"realm_access": map[string]any{"roles": v}} }
		tok := w.issuer.token("bob", roles([]string{"a", "b"}), verifiedEmail("b@x.example"))
		require.Equal(t, []string{"a", "b"}, w.in(bearer(tok)).Roles)
		cookie := w.signIn(tok)
		require.Equal(t, []string{"a", "b"}, w.in(cookie).Roles)
		time.Sleep(time.Second)
		require.Equal(t, []string{"c"}, w.in(bearer(w.issuer.token("bob", roles("c")))).Roles)
		require.Equal(t, []string{"c"}, w.in(cookie).Roles, "the newest token's")
		u, err := w.state.User(t.Context(), notes.ID, "idp.example.com_bob")
		require.NoError(t, err)
		require.Equal(t, "b@x.example", u.Email, "new roles do not erase the address")
		time.Sleep(time.Second)
		require.Empty(t, w.in(bearer(w.issuer.token("bob"))).Roles)
		require.Empty(t, w.in(cookie).Roles)
		require.Equal(t, 401, w.out(bearer(w.issuer.token("bob", roles([]any{"a", 1})))).Status)
	})
}

func TestRequireDecidesWhoMayComeIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) {
		c.Providers[0].Require = map[string][]string{"org.id": {"7", "eight"}, "email_verified": {"true"}}
	})
	with := func(org, verified any) string {
		return bearer(w.issuer.token("bob", map[string]any{"org": map[string]any{"id": org}, "email_verified": verified}))
	}
	for _, bad := range []string{with("9", true), with("7", false), with("7", absent), with(nil, true), with([]any{[]any{"7"}}, true), bearer(w.issuer.token("bob"))} {
		require.Equal(t, 403, w.out(bad).Status)
	}
	require.False(t, w.records.holds("bob"))
	for _, good := range []string{with("7", true), with(7, true), with([]any{"x", "eight"}, "true")} {
		w.in(good)
	}
}

// Users are per database; so is who may be one.
func TestDecision2_UsersArePerDatabase(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) {
		c.Databases = append(c.Databases, Policy{Name: "other"}, Policy{Name: "*", Providers: []string{"idp"}, AccessStated: true})
	})
	tok := bearer(w.issuer.token("bob"))
	w.in(tok)
	_, err := w.service.Authenticate(get(tok), w.site, Database{"other", 8})
	require.Equal(t, "Invalid login: provider not accepted here", asError(t, err).Reason)
	_, err = w.service.Authenticate(get(tok), w.site, Database{"made-later", 9})
	require.NoError(t, err)
	require.NoError(t, w.state.SetDisabled(t.Context(), 9, "idp.example.com_bob", true))
	w.in(bearer(w.issuer.token("bob", map[string]any{"jti": "2"})))
}

func TestManyFirstSignInsAtOnceMakeOneUser(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var all sync.WaitGroup
	for n := range 30 {
		tok := bearer(w.issuer.token("bob", map[string]any{"jti": fmt.Sprint(n)}))
		all.Go(func() {
			p, err := w.service.Authenticate(get(tok), w.site, notes)
			if err != nil || p.Name != "idp.example.com_bob" {
				t.Error(p, err)
			}
		})
	}
	all.Wait()
	u, err := w.state.User(t.Context(), notes.ID, "idp.example.com_bob")
	require.NoError(t, err)
	require.Len(t, u.Identities, 1)
}

func TestUserNamesThatListsAndPathsCannotHold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, bad := range []string{"", "a/b", "a:b", "a,b", "a`b", "--", "a\x00", "\xff", strings.Repeat("a", 240)} {
		require.ErrorIs(t, w.state.CreateUser(t.Context(), 7, bad, false), ErrBadUserName, "%q", bad)
	}
	require.NoError(t, w.state.CreateUser(t.Context(), 7, "Jörg.1", false))
	require.ErrorIs(t, w.state.CreateUser(t.Context(), 7, "Jörg.1", false), ErrUserExists)
}

func TestABrokenStoreIsNotASignIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tok := w.issuer.token("bob")
	w.in(bearer(tok))
	w.in(bearer(tok))
	w.records.broken.Store(true)
	require.Equal(t, "bob", w.in(bearer(tok)).Subject, "what is known needs no store")
	e := w.out(bearer(w.issuer.token("eve")))
	require.Equal(t, 500, e.Status)
	require.Equal(t, "internal error", e.Reason)
}

// On a full disk those who are known go on reading; who is new is told the truth.
func TestAFullDiskStopsOnlyWhatMustBeWritten(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err    error
		status int
	}{
		{syncstore.ErrInsufficientStorage, 507},
		{syncstore.ErrUnavailable, 503},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			cookie := w.signIn(w.issuer.token("bob"))
			time.Sleep(2 * time.Minute)
			w.records.refuse.Store(&c.err)
			w.in(cookie)
			w.in(bearer(w.issuer.token("bob", map[string]any{"email": "b@x.example"})))
			require.Equal(t, c.status, w.out(bearer(w.issuer.token("eve"))).Status)
			resp, _ := w.session(request(http.MethodPost, "/notes/_session", "", bearer(w.issuer.token("bob"))), &notes)
			require.Equal(t, c.status, resp.StatusCode)
			require.Equal(t, c.status == 503, resp.Header.Get("Retry-After") == "1")
			require.Empty(t, resp.Cookies())
		})
	}
}

// Otherwise every sign-in would be refused.
func TestAPrefixThatNoUserNameCanHaveIsRefusedWithTheConfiguration(t *testing.T) {
	t.Parallel()
	oidc := newIssuer(t).provider()
	jwt := Provider{Kind: KindJWT, Name: "backend", Issuer: "backend", ClientIDs: []string{"app"}, Algorithms: []string{"EdDSA"}, JWKSURL: "https://example.com/keys"}
	with := func(p Provider, change func(*Provider)) error {
		change(&p)
		_, err := newProvider(p)
		return err
	}
	for _, prefix := range []string{"a/b", "corp:", "a,b", "a`", "a\nb", strings.Repeat("x", maxUserName), "\xff"} {
		require.ErrorContains(t, with(oidc, func(p *Provider) { p.UserPrefix = prefix }), "user_prefix", prefix)
	}
	require.ErrorContains(t, with(jwt, func(p *Provider) { p.Name = "my/backend" }), "user_prefix", "the name of a provider whose issuer is no URL")
	require.NoError(t, with(jwt, func(p *Provider) { p.Name, p.UsernameClaim = "my/backend", "name" }))
	require.NoError(t, with(jwt, func(p *Provider) { p.Name, p.UserPrefix = "my/backend", "my" }))
	require.NoError(t, with(oidc, func(p *Provider) { p.UserPrefix = "München & Söhne" }))
}
