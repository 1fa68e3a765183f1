package devidp

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

func TestModuleIsRegistered(t *testing.T) {
	t.Parallel()

	info, err := caddy.GetModule("http.handlers.sync_dev_idp")
	require.NoError(t, err)
	require.IsType(t, &Handler{}, info.New())
}

func TestConfigurationsThatDoNotLoad(t *testing.T) {
	t.Parallel()

	for want, change := range map[string]func(*Handler){
		"issuer \"\"":      func(h *Handler) { h.Issuer = "" },
		"must be an http":  func(h *Handler) { h.Issuer = "https://login.example.com/" },
		"on localhost":     func(h *Handler) { h.Issuer = "http://localhost.evil.example/" },
		"without a query":  func(h *Handler) { h.Issuer = "http://localhost/?x" },
		"issuer:":          func(h *Handler) { h.Issuer = "http://localhost/{env.DEVIDP_IS_NOT_SET}" },
		"data:":            func(h *Handler) { h.Data = "{env.DEVIDP_IS_NOT_SET}" },
		"no client":        func(h *Handler) { h.Clients = nil },
		"needs an ID":      func(h *Handler) { h.Clients = []Client{{}} },
		"client notes is":  func(h *Handler) { h.Clients = []Client{{ID: "notes"}, {ID: "notes"}} },
		"redirect URI":     func(h *Handler) { h.Clients[0].RedirectURIs = []string{"javascript:x"} },
		"not an absolute":  func(h *Handler) { h.Clients[0].RedirectURIs = []string{"/x"} },
		"fragment":         func(h *Handler) { h.Clients[0].RedirectURIs = []string{"https://app.example/#x"} },
		"must be https or": func(h *Handler) { h.Clients[0].RedirectURIs = []string{"http://app.example/"} },
		"no user":          func(h *Handler) { h.Users = nil },
		"user alice is":    func(h *Handler) { h.Users = []User{{Name: "alice"}, {Name: "alice"}} },
		"user name":        func(h *Handler) { h.Users = []User{{Name: "a:b"}} },
		"claim \"aud\"":    func(h *Handler) { h.Users[0].Claims = map[string]json.RawMessage{"aud": json.RawMessage(`1`)} },
		"not valid JSON":   func(h *Handler) { h.Users[0].Claims = map[string]json.RawMessage{"x": json.RawMessage(`{`)} },
		"algorithm":        func(h *Handler) { h.Algorithm = "HS256" },
		"token_lifetime":   func(h *Handler) { h.TokenLifetime = 1 },
	} {
		h := testHandler(t)
		change(h)

		err := tryProvision(t, h)
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "sync_dev_idp")
	}
}

func TestStartIsSaidLoudly(t *testing.T) {
	t.Parallel()

	core, logs := observer.New(zapcore.WarnLevel)
	h := testHandler(t)
	checked, err := newSettings(h, h.Issuer)
	require.NoError(t, err)
	announce(zap.New(core), checked, h.Data)

	require.Equal(t, 1, logs.Len())
	require.Contains(t, logs.All()[0].Message, "DEVELOPMENT")
	require.Equal(t, []any{"alice", "bob"}, logs.All()[0].ContextMap()["users"])
}

func TestReloadLosesNoSignIn(t *testing.T) {
	t.Parallel()

	idp := newTestIDP(t, nil)
	old := idp.handler

	openForm, _ := idp.form(authorizeParams())
	code := idp.code("alice", authorizeParams())
	signedIn := idp.tokens(exchangeParams(idp.code("bob", authorizeParams())))

	// Caddy provisions the new configuration before it cleans up the old one.
	reloaded := &Handler{Issuer: old.Issuer, Clients: old.Clients, Users: old.Users, Data: filepath.Join(old.Data, "..", filepath.Base(old.Data)), Algorithm: "ES256"}
	provision(t, reloaded)
	require.NoError(t, old.Cleanup())

	idp.handler = reloaded

	idp.tokens(exchangeParams(code))
	idp.tokens(refreshParams(signedIn.Refresh))
	require.NotEmpty(t, idp.do(http.MethodPost, "/login", url.Values{"request": {openForm}, "user": {"alice"}}).location(t).Query().Get("code"))

	info := idp.do(http.MethodGet, "/userinfo", nil, "Authorization", "Bearer "+signedIn.Access)
	require.Equal(t, http.StatusOK, info.status)

	_, claims := idp.verify(signedIn.ID)
	require.Equal(t, "bob", claims["sub"])
}

func TestReloadWithoutAUserEndsTheirTokens(t *testing.T) {
	t.Parallel()

	idp := newTestIDP(t, nil)
	old := idp.handler
	code := idp.code("bob", authorizeParams())
	signedIn := idp.tokens(exchangeParams(idp.code("bob", authorizeParams())))

	reloaded := &Handler{Issuer: old.Issuer, Clients: old.Clients, Users: old.Users[:1], Data: old.Data}
	idp.handler = provision(t, reloaded)

	idp.refused(refreshParams(signedIn.Refresh), "invalid_grant")
	idp.refused(exchangeParams(code), "invalid_grant")

	info := idp.do(http.MethodGet, "/userinfo", nil, "Authorization", "Bearer "+signedIn.Access)
	require.Equal(t, http.StatusUnauthorized, info.status)
}

func TestFailedReloadLeavesTheRunningProviderAlone(t *testing.T) {
	t.Parallel()

	idp := newTestIDP(t, nil)
	signedIn := idp.tokens(exchangeParams(idp.code("bob", authorizeParams())))

	broken := &Handler{Issuer: idp.handler.Issuer, Clients: idp.handler.Clients, Data: idp.handler.Data}
	require.Error(t, tryProvision(t, broken)) // Caddy cleans up what failed to provision

	users, pooled := pool.References(idp.handler.poolKey)
	require.True(t, pooled)
	require.Equal(t, 1, users)
	idp.tokens(refreshParams(signedIn.Refresh))
}

func TestOnlyTheIssuersPathIsAnswered(t *testing.T) {
	t.Parallel()

	handler := provision(t, testHandler(t))
	root := testHandler(t)
	root.Issuer = "http://localhost:8080/"
	provision(t, root)

	for _, s := range []struct {
		handler *Handler
		path    string
		want    int
	}{
		{handler, "/idp/.well-known/openid-configuration", http.StatusOK},
		{handler, "/idp/nothing", http.StatusNotFound},
		{handler, "/idp", http.StatusNotFound},
		{handler, "/idp/", http.StatusNotFound},
		{handler, "/idp/../idp/keys", http.StatusNotFound},
		{handler, "/idp//keys", http.StatusNotFound},
		{handler, "/", http.StatusTeapot},
		{handler, "/idpx/keys", http.StatusTeapot},
		{handler, "/notes/idp/keys", http.StatusTeapot},
		{handler, "/keys", http.StatusTeapot},
		{root, "/keys", http.StatusOK},
		{root, "/.well-known/openid-configuration", http.StatusOK},
		{root, "/notes", http.StatusTeapot},
		{root, "/", http.StatusTeapot},
	} {
		require.Equal(t, s.want, serve(s.handler, loopbackRequest(http.MethodGet, s.path, nil)).status, "%s of %s", s.path, s.handler.Issuer)
	}
}

func TestHandlePathDoesNotHideTheIssuersPath(t *testing.T) {
	t.Parallel()

	handler := provision(t, testHandler(t))
	outer := loopbackRequest(http.MethodGet, "/idp/keys", nil)

	inner := outer.Clone(context.WithValue(outer.Context(), caddyhttp.OriginalRequestCtxKey, *outer))
	inner.URL.Path = "/keys"
	require.Equal(t, http.StatusOK, serve(handler, inner).status)
}

func TestLogsHaveNoSecrets(t *testing.T) {
	t.Parallel()

	idp := newTestIDP(t, nil)
	logs := observe(idp.handler)

	code := idp.code("alice", authorizeParams())
	got := idp.tokens(exchangeParams(code))
	again := idp.tokens(refreshParams(got.Refresh))
	made := idp.do(http.MethodPost, "/dev/token", url.Values{"user": {"alice"}}).json(t)["id_token"]

	idp.get("/authorize", authorizeParams("prompt", "none"))
	idp.do(http.MethodGet, "/keys", nil, "Via", "1.1 proxy")

	var said strings.Builder

	require.NotZero(t, logs.Len())

	for _, entry := range logs.All() {
		text, err := json.Marshal(entry.ContextMap())
		require.NoError(t, err)
		said.WriteString(entry.Message)
		said.Write(text)
	}

	for _, secret := range []string{code, got.ID, got.Access, got.Refresh, again.Refresh, testVerifier, challenge(testVerifier), "a-state", "a-nonce", made.(string)} { //nolint:forcetypeassert // a test
		require.NotContains(t, said.String(), secret)
	}
}

func TestNextHandlersErrorIsPassedOn(t *testing.T) {
	t.Parallel()

	handler := provision(t, testHandler(t))
	want := errors.New("next")
	next := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return want })
	require.ErrorIs(t, handler.ServeHTTP(nil, loopbackRequest(http.MethodGet, "/notes", nil), next), want)
}

func TestCleanupTwiceTakesNobodyElsesShare(t *testing.T) {
	t.Parallel()

	old := provision(t, testHandler(t))
	running := provision(t, &Handler{Issuer: old.Issuer, Clients: old.Clients, Users: old.Users, Data: old.Data})
	require.NoError(t, old.Cleanup())
	require.NoError(t, old.Cleanup())

	users, pooled := pool.References(running.poolKey)
	require.True(t, pooled)
	require.Equal(t, 1, users)
}
