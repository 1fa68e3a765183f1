package test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

// handshakes is a server with a database of each kind.
type handshakes struct {
	*harness.Server

	// Further sites: below path prefixes, of all databases behind encode, and a proxy.
	stripped, encoded, proxied string
}

// newHandshakes starts it: notes takes passwords and tokens, strict tokens alone, open
// guests, and shown guests who only read.
func newHandshakes(t *testing.T) *handshakes {
	t.Helper()

	h := &handshakes{}

	var extra strings.Builder

	for site, config := range map[*string]string{
		&h.stripped: "handle_path /stripped/* {\nsync open {\npath_prefix /stripped\n}\n}\nsync open {\npath_prefix /api\n}",
		&h.encoded:  "encode zstd gzip\nheader X-Before yes\nsync *",
		&h.proxied:  "encode gzip\nreverse_proxy localhost:{{.Port}}",
	} {
		port, err := harness.FreePort()
		require.NoError(t, err)

		*site = fmt.Sprintf("http://localhost:%d", port)
		fmt.Fprintf(&extra, "%s {\nbind 127.0.0.1\n%s\n}\n", *site, config)
	}

	h.Server = harness.New(t, harness.Options{Settings: harness.Settings{
		Database: "password_auth", Databases: "notes strict open shown", Extra: extra.String(),
		Sync: "database strict {\noidc dev\n}\ndatabase open {\nguest\naccess shared\n}\ndatabase shown {\naccess shared\nguest {\nread_only\n}\n}",
		Site: "cors {\norigins " + appOrigin + "\ncredentials\n}",
	}})
	made := ask(t, h.Server, request{method: http.MethodPut, url: h.AdminURL + "/notes/_user/paul", body: `{"password":"correct horse"}`})
	require.Less(t, made.status, 300, made.body)

	return h
}

func basicAuth(user, password string) map[string]string {
	return map[string]string{"Authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))}
}

func TestLiteHandshakeTakesEveryKindOfCredentials(t *testing.T) {
	t.Parallel()

	h := newHandshakes(t)
	pair := cookie(t, h.Server, "alice")
	_, session, _ := strings.Cut(pair, "=")
	stale := "SyncGatewaySession=" + strings.Repeat("A", len(session))

	for name, test := range map[string]struct {
		site, database string
		header         map[string]string
		status         int // 0 is a WebSocket
	}{
		"bearer":                        {database: "notes", header: bearer(t, h.Server, "alice")},
		"a bearer that is none":         {database: "notes", header: bearerOf("eyJhbGciOiJub25lIn0.e30."), status: 401},
		"a bad bearer with good cookie": {database: "notes", header: map[string]string{"Authorization": "Bearer x", "Cookie": pair}, status: 401},
		"Basic":                         {database: "notes", header: basicAuth("paul", "correct horse")},
		"Basic, wrong password":         {database: "notes", header: basicAuth("paul", "wrong"), status: 401},
		"Basic where it is not on":      {database: "strict", header: basicAuth("paul", "correct horse"), status: 401},
		"cookie":                        {database: "notes", header: map[string]string{"Cookie": pair}},
		"cookie in lower case":          {database: "notes", header: map[string]string{"Cookie": "syncgatewaysession=" + session}},
		"several cookies":               {database: "notes", header: map[string]string{"Cookie": "a=b; " + stale + "; syncgatewaysession=" + session + "; c=d"}},
		"a stale cookie":                {database: "notes", header: map[string]string{"Cookie": stale}, status: 401},
		"a stale cookie, not a guest":   {database: "open", header: map[string]string{"Cookie": stale}, status: 401},
		"nobody":                        {database: "notes", status: 401},
		"nobody, an unknown database":   {site: h.encoded, database: "nosuch", status: 401},
		"an unknown database":           {site: h.encoded, database: "nosuch", header: bearer(t, h.Server, "alice"), status: 401},
		"guest":                         {database: "open"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			if test.site == "" {
				test.site = h.URL
			}

			for _, version := range liteVersions {
				o := harness.LiteOptions{Version: version, Header: headers(test.header)}
				if test.status == 0 {
					l := lite(t, test.site+"/"+test.database, o)
					pull(t, l, "", false)
					require.Empty(t, l.Docs())
					requireUpgradeHead(t, l.Head())
					l.Close()

					continue
				}

				refused := refusedLite(t, test.site+"/"+test.database, o)
				require.Equal(t, test.status, refused.Status, refused.Body)
				require.NotEmpty(t, refused.Header.Get("WWW-Authenticate"))
				require.Equal(t, "application/json", refused.Header.Get("Content-Type"))
				require.Contains(t, refused.Body, `"error":"unauthorized"`)
			}
		})
	}
}

// Row 41 of reference/blip.md 8.1.
func TestLiteReadOnlyGuestPullsAndDoesNotPush(t *testing.T) {
	t.Parallel()

	h := newHandshakes(t)
	made := ask(t, h.Server, request{method: http.MethodPut, url: h.AdminURL + "/shown/a", body: `{}`})
	require.Equal(t, http.StatusCreated, made.status, made.body)

	for _, version := range liteVersions {
		l := lite(t, h.URL+"/shown", harness.LiteOptions{Version: version})
		pull(t, l, "", true)
		require.Contains(t, l.Docs(), "a")

		_, err := l.Push(t.Context(), "b", `{}`)
		require.ErrorContains(t, err, "403")
		requireOpen(t, l) // it goes on pulling
	}
}

func TestLiteAdministratorSeesEverythingByLoopback(t *testing.T) {
	t.Parallel()

	h := newHandshakes(t)

	for _, version := range liteVersions {
		l := lite(t, h.AdminURL+"/notes", harness.LiteOptions{Version: version})
		pull(t, l, "", true)
		push(t, l, "by-"+l.NewRev(1), `{}`)
		requireUpgradeHead(t, l.Head())
	}

	require.Equal(t, http.StatusNotFound, refusedLite(t, h.AdminURL+"/nosuch", harness.LiteOptions{}).Status)

	other := refusedLite(t, h.AdminURL+"/notes", harness.LiteOptions{Header: http.Header{"Origin": {otherOrigin}}})
	require.Equal(t, http.StatusForbidden, other.Status, "any page could ask the administrator's site: %s", other.Body)
}

// Row 3 of reference/blip.md 8.1.
func TestDecision12_LiteHandshakesOfOtherOrigins(t *testing.T) {
	t.Parallel()

	h := newHandshakes(t)
	pair := cookie(t, h.Server, "alice")

	for name, test := range map[string]struct {
		database, origin string
		header           map[string]string
		once             bool
		status           int
	}{
		"cookie, no browser":       {database: "notes", header: map[string]string{"Cookie": pair}},
		"cookie, from the app":     {database: "notes", origin: appOrigin, header: map[string]string{"Cookie": pair}},
		"cookie, from elsewhere":   {database: "notes", origin: otherOrigin, header: map[string]string{"Cookie": pair}, status: 403},
		"cookie, from the site":    {database: "notes", origin: h.URL, header: map[string]string{"Cookie": pair}},
		"bearer, from elsewhere":   {database: "notes", origin: otherOrigin, header: bearer(t, h.Server, "alice")},
		"Basic, from elsewhere":    {database: "notes", origin: otherOrigin, header: basicAuth("paul", "correct horse"), status: 403},
		"guest, from elsewhere":    {database: "open", origin: otherOrigin, status: 403},
		"guest, from the app":      {database: "open", origin: appOrigin},
		"once, from the app":       {database: "notes", origin: appOrigin, once: true},
		"once, from elsewhere":     {database: "notes", origin: otherOrigin, once: true, status: 403},
		"cookie, an opaque origin": {database: "notes", origin: "null", header: map[string]string{"Cookie": pair}, status: 403},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			o := harness.LiteOptions{Header: headers(test.header)}
			if test.origin != "" {
				o.Header.Set("Origin", test.origin)
			}

			if test.once {
				o.Protocols = []string{"SyncGatewaySession_" + oneTime(t, h.Server, map[string]string{"Cookie": pair}), "BLIP_3+CBMobile_3"}
			}

			if test.status == 0 {
				requireOpen(t, lite(t, h.URL+"/"+test.database, o))

				return
			}

			refused := refusedLite(t, h.URL+"/"+test.database, o)
			require.Equal(t, test.status, refused.Status, refused.Body)
		})
	}
}
