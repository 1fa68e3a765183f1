package auth

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func returnRequest() (*http.Request, *Site) {
	r := request(http.MethodGet, "/", "")
	r = r.WithContext(WithClient(r.Context(), Client{Host: "sync.example.com", Secure: true}))
	return r, &Site{ReturnOrigins: []string{"https://app.example.com", "http://localhost:3000", "https://Upper.example:443", "https://punycode.xn--e1afmkfd"}}
}

func TestReturnTo(t *testing.T) {
	t.Parallel()
	r, site := returnRequest()
	for raw, want := range map[string]string{
		"/":                                             "https://sync.example.com/",
		"/app/inbox?x=1&y=a%2Fb#top":                    "https://sync.example.com/app/inbox?x=1&y=a%2Fb#top",
		"https://sync.example.com":                      "https://sync.example.com",
		"https://app.example.com/x":                     "https://app.example.com/x",
		"HTTPS://APP.example.com:443/x":                 "https://app.example.com/x",
		"https://upper.example/":                        "https://upper.example/",
		"http://localhost:3000/cb":                      "http://localhost:3000/cb",
		"https://app.example.com/%E2%82%AC?q=%E2%82%AC": "https://app.example.com/%E2%82%AC?q=%E2%82%AC",
		"https://app.example.com/a%2Fb":                 "https://app.example.com/a%2Fb",
	} {
		got, err := returnTo(r, site, raw)
		require.NoError(t, err, raw)
		require.Equal(t, want, got.String())
	}
}

// Open redirects: every trick by which a browser, or a server that cleans paths, could
// end up elsewhere (RFC 9700 section 4.11).
func TestReturnToRefusesOpenRedirects(t *testing.T) {
	t.Parallel()
	r, site := returnRequest()
	for _, raw := range []string{
		"https://evil.example", "//evil.example", "///evil.example", `/\evil.example`, `\\evil.example`, `https:\\evil.example`,
		"https:evil.example", "https:/evil.example", "https:///evil.example", "/%2Fevil.example", "/%5Cevil.example", "/%2f%2fevil.example",
		"https://app.example.com@evil.example", "https://app.example.com:443@evil.example/", "https://user@app.example.com/",
		"https://app.example.com.evil.example", "https://evil.example/https://app.example.com", "https://evil.example?app.example.com",
		"https://evil.example#@app.example.com", `https://evil.example\@app.example.com`, "https://app.example.com%2eevil.example",
		"https://app.example.com%40evil.example", "https://app.example.com%00.evil.example", "https://app.example.com\x00.evil.example",
		"https://app.example.com:80/", "http://app.example.com/", "https://app.example.com:8443/", "https://app.example.com./",
		"javascript:alert(1)", "javascript://app.example.com/%0aalert(1)", "data:text/html,x", "file:///etc/passwd", "myapp://callback",
		"/\t/evil.example", "/\n/evil.example", "\t//evil.example", " //evil.example", "https://app.example.com/\r\nSet-Cookie:x=y",
		"/a%0d%0aSet-Cookie:x", "/%09/evil.example", "https://еxample.com", "https://app.example.com／x", "https://app。example.com",
		"/\u200b/evil.example", "/\u2028", "/\ufeff", "relative", "?x", "", "#", "http:", "https://", "https://[::1", "https://app.example.com/" + strings.Repeat("x", maxReturnTo),
		"https://xn--app-example.com", "https://*.example.com", "null", "https://app.example.com\xff",
	} {
		got, err := returnTo(r, site, raw)
		require.Error(t, err, "%q → %v", raw, got)
	}
	_, err := returnTo(r, nil, "https://app.example.com/")
	require.Error(t, err)
	bad := request(http.MethodGet, "/", "")
	bad.Host = "a b"
	_, err = returnTo(bad.WithContext(t.Context()), site, "/x")
	require.Error(t, err, "no origin of our own")
}

func TestErrorsReturnWithoutSecrets(t *testing.T) {
	t.Parallel()
	to, _ := url.Parse("https://app.example.com/x?error=old&a=b#f")
	require.Equal(t, "https://app.example.com/x?a=b&error=access_denied&error_description=Invalid+login#f", withError(to, &Error{Status: 401, Reason: "Invalid login", Detail: "secret"}))
	require.Equal(t, "https://app.example.com/x?a=b&error=access_denied&error_description=The+sign-in+provider+did+not+sign+you+in.#f", withError(to, &Error{Status: 401, Reason: "planted", foreign: true}))
	for status, code := range map[int]string{400: "invalid_request", 403: "access_denied", 429: "temporarily_unavailable", 502: "server_error", 503: "temporarily_unavailable", 507: "server_error"} {
		require.Equal(t, code, errorCode(status))
	}
}

// FuzzReturnTo: whatever comes in, what goes out is of this site or a listed origin,
// and reads the same the second time.
func FuzzReturnTo(f *testing.F) {
	for _, raw := range []string{"/", "//evil.example", `/\evil`, "https://app.example.com/x?y#z", "https://app.example.com@evil.example", "http://localhost:3000", "/%2fevil", "javascript://app.example.com/"} {
		f.Add(raw)
	}
	r, site := returnRequest()
	allowed := []string{"https://sync.example.com", "https://app.example.com", "http://localhost:3000", "https://upper.example", "https://punycode.xn--e1afmkfd"}
	f.Fuzz(func(t *testing.T, raw string) {
		to, err := returnTo(r, site, raw)
		if err != nil {
			return
		}
		text := to.String()
		ok := false
		for _, origin := range allowed {
			rest, found := strings.CutPrefix(text, origin)
			ok = ok || found && (rest == "" || strings.ContainsRune("/?#", rune(rest[0])) && !strings.HasPrefix(rest, "//"))
		}
		if !ok || strings.ContainsAny(text, "\\\r\n\t ") {
			t.Fatalf("%q → %q", raw, text)
		}
		again, err := returnTo(r, site, text)
		if len(text) <= maxReturnTo && (err != nil || again.String() != text) {
			t.Fatalf("%q → %q → %v %v", raw, text, again, err)
		}
	})
}
