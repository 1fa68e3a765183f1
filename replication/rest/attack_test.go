package rest

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Another site's page signs the visitor in as the attacker, who then reads what the
// visitor writes: Barth, Jackson, Mitchell, "Robust Defenses for Cross-Site Request
// Forgery" (2008); RFC 6749 section 10.12; DECISIONS 12. What a form or a simple request
// can send does not reach the sign-in, whatever credentials it carries.
func TestAttack_LoginCSRF(t *testing.T) {
	t.Parallel()
	s := newSite(t, withCORS(CORS{Origins: []string{"https://app.example.com"}, Credentials: true}), guests)
	bodies := map[string]string{
		"application/x-www-form-urlencoded": "name=mallory&password=secret", "text/plain": `{"name":"mallory","password":"secret"}`,
		"multipart/form-data; boundary=x": "--x\r\n\r\n{}\r\n--x--", "application/json": `{"name":"mallory","password":"secret"}`, "": "{}",
	}
	for name, from := range foreignPages() {
		for _, path := range []string{"/_session", "/notes/_session", "/notes/_session?one_time=true"} {
			for contentType, body := range bodies {
				for _, credentials := range []map[string]string{{}, {"Cookie": "s=alice"}, {"Authorization": "Basic bWFsbG9yeTpzZWNyZXQ="}, {"Authorization": "Bearer mallory"}} {
					header := map[string]string{"Authorization": "", "Content-Type": contentType}
					maps.Copy(header, credentials)
					maps.Copy(header, from)
					w := s.run(scenario{name: name + " " + contentType, method: http.MethodPost, path: path, body: body, header: header, status: 403, hasNot: []string{"session of"}})
					require.Empty(t, w.Header().Values("Set-Cookie"))
				}
			}
			header := map[string]string{"Authorization": "", "Cookie": "s=alice"}
			maps.Copy(header, from)
			s.run(scenario{name: "signed out by " + name, method: http.MethodDelete, path: path, header: header, status: 403, hasNot: []string{"session of"}})
		}
	}
	// No browser sends a form's body to us as JSON; the app's own page, and programs, may.
	for _, contentType := range []string{"text/plain", "multipart/form-data; boundary=x"} {
		s.run(scenario{name: contentType, method: http.MethodPost, path: "/_session", body: "{}", header: map[string]string{"Content-Type": contentType}, status: 415})
	}
	s.run(scenario{
		name: "CouchDB's clients sign in by a form", method: http.MethodPost, path: "/_session", body: "name=alice&password=secret",
		header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, status: 200,
	})
	for _, from := range []map[string]string{
		{"Origin": "https://app.example.com", "Sec-Fetch-Site": "cross-site"}, {"Origin": "http://example.com", "Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}, {},
	} {
		s.run(scenario{name: fmt.Sprint(from), method: http.MethodPost, path: "/_session", body: "{}", header: from})
	}
}

// foreignPages are the headers by which browsers say that a page of elsewhere is asking:
// the site is example.com, its app app.example.com.
func foreignPages() map[string]map[string]string {
	return map[string]map[string]string{
		"another site":                    {"Origin": "https://evil.example.org", "Sec-Fetch-Site": "cross-site"},
		"another site, old browser":       {"Origin": "https://evil.example.org"},
		"a sandboxed frame":               {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
		"a sandboxed frame, old browser":  {"Origin": "null"},
		"a sibling":                       {"Origin": "https://blog.example.com", "Sec-Fetch-Site": "same-site"},
		"a sibling, old browser":          {"Origin": "https://blog.example.com"},
		"another port":                    {"Origin": "http://example.com:8080", "Sec-Fetch-Site": "same-site"},
		"a link that hides its origin":    {"Sec-Fetch-Site": "cross-site"},
		"the app's name further on":       {"Origin": "https://app.example.com.evil.example.org", "Sec-Fetch-Site": "cross-site"},
		"the app by plain http":           {"Origin": "http://app.example.com", "Sec-Fetch-Site": "same-site"},
		"the site's name as user":         {"Origin": "https://example.com@evil.example.org"},
		"an unknown value of a new kind":  {"Origin": "https://app.example.com.", "Sec-Fetch-Site": "same-planet"},
		"the app's origin in other lines": {"Origin": "https://evil.example.org, https://app.example.com", "Sec-Fetch-Site": "cross-site"},
	}
}

// A page without an origin of its own (a sandboxed frame, data:, a redirect) says "null",
// and so can any attacker's. Kettle, "Exploiting CORS Misconfigurations for Bitcoins and
// Bounties" (2016); WHATWG Fetch, "serializing a request origin". It cannot be configured.
func TestAttack_CORSOfOriginNull(t *testing.T) {
	t.Parallel()
	for _, configured := range []string{"null", "NULL", "null://", "https://null", "http://null", "file://", "data:", "about:blank", "blob:https://app.example.com/x"} {
		s, err := newHandler(Config{Databases: []string{"notes"}, CORS: &CORS{Origins: []string{configured}}}, &fakeAuth{})
		if err == nil {
			require.False(t, s.origins.allows("null"), configured)
		}
	}
	for _, cors := range []CORS{{Origins: []string{"https://app.example.com"}, Credentials: true}, {Origins: []string{"https://null"}, Credentials: true}} {
		s := newSite(t, withCORS(cors), guests)
		requireNoCORS(t, s, "null")
		s.run(scenario{method: http.MethodPost, path: "/notes", body: "{}", header: map[string]string{"Origin": "null", "Cookie": "s=alice", "Authorization": ""}, status: 403})
	}
	// With "*" a null origin is one of all: it reads what everybody may, without credentials.
	open := newSite(t, withCORS(CORS{Origins: []string{"*"}}))
	open.run(scenario{path: "/notes", header: map[string]string{"Origin": "null"}, headers: map[string]string{
		"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Credentials": "",
	}})
}

func requireNoCORS(t *testing.T, s *site, origin string) {
	t.Helper()
	none := map[string]string{
		"Access-Control-Allow-Origin": "", "Access-Control-Allow-Credentials": "", "Access-Control-Expose-Headers": "",
		"Access-Control-Allow-Methods": "", "Access-Control-Allow-Headers": "", "Access-Control-Max-Age": "",
	}
	header := map[string]string{"Origin": origin, "Authorization": "", "Cookie": "s=alice", "Access-Control-Request-Method": "PUT"}
	s.run(scenario{name: origin, path: "/notes", header: header, headers: none})
	s.run(scenario{name: origin, path: "/_session", header: header, headers: none})
	s.run(scenario{name: origin, path: "/notes/none", header: header, status: 404, headers: none})
	s.run(scenario{name: origin, method: http.MethodOptions, path: "/notes/a", header: header, status: 204, headers: none})
}

// Origins that a comparison by prefix, suffix or pattern lets through. Kettle (2016); Chen
// et al., "We Still Don't Have Secure Cross-Domain Requests" (USENIX Security 2018); RFC
// 6454 section 4: scheme, host and port are compared whole.
func TestAttack_CORSOfLookAlikeOrigins(t *testing.T) {
	t.Parallel()
	s := newSite(t, withCORS(CORS{Origins: []string{"https://app.example.com", "http://localhost:3000"}, Credentials: true}), guests)
	for _, origin := range []string{
		"https://app.example.com.evil.org", "https://evil-app.example.com", "https://evilapp.example.com", "https://x.app.example.com", "https://example.com",
		"https://appxexample.com", "https://app.example.co", "https://app.example.comx", "https://app.example.com:8443", "https://app.example.com:443", "https://app.example.com:",
		"http://app.example.com", "HTTPS://app.example.com", "https://APP.example.com", "https://app.example.com/", "https://app.example.com/x", "https://app.example.com.",
		"https://app.example.com@evil.org", "https://app.example.com%60.evil.org", "https://app.example.com`.evil.org", "https://app.example.com_.evil.org", "https://app.example.com}.evil.org",
		"https://app.example.com#.evil.org", "https://evil.org?https://app.example.com", "https://evil.org/https://app.example.com", "https://аpp.example.com", "https://xn--pp-8ka.example.com",
		" https://app.example.com", "https://app.example.com ", "https://app.example.com https://evil.org", "https://evil.org,https://app.example.com", "\thttps://app.example.com",
		"app.example.com", "//app.example.com", "https//app.example.com", "*", "https://*", "null, https://app.example.com",
		"http://localhost", "http://localhost:30000", "http://localhost:3000.evil.org", "https://localhost:3000", "http://127.0.0.1:3000", "capacitor://localhost", "file://",
	} {
		requireNoCORS(t, s, origin)
		s.run(scenario{
			name: origin, method: http.MethodPost, path: "/notes", body: "{}", status: 403,
			header: map[string]string{"Origin": origin, "Sec-Fetch-Site": "cross-site", "Cookie": "s=alice", "Authorization": ""},
		})
	}
	// Two headers: which one another reader takes is anybody's guess.
	r := s.request(scenario{path: "/notes"})
	r.Header["Origin"] = []string{"https://app.example.com", "https://evil.org"}
	require.Empty(t, s.serveRequest(r).Header().Get("Access-Control-Allow-Origin"))
	for _, bad := range []string{"https://*.example.com", "*.example.com", "https://app.example.com/x", "https://a@app.example.com", "https://app.example.com?x", "app.example.com", "", " "} {
		_, err := newHandler(Config{Databases: []string{"notes"}, CORS: &CORS{Origins: []string{bad}}}, &fakeAuth{})
		require.Error(t, err, bad)
	}
}

// Names and types that end a header or a part and begin another: CWE-113, RFC 2046 section
// 5.1 (parts are written by us, not by net/http).
func TestAttack_HeadersSmuggledInNamesOfDocuments(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const planted = "X-Planted"
	for n, text := range []string{"a\r\nX-Planted: 1", "a\nX-Planted: 1", "a\rX-Planted: 1", "a\x00X-Planted: 1", "a\u010d\u010aX-Planted: 1", `a"; X-Planted="1`, "a\u2028X-Planted: 1", "a\u0085X-Planted: 1"} {
		quoted := fmt.Sprintf("%q", text)
		quoted = strings.ReplaceAll(quoted, `\x00`, `\u0000`)
		w := s.send(scenario{method: http.MethodPost, path: "/notes", body: `{"_id":` + quoted + `}`})
		require.NotContains(t, w.Header(), planted)
		require.NotRegexp(t, `[^ -~]`, w.Header().Get("Location"))

		id := fmt.Sprint("doc", n)
		w = s.send(scenario{method: http.MethodPut, path: "/notes/" + id, body: `{"_attachments":{` + quoted + `:{"data":"YQ==","content_type":"application/x"}}}`})
		if w.Code == http.StatusCreated {
			w = s.run(scenario{path: "/notes/" + id + "?attachments=true", header: map[string]string{"Accept": "multipart/related"}})
			for line := range strings.SplitSeq(w.Body.String(), "\r\n") {
				require.False(t, strings.HasPrefix(line, planted), w.Body.String())
			}
			w = s.run(scenario{path: "/notes/" + id + "/" + urlEscape(text)})
			require.NotContains(t, w.Header(), planted)
			require.NotRegexp(t, `[^ -~]`, w.Header().Get("Content-Disposition"))
		}
		w = s.send(scenario{method: http.MethodPut, path: "/notes/type" + id, body: `{"_attachments":{"a":{"data":"YQ==","content_type":` + quoted + `}}}`})
		if w.Code == http.StatusCreated {
			w = s.run(scenario{path: "/notes/type" + id + "?attachments=true", header: map[string]string{"Accept": "multipart/related"}})
			for line := range strings.FieldsFuncSeq(w.Body.String(), func(r rune) bool { return r == '\r' || r == '\n' }) {
				require.False(t, strings.HasPrefix(line, planted), w.Body.String())
			}
		}
	}
}

func urlEscape(text string) string {
	var b strings.Builder
	for i := range len(text) {
		_, _ = fmt.Fprintf(&b, "%%%02X", text[i])
	}
	return b.String()
}
