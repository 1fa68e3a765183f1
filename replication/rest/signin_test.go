package rest

import (
	"maps"
	"net/http"
	"testing"

	"github.com/caddysync/caddy-sync/auth"
	"github.com/stretchr/testify/require"
)

func TestSignIn(t *testing.T) {
	t.Parallel()
	s := newSite(t, allDatabases)
	s.put("a", `{}`)
	anonymous := map[string]string{"Authorization": ""}
	challenge := map[string]string{"Www-Authenticate": "Bearer"}
	s.runAll([]scenario{
		{name: "nobody", path: "/notes/a", header: anonymous, status: 401, has: []string{`{"error":"unauthorized","reason":"Login required"}`}, headers: challenge},
		{name: "bad token", path: "/notes/a", header: map[string]string{"Authorization": "Bearer bad"}, status: 401,
			has: []string{"Invalid login"}, hasNot: []string{"secret"}, headers: map[string]string{"Www-Authenticate": `Bearer error="invalid_token"`}},
		{name: "unknown database", path: "/none/a", header: anonymous, status: 401, has: []string{`{"error":"unauthorized","reason":"Login required"}`}, headers: challenge},
		{name: "unknown database, signed in", path: "/none/a", status: 401, has: []string{"Login required"}, headers: challenge},
		{name: "create it", method: http.MethodPut, path: "/none", status: 401},
		{name: "session of an unknown database", method: http.MethodPost, path: "/none/_session", status: 401},
		{name: "method before sign-in", method: http.MethodPatch, path: "/notes/a", header: anonymous, status: 405},
	})
	s = newSite(t, allDatabases, guests)
	s.runAll([]scenario{
		{name: "guest", path: "/notes", header: anonymous},
		{name: "guest, unknown database", path: "/none", header: anonymous, status: 401},
	})
}

func TestReadOnlyPrincipals(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	rev := s.put("a", `{}`)
	reader := map[string]string{"Authorization": "Bearer reader"}
	for _, c := range []scenario{
		{method: http.MethodPut, path: "/notes/b", body: `{}`},
		{method: http.MethodPost, path: "/notes", body: `{}`},
		{method: http.MethodDelete, path: "/notes/a?rev=" + rev},
		{method: http.MethodPost, path: "/notes/_bulk_docs", body: `{"docs":[]}`},
		{method: http.MethodPut, path: "/notes/a/b", body: `x`},
		{method: http.MethodDelete, path: "/notes/a/b"},
		{method: http.MethodPut, path: "/notes/_local/b", body: `{}`},
		{method: http.MethodDelete, path: "/notes/_local/b"},
	} {
		c.header, c.status, c.has = reader, 403, []string{`"error":"forbidden"`}
		s.run(c)
	}
	for _, c := range []scenario{
		{path: "/notes/a"},
		{path: "/notes"},
		{method: http.MethodPost, path: "/notes/_bulk_get", body: `{"docs":[]}`},
		{method: http.MethodPost, path: "/notes/_revs_diff", body: `{}`},
	} {
		c.header = reader
		s.run(c)
	}
	s = newSite(t, adminSite, func(c *Config, _ *fakeAuth) { c.Site.Admin = &auth.AdminRule{ReadOnly: true} })
	s.runAll([]scenario{
		{name: "create", method: http.MethodPut, path: "/more", status: 403},
		{name: "delete", method: http.MethodDelete, path: "/notes", status: 403},
	})
}

func TestDecision13_HeadersOnEveryAnswer(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.put("a", `{}`)
	for path, status := range map[string]int{"/": 200, "/notes": 200, "/notes/a": 200, "/notes/b": 404, "/_none": 404, "/notes/_none": 404} {
		s.run(scenario{path: path, status: status, headers: map[string]string{
			"X-Content-Type-Options": "nosniff", "Cache-Control": "private, no-cache", "Vary": "Origin, Cookie, Authorization",
			"Content-Type": "application/json",
		}})
	}
	s.run(scenario{path: "/notes", header: map[string]string{"Authorization": ""}, status: 401, headers: map[string]string{
		"X-Content-Type-Options": "nosniff", "Cache-Control": "private, no-cache",
	}})
}

func TestDecision12_CrossOriginWrites(t *testing.T) {
	t.Parallel()
	s := newSite(t, withCORS(CORS{Origins: []string{"https://App.example:443"}, Credentials: true}), guests)
	put := func(name, credentials string, headers map[string]string, status int) {
		t.Helper()
		all := map[string]string{"Authorization": "", "Cookie": ""}
		switch credentials {
		case "Bearer":
			all["Authorization"] = "Bearer alice"
		case "Cookie":
			all["Cookie"] = "s=alice"
		}
		maps.Copy(all, headers)
		s.run(scenario{name: name, method: http.MethodPost, path: "/notes", body: `{}`, header: all, status: status})
	}
	evil := map[string]string{"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
	old := map[string]string{"Origin": "https://evil.example"}
	app := map[string]string{"Origin": "https://app.example", "Sec-Fetch-Site": "cross-site"}
	put("bearer from anywhere", "Bearer", evil, 201)
	put("cookie from elsewhere", "Cookie", evil, 403)
	put("cookie from elsewhere, old browser", "Cookie", old, 403)
	put("guest from elsewhere", "", evil, 403)
	put("cookie from a trusted origin", "Cookie", app, 201)
	put("cookie from the same origin", "Cookie", map[string]string{"Sec-Fetch-Site": "same-origin"}, 201)
	put("cookie from no browser", "Cookie", nil, 201)
	for _, path := range []string{"/notes/_session", "/_session"} {
		s.runAll([]scenario{
			{name: "login forced by another site", method: http.MethodPost, path: path, header: evil, status: 403},
			{name: "login of the app", method: http.MethodPost, path: path, header: app},
			{name: "reading it", path: path, header: evil},
		})
	}
	cookie := map[string]string{"Authorization": "", "Cookie": "s=alice", "Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
	s.run(scenario{name: "reads pass, the browser keeps the answer", path: "/notes", header: cookie, headers: map[string]string{"Access-Control-Allow-Origin": ""}})

	admin := newSite(t, adminSite)
	admin.run(scenario{
		name: "loopback is not proof", method: http.MethodPut, path: "/more", header: evil, status: 403, has: []string{"origin"},
	})
	open := newSite(t, withCORS(CORS{Origins: []string{"*"}}), guests)
	open.runAll([]scenario{
		{name: "guest of an open site", method: http.MethodPost, path: "/notes", body: `{}`, status: 201,
			header: map[string]string{"Authorization": "", "Origin": "https://any.example", "Sec-Fetch-Site": "cross-site"}},
		{name: "cookie on an open site", method: http.MethodPost, path: "/notes", body: `{}`, header: cookie, status: 403},
	})
}

func TestCrossOriginCheckUsesTheHostThatTheBrowserSees(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	check := func(host, origin string) error {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://backend:8080/notes", nil)
		require.NoError(t, err)
		r.Header.Set("Origin", origin)
		r = r.WithContext(auth.WithClient(r.Context(), auth.Client{Host: host}))
		return s.checkOrigin(&request{r: r, principal: &auth.Principal{Method: auth.MethodCookie}})
	}
	require.NoError(t, check("sync.example", "https://sync.example"))
	require.Error(t, check("sync.example", "https://backend:8080"))
	require.NoError(t, check("", "http://backend:8080"))
}

// F80: preflights need no sign-in, and every answer to an allowed origin can be read.
func TestCORS(t *testing.T) {
	t.Parallel()
	s := newSite(t, withCORS(CORS{Origins: []string{"https://app.example"}, Credentials: true, Headers: []string{"X-Mine"}}))
	app := map[string]string{"Origin": "https://app.example"}
	allowed := map[string]string{"Access-Control-Allow-Origin": "https://app.example", "Access-Control-Allow-Credentials": "true"}
	s.runAll([]scenario{
		{name: "answer", path: "/notes", header: app, headers: allowed},
		{name: "404", path: "/notes/none", header: app, status: 404, headers: allowed},
		{name: "401", path: "/notes", header: map[string]string{"Origin": "https://app.example", "Authorization": ""}, status: 401, headers: allowed},
		{name: "405", method: http.MethodPatch, path: "/notes", header: app, status: 405, headers: allowed},
		{name: "session", path: "/_session", header: app, headers: allowed},
		{name: "another origin", path: "/notes", header: map[string]string{"Origin": "https://app.example.evil"}, headers: map[string]string{
			"Access-Control-Allow-Origin": "", "Access-Control-Allow-Credentials": "",
		}},
		{name: "null", path: "/notes", header: map[string]string{"Origin": "null"}, headers: map[string]string{"Access-Control-Allow-Origin": ""}},
		{name: "no origin", path: "/notes", headers: map[string]string{"Access-Control-Allow-Origin": "", "Vary": "Origin, Cookie, Authorization"}},
	})
	preflight := map[string]string{"Origin": "https://app.example", "Authorization": "", "Access-Control-Request-Method": "PUT"}
	for _, path := range []string{"/notes", "/notes/a", "/notes/_bulk_docs", "/notes/_local/x", "/_session", "/"} {
		w := s.run(scenario{name: "preflight", method: http.MethodOptions, path: path, header: preflight, status: 204, headers: map[string]string{
			"Access-Control-Allow-Origin": "https://app.example", "Access-Control-Allow-Credentials": "true",
			"Access-Control-Allow-Methods": "GET, HEAD, PUT, POST, DELETE, COPY", "Access-Control-Max-Age": "7200",
		}})
		require.Contains(t, w.Header().Get("Access-Control-Allow-Headers"), "Authorization")
		require.Contains(t, w.Header().Get("Access-Control-Allow-Headers"), "X-Mine")
		require.Contains(t, w.Header().Get("Access-Control-Allow-Headers"), "If-User")
	}
	s.run(scenario{name: "preflight of another", method: http.MethodOptions, path: "/notes", header: map[string]string{"Origin": "https://evil.example", "Authorization": ""},
		status: 204, headers: map[string]string{"Access-Control-Allow-Origin": "", "Access-Control-Allow-Methods": "", "Allow": "GET, HEAD, PUT, POST, DELETE, OPTIONS"}})
	open := newSite(t, withCORS(CORS{Origins: []string{"*"}}))
	open.run(scenario{path: "/notes", header: app, headers: map[string]string{"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Credentials": ""}})
	newSite(t).run(scenario{name: "no cors block", path: "/notes", header: app, headers: map[string]string{"Access-Control-Allow-Origin": ""}})
}

func TestDecision39_EmptyBasicIsNobody(t *testing.T) {
	t.Parallel()
	// auth decides; what rest must not do is to refuse the header before it.
	s := newSite(t, guests)
	for _, header := range []string{"Basic Og==", "Basic: x", "Digest y"} {
		s.run(scenario{name: header, path: "/", header: map[string]string{"Authorization": header}})
		s.run(scenario{name: header, path: "/notes", header: map[string]string{"Authorization": header}})
	}
}
