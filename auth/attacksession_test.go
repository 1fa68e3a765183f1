package auth

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A session ID that the attacker chose, or knows, must not become the victim's. CWE-384,
// Kolšek, "Session Fixation Vulnerability in Web-based Applications" (2002).
func TestAttack_SessionFixation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	planted := "SyncGatewaySession=" + strings.Repeat("x", sessionIDLength)
	mallory := w.signIn(w.issuer.token("mallory"))
	for _, cookie := range []string{planted, mallory, planted + "; " + mallory} {
		resp, body := w.session(request(http.MethodPost, "/notes/_session", "", bearer(w.issuer.token("alice")), cookie), &notes)
		require.Equal(t, http.StatusOK, resp.StatusCode)
		require.Equal(t, "idp.example.com_alice", body["name"])
		require.Len(t, resp.Cookies(), 1)
		fresh := resp.Cookies()[0].Value
		require.NotContains(t, cookie, fresh, "signing in makes a new ID")
		require.Equal(t, "alice", w.in("SyncGatewaySession="+fresh).Subject)
		require.Equal(t, "mallory", w.in(mallory).Subject, "what was there before is nobody else's now")
		require.Equal(t, 401, w.out(planted).Status)
	}
	// Nor is an unknown ID taken up by a request that is signed in by other means.
	w.in(planted, bearer(w.issuer.token("alice")))
	require.Equal(t, 401, w.out(planted).Status)
	resp, _ := w.session(request(http.MethodPost, "/notes/_session", "", planted), &notes)
	require.Equal(t, 401, resp.StatusCode)
	require.Empty(t, resp.Cookies())
	// IDs come in cookies only.
	_, id, _ := strings.Cut(mallory, "=")
	for _, r := range []*http.Request{
		request(http.MethodGet, "/notes/doc?SyncGatewaySession="+id, ""), request(http.MethodGet, "/notes/doc;SyncGatewaySession="+id, ""),
		request(http.MethodPost, "/notes/doc", "SyncGatewaySession="+id), request(http.MethodGet, "/notes/doc", "", "Bearer "+id),
		request(http.MethodGet, "/notes/doc", "", "Session "+id), request(http.MethodGet, "/notes/doc", "", "SyncGatewaySession "+id),
	} {
		_, err := w.service.Authenticate(r, w.site, notes)
		require.Equal(t, 401, asError(t, err).Status, r.URL)
	}
}

// Another host of the domain, or another path, sets cookies of the session's name: the
// browser sends several, and not which is whose. RFC 6265 section 8.6; Zheng et al.,
// "Cookies Lack Integrity" (USENIX Security 2015). Dead ones take nobody's session away,
// and signing out ends all that came (DECISIONS 2). A live one of the attacker's own can be
// kept out by the browser alone: see TestAttack_CookiePrefix.
func TestAttack_CookieTossing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice := w.signIn(w.issuer.token("alice"))
	_, id, _ := strings.Cut(alice, "=")
	for _, tossed := range []string{
		"SyncGatewaySession=" + strings.Repeat("x", sessionIDLength), "SyncGatewaySession=", `SyncGatewaySession=""`, "SyncGatewaySession=" + id[1:],
		"SyncGatewaySession=" + id + "x", "SyncGatewaySession=" + strings.ToLower(id) + ".", "syncgatewaysession=x", "SyncGatewaySession", "=" + id,
		"SyncGatewaySession=%00", "SyncGatewaySession=" + strings.Repeat("y", 8000), "SyncGatewaySession =x", "$Version=1", `a="SyncGatewaySession=x`,
	} {
		w.requireCookies("alice", tossed+"; "+alice)
		w.requireCookies("alice", alice+"; "+tossed)
		w.requireCookies("alice", tossed, alice)
		w.requireCookies("", tossed)
	}
	// Dozens of them cost a bounded number of look-ups.
	many := strings.Repeat("SyncGatewaySession="+strings.Repeat("x", sessionIDLength)+"; ", 500)
	views := w.records.views.Load()
	require.Equal(t, 401, w.out(many+alice).Status)
	require.LessOrEqual(t, w.records.views.Load()-views, int64(maxCookies))

	mallory := w.signIn(w.issuer.token("mallory"))
	resp, _ := w.session(request(http.MethodDelete, "/notes/_session", "", mallory+"; "+alice), &notes)
	require.Equal(t, 200, resp.StatusCode)
	require.Equal(t, 401, w.out(alice).Status)
	require.Equal(t, 401, w.out(mallory).Status)
}

// A __Host- cookie can be set by nobody but the host itself (RFC 6265bis section
// 4.1.3.2), as long as the server takes no other spelling for it: browsers before 2023 let
// __host- pass (RFC 6265bis section 5.7 says why that is a danger), and to none of them is
// __Hoſt- a prefix. PortSwigger, "Cookie Chaos" (2025), has such foldings of servers.
func TestAttack_CookiePrefix(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"__Host-sid", "__Secure-Sid"} {
		w := newWorld(t, func(c *Config) { c.Databases[0].Session.Cookie = name })
		alice, mallory := w.signIn(w.issuer.token("alice")), w.signIn(w.issuer.token("mallory"))
		_, id, _ := strings.Cut(mallory, "=")
		prefix, rest, _ := strings.Cut(name, "-")
		tossed := []string{
			strings.ToLower(name), strings.ToUpper(name), strings.ToLower(prefix) + "-" + rest, "__hOST-sid", "__secure-Sid", "_" + name, name + " ", name + "\t",
			"\u2003" + name, "\u00a0" + name, "\u200b" + name, "\ufeff" + name, strings.Replace(name, "s", "\u017f", 1), strings.Replace(name, "S", "\u017f", 1),
			"%5F%5FHost-sid", "$" + name, `"` + name + `"`, "\t\x0b" + name, "x=" + name, name + "\x00",
		}
		for _, other := range tossed {
			if other == name {
				continue // it has no such letter
			}
			w.requireCookies("alice", other+"="+id+"; "+alice)
			w.requireCookies("", other+"="+id)
		}
		require.Equal(t, "mallory", w.in(prefix+"-"+strings.ToUpper(rest)+"="+id).Subject, "the rest is as for other names")
	}
	// The letters of other names are folded as ASCII.
	w := newWorld(t)
	alice := w.signIn(w.issuer.token("alice"))
	w.in(strings.Replace(alice, "SyncGatewaySession", "SYNCGATEWAYsession", 1))
	require.Equal(t, "Login required", w.out(strings.Replace(alice, "Session", "Se\u017fsion", 1)).Reason)
}

// withCookies asks for a document with cookie lines as they are.
func (w *world) withCookies(lines ...string) (*Principal, *Error) {
	w.t.Helper()
	r := get()
	r.Header["Cookie"] = lines
	p, err := w.service.Authenticate(r, w.site, notes)
	if err != nil {
		return nil, asError(w.t, err)
	}
	return p, nil
}

func (w *world) requireCookies(subject string, lines ...string) {
	w.t.Helper()
	p, refusal := w.withCookies(lines...)
	if subject == "" {
		require.NotNil(w.t, refusal, "%q", lines)
		require.Equal(w.t, 401, refusal.Status)
		return
	}
	require.Nil(w.t, refusal, "%q", lines)
	require.Equal(w.t, subject, p.Subject, "%q", lines)
}

// What a list of sessions shows is of no use as a session. CWE-522.
func TestAttack_SessionFromItsHandleOrHash(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.signIn(w.issuer.token("alice"))
	list, err := w.state.Sessions(t.Context(), notes.ID, "idp.example.com_alice")
	require.NoError(t, err)
	handle := list[0].Handle
	for _, id := range []string{handle, strings.ToUpper(handle), handle + strings.Repeat("0", sessionIDLength-len(handle)), strings.Repeat(handle, 2)[:sessionIDLength]} {
		require.Equal(t, 401, w.out("SyncGatewaySession="+id).Status)
	}
}
