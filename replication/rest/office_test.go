package rest

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/auth"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// noManagement stands for auth's answers about people and sessions where a test has none.
type noManagement struct{}

func (noManagement) ServeSessionHandle(w http.ResponseWriter, _ *http.Request, _ *auth.Site, db *auth.Database, _ []auth.Database, handle string) {
	text := "session " + handle + " of the site"
	if db != nil {
		text = "session " + handle + " of " + db.Name
	}
	_, _ = w.Write([]byte(text))
}

// Administer writes to no audit log.
func (noManagement) Administer(r *http.Request, p *auth.Principal, db auth.Database) *auth.Administration {
	service, err := auth.New(auth.Config{})
	if err != nil {
		panic(err)
	}
	return service.Administer(r, p, db)
}

func (noManagement) Explain(context.Context, *auth.Principal, string, *auth.Database) (auth.Explanation, error) {
	return auth.Explanation{}, nil
}

const (
	adminAddress  = "192.0.2.10"
	readerAddress = "192.0.2.11"
)

// office is an administrator's site, one that only reads, and a public one, over one store
// with the database notes and a real sign-in service.
type office struct {
	t                     testing.TB
	admin, reader, public *Handler
	store                 *syncstore.Store
	service               *auth.Service
	state                 *auth.State
	audit                 *observer.ObservedLogs
	issuer                *tokenIssuer
	// secrets must be in no answer and in no log entry.
	secrets []string
	// seen is all that was answered.
	seen strings.Builder
}

func newOffice(tb testing.TB, change ...func(*auth.Config)) *office {
	tb.Helper()
	o := &office{t: tb, issuer: newTokenIssuer(tb)}
	store, _ := feedStore(tb)
	core, logs := observer.New(zapcore.DebugLevel)
	o.audit = logs
	c := auth.Config{
		Providers: []auth.Provider{o.issuer.provider()},
		Databases: []auth.Policy{{Name: "notes", Providers: []string{"idp"}, PasswordAuth: true, AccessStated: true}},
		Logger:    zap.New(core), Audit: zap.New(core),
	}
	for _, f := range change {
		f(&c)
	}
	service, err := auth.New(c)
	require.NoError(tb, err)
	o.state, err = auth.OpenState(tb.Context(), store.Records(), zap.New(core))
	require.NoError(tb, err)
	tb.Cleanup(o.state.Close)
	require.NoError(tb, service.Start(tb.Context(), o.state))
	tb.Cleanup(service.Stop)
	o.store, o.service = store, service
	site := o.site
	place := func(addr string) []netip.Prefix {
		return []netip.Prefix{netip.PrefixFrom(netip.MustParseAddr(addr), 32)}
	}
	o.admin = site("*", &auth.AdminRule{ClientIPs: place(adminAddress)})
	o.reader = site("*", &auth.AdminRule{ClientIPs: place(readerAddress), ReadOnly: true})
	o.public = site("notes", nil)
	tb.Cleanup(o.nothingLeaked)
	return o
}

// site makes a site over the office's store; without a rule it is a public one.
func (o *office) site(databases string, rule *auth.AdminRule) *Handler {
	o.t.Helper()
	h, err := New(Config{
		Store: o.store, Auth: o.service, Site: auth.Site{CookiePath: "/", Admin: rule},
		Databases: []string{databases}, TempDir: o.t.TempDir(), Version: "1.2.3",
	})
	require.NoError(o.t, err)
	return h
}

// nothingLeaked looks for planted passwords and for anything like a hash in all that was
// answered and logged.
func (o *office) nothingLeaked() {
	for _, entry := range o.audit.All() {
		text, err := json.Marshal(entry.ContextMap())
		require.NoError(o.t, err)
		o.seen.WriteString(entry.Message + string(text))
	}
	for _, secret := range o.secrets {
		require.NotContains(o.t, o.seen.String(), secret)
	}
	require.NotRegexp(o.t, `\$argon2id\$v=|\$2[aby]\$\d`, o.seen.String(), "a hash got out")
}

// collection makes a collection of the database notes.
func (o *office) collection(scope, name string) *syncstore.Collection {
	o.t.Helper()
	db, err := o.store.Database("notes")
	require.NoError(o.t, err)
	c, err := db.OpenCollection(o.t.Context(), scope, name)
	require.NoError(o.t, err)
	return c
}

// secret plants a password: no answer may have it.
func (o *office) secret(s string) string {
	o.secrets = append(o.secrets, s)
	return s
}

// send sends a scenario's request to a site and notes what was answered.
func (o *office) send(h *Handler, c scenario) *httptest.ResponseRecorder {
	o.t.Helper()
	w := o.quiet(h, c)
	o.seen.WriteString(w.Body.String())
	return w
}

// quiet sends a scenario's request to a site, from the address it takes administrators at.
// It may be called by many at once.
func (o *office) quiet(h *Handler, c scenario) *httptest.ResponseRecorder {
	o.t.Helper()
	if c.method == "" {
		c.method = http.MethodGet
	}
	r := httptest.NewRequestWithContext(o.t.Context(), c.method, c.path, strings.NewReader(c.body))
	if c.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for key, value := range c.header {
		r.Header.Set(key, value)
		if value == "" {
			r.Header.Del(key)
		}
	}
	address := "192.0.2.99"
	switch h {
	case o.admin:
		address = adminAddress
	case o.reader:
		address = readerAddress
	}
	r = r.WithContext(auth.WithClient(r.Context(), auth.Client{Addr: netip.MustParseAddr(address), Host: "example.com"}))
	w := httptest.NewRecorder()
	serveNoted(h, w, r, http.NotFoundHandler())
	return w
}

// at runs scenarios one after the other against a site.
func (o *office) at(h *Handler, all ...scenario) *httptest.ResponseRecorder {
	o.t.Helper()
	var w *httptest.ResponseRecorder
	for _, c := range all {
		w = o.send(h, c)
		if c.status == 0 {
			c.status = http.StatusOK
		}
		text := c.name + ": " + c.method + " " + c.path
		require.Equal(o.t, c.status, w.Code, "%s: %s", text, w.Body)
		for _, want := range c.has {
			require.Contains(o.t, w.Body.String(), want, text)
		}
		for _, not := range c.hasNot {
			require.NotContains(o.t, w.Body.String(), not, text)
		}
		for key, want := range c.headers {
			require.Equal(o.t, want, w.Header().Get(key), "%s: %s", text, key)
		}
	}
	return w
}

// put stores a user, new or not.
func (o *office) put(name, body string) {
	o.t.Helper()
	w := o.send(o.admin, scenario{method: http.MethodPut, path: "/notes/_user/" + name, body: body})
	require.Contains(o.t, []int{http.StatusOK, http.StatusCreated}, w.Code, "%s: %s", name, w.Body)
}

// user is what GET answers of a user.
func (o *office) user(name string) map[string]any {
	o.t.Helper()
	w := o.at(o.admin, scenario{path: "/notes/_user/" + name})
	user := map[string]any{}
	require.NoError(o.t, json.Unmarshal(w.Body.Bytes(), &user))
	return user
}

// session makes a session for a user and returns it as a Cookie header.
func (o *office) session(name string) string {
	o.t.Helper()
	w := o.at(o.admin, scenario{method: http.MethodPost, path: "/notes/_session", body: `{"name":"` + name + `"}`})
	var made struct {
		ID     string `json:"session_id"`
		Cookie string `json:"cookie_name"`
	}
	require.NoError(o.t, json.Unmarshal(w.Body.Bytes(), &made))
	return made.Cookie + "=" + made.ID
}

func cookie(c string) map[string]string { return map[string]string{"Cookie": c} }

func bearer(token string) map[string]string {
	return map[string]string{"Authorization": "Bearer " + token}
}

// events are the names of the audit log's entries that have a field of this value.
func (o *office) events(field, value string) []string {
	var names []string
	for _, entry := range o.audit.All() {
		if entry.ContextMap()[field] == value {
			names = append(names, entry.Message)
		}
	}
	return names
}
