package test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

// handshakeAnswer is the answer to a request that is sent as it is written here.
type handshakeAnswer struct {
	*http.Response

	head, body string
}

// askHandshake sends a GET for a WebSocket at any path with headers changed: an empty value
// leaves one out.
func askHandshake(t *testing.T, site, method, path string, changed map[string]string) handshakeAnswer {
	t.Helper()

	host := strings.TrimPrefix(site, "http://")
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", host)
	require.NoError(t, err)

	defer func() { _ = conn.Close() }()

	require.NoError(t, conn.SetDeadline(time.Now().Add(liteLimit)))

	header := map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
		"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol": "BLIP_3+CBMobile_3,BLIP_3+CBMobile_2",
	}
	maps.Copy(header, changed)

	var text strings.Builder

	fmt.Fprintf(&text, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, path, host)

	for name, value := range header {
		if value != "" {
			fmt.Fprintf(&text, "%s: %s\r\n", name, value)
		}
	}

	_, err = conn.Write([]byte(text.String() + "\r\n"))
	require.NoError(t, err)

	var head strings.Builder

	in := bufio.NewReader(conn)

	for !strings.HasSuffix(head.String(), "\r\n\r\n") {
		line, err := in.ReadString('\n')
		require.NoError(t, err, head.String())
		head.WriteString(line)
	}

	res, err := http.ReadResponse(bufio.NewReader(strings.NewReader(head.String())), nil)
	require.NoError(t, err)

	defer func() { _ = res.Body.Close() }()

	answer := handshakeAnswer{Response: res, head: head.String()}

	if res.ContentLength > 0 && method != http.MethodHead {
		body := make([]byte, res.ContentLength)
		_, err := io.ReadFull(in, body)
		require.NoError(t, err)

		answer.body = string(body)
	}

	return answer
}

// requireUpgradeHead fails unless the answer is what LiteCore takes for a WebSocket
// (reference/blip.md 1.1).
func requireUpgradeHead(t *testing.T, head string) {
	t.Helper()

	require.True(t, strings.HasPrefix(head, "HTTP/1.1 101 Switching Protocols\r\n"), head)

	count := map[string]int{}
	value := map[string]string{}

	for line := range strings.SplitSeq(strings.TrimSpace(head), "\r\n") {
		if name, text, found := strings.Cut(line, ": "); found {
			count[strings.ToLower(name)]++
			value[strings.ToLower(name)] = text
		}
	}

	require.Equal(t, 1, count["connection"], head)
	require.Equal(t, "Upgrade", value["connection"], head)
	require.Equal(t, 1, count["upgrade"], head)
	require.Equal(t, "websocket", value["upgrade"], head)
	require.Equal(t, 1, count["sec-websocket-accept"], head)
	require.Equal(t, 1, count["sec-websocket-protocol"], head)
	require.Contains(t, value["sec-websocket-protocol"], "BLIP_3+CBMobile_", head)
	require.NotContains(t, value["sec-websocket-protocol"], ",", head)
	require.Zero(t, count["sec-websocket-extensions"], head)
	require.Equal(t, 1, count["x-correlation-id"], head)
	require.Regexp(t, "^[0-9a-zA-Z_-]{4,40}$", value["x-correlation-id"])
	require.Zero(t, count["content-encoding"], head)
	require.Zero(t, count["transfer-encoding"], head)
	require.Zero(t, count["content-length"], head)
}

// Row 11 of reference/blip.md 8.1: the correlation ID and the one subprotocol.
func TestLiteHandshakeIsAnsweredAsLiteCoreWantsIt(t *testing.T) {
	t.Parallel()

	h := newHandshakes(t)

	for name, test := range map[string]struct{ site, path string }{
		"plain":        {h.URL, "/open/_blipsync"},
		"with a query": {h.URL, "/open/_blipsync?client=cbl2"},
		"encode":       {h.encoded, "/open/_blipsync"},
		"proxied":      {h.proxied, "/open/_blipsync"},
		"path_prefix":  {h.stripped, "/api/open/_blipsync"},
		"handle_path":  {h.stripped, "/stripped/open/_blipsync"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			got := askHandshake(t, test.site, http.MethodGet, test.path, map[string]string{
				"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits", "Accept-Encoding": "gzip, zstd",
				"Connection": "keep-alive, Upgrade",
			})
			requireUpgradeHead(t, got.head)
			require.Equal(t, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", got.Header.Get("Sec-WebSocket-Accept"), "RFC 6455 section 1.3")
			require.Equal(t, "BLIP_3+CBMobile_3", got.Header.Get("Sec-WebSocket-Protocol"), "the first of the client's that is spoken here")

			l := lite(t, test.site+strings.TrimSuffix(strings.TrimSuffix(test.path, "?client=cbl2"), "/_blipsync"), harness.LiteOptions{Version: 4})
			pull(t, l, "", true)
			push(t, l, strings.ReplaceAll(name, " ", "-"), `{"body":"`+strings.Repeat("x", 100_000)+`"}`)
			l.Close()
			require.True(t, l.CloseFrame(), "the server confirms a close")
		})
	}
}

// Row 2 of reference/blip.md 8.1.
func TestLiteHandshakeThatIsNone(t *testing.T) {
	t.Parallel()

	h := newHandshakes(t)
	token := bearer(t, h.Server, "alice")["Authorization"]

	for name, test := range map[string]struct {
		method  string
		changed map[string]string
		status  int
		reason  string
	}{
		"no upgrade":                  {changed: map[string]string{"Connection": "", "Upgrade": ""}, status: 426},
		"no Connection":               {changed: map[string]string{"Connection": ""}, status: 426},
		"another protocol":            {changed: map[string]string{"Upgrade": "h2c"}, status: 426},
		"no upgrade, nobody":          {changed: map[string]string{"Connection": "", "Upgrade": "", "Authorization": ""}, status: 401},
		"nobody":                      {changed: map[string]string{"Authorization": ""}, status: 401},
		"no common subprotocol":       {changed: map[string]string{"Sec-WebSocket-Protocol": "BLIP_3+CBMobile_1"}, status: 400, reason: "BLIP_3+CBMobile_4"},
		"a subprotocol in small caps": {changed: map[string]string{"Sec-WebSocket-Protocol": "blip_3+cbmobile_3"}, status: 400, reason: "BLIP_3+CBMobile_4"},
		"no subprotocol":              {changed: map[string]string{"Sec-WebSocket-Protocol": ""}, status: 400, reason: "BLIP_3+CBMobile_4"},
		"version 8":                   {changed: map[string]string{"Sec-WebSocket-Version": "8"}, status: 400, reason: "13"},
		"no key":                      {changed: map[string]string{"Sec-WebSocket-Key": ""}, status: 400, reason: "Sec-WebSocket-Key"},
		"a short key":                 {changed: map[string]string{"Sec-WebSocket-Key": "AAAA"}, status: 400, reason: "Sec-WebSocket-Key"},
		"POST":                        {method: http.MethodPost, changed: map[string]string{"Content-Length": "0"}, status: 405},
		"PUT":                         {method: http.MethodPut, changed: map[string]string{"Content-Length": "0"}, status: 405},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			changed := map[string]string{"Authorization": token}
			maps.Copy(changed, test.changed)

			method := test.method
			if method == "" {
				method = http.MethodGet
			}

			got := askHandshake(t, h.URL, method, "/notes/_blipsync", changed)
			require.Equal(t, test.status, got.StatusCode, got.body)
			require.NotEqual(t, http.StatusServiceUnavailable, got.StatusCode, "the client would come back with the same")

			var answer struct{ Error, Reason string }

			require.NoError(t, json.Unmarshal([]byte(got.body), &answer), got.body)
			require.NotEmpty(t, answer.Error)
			require.NotEmpty(t, answer.Reason, "LiteCore shows it to the app")
			require.Contains(t, answer.Reason, test.reason)
			require.Equal(t, "application/json", got.Header.Get("Content-Type"))

			if test.status == http.StatusUpgradeRequired {
				require.Equal(t, "websocket", got.Header.Get("Upgrade"), "RFC 9110 section 15.5.22")
			}
		})
	}
}

// Clients use HTTP/1.1, also over TLS. A request by HTTP/2 is told so.
func TestLiteReplicatesOverTLSByHTTP1(t *testing.T) {
	t.Parallel()

	server, base, config := newTLSSite(t)
	alice := bearer(t, server, "alice")

	l := lite(t, base+"/notes", harness.LiteOptions{Version: 4, Header: headers(alice), TLS: config})
	pull(t, l, "", true)
	push(t, l, "a", `{}`)

	transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: config.Clone()}
	t.Cleanup(transport.CloseIdleConnections)

	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/notes/_blipsync", nil)
	require.NoError(t, err)

	req.Header.Set("Authorization", alice["Authorization"])

	res, err := transport.RoundTrip(req)
	require.NoError(t, err)

	defer func() { _ = res.Body.Close() }()

	require.Equal(t, 2, res.ProtoMajor)
	require.Equal(t, http.StatusUpgradeRequired, res.StatusCode)
}
