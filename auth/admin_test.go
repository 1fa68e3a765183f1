package auth

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDecision10_Loopback(t *testing.T) {
	t.Parallel()
	local := func(a net.Addr) func(*http.Request) *http.Request {
		return func(r *http.Request) *http.Request { return r.WithContext(contextWithLocal(r, a)) }
	}
	here := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 4985}
	header := func(name string) func(*http.Request) *http.Request {
		return func(r *http.Request) *http.Request {
			r = local(here)(r)
			r.Header.Set(name, "")
			return r
		}
	}
	for _, c := range []struct {
		name   string
		remote string
		host   string
		bend   func(*http.Request) *http.Request
		want   bool
	}{
		{"IPv4", "127.0.0.1:5", "127.0.0.1:4985", local(here), true},
		{"IPv4 elsewhere in 127/8", "127.1.2.3:5", "localhost", local(here), true},
		{"IPv6", "[::1]:5", "[::1]:4985", local(&net.TCPAddr{IP: net.IPv6loopback}), true},
		{"IPv6 without a port", "[::1]:5", "[::1]", local(&net.TCPAddr{IP: net.IPv6loopback}), true},
		{"IPv4 in IPv6", "[::ffff:127.0.0.1]:5", "LocalHost:1", local(here), true},
		{"HTTP/3", "127.0.0.1:5", "localhost", local(&net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}), true},
		{"Unix socket", "@", "localhost", local(&net.UnixAddr{Name: "/run/x", Net: "unix"}), true},
		{"peer elsewhere", "192.0.2.1:5", "localhost", local(here), false},
		{"peer without an address on TCP", "", "localhost", local(here), false},
		{"local address elsewhere", "127.0.0.1:5", "localhost", local(&net.TCPAddr{IP: net.IPv4(192, 0, 2, 1)}), false},
		{"local address unknown", "127.0.0.1:5", "localhost", func(r *http.Request) *http.Request { return r }, false},
		{"rebound name", "127.0.0.1:5", "evil.example.com", local(here), false},
		{"rebound name that begins right", "127.0.0.1:5", "localhost.evil.example.com", local(here), false},
		{"other address of this machine", "127.0.0.1:5", "127.0.0.2", local(here), false},
		{"bare IPv6", "[::1]:5", "::1", local(here), false},
		{"no host", "127.0.0.1:5", "", local(here), false},
		{"Forwarded", "127.0.0.1:5", "localhost", header("Forwarded"), false},
		{"X-Forwarded-For", "127.0.0.1:5", "localhost", header("X-Forwarded-For"), false},
		{"X-Forwarded-Anything", "127.0.0.1:5", "localhost", header("X-Forwarded-Anything"), false},
		{"X-Real-IP", "127.0.0.1:5", "localhost", header("X-Real-IP"), false},
		{"Via", "127.0.0.1:5", "localhost", header("Via"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.RemoteAddr, r.Host = c.remote, c.host
			r = r.WithContext(WithClient(r.Context(), Client{Addr: netip.MustParseAddr("127.0.0.1")}))
			require.Equal(t, c.want, Loopback(c.bend(r)), "never by client_ip")
		})
	}
}

// Places and identities: each kind that is present needs one match.
func TestDecision9_AdminRule(t *testing.T) {
	t.Parallel()
	lan := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	far := []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}
	root := Database{}
	type m = map[string]any
	for _, c := range []struct {
		name   string
		rule   AdminRule
		token  m // nil = none
		here   bool
		db     Database
		status int
	}{
		{"empty rule", AdminRule{}, m{}, true, notes, 403},
		{"loopback", AdminRule{Loopback: true}, nil, true, notes, 200},
		{"loopback, from elsewhere", AdminRule{Loopback: true}, nil, false, notes, 403},
		{"loopback, from elsewhere with a token", AdminRule{Loopback: true}, m{}, false, notes, 403},
		{"address", AdminRule{ClientIPs: lan}, nil, false, root, 200},
		{"other address", AdminRule{ClientIPs: far}, nil, false, notes, 403},
		{"one of two places", AdminRule{Loopback: true, ClientIPs: lan}, nil, false, notes, 200},
		{"role", AdminRule{Roles: []string{"boss"}}, m{"roles": []string{"x", "boss"}}, false, notes, 200},
		{"other role", AdminRule{Roles: []string{"boss"}}, m{"roles": "bos"}, false, notes, 403},
		{"role without a database", AdminRule{Roles: []string{"boss"}}, m{"roles": "boss"}, false, root, 403},
		{"claim", AdminRule{Claims: map[string][]string{"org.unit": {"ops"}}}, m{"org": m{"unit": "ops"}}, false, root, 200},
		{"other claim", AdminRule{Claims: map[string][]string{"org.unit": {"ops"}}}, m{"org": "ops"}, false, notes, 403},
		{"scope", AdminRule{Scopes: []string{"sync:admin"}}, m{"scope": "openid sync:admin"}, false, root, 200},
		{"scope in an array", AdminRule{Scopes: []string{"sync:admin"}}, m{"scp": []string{"sync:admin"}}, false, notes, 200},
		{"other scope", AdminRule{Scopes: []string{"sync:admin"}}, m{"scope": "sync:admin2"}, false, notes, 403},
		{"one of two identities", AdminRule{Roles: []string{"boss"}, Scopes: []string{"s"}}, m{"scope": "s"}, false, notes, 200},
		{"no token", AdminRule{Scopes: []string{"s"}}, nil, true, notes, 401},
		{"place and identity", AdminRule{ClientIPs: lan, Scopes: []string{"s"}}, m{"scope": "s"}, false, notes, 200},
		{"place without identity", AdminRule{ClientIPs: lan, Scopes: []string{"s"}}, nil, false, notes, 401},
		{"identity without place", AdminRule{ClientIPs: far, Scopes: []string{"s"}}, m{"scope": "s"}, false, notes, 403},
		{"expired token", AdminRule{Scopes: []string{"s"}}, m{"scope": "s", "exp": 1}, true, notes, 401},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(cfg *Config) { cfg.Providers[0].RolesClaim = "roles" })
			c.rule.ReadOnly = true
			w.site = &Site{Admin: &c.rule}
			var credentials []string
			if c.token != nil {
				credentials = append(credentials, bearer(w.issuer.token("root", c.token)))
			}
			r := get(credentials...)
			if c.here {
				r = fromHere(r)
			}
			var p *Principal
			var err error
			if c.db == root {
				p, err = w.service.AuthenticateAdmin(r, w.site)
			} else {
				p, err = w.service.Authenticate(r, w.site, c.db)
			}
			if c.status != 200 {
				require.Equal(t, c.status, asError(t, err).Status, detail(err))
				return
			}
			require.NoError(t, err, detail(err))
			require.True(t, p.Admin)
			require.True(t, p.ReadOnly)
			require.Empty(t, p.Name)
			_, err = w.state.User(t.Context(), notes.ID, "idp.example.com_root")
			require.ErrorIs(t, err, ErrNoUser, "administrators are not signed up")
		})
	}
}

// A role is a user's, and a database that is not there has none: it can be made with a token
// that has the role.
func TestNobodyIsRegisteredInADatabaseThatIsNotThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) {
		c.Providers[0].RolesClaim = "roles"
		c.Databases = append(c.Databases, Policy{Name: "*", Providers: []string{"idp"}, PasswordAuth: true, AccessStated: true})
	})
	token := w.issuer.token("root", map[string]any{"roles": "boss"})
	cookie := w.signIn(token)
	site := &Site{Admin: &AdminRule{Roles: []string{"boss"}}}
	for credentials, status := range map[string]int{
		bearer(token): http.StatusOK, cookie: http.StatusForbidden, "Basic YTpi": http.StatusForbidden, "a=b": http.StatusUnauthorized,
	} {
		p, err := w.service.Authenticate(request(http.MethodPut, "/new", "", credentials), site, Database{Name: "new"})
		if status == http.StatusOK {
			require.NoError(t, err, detail(err))
			require.True(t, p.Admin)
			continue
		}
		require.Equal(t, status, asError(t, err).Status, credentials)
	}
	_, err := w.state.User(t.Context(), 0, "idp.example.com_root")
	require.ErrorIs(t, err, ErrNoUser)
}

// No token makes a public site serve an administrator.
func TestDecision9_NoTokenMakesAPublicSiteAdmin(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) { c.Providers[0].RolesClaim = "roles" })
	p := w.in(bearer(w.issuer.token("root", map[string]any{"roles": []string{"_admin", "admin"}, "scope": "admin"})))
	require.False(t, p.Admin)
	_, err := w.service.AuthenticateAdmin(fromHere(get(bearer(w.issuer.token("root")))), w.site)
	require.Equal(t, 403, asError(t, err).Status)
	_, err = w.service.AuthenticateAdmin(fromHere(get()), nil)
	require.Equal(t, 403, asError(t, err).Status)
}

// Being disabled, and revocation, hold for administrators with a token too.
func TestDecision4_AdministratorsTokensCanBeRevoked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	public := w.site
	w.site = &Site{Admin: &AdminRule{Scopes: []string{"s"}}}
	tok := bearer(w.issuer.token("root", map[string]any{"scope": "s"}))
	l := w.lease(w.in(tok))
	w.site = public
	w.in(tok)
	require.NoError(t, w.state.SetDisabled(t.Context(), notes.ID, "idp.example.com_root", true))
	require.True(t, ended(l))
	w.site = &Site{Admin: &AdminRule{Scopes: []string{"s"}}}
	require.Equal(t, 401, w.out(tok).Status)
}

func TestAdministratorByPlaceInSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.site = &Site{Admin: &AdminRule{Loopback: true}}
	l := w.lease(func() *Principal {
		p, err := w.service.Authenticate(fromHere(get("Basic YWRtaW46cGFzcw==")), w.site, notes)
		require.NoError(t, err)
		require.Equal(t, MethodAdmin, p.Method)
		return p
	}())
	w.start()
	require.False(t, ended(l))
	_, body := w.session(fromHere(request(http.MethodGet, "/_session", "")), nil, notes)
	require.Equal(t, []any{"_admin"}, body["userCtx"].(map[string]any)["roles"])
}

func TestRequestsBeforeStartAreToldToWait(t *testing.T) {
	t.Parallel()
	s, err := New(Config{})
	require.NoError(t, err)
	_, err = s.Authenticate(get(), nil, notes)
	require.Equal(t, 503, asError(t, err).Status)
	_, err = s.AuthenticateAdmin(get(), nil)
	require.Equal(t, 503, asError(t, err).Status)
	_, err = s.Lease(context.Background(), &Principal{})
	require.Equal(t, 503, asError(t, err).Status)
	rec := httptest.NewRecorder()
	serveSession(s, rec, get(), nil, &notes, nil)
	require.Equal(t, 503, rec.Code)
	require.Equal(t, "1", rec.Header().Get("Retry-After"))
	s.Stop()
}

// An administrator's site has no sessions for others.
func TestDecision9_SessionOnAnAdminSite(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cookie := w.signIn(w.issuer.token("alice"))
	w.site = &Site{Admin: &AdminRule{Loopback: true}}
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
		resp, _ := w.session(request(method, "/notes/_session", "", bearer(w.issuer.token("bob")), cookie), &notes)
		require.Equal(t, 403, resp.StatusCode)
		require.Empty(t, resp.Cookies())
	}
	require.False(t, w.records.holds("bob"))
}
