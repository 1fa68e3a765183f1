package lite

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

func handshake(t *testing.T, protocols string, change func(*http.Request)) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/notes/_blipsync", nil)
	for name, value := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "Sec-Websocket-Version": "13", "Sec-Websocket-Key": "Lxrc35DoggUYQ8IrpjeYfg==",
		"Sec-Websocket-Protocol": protocols,
	} {
		r.Header.Set(name, value)
	}
	if change != nil {
		change(r)
	}
	return r
}

// Rows 1 and 11 of reference/blip.md 8.1, and the table of 1.2.
func TestTheClientsFirstProtocolIsSpoken(t *testing.T) {
	t.Parallel()
	for offered, want := range map[string]protocol{
		"BLIP_3+CBMobile_2":                                                  protocol2, // 2.x
		"BLIP_3+CBMobile_3,BLIP_3+CBMobile_2":                                protocol3, // 3.0 to 3.2
		"BLIP_3+CBMobile_3,BLIP_3+CBMobile_4":                                protocol3, // 3.3 that only pushes
		"BLIP_3+CBMobile_4,BLIP_3+CBMobile_3":                                protocol4, // 4.0 that only pulls
		"BLIP_3+CBMobile_4":                                                  protocol4,
		" BLIP_3+CBMobile_9 , BLIP_3+CBMobile_3 ":                            protocol3,
		"SyncGatewaySession_secret,BLIP_3+CBMobile_4":                        protocol4,
		"BLIP_3+CBMobile_3, SyncGatewaySession_secret":                       protocol3,
		"blip_3+cbmobile_3,BLIP_3+CBMobile_2":                                protocol2, // case counts
		"BLIP_3+CBMobile_30,BLIP_3+CBMobile_,BLIP_3,BLIP_3+CBMobile_4":       protocol4,
		"SyncGatewaySession_BLIP_3+CBMobile_4,BLIP_3+CBMobile_2,,chat, , ,x": protocol2,
	} {
		got, err := checkHandshake(handshake(t, offered, nil))
		require.NoError(t, err, offered)
		require.Equal(t, want, got, offered)
	}
	two := handshake(t, "chat", nil)
	two.Header.Add("Sec-Websocket-Protocol", "BLIP_3+CBMobile_3")
	got, err := checkHandshake(two)
	require.NoError(t, err)
	require.Equal(t, protocol3, got)
}

// Clients count none of these as a reason to come back at once (reference/blip.md 1.3).
func TestHandshakesThatCannotBe(t *testing.T) {
	t.Parallel()
	const good = "BLIP_3+CBMobile_3"
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	for name, test := range map[string]struct {
		protocols string
		change    func(*http.Request)
		status    int
	}{
		"no upgrade":       {good, func(r *http.Request) { r.Header.Del("Upgrade") }, 426},
		"another upgrade":  {good, set("Upgrade", "h2c"), 426},
		"no connection":    {good, set("Connection", "keep-alive"), 426},
		"HTTP/1.0":         {good, func(r *http.Request) { r.ProtoMinor = 0 }, 426},
		"HTTP/2":           {good, func(r *http.Request) { r.ProtoMajor, r.ProtoMinor = 2, 0 }, 426},
		"version":          {good, set("Sec-Websocket-Version", "8"), 400},
		"no key":           {good, func(r *http.Request) { r.Header.Del("Sec-Websocket-Key") }, 400},
		"short key":        {good, set("Sec-Websocket-Key", "AAAA"), 400},
		"two keys":         {good, func(r *http.Request) { r.Header.Add("Sec-Websocket-Key", "Lxrc35DoggUYQ8IrpjeYfg==") }, 400},
		"no protocol":      {"", nil, 400},
		"unknown protocol": {"BLIP_3+CBMobile_5,SyncGatewaySession_secret", nil, 400},
	} {
		_, err := checkHandshake(handshake(t, test.protocols, test.change))
		var refused *HandshakeError
		require.ErrorAs(t, err, &refused, name)
		require.Equal(t, test.status, refused.Status, name)
		require.NotContains(t, refused.Reason, "secret", name)
	}
	_, err := checkHandshake(handshake(t, good, set("Connection", "keep-alive, upgrade")))
	require.NoError(t, err, "a list of tokens, in any case")
}

func TestFlags(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]bool{
		"1": true, "true": true, "TRUE": true, "yes": true, "-1": true, "0": false, "false": false, "no": false, "": false, "2x": false,
	} {
		require.Equal(t, want, flag(message("x", "", "f", value).Properties, "f"), value)
	}
	require.False(t, flag(nil, "f"))
}
