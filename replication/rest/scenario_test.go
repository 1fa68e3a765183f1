package rest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/auth"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

// fakeAuth signs in by "Authorization: Bearer <name>" and "Cookie: s=<name>"; the name
// "reader" may only read. An admin site takes everybody as an administrator.
type fakeAuth struct {
	noManagement
	guests bool
	lease  error
}

func (f *fakeAuth) Authenticate(r *http.Request, site *auth.Site, db auth.Database) (*auth.Principal, error) {
	p := &auth.Principal{Method: auth.MethodGuest}
	switch header := r.Header.Get("Authorization"); {
	case site.Admin != nil:
		return &auth.Principal{Method: auth.MethodAdmin, Admin: true, ReadOnly: site.Admin.ReadOnly}, nil
	case strings.HasPrefix(header, "Bearer bad"):
		return nil, &auth.Error{
			Status: http.StatusUnauthorized, Name: "unauthorized", Reason: "Invalid login",
			Challenges: []string{`Bearer error="invalid_token"`}, Detail: "secret detail",
		}
	case strings.HasPrefix(header, "Bearer "):
		p.Method, p.Name = auth.MethodBearer, strings.TrimPrefix(header, "Bearer ")
	case strings.HasPrefix(r.Header.Get("Cookie"), "s="):
		p.Method, p.Name = auth.MethodCookie, strings.TrimPrefix(r.Header.Get("Cookie"), "s=")
	case !f.guests:
		return nil, &auth.Error{
			Status: http.StatusUnauthorized, Name: "unauthorized", Reason: "Login required", Challenges: []string{"Bearer"},
		}
	}
	p.ReadOnly = p.Name == "reader"
	return p, nil
}

func (f *fakeAuth) AuthenticateAdmin(r *http.Request, site *auth.Site) (*auth.Principal, error) {
	return f.Authenticate(r, site, auth.Database{})
}

func (f *fakeAuth) Lease(context.Context, *auth.Principal) (*auth.Lease, error) { return nil, f.lease }

func (f *fakeAuth) ServeSession(w http.ResponseWriter, _ *http.Request, _ *auth.Site, db *auth.Database, names []auth.Database) {
	text := "session of the site"
	if db != nil {
		text = "session of " + db.Name
	}
	for _, name := range names {
		text += " " + name.Name
	}
	_, _ = w.Write([]byte(text))
}

func (f *fakeAuth) ServeOIDC(w http.ResponseWriter, r *http.Request, _ *auth.Site, db auth.Database, endpoint auth.OIDCEndpoint) {
	_, _ = w.Write([]byte(r.Method + " " + string(endpoint) + " of " + db.Name))
}

// site is a handler over a store in memory with the database notes.
type site struct {
	t testing.TB
	*Handler
	db *syncstore.Database
	// header is sent with each request, unless the scenario has its own.
	header map[string]string
}

type siteOption func(*Config, *fakeAuth)

func newSite(tb testing.TB, options ...siteOption) *site {
	tb.Helper()
	store, db := feedStore(tb)
	c, a := Config{Store: store, Databases: []string{"notes"}, TempDir: tb.TempDir(), Version: "1.2.3"}, &fakeAuth{}
	for _, option := range options {
		option(&c, a)
	}
	h, err := newHandler(c, a)
	require.NoError(tb, err)
	h.take = func(*request) (heldLease, error) { return newFakeLease(), a.lease }
	return &site{t: tb, Handler: h, db: db, header: map[string]string{"Authorization": "Bearer alice"}}
}

func adminSite(c *Config, _ *fakeAuth) {
	c.Site.Admin = &auth.AdminRule{Loopback: true}
	c.Databases = []string{"*"}
}

func allDatabases(c *Config, _ *fakeAuth) { c.Databases = []string{"*"} }

func guests(_ *Config, a *fakeAuth) { a.guests = true }

func withLimits(l Limits) siteOption {
	return func(c *Config, _ *fakeAuth) { c.Database = func(string) Policy { return Policy{Limits: l} } }
}

func withCORS(cors CORS) siteOption {
	return func(c *Config, _ *fakeAuth) { c.CORS = &cors }
}

// scenario is a request and what its answer must be.
type scenario struct {
	name   string
	method string // default GET
	path   string
	header map[string]string
	body   string
	status int // default 200
	has    []string
	hasNot []string
	// headers the answer must have; "" means that it must not.
	headers map[string]string
}

// run sends the scenario's request and checks the answer.
func (s *site) run(c scenario) *httptest.ResponseRecorder {
	s.t.Helper()
	w := s.send(c)
	if c.status == 0 {
		c.status = http.StatusOK
	}
	text := c.name + ": " + c.method + " " + c.path
	require.Equal(s.t, c.status, w.Code, "%s: %s", text, w.Body)
	for _, want := range c.has {
		require.Contains(s.t, w.Body.String(), want, text)
	}
	for _, not := range c.hasNot {
		require.NotContains(s.t, w.Body.String(), not, text)
	}
	for key, want := range c.headers {
		require.Equal(s.t, want, w.Header().Get(key), "%s: %s", text, key)
	}
	return w
}

func (s *site) send(c scenario) *httptest.ResponseRecorder {
	s.t.Helper()
	return s.serveRequest(s.request(c))
}

func (s *site) request(c scenario) *http.Request {
	s.t.Helper()
	if c.method == "" {
		c.method = http.MethodGet
	}
	r := httptest.NewRequestWithContext(s.t.Context(), c.method, c.path, strings.NewReader(c.body))
	if c.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, header := range []map[string]string{s.header, c.header} {
		for key, value := range header {
			r.Header.Set(key, value)
			if value == "" {
				r.Header.Del(key)
			}
		}
	}
	return r
}

func (s *site) serveRequest(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	serveNoted(s.Handler, w, r, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTeapot) // the next handler
	}))
	return w
}

// put stores a document and returns its revision.
func (s *site) put(id, body string) string {
	s.t.Helper()
	w := s.run(scenario{method: http.MethodPut, path: "/notes/" + id, body: body, status: http.StatusCreated})
	return strings.Trim(w.Header().Get("Etag"), `"`)
}

// runAll runs scenarios one after the other against one site.
func (s *site) runAll(all []scenario) {
	s.t.Helper()
	for _, c := range all {
		s.run(c)
	}
}

func TestNewRefusesUnsafeConfigurations(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]Config{
		"no databases":            {},
		"star among names":        {Databases: []string{"notes", "*"}},
		"credentials for any":     {Databases: []string{"notes"}, CORS: &CORS{Origins: []string{"*"}, Credentials: true}},
		"cors without origins":    {Databases: []string{"notes"}, CORS: &CORS{}},
		"origin with a path":      {Databases: []string{"notes"}, CORS: &CORS{Origins: []string{"https://a.example/x"}}},
		"origin without a scheme": {Databases: []string{"notes"}, CORS: &CORS{Origins: []string{"a.example"}}},
	} {
		_, err := newHandler(c, &fakeAuth{})
		require.Error(t, err, name)
	}
	_, err := New(Config{Databases: []string{"notes"}})
	require.Error(t, err, "no store")
}

func TestDecision12_AdminSiteTakesNoCORS(t *testing.T) {
	t.Parallel()
	c := Config{Databases: []string{"*"}, CORS: &CORS{Origins: []string{"https://a.example"}}}
	c.Site.Admin = &auth.AdminRule{Loopback: true}
	_, err := newHandler(c, &fakeAuth{})
	require.ErrorContains(t, err, "admin")
}
