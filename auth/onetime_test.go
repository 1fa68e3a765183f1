package auth

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// handshake is a WebSocket handshake with these subprotocols.
func handshake(protocols string) *http.Request {
	r := request(http.MethodGet, "/notes/_blipsync", "")
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "websocket")
	r.Header.Set("Sec-WebSocket-Protocol", protocols)
	return r
}

// oneTimeToken buys a token with credentials.
func (w *world) oneTimeToken(credentials ...string) string {
	w.t.Helper()
	resp, body := w.session(request(http.MethodPost, "/notes/_session?one_time=true", "", credentials...), &notes)
	require.Equal(w.t, http.StatusOK, resp.StatusCode, body)
	require.Empty(w.t, resp.Cookies(), "F73: no cookie")
	require.Equal(w.t, true, body["ok"])
	require.IsType(w.t, "", body["one_time_session_id"])
	return body["one_time_session_id"].(string)
}

func (w *world) connect(protocols string) (*Principal, error) {
	return w.service.Authenticate(handshake(protocols), w.site, notes)
}

// F73, F74. It connects once, in the same way for each kind of parent.
func TestDecision3_AOneTimeTokenConnectsOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.issuer.token("alice")
	for name, credentials := range map[string]string{"bearer": bearer(token), "cookie": w.signIn(token)} {
		id := w.oneTimeToken(credentials)
		p, err := w.connect("SyncGatewaySession_" + id + ", BLIP_3+CBMobile_4")
		require.NoError(t, err, "%s: %s", name, detail(err))
		require.Equal(t, "idp.example.com_alice", p.Name)
		require.Equal(t, MethodOnce, p.Method)
		_, err = w.connect("BLIP_3+CBMobile_4,SyncGatewaySession_" + id)
		require.Equal(t, "Session Invalid", asError(t, err).Reason, name)
		require.False(t, w.records.holds(id), "only a hash is stored")
	}
}

func TestDecision3_OneTimeTokensAreForHandshakesOnlyAndSessionsAreNot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cookie := w.signIn(w.issuer.token("alice"))
	id := w.oneTimeToken(cookie)
	require.Equal(t, "Session Invalid", w.out("SyncGatewaySession="+id).Reason, "not as a cookie")
	r := request(http.MethodGet, "/notes/doc", "")
	r.Header.Set("Sec-WebSocket-Protocol", "SyncGatewaySession_"+id)
	_, err := w.service.Authenticate(r, w.site, notes)
	require.Equal(t, "Login required", asError(t, err).Reason, "not without a handshake")

	ordinary := cookie[len("SyncGatewaySession="):]
	_, err = w.connect("SyncGatewaySession_" + ordinary)
	require.Equal(t, "Session Invalid", asError(t, err).Reason)
	w.in(cookie) // the session is still there

	_, err = w.connect("SyncGatewaySession_" + id)
	require.NoError(t, err, "and the token was not used up")
	updates := w.records.updates.Load()
	for _, made := range []string{"", "x", ordinary[1:] + "A"} {
		_, err = w.connect("SyncGatewaySession_" + made)
		require.Equal(t, "Session Invalid", asError(t, err).Reason)
	}
	require.Equal(t, updates, w.records.updates.Load(), "a made-up token costs no write")
}

func TestDecision3_AOneTimeTokenLivesAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		id := w.oneTimeToken(bearer(w.issuer.token("alice")))
		time.Sleep(time.Minute)
		_, err := w.connect("SyncGatewaySession_" + id)
		require.Equal(t, "Session Invalid", asError(t, err).Reason)
	})
}

// The connection ends with what the token was bought with.
func TestDecision3_AOneTimeTokenCarriesItsParentsLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		open := func(credentials string) *Lease {
			p, err := w.connect("SyncGatewaySession_" + w.oneTimeToken(credentials))
			require.NoError(t, err, detail(err))
			return w.lease(p)
		}
		token := w.issuer.token("alice")
		cookie := w.signIn(token)
		bySession, byToken := open(cookie), open(bearer(token))
		w.session(request(http.MethodDelete, "/notes/_session", "", cookie), &notes)
		require.True(t, ended(bySession))
		require.Equal(t, "session ended", bySession.Reason())
		require.False(t, ended(byToken))
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, "token expired", byToken.Reason())

		id := w.oneTimeToken(w.signIn(w.issuer.token("alice")))
		require.NoError(t, w.state.EndAllSessions(t.Context(), notes.ID, "idp.example.com_alice"))
		_, err := w.connect("SyncGatewaySession_" + id)
		require.Equal(t, "Session Invalid", asError(t, err).Reason, "its parent ended before the handshake")
	})
}

// A session's principal is kept for its next request, whose Origin is looked at as a cookie's is.
func TestAOneTimeTokenLeavesTheRequestsOfItsSessionAsTheyAre(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cookie := w.signIn(w.issuer.token("alice"))
	for range 2 { // found anew, and kept
		p, err := w.connect("SyncGatewaySession_" + w.oneTimeToken(cookie))
		require.NoError(t, err, detail(err))
		require.Equal(t, MethodOnce, p.Method)
		require.Equal(t, MethodCookie, w.in(cookie).Method)
		require.Equal(t, MethodOnce, p.Method)
	}
}

func FuzzWebSocketProtocol(f *testing.F) {
	for _, seed := range []string{"", "SyncGatewaySession_x", "a, SyncGatewaySession_ , b", "sid_1,SyncGatewaySession_2", "_"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := request(http.MethodGet, "/notes/_blipsync", "")
		r.Header["Upgrade"], r.Header["Sec-Websocket-Protocol"] = []string{"WebSocket"}, []string{text}
		if id, ok := readSocketToken(r, "sid"); ok {
			require.Contains(t, text, "_"+id)
		}
	})
}
