package auth

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
)

// codeProvider gives an issuer an authorization and a token endpoint.
type codeProvider struct {
	*issuer
	clientID string

	mu      sync.Mutex
	secret  string // of the client; "" is a public one
	codes   map[string]url.Values
	refresh map[string]string // refresh token → subject
	serial  int
	asked   []*http.Request // at the token endpoint, with their forms

	claims map[string]any                // more claims of ID tokens
	bend   func(map[string]any)          // changes the token endpoint's answer
	fail   http.HandlerFunc              // answers at the token endpoint instead
	sign   func(c map[string]any) string // makes the ID token instead
}

func newCodeProvider(tb testing.TB, i *issuer) *codeProvider {
	tb.Helper()
	p := &codeProvider{issuer: i, clientID: "app", secret: "s3cret-of-app", codes: map[string]url.Values{}, refresh: map[string]string{}}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.more = map[string]any{
		"authorization_endpoint": i.url + "/authorize", "token_endpoint": i.url + "/token",
		"end_session_endpoint": i.url + "/logout", "scopes_supported": []string{"openid", "email", "offline_access"},
	}
	i.tokens = p.serveToken
	return p
}

// discovery changes the discovery document; absent removes a member.
func (p *codeProvider) discovery(member string, value any) {
	p.issuer.mu.Lock()
	defer p.issuer.mu.Unlock()
	if value == absent {
		delete(p.more, member)
		return
	}
	p.more[member] = value
}

// authorize is the user who agrees at the provider's page: it returns the parameters
// that the provider sends back, and where to.
func (p *codeProvider) authorize(location, subject string) (redirect string, answer url.Values) {
	p.t.Helper()
	u, err := url.Parse(location)
	require.NoError(p.t, err)
	require.Equal(p.t, p.url+"/authorize", u.Scheme+"://"+u.Host+u.Path)
	q := u.Query()
	require.Equal(p.t, p.clientID, q.Get("client_id"))
	require.Equal(p.t, "code", q.Get("response_type"))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.serial++
	code := fmt.Sprintf("code-%d-of-%s", p.serial, subject)
	q.Set("subject", subject)
	p.codes[code] = q
	return q.Get("redirect_uri"), url.Values{"code": {code}, "state": {q.Get("state")}}
}

func (p *codeProvider) serveToken(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, r)
	if p.fail != nil {
		p.fail(w, r)
		return
	}
	refuse := func(status int, code string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": code, "error_description": "planted-description " + r.PostForm.Encode()})
	}
	id, secret, basic := r.BasicAuth()
	if !basic {
		id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	if id != p.clientID || secret != p.secret {
		refuse(http.StatusUnauthorized, "invalid_client")
		return
	}
	var subject, nonce string
	switch r.PostForm.Get("grant_type") {
	case "authorization_code":
		code := r.PostForm.Get("code")
		begun := p.codes[code]
		delete(p.codes, code)
		sum := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
		if begun == nil || begun.Get("redirect_uri") != r.PostForm.Get("redirect_uri") || begun.Get("code_challenge_method") != "S256" ||
			begun.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(sum[:]) {
			refuse(http.StatusBadRequest, "invalid_grant")
			return
		}
		subject, nonce = begun.Get("subject"), begun.Get("nonce")
	case "refresh_token":
		var known bool
		token := r.PostForm.Get("refresh_token")
		if subject, known = p.refresh[token]; !known {
			refuse(http.StatusBadRequest, "invalid_grant")
			return
		}
		delete(p.refresh, token)
	default:
		refuse(http.StatusBadRequest, "unsupported_grant_type")
		return
	}
	writeJSON(w, p.answer(subject, nonce))
}

func (p *codeProvider) answer(subject, nonce string) map[string]any {
	p.serial++
	refresh := fmt.Sprintf("refresh-%d-of-%s", p.serial, subject)
	p.refresh[refresh] = subject
	access := fmt.Sprintf("access-%d-of-%s", p.serial, subject)
	c := map[string]any{"jti": fmt.Sprint(p.serial), "aud": p.clientID, "at_hash": halfHash("ES256", access)}
	if nonce != "" {
		c["nonce"] = nonce
	}
	c = p.issuer.claims(subject, c, p.claims)
	var idToken string
	if p.sign != nil {
		idToken = p.sign(c)
	} else {
		idToken = sign(p.t, "ec", jose.ES256, map[string]any{"kid": "ec", "typ": "JWT"}, c)
	}
	answer := map[string]any{"id_token": idToken, "access_token": access, "token_type": "Bearer", "expires_in": 3599, "refresh_token": refresh}
	if p.bend != nil {
		p.bend(answer)
	}
	return answer
}

// flow is a world whose issuer can do the code flow.
type flow struct {
	*world
	idp *codeProvider
}

func newFlow(tb testing.TB, change ...func(*Config)) *flow {
	tb.Helper()
	change = append([]func(*Config){func(c *Config) { c.Providers[0].ClientSecret = "s3cret-of-app" }}, change...)
	w := newWorld(tb, change...)
	w.site.ReturnOrigins = []string{"https://app.example.com"}
	return &flow{world: w, idp: newCodeProvider(tb, w.issuer)}
}

// browser keeps cookies.
type browser struct {
	w      *world
	host   string
	secure bool
	jar    map[string]string
	header map[string]string
}

func (w *world) browser() *browser {
	return &browser{w: w, host: "example.com", secure: true, jar: map[string]string{}, header: map[string]string{}}
}

// do sends a request with the browser's cookies and keeps those of the answer.
func (b *browser) do(r *http.Request, endpoint OIDCEndpoint) *http.Response {
	b.w.t.Helper()
	for name, value := range b.jar {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	for name, value := range b.header {
		r.Header.Set(name, value)
	}
	r.Host = b.host
	r = r.WithContext(WithClient(r.Context(), Client{Addr: netip.MustParseAddr("192.0.2.1"), Host: b.host, Secure: b.secure}))
	rec := httptest.NewRecorder()
	serveOIDC(b.w.service, rec, r, b.w.site, notes, endpoint)
	resp := rec.Result()
	for _, c := range resp.Cookies() {
		if c.MaxAge < 0 {
			delete(b.jar, c.Name)
		} else {
			b.jar[c.Name] = c.Value
		}
	}
	require.Equal(b.w.t, "no-store", resp.Header.Get("Cache-Control"), "DECISIONS 13")
	require.Equal(b.w.t, "nosniff", resp.Header.Get("X-Content-Type-Options"))
	require.Less(b.w.t, resp.StatusCode, 504)
	require.NotEqual(b.w.t, 500, resp.StatusCode, "never 500")
	return resp
}

// open GETs an endpoint.
func (b *browser) open(endpoint OIDCEndpoint, query string) *http.Response {
	b.w.t.Helper()
	path := "/notes/" + string(endpoint)
	if query != "" {
		path += "?" + query
	}
	return b.do(httptest.NewRequest(http.MethodGet, path, nil), endpoint)
}

// post POSTs a form or JSON to an endpoint.
func (b *browser) post(endpoint OIDCEndpoint, contentType, body string) *http.Response {
	b.w.t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/notes/"+string(endpoint), strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	return b.do(r, endpoint)
}

const jsonBody = "application/json"

// begin opens _oidc and returns where it leads.
func (b *browser) begin(query string) string {
	b.w.t.Helper()
	resp := b.open(OIDCLogin, query)
	require.Equal(b.w.t, http.StatusFound, resp.StatusCode, body(b.w.t, resp))
	return resp.Header.Get("Location")
}

// returned opens the address that the provider sends the browser to.
func (b *browser) returned(redirect string, answer url.Values) *http.Response {
	b.w.t.Helper()
	u, err := url.Parse(redirect)
	require.NoError(b.w.t, err)
	q := u.Query()
	maps.Copy(q, answer)
	return b.open(OIDCCallback, q.Encode())
}

// signIn does the whole flow.
func (f *flow) signIn(b *browser, query, subject string) *http.Response {
	f.t.Helper()
	return b.returned(f.idp.authorize(b.begin(query), subject))
}

func body(tb testing.TB, resp *http.Response) map[string]any {
	tb.Helper()
	out := map[string]any{}
	if resp.Header.Get("Content-Type") == jsonBody {
		require.NoError(tb, json.NewDecoder(resp.Body).Decode(&out))
	}
	return out
}

// answered checks a JSON answer's status and reason.
func answered(tb testing.TB, resp *http.Response, status int, reason string) {
	tb.Helper()
	got := body(tb, resp)
	require.Equal(tb, status, resp.StatusCode, got)
	require.Contains(tb, fmt.Sprint(got["reason"]), reason)
}

// sessionOf is the browser's session cookie as a Cookie header.
func (b *browser) sessionOf() string { return DefaultCookie + "=" + b.jar[DefaultCookie] }

func (b *browser) logins() []string {
	var names []string
	for name := range b.jar {
		if strings.Contains(name, loginCookie) {
			names = append(names, name)
		}
	}
	return names
}
