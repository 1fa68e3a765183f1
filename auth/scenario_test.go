package auth

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// notes is the database of most tests.
var notes = Database{Name: "notes", ID: 7}

// world is an issuer, a store and a running service.
type world struct {
	t       testing.TB
	issuer  *issuer
	records *memoryRecords
	state   *State
	service *Service
	site    *Site
}

// newWorld has the database notes, open to the issuer's accounts; change bends the
// configuration.
func newWorld(tb testing.TB, change ...func(*Config)) *world {
	tb.Helper()
	w := &world{t: tb, issuer: newIssuer(tb), records: newMemoryRecords(), site: &Site{CookiePath: "/"}}
	w.state = openTestState(tb, w.records)
	w.service = w.start(change...)
	return w
}

func (w *world) config(change ...func(*Config)) Config {
	c := Config{
		Providers: []Provider{w.issuer.provider()},
		Databases: []Policy{{Name: "notes", Providers: []string{"idp"}, AccessStated: true}},
	}
	for _, f := range change {
		f(&c)
	}
	return c
}

// start starts a service beside the one that runs, as a reload does.
func (w *world) start(change ...func(*Config)) *Service {
	w.t.Helper()
	s, err := New(w.config(change...))
	require.NoError(w.t, err)
	require.NoError(w.t, s.Start(w.t.Context(), w.state))
	w.t.Cleanup(s.Stop)
	return s
}

// get is a GET of a document with credentials: "Bearer …" or a cookie "name=value".
func get(credentials ...string) *http.Request {
	return request(http.MethodGet, "/notes/doc", "", credentials...)
}

func request(method, path, body string, credentials ...string) *http.Request {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for _, c := range credentials {
		if first, _, _ := strings.Cut(c, " "); strings.Contains(first, "=") {
			r.Header.Add("Cookie", c)
		} else {
			r.Header.Add("Authorization", c)
		}
	}
	return r.WithContext(WithClient(r.Context(), Client{Addr: netip.MustParseAddr("192.0.2.1"), Host: "example.com"}))
}

func bearer(token string) string { return "Bearer " + token }

// fromHere makes r a request of this machine.
func fromHere(r *http.Request) *http.Request {
	r.RemoteAddr = "127.0.0.1:40000"
	r.Host = "127.0.0.1:4985"
	return r.WithContext(contextWithLocal(r, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 4985}))
}

// in signs in to notes and must succeed.
func (w *world) in(credentials ...string) *Principal {
	w.t.Helper()
	p, err := w.service.Authenticate(get(credentials...), w.site, notes)
	require.NoError(w.t, err, detail(err))
	return p
}

// out signs in to notes and must be refused.
func (w *world) out(credentials ...string) *Error {
	w.t.Helper()
	p, err := w.service.Authenticate(get(credentials...), w.site, notes)
	require.Error(w.t, err)
	require.Nil(w.t, p)
	return asError(w.t, err)
}

func asError(tb testing.TB, err error) *Error {
	tb.Helper()
	var e *Error
	require.ErrorAs(tb, err, &e)
	return e
}

func detail(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Detail
	}
	return ""
}

// session serves a request of _session and returns the answer with its body.
func (w *world) session(r *http.Request, db *Database, names ...Database) (*http.Response, map[string]any) {
	w.t.Helper()
	rec := httptest.NewRecorder()
	serveSession(w.service, rec, r, w.site, db, names)
	resp := rec.Result()
	require.Equal(w.t, "no-store", resp.Header.Get("Cache-Control"), "DECISIONS 13")
	require.Equal(w.t, "nosniff", resp.Header.Get("X-Content-Type-Options"))
	body := map[string]any{}
	if r.Method != http.MethodHead {
		require.NoError(w.t, json.NewDecoder(resp.Body).Decode(&body))
	}
	return resp, body
}

// signIn makes a session and returns its cookie as a Cookie header.
func (w *world) signIn(token string) string {
	w.t.Helper()
	resp, body := w.session(request(http.MethodPost, "/notes/_session", "", bearer(token)), &notes)
	require.Equal(w.t, http.StatusOK, resp.StatusCode, body)
	c := resp.Cookies()
	require.Len(w.t, c, 1)
	return c[0].Name + "=" + c[0].Value
}

// lease opens a lease.
func (w *world) lease(p *Principal) *Lease {
	w.t.Helper()
	l, err := w.service.Lease(w.t.Context(), p)
	require.NoError(w.t, err, detail(err))
	w.t.Cleanup(l.Close)
	return l
}

func ended(l *Lease) bool {
	select {
	case <-l.Done():
		return true
	default:
		return false
	}
}

func contextWithLocal(r *http.Request, addr net.Addr) context.Context {
	return context.WithValue(r.Context(), http.LocalAddrContextKey, addr)
}
