package rest

import (
	"net/http"
	"testing"
)

func TestOIDCEndpoints(t *testing.T) {
	t.Parallel()
	s := newSite(t, withCORS(CORS{Origins: []string{"https://app.example"}, Credentials: true}))
	nobody := map[string]string{"Authorization": ""}
	s.runAll([]scenario{
		{name: "login", path: "/notes/_oidc?provider=x", header: nobody, has: []string{"GET _oidc of notes"}, headers: map[string]string{"Cache-Control": "no-store"}},
		{name: "challenge", path: "/notes/_oidc_challenge", header: nobody, has: []string{"GET _oidc_challenge of notes"}},
		{name: "callback", path: "/notes/_oidc_callback?code=x", header: nobody, has: []string{"GET _oidc_callback of notes"}},
		{name: "posted callback", method: http.MethodPost, path: "/notes/_oidc_callback", header: nobody, has: []string{"POST _oidc_callback of notes"}},
		{name: "refresh", method: http.MethodPost, path: "/notes/_oidc_refresh", header: nobody, has: []string{"POST _oidc_refresh of notes"}},
		{name: "logout", path: "/notes/_oidc_logout", header: nobody, has: []string{"GET _oidc_logout of notes"}},
		{name: "back channel", method: http.MethodPost, path: "/notes/_oidc_backchannel_logout", header: nobody, has: []string{"POST _oidc_backchannel_logout of notes"}},
		{name: "back channel by GET", path: "/notes/_oidc_backchannel_logout", header: nobody, status: 405, headers: map[string]string{"Allow": "POST, OPTIONS"}},
		{name: "login by POST", method: http.MethodPost, path: "/notes/_oidc", header: nobody, status: 405},
		{name: "below", path: "/notes/_oidc/x", status: 404},
		{name: "as a document", method: http.MethodPut, path: "/notes/_oidc_callback", body: `{}`, status: 405},
	})
	all := newSite(t, allDatabases)
	all.run(scenario{name: "unknown database", path: "/none/_oidc", header: nobody, status: 401, has: []string{"Login required"}})
}

// Providers call two of the endpoints from wherever they are; what a page makes a
// browser send to the others must be of this site or an allowed origin.
func TestDecision12_OIDCEndpointsAcrossOrigins(t *testing.T) {
	t.Parallel()
	s := newSite(t, withCORS(CORS{Origins: []string{"https://app.example"}, Credentials: true}))
	evil := map[string]string{"Authorization": "", "Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
	app := map[string]string{"Authorization": "", "Origin": "https://app.example", "Sec-Fetch-Site": "cross-site"}
	for path, status := range map[string]int{
		"/notes/_oidc_callback": 200, "/notes/_oidc_backchannel_logout": 200,
		"/notes/_oidc_refresh": 403, "/notes/_oidc_logout": 403,
	} {
		s.run(scenario{name: "from elsewhere", method: http.MethodPost, path: path, header: evil, status: status})
		s.run(scenario{name: "from the app", method: http.MethodPost, path: path, header: app})
	}
}
