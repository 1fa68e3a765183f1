package test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/caddysync/caddy-sync/test/lite1"
	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
)

// hiddenRequest is the field of the development provider's form that says which sign-in it is.
var hiddenRequest = regexp.MustCompile(`name="request" value="([^"]+)"`)

// errLogin says that the provider's page did not lead back.
var errLogin = errors.New("the provider did not send the user back")

// webView is an app's web view, in which a user signs in at the development provider. It
// returns where the provider sends it at the end.
func webView(issuer, user string) func(address string) (string, error) {
	return func(address string) (string, error) {
		jar, err := cookiejar.New(nil)
		if err != nil {
			return "", err
		}

		// The view is stopped where it would call the sync server.
		client := http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
			if strings.HasSuffix(r.URL.Path, "/_oidc_callback") {
				return http.ErrUseLastResponse
			}

			return nil
		}}

		page, err := client.Get(address)
		if err != nil {
			return "", err
		}

		text, err := io.ReadAll(page.Body)
		_ = page.Body.Close()

		found := hiddenRequest.FindSubmatch(text)
		if err != nil || found == nil {
			return "", errors.Join(errLogin, err)
		}

		chosen, err := client.PostForm(issuer+"/login", url.Values{"request": {string(found[1])}, "user": {user}})
		if err != nil {
			return "", err
		}

		_ = chosen.Body.Close()

		return chosen.Header.Get("Location"), nil
	}
}

// Couchbase Lite 1.4 against the built binary: sign-in by challenge, push, pull by longpoll and
// by WebSocket through a reload, a session that ends, and sign-out.
func TestLite1SignsInAndReplicates(t *testing.T) {
	t.Parallel()

	settings := func(config string) harness.Settings {
		return harness.Settings{Sync: "stream_close_delay 1s", Before: "encode zstd gzip\nheader X-Config " + config}
	}
	server := harness.New(t, harness.Options{Settings: settings("first")})

	for _, edition := range lite1.Editions() {
		t.Run(edition.String(), func(t *testing.T) {
			user := map[lite1.Edition]string{lite1.Java: "alice", lite1.NET: "bob", lite1.IOS: "carol"}[edition]
			config := lite1.Config{URL: server.URL + "/notes", Login: webView(server.Issuer, user)}
			pushing := config
			pushing.Push = true

			one, two := lite1.NewDevice(t, edition), lite1.NewDevice(t, edition)
			large := strings.Repeat("large content ", 10_000)
			id := "by " + user

			one.Put(id, `{"n":1}`)
			one.Attach(id, "photo", "image/png", large, false)
			one.Attach(id, "packed", "text/plain", large, true)
			one.Sync(pushing)

			pull := two.Start(config)
			// The edition for .NET opens another feed after its first: that one is to end by the reload.
			pull.AwaitIdle(map[bool]int{true: 2, false: 1}[edition == lite1.NET])
			require.Equal(t, large, two.Content(id, "photo"))
			require.Equal(t, large, two.Content(id, "packed"))
			require.Equal(t, one.Holds()[id], two.Holds()[id])

			require.NoError(t, server.Rewrite(settings(user)))
			require.NoError(t, server.Reload(t.Context()))
			two.Put(id, `{"n":2}`)
			two.Sync(pushing)
			one.Sync(config)
			require.JSONEq(t, `{"n":2}`, one.Body(id))

			if edition != lite1.Java {
				require.Equal(t, websocket.StatusGoingAway, pull.AwaitClosed()[0])
			}

			one.Put("after the reload of "+user, `{}`)
			one.Sync(pushing)
			two.Await("what comes after a reload", func() bool { return two.Body("after the reload of "+user) != "" })

			ended := time.Now()
			gone := ask(t, server, request{method: http.MethodDelete, url: server.AdminURL + "/notes/_user/" + user + "/_session", header: map[string]string{"Content-Type": "application/json"}})
			require.Less(t, gone.status, 300, gone.body)
			require.Equal(t, http.StatusUnauthorized, lite1.StatusOf(pull.AwaitError()))
			require.Less(t, time.Since(ended), 3*time.Second)

			// Tokens of the second of the revocation are refused with the sessions (DECISIONS 4).
			eventually(t, 5*time.Second, func() bool { return two.TrySync(config) == nil })

			again := two.Start(config)
			again.AwaitIdle(1)
			two.SignOut(config)
			require.Equal(t, http.StatusUnauthorized, lite1.StatusOf(again.AwaitError()))
		})
	}
}

// A page cannot send headers with a WebSocket: a one-time token goes as a subprotocol.
func TestLite1FeedByOneTimeToken(t *testing.T) {
	t.Parallel()

	server := harness.New(t, harness.Options{})
	token := oneTime(t, server, bearer(t, server, "alice"))
	address := "ws" + strings.TrimPrefix(server.URL, "http") + "/notes/_changes?feed=websocket"

	for i, status := range []int{http.StatusSwitchingProtocols, http.StatusUnauthorized} {
		ws, answer, err := websocket.Dial(t.Context(), address, &websocket.DialOptions{
			Subprotocols: []string{"SyncGatewaySession_" + token, "sync-changes"},
		})
		require.Equal(t, status, answer.StatusCode)
		require.Equal(t, i == 0, err == nil)

		if err != nil {
			continue
		}

		require.Equal(t, "sync-changes", answer.Header.Get("Sec-WebSocket-Protocol"))
		require.NoError(t, ws.Write(t.Context(), websocket.MessageText, []byte(`{}`)))

		_, message, err := ws.Read(t.Context())
		require.NoError(t, err)

		var rows []json.RawMessage
		require.NoError(t, json.Unmarshal(message, &rows))
		require.Empty(t, rows)
		require.NoError(t, ws.CloseNow())
	}
}
