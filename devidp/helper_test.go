package devidp

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	jose "github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

const testVerifier = "a-verifier-of-more-than-forty-three-characters-0123456789"

func challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))

	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// testIDP is a provider behind a real server on loopback, and a browser-like client that
// follows no redirect by itself.
type testIDP struct {
	t       *testing.T
	handler *Handler
	server  *httptest.Server
	client  *http.Client
}

func testHandler(t *testing.T) *Handler {
	t.Helper()

	return &Handler{
		Issuer:  "http://localhost:8080/idp",
		Clients: []Client{{ID: "notes"}, {ID: "other", RedirectURIs: []string{"com.example.other:/signed-in"}}},
		Users: []User{
			{Name: "alice", Claims: map[string]json.RawMessage{"roles": json.RawMessage(`["admin"]`)}},
			{Name: "bob"},
		},
		Data: t.TempDir(),
	}
}

func provision(t *testing.T, h *Handler) *Handler {
	t.Helper()

	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	t.Cleanup(cancel)
	require.NoError(t, h.Provision(ctx))
	t.Cleanup(func() { require.NoError(t, h.Cleanup()) })

	return h
}

// observe makes the provider log to memory.
func observe(h *Handler) *observer.ObservedLogs {
	core, logs := observer.New(zapcore.DebugLevel)
	h.provider.log = zap.New(core)
	h.provider.storage.backchannel.log = h.provider.log

	return logs
}

func newTestIDP(t *testing.T, change func(*Handler)) *testIDP {
	t.Helper()

	idp := &testIDP{t: t, handler: testHandler(t)}
	idp.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		serveHandler(w, r, idp.handler)
	}))
	idp.handler.Issuer = "http://" + idp.server.Listener.Addr().String() + "/idp"

	if change != nil {
		change(idp.handler)
	}

	provision(t, idp.handler)
	idp.server.Start()
	t.Cleanup(idp.server.Close)

	idp.client = idp.server.Client()
	idp.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

	return idp
}

func serveHandler(w http.ResponseWriter, r *http.Request, h *Handler) {
	next := caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		w.WriteHeader(http.StatusTeapot) // "the next handler"

		return nil
	})

	if err := h.ServeHTTP(w, r, next); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// loopbackRequest is a request as a server on 127.0.0.1 sees it.
func loopbackRequest(method, target string, form url.Values) *http.Request {
	r := httptest.NewRequest(method, target, strings.NewReader(form.Encode()))
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}

	r.RemoteAddr = "127.0.0.1:50000"
	r.Host = "localhost:8080"
	local := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8080}

	return r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, local))
}

// answer is a response, read.
type answer struct {
	status int
	header http.Header
	body   string
}

func (i *testIDP) do(method, endpoint string, form url.Values, headers ...string) answer {
	i.t.Helper()

	target := endpoint
	if strings.HasPrefix(endpoint, "/") {
		target = i.handler.Issuer + endpoint
	}

	r, err := http.NewRequestWithContext(i.t.Context(), method, target, strings.NewReader(form.Encode()))
	require.NoError(i.t, err)

	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}

	for n := 0; n+1 < len(headers); n += 2 {
		r.Header.Set(headers[n], headers[n+1])
	}

	response, err := i.client.Do(r)
	require.NoError(i.t, err)

	body, err := io.ReadAll(response.Body)
	require.NoError(i.t, err)
	require.NoError(i.t, response.Body.Close())

	return answer{response.StatusCode, response.Header, string(body)}
}

func (i *testIDP) get(endpoint string, query url.Values) answer {
	i.t.Helper()

	return i.do(http.MethodGet, endpoint+"?"+query.Encode(), nil)
}

func (a answer) json(t *testing.T) map[string]any {
	t.Helper()

	var value map[string]any
	require.NoError(t, json.Unmarshal([]byte(a.body), &value), a.body)

	return value
}

// location is where the answer redirects to.
func (a answer) location(t *testing.T) *url.URL {
	t.Helper()

	to, err := url.Parse(a.header.Get("Location"))
	require.NoError(t, err)
	require.NotEmpty(t, a.header.Get("Location"), "no redirect: %d %s", a.status, a.body)

	return to
}

const testRedirect = "http://localhost:5173/signed-in"

// authorizeParams are those of a correct request; pairs change them, and an empty value
// takes one away.
func authorizeParams(pairs ...string) url.Values {
	params := url.Values{
		"client_id": {"notes"}, "redirect_uri": {testRedirect}, "response_type": {"code"},
		"scope": {"openid profile email offline_access"}, "state": {"a-state"}, "nonce": {"a-nonce"},
		"code_challenge": {challenge(testVerifier)}, "code_challenge_method": {"S256"},
	}

	return change(params, pairs...)
}

func change(params url.Values, pairs ...string) url.Values {
	for n := 0; n+1 < len(pairs); n += 2 {
		params.Set(pairs[n], pairs[n+1])

		if pairs[n+1] == "" {
			params.Del(pairs[n])
		}
	}

	return params
}

var hiddenRequest = regexp.MustCompile(`name="request" value="([^"]+)"`)

// form opens the login form and returns the ID that it carries.
func (i *testIDP) form(params url.Values) (id string, page answer) {
	i.t.Helper()

	begun := i.get("/authorize", params)
	require.Equal(i.t, http.StatusSeeOther, begun.status, begun.body)

	page = i.do(http.MethodGet, begun.location(i.t).String(), nil)
	require.Equal(i.t, http.StatusOK, page.status, page.body)

	found := hiddenRequest.FindStringSubmatch(page.body)
	require.Len(i.t, found, 2, page.body)

	return found[1], page
}

// code signs a user in and returns the code.
func (i *testIDP) code(user string, params url.Values) string {
	i.t.Helper()

	id, _ := i.form(params)
	done := i.do(http.MethodPost, "/login", url.Values{"request": {id}, "user": {user}})

	to := done.location(i.t)
	require.Equal(i.t, params.Get("state"), to.Query().Get("state"))
	require.NotEmpty(i.t, to.Query().Get("code"), to.String())

	return to.Query().Get("code")
}

func exchangeParams(code string, pairs ...string) url.Values {
	return change(url.Values{
		"grant_type": {"authorization_code"}, "client_id": {"notes"}, "redirect_uri": {testRedirect},
		"code": {code}, "code_verifier": {testVerifier},
	}, pairs...)
}

func refreshParams(token string, pairs ...string) url.Values {
	return change(url.Values{
		"grant_type": {"refresh_token"}, "client_id": {"notes"}, "refresh_token": {token},
	}, pairs...)
}

// tokens is the answer of the token endpoint.
type tokens struct {
	ID      string `json:"id_token"`
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	Scope   string `json:"scope"`
	Expires int    `json:"expires_in"`
}

func (i *testIDP) tokens(params url.Values) tokens {
	i.t.Helper()

	got := i.do(http.MethodPost, "/token", params)
	require.Equal(i.t, http.StatusOK, got.status, got.body)
	require.Equal(i.t, "no-store", got.header.Get("Cache-Control"))

	var value tokens
	require.NoError(i.t, json.Unmarshal([]byte(got.body), &value))

	return value
}

// refused says that the token endpoint answers with an OAuth error.
func (i *testIDP) refused(params url.Values, wantError string) {
	i.t.Helper()

	got := i.do(http.MethodPost, "/token", params)
	require.GreaterOrEqual(i.t, got.status, 400, got.body)
	require.Less(i.t, got.status, 500, got.body)
	require.Equal(i.t, wantError, got.json(i.t)["error"], got.body)
}

// verify checks a token with go-jose against the key set as served, and returns its
// algorithm and claims.
func (i *testIDP) verify(token string) (algorithm string, claims map[string]any) {
	i.t.Helper()

	served := i.do(http.MethodGet, "/keys", nil)
	require.Equal(i.t, http.StatusOK, served.status, served.body)

	return verifyWith(i.t, served.body, token)
}

func servedKeys(t *testing.T, keys string) *jose.JSONWebKeySet {
	t.Helper()

	set := new(jose.JSONWebKeySet)
	require.NoError(t, json.Unmarshal([]byte(keys), set))

	return set
}

func verifyWith(t *testing.T, keys, token string) (algorithm string, claims map[string]any) {
	t.Helper()

	set := servedKeys(t, keys)

	jws, err := jose.ParseSignedCompact(token, algorithms())
	require.NoError(t, err)

	header := jws.Signatures[0].Protected
	matching := set.Key(header.KeyID)
	require.Len(t, matching, 1)
	require.Equal(t, matching[0].Algorithm, header.Algorithm)

	payload, err := jws.Verify(matching[0])
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(payload, &claims))

	return header.Algorithm, claims
}

// serve lets a handler answer without a network.
func serve(h *Handler, r *http.Request) answer {
	w := httptest.NewRecorder()
	serveHandler(w, r, h)

	return answer{w.Code, w.Header(), w.Body.String()}
}

// tryProvision provisions and cleans up, as Caddy does also after a failure.
func tryProvision(t *testing.T, h *Handler) error {
	t.Helper()

	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	defer cancel()

	err := h.Provision(ctx)
	require.NoError(t, h.Cleanup())

	return err
}
