package rest

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddysync/caddy-sync/auth"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/engine/memory"
	"github.com/stretchr/testify/require"
)

// served is a site of the office on a real connection, to which administrators come from where they
// may. It returns what sends requests.
func (o *office) served(h *Handler) func(method, path string, header ...string) (*http.Response, []byte) {
	o.t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.WithContext(auth.WithClient(r.Context(), auth.Client{Addr: netip.MustParseAddr(adminAddress), Host: r.Host}))
		serveNoted(h, w, r, http.NotFoundHandler())
	}))
	o.t.Cleanup(server.Close)
	return func(method, path string, header ...string) (*http.Response, []byte) {
		o.t.Helper()
		r, err := http.NewRequestWithContext(o.t.Context(), method, server.URL+path, http.NoBody)
		require.NoError(o.t, err)
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		answer, err := server.Client().Do(r)
		require.NoError(o.t, err)
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		require.NoError(o.t, err)
		return answer, body
	}
}

func TestABackupByHTTPIsTheStoreAsItWas(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	db, err := o.store.Database("notes")
	require.NoError(t, err)
	writeDocs(t, db, "a", "b")
	ask := o.served(o.admin)
	answer, whole := ask(http.MethodGet, "/_backup")
	require.Equal(t, http.StatusOK, answer.StatusCode)
	require.Equal(t, "application/octet-stream", answer.Header.Get("Content-Type"))
	require.Equal(t, "no-store", answer.Header.Get("Cache-Control"))
	require.Regexp(t, `^attachment; filename="sync-\d{8}T\d{6}Z\.backup"$`, answer.Header.Get("Content-Disposition"))
	next := answer.Header.Get(NextBackupHeader)
	require.Len(t, next, 32)
	writeDocs(t, db, "c")
	answer, later := ask(http.MethodGet, "/_backup?since="+next)
	require.Equal(t, http.StatusOK, answer.StatusCode)

	report, err := syncstore.Restore(t.Context(), memory.New(), []syncstore.BackupSource{
		{Name: "whole", Reader: bytes.NewReader(whole)}, {Name: "later", Reader: bytes.NewReader(later)},
	}, syncstore.RestoreOptions{})
	require.NoError(t, err)
	require.Equal(t, int64(3), report.Databases[0].Docs)

	taken := o.audit.FilterMessage(string(auth.BackupTaken)).All()
	require.Len(t, taken, 2)
	require.Equal(t, false, taken[0].ContextMap()["incremental"])
	require.Equal(t, true, taken[1].ContextMap()["incremental"])
	require.Equal(t, adminAddress, taken[1].ContextMap()["client"])
	require.Equal(t, map[string]any{"method": "admin", "admin": true}, taken[1].ContextMap()["actor"])
}

func TestABackupIsForWhoAdministersTheWholeStore(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	refused := func(h *Handler, status int, has string, header map[string]string) {
		t.Helper()
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
			c := scenario{method: method, path: "/_backup", header: header, status: status, has: []string{has}}
			if method == http.MethodHead {
				c.has = nil
			}
			w := o.at(h, c)
			require.Empty(t, w.Header().Get("Content-Disposition"))
			require.Empty(t, w.Header().Get("Set-Cookie"))
		}
	}
	refused(o.reader, http.StatusForbidden, "This access is read-only.", nil)
	refused(o.public, http.StatusNotFound, "missing", nil)
	refused(o.admin, http.StatusForbidden, "page of another origin", map[string]string{"Sec-Fetch-Site": "cross-site"})
	refused(o.admin, http.StatusForbidden, "page of another origin", map[string]string{"Sec-Fetch-Site": "same-site"})
	refused(o.admin, http.StatusForbidden, "page of another origin", map[string]string{"Origin": "https://other.example.com"})
	o.at(o.admin,
		scenario{method: http.MethodPut, path: "/_backup", status: http.StatusMethodNotAllowed, headers: map[string]string{"Allow": "GET, HEAD, POST, OPTIONS"}},
		scenario{method: http.MethodDelete, path: "/_backup", status: http.StatusMethodNotAllowed},
		scenario{path: "/_backup/x", status: http.StatusNotFound},
		scenario{path: "/_backup?since=unknown", status: http.StatusConflict, has: []string{"Make a whole one"}},
		scenario{method: http.MethodHead, path: "/_backup", headers: map[string]string{"Content-Type": "application/octet-stream", NextBackupHeader: ""}},
		scenario{method: http.MethodPost, path: "/_backup", header: map[string]string{"Sec-Fetch-Site": "same-origin"}, headers: map[string]string{"Set-Cookie": ""}},
	)
	require.Empty(t, o.audit.FilterMessage(string(auth.BackupTaken)).All())

	part := o.site("notes", o.admin.Site.Admin)
	answer, _ := o.served(part)(http.MethodGet, "/_backup")
	require.Equal(t, http.StatusOK, answer.StatusCode, "it shows all that there is")
	_, err := o.store.CreateDatabase(t.Context(), "others")
	require.NoError(t, err)
	address := o.admin
	o.admin = part // so that its requests come from where they may
	refused(part, http.StatusForbidden, "caddy-sync sync backup", nil)
	o.admin = address
	require.Len(t, o.audit.FilterMessage(string(auth.BackupTaken)).All(), 1)
}

// A browser sends no token with what it loads into a file: what it sends is good once, and only from
// where administrators come.
func TestAPageWithATokenHasTheBrowserLoadABackup(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	rule := *o.admin.Site.Admin
	rule.Scopes = []string{"backup"}
	site := o.site("*", &rule)
	ask := o.served(site)
	answer, _ := ask(http.MethodGet, "/_backup")
	require.Equal(t, http.StatusUnauthorized, answer.StatusCode)
	token := "Bearer " + o.issuer.token("root", map[string]any{"scope": "backup"})
	prepare := func() string {
		t.Helper()
		answer, body := ask(http.MethodPost, "/_backup", "Authorization", token, "Sec-Fetch-Site", "same-origin")
		require.Equal(t, http.StatusOK, answer.StatusCode, string(body))
		require.Len(t, answer.Cookies(), 1)
		c := answer.Cookies()[0]
		require.Equal(t, []any{"/_backup", true, http.SameSiteStrictMode, 60}, []any{c.Path, c.HttpOnly, c.SameSite, c.MaxAge})
		o.secret(c.Value)
		return c.Name + "=" + c.Value
	}
	ticket := prepare()
	answer, _ = ask(http.MethodGet, "/_backup", "Cookie", ticket, "Sec-Fetch-Site", "cross-site")
	require.Equal(t, http.StatusForbidden, answer.StatusCode)
	answer, whole := ask(http.MethodGet, "/_backup", "Cookie", ticket)
	require.Equal(t, http.StatusOK, answer.StatusCode)
	_, _, err := syncstore.VerifyBackup(bytes.NewReader(whole))
	require.NoError(t, err)
	taken := o.audit.FilterMessage(string(auth.BackupTaken)).All()
	require.Len(t, taken, 1)
	require.Equal(t, "root", taken[0].ContextMap()["actor"].(map[string]any)["subject"])
	answer, _ = ask(http.MethodGet, "/_backup", "Cookie", ticket)
	require.Equal(t, http.StatusUnauthorized, answer.StatusCode, "it was used")

	o.at(site, scenario{path: "/_backup", header: cookie(prepare()), status: http.StatusForbidden, has: []string{"for administrators only"}})
	ticket = prepare()
	_, err = o.state.LogOut(t.Context(), auth.ProviderLogout{Issuer: o.issuer.url, Subject: "root", Issued: time.Now().Add(time.Second), TokenID: "1"})
	require.NoError(t, err)
	answer, _ = ask(http.MethodGet, "/_backup", "Cookie", ticket)
	require.Equal(t, http.StatusUnauthorized, answer.StatusCode, "signed out meanwhile")
}

// onlyAudits is an authenticator without people that has an audit log.
type onlyAudits struct {
	*fakeAuth
	service *auth.Service
}

func (a onlyAudits) Administer(r *http.Request, p *auth.Principal, db auth.Database) *auth.Administration {
	return a.service.Administer(r, p, db)
}

// A backup that nobody takes is cut off after a minute, and one whose administrator is none any more
// at once: the client sees that it has not all of it.
func TestABackupThatDoesNotGoOnIsCutOff(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		end   time.Duration // of the lease
		after time.Duration
	}{
		"stalled":    {time.Hour, time.Minute},
		"signed out": {5 * time.Second, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, lease := newSite(t, adminSite), newFakeLease()
				service, err := auth.New(auth.Config{})
				require.NoError(t, err)
				s.auth = onlyAudits{&fakeAuth{}, service}
				s.take = func(*request) (heldLease, error) { return lease, nil }
				content := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("content "), 1<<17))
				s.run(scenario{method: http.MethodPut, path: "/notes/a", status: http.StatusCreated, body: fmt.Sprintf(`{"_attachments":{"x":{"data":%q}}}`, content)})
				w := newWire(t, s.Handler)
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://example.com/_backup", http.NoBody)
				require.NoError(t, err)
				begun := time.Now()
				time.AfterFunc(c.end, func() { close(lease.ended) })
				answer, err := w.client.Do(r)
				require.NoError(t, err)
				defer answer.Body.Close()
				require.Equal(t, http.StatusOK, answer.StatusCode)
				<-lease.closed
				require.Equal(t, c.after, time.Since(begun).Truncate(time.Second))
				got, err := io.ReadAll(answer.Body)
				require.ErrorIs(t, err, io.ErrUnexpectedEOF)
				require.NotContains(t, strings.ToLower(string(got)), "unauthorized")
			})
		})
	}
}
