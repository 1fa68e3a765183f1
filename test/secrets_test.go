package test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

// planted are secrets that clients sent or were given, and all answers they got.
type planted struct {
	secrets []string
	answers []string
}

// quickstartLog is where the quickstart's access log goes, off the terminal.
const quickstartLog = "\t\toutput file ./data/access.log\n"

// accessLog is the log block that every example imports, as the quickstart has it.
func accessLog(t *testing.T) string {
	t.Helper()

	_, snippet, found := strings.Cut(readFile(t, "examples", "quickstart", "Caddyfile"), "\n(sync_log) {\n")
	require.True(t, found, "the quickstart has no snippet (sync_log)")

	snippet, _, found = strings.Cut(snippet, "\n}\n")
	require.True(t, found)

	// The other examples' goes where all logs go.
	return strings.Replace(snippet, quickstartLog, "", 1)
}

func TestDecision15_NoSecretReachesTheLogs(t *testing.T) {
	t.Parallel()

	server := harness.New(t, harness.Options{Settings: harness.Settings{
		Debug: true, Log: accessLog(t), Site: "cors {\norigins " + appOrigin + "\ncredentials\n}",
		IDPClient: "backchannel_logout {{.URL}}/notes/_oidc_backchannel_logout",
	}})
	s := site{Server: server, issuer: server.Issuer}

	var p planted

	for script, env := range map[string]map[string]string{
		"signin":  {"CLIENTS": "notes:RS256", "SCOPE": "openid profile email offline_access"},
		"signout": nil,
		"browser": {"PROVIDER": "dev", "APP": appOrigin},
		"logout":  {"PROVIDER": "dev", "APP": appOrigin, "BY_SESSION": "yes"},
	} {
		run := s.run(t, script, env)
		p.secrets = append(p.secrets, event[struct{ Secrets []string }](t, run, "secrets").Secrets...)
	}

	p.send(t, server)
	require.NoError(t, server.Reload(t.Context()))
	p.send(t, server)
	require.NoError(t, server.Stop())

	log := server.Log()
	require.Contains(t, log, `"http.log.access`, "the access log was not on")
	require.Contains(t, log, `"level":"debug"`)
	require.Greater(t, len(p.secrets), 10)

	for _, secret := range p.secrets {
		for _, part := range parts(secret) {
			for line := range strings.Lines(log) {
				if strings.Contains(line, part) {
					t.Errorf("%.12s… reached the log: %.1500s", part, line)

					break
				}
			}

			for _, answer := range p.answers {
				require.NotContains(t, answer, part, "an answer repeats a secret")
			}
		}
	}
}

// send sends good, broken and misplaced secrets.
func (p *planted) send(t *testing.T, server *harness.Server) {
	t.Helper()

	token, err := server.Token(t.Context(), "bob", nil)
	require.NoError(t, err)

	forged := token[:len(token)-8] + "AAAAAAAA"
	foreign := "eyJhbGciOiJSUzI1NiJ9." + base64.RawURLEncoding.EncodeToString([]byte(`{"iss":"http://elsewhere.example","sub":"planted-foreign"}`)) +
		".cGxhbnRlZC1zaWduYXR1cmU"
	session := "planted-session-0123456789abcdef0123456789abcdef"
	password := "planted-password-Zm9v"
	basic := base64.StdEncoding.EncodeToString([]byte("alice:" + password))
	code, state, refresh, socket := "planted-code-1234567890", "planted-state-1234567890", "planted-refresh-1234567890", "planted-socket-1234567890"

	p.secrets = append(p.secrets, token, forged, foreign, session, password, basic, code, state, refresh, socket)

	for _, r := range []request{
		{url: "/notes", header: map[string]string{"Authorization": "Bearer " + token}},
		{url: "/notes", header: map[string]string{"Authorization": "Bearer " + forged}},
		{url: "/notes", header: map[string]string{"Authorization": "Bearer " + foreign}},
		{url: "/notes", header: map[string]string{"Authorization": "Bearer " + foreign + " trailing"}},
		{url: "/notes", header: map[string]string{"Authorization": "bearer" + token}},
		{url: "/notes", header: map[string]string{"Authorization": "Basic " + basic}},
		{url: "/notes", header: map[string]string{"Cookie": "SyncGatewaySession=" + session}},
		{method: http.MethodPost, url: "/notes/_session", header: map[string]string{"Authorization": "Bearer " + forged}},
		{method: http.MethodPost, url: "/notes/_session", body: `{"name":"alice","password":"` + password + `"}`},
		{method: http.MethodDelete, url: "/notes/_session", header: map[string]string{"Cookie": "SyncGatewaySession=" + session}},
		{url: "/notes/_changes?code=" + code + "&state=" + state + "&refresh_token=" + refresh},
		{url: "/notes", header: map[string]string{"Sec-WebSocket-Protocol": "SyncGatewaySession_" + socket}},
	} {
		got := ask(t, server, r)
		p.answers = append(p.answers, got.body+strings.Join(got.header.Values("WWW-Authenticate"), " "))
	}

	p.sendFlow(t, server)
	p.sendAdministrator(t, server, token)
	p.sendLite(t, server)
}

// sendFlow sends secrets to the endpoints of sign-in by browser, in bodies and, where they do
// not belong, in URLs.
func (p *planted) sendFlow(t *testing.T, server *harness.Server) {
	t.Helper()

	hint, err := server.Token(t.Context(), "carol", nil)
	require.NoError(t, err)

	logout := "eyJhbGciOiJSUzI1NiIsInR5cCI6ImxvZ291dCtqd3QifQ." +
		base64.RawURLEncoding.EncodeToString([]byte(`{"iss":"http://elsewhere.example","sub":"planted-logout"}`)) + ".cGxhbnRlZC1sb2dvdXQ"
	refresh, code, state := "planted-refresh-0987654321", "planted-code-0987654321", "planted-state-0987654321"
	p.secrets = append(p.secrets, hint, logout, refresh, code, state)

	form := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	for _, r := range []request{
		{method: http.MethodPost, url: "/notes/_oidc_refresh", body: `{"refresh_token":"` + refresh + `"}`},
		{method: http.MethodPost, url: "/notes/_oidc_refresh", body: "refresh_token=" + refresh, header: form},
		{url: "/notes/_oidc_refresh?refresh_token=" + refresh},
		{url: "/notes/_oidc_callback?code=" + code + "&state=" + state},
		{method: http.MethodPost, url: "/notes/_oidc_callback", body: "code=" + code + "&state=" + state, header: form},
		{method: http.MethodPost, url: "/notes/_oidc_logout", body: "id_token_hint=" + hint, header: form},
		{url: "/notes/_oidc_logout?id_token_hint=" + hint},
		{method: http.MethodPost, url: "/notes/_oidc_backchannel_logout", body: "logout_token=" + logout, header: form},
		{method: http.MethodPost, url: "/notes/_oidc_backchannel_logout", body: "logout_token=" + hint, header: form},
	} {
		p.answers = append(p.answers, ask(t, server, r).body)
	}
}

// sendAdministrator sends and gets secrets at the administrator's site: passwords, hashes,
// tokens to explain, and a session by its ID in the path, as Sync Gateway has it.
func (p *planted) sendAdministrator(t *testing.T, server *harness.Server, token string) {
	t.Helper()

	password, hash := "planted-password-for-dora", "$2a$10$plantedplantedplantedpuZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZ"
	p.secrets = append(p.secrets, password, hash)

	at := server.AdminURL + "/notes"
	for _, r := range []request{
		{method: http.MethodPut, url: at + "/_user/dora", body: `{"password":"` + password + `"}`},
		{method: http.MethodPut, url: at + "/_user/imported", body: `{"password_hash":"` + hash + `"}`},
		{method: http.MethodPut, url: at + "/_user/erin", body: `{"password":"` + password + `","oops":1}`},
		{url: at + "/_user/dora"},
		{method: http.MethodPost, url: server.AdminURL + "/_auth/explain", body: `{"token":"` + token + `"}`},
		{method: http.MethodPost, url: server.AdminURL + "/_auth/explain", body: `{"token":"` + token + `x"}`},
	} {
		p.answers = append(p.answers, ask(t, server, r).body)
	}

	made := ask(t, server, request{method: http.MethodPost, url: at + "/_session", body: `{"name":"dora"}`})

	var session struct {
		ID string `json:"session_id"`
	}

	require.NoError(t, json.Unmarshal([]byte(made.body), &session))
	require.Len(t, session.ID, 43, made.body)

	once := ask(t, server, request{
		method: http.MethodPost, url: "/notes/_session?one_time=true",
		header: map[string]string{"Cookie": "SyncGatewaySession=" + session.ID},
	})

	var oneTime struct {
		ID string `json:"one_time_session_id"`
	}

	require.NoError(t, json.Unmarshal([]byte(once.body), &oneTime))
	require.NotEmpty(t, oneTime.ID)

	p.secrets = append(p.secrets, session.ID, oneTime.ID)

	for _, r := range []request{
		{url: "/notes/_blipsync", header: map[string]string{
			"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Protocol": "SyncGatewaySession_" + oneTime.ID,
		}},
		{url: at + "/_session/" + session.ID},
		{method: http.MethodDelete, url: at + "/_user/dora/_session/" + session.ID},
		{method: http.MethodDelete, url: at + "/_session/" + session.ID},
		{url: "/notes/_session/" + session.ID},
	} {
		p.answers = append(p.answers, ask(t, server, r).body)
	}
}

// parts are what must not be seen of a secret: all of it, or of a token its claims and
// its signature.
func parts(secret string) []string {
	if sections := strings.Split(secret, "."); len(sections) == 3 {
		return sections[1:]
	}

	return []string{secret}
}
