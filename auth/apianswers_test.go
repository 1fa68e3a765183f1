package auth

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// DECISIONS 9: nobody signs in by browser on an administrator's site.
func TestAdministratorsSitesHaveNoSignInByBrowser(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	site := &Site{Admin: &AdminRule{Loopback: true}}
	for _, endpoint := range []OIDCEndpoint{OIDCLogin, OIDCChallenge, OIDCCallback, OIDCRefresh, OIDCLogout, OIDCBackchannelLogout} {
		for _, method := range endpoint.methods() {
			rec := httptest.NewRecorder()
			serveOIDC(f.service, rec, fromHere(request(method, "/notes/"+string(endpoint), "")), site, notes, endpoint)
			require.Equal(t, http.StatusNotFound, rec.Code, "%s %s", method, endpoint)
		}
	}
}

func TestSessionEndpointsTakeOneAuthorizationOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	two := []string{bearer("a"), bearer("b")}
	for _, db := range []*Database{nil, &notes} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			resp, body := w.session(request(method, "/_session", "", two...), db, notes)
			require.Equal(t, http.StatusBadRequest, resp.StatusCode, body)
		}
		for _, method := range []string{http.MethodGet, http.MethodDelete} {
			rec := httptest.NewRecorder()
			serveSessionHandle(w.service, rec, request(method, "/_session/all", "", two...), w.site, db, []Database{notes}, AllSessions)
			require.Equal(t, http.StatusBadRequest, rec.Code, rec.Body)
		}
		resp, body := w.session(request(http.MethodPost, "/_session", strings.Repeat(" ", maxLoginBody+1)), db, notes)
		require.Equal(t, http.StatusRequestEntityTooLarge, resp.StatusCode, body)
	}
}

// DECISIONS 2: sessions without a database in the path are the same.
func TestSessionsOfASite(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cookie := w.signIn(w.issuer.token("alice"))
	of := func(method, handle string) int {
		rec := httptest.NewRecorder()
		serveSessionHandle(w.service, rec, request(method, "/_session/"+handle, "", cookie), w.site, nil, []Database{notes}, handle)
		return rec.Code
	}
	require.Equal(t, http.StatusOK, of(http.MethodGet, AllSessions))
	require.Equal(t, http.StatusNotFound, of(http.MethodGet, "0123"))
	require.Equal(t, http.StatusNotFound, of(http.MethodDelete, "0123"))
	require.Equal(t, http.StatusOK, of(http.MethodDelete, AllSessions))
	require.Equal(t, http.StatusUnauthorized, of(http.MethodGet, AllSessions))
	code, _, _ := w.handle(http.MethodGet, "0123", w.signIn(w.issuer.token("bob")))
	require.Equal(t, http.StatusNotFound, code)
}

func TestEndpointsOfAProviderThatFails(t *testing.T) {
	t.Parallel()
	f := newFlow(t, func(c *Config) { c.Providers[0].RefreshByQuery = true })
	f.idp.discovery("authorization_endpoint", absent)
	answered(t, f.browser().open(OIDCChallenge, ""), 502, "cannot be used")
	f.idp.bend = func(answer map[string]any) { delete(answer, "id_token") }
	f.idp.refresh["r"] = "alice"
	answered(t, f.browser().open(OIDCRefresh, "refresh_token=r"), 502, "No id_token field")

	f = newFlow(t, func(c *Config) { c.Providers[0].ResponseMode = "form_post" })
	f.idp.bend = func(answer map[string]any) { delete(answer, "id_token") }
	b := f.browser()
	_, answer := f.idp.authorize(b.begin(""), "alice")
	answered(t, b.post(OIDCCallback, formType, answer.Encode()), 502, "No id_token field")
}

func TestLogoutByPost(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	f.idp.discovery("end_session_endpoint", absent)
	require.Equal(t, map[string]any{"ok": true}, body(t, f.browser().post(OIDCLogout, jsonBody, "{}")))
	answered(t, f.browser().post(OIDCLogout, jsonBody, `{"return_to":1}`), 400, "JSON of strings")
}
