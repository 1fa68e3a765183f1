package lite

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
)

// HandshakeError is why a handshake was refused before the upgrade.
type HandshakeError struct {
	Status int
	Reason string
}

// Error implements error.
func (e *HandshakeError) Error() string { return e.Reason }

// checkHandshake looks at everything that the upgrade needs, so that a refusal can be
// answered as the site answers others, with a reason that the client shows to the app.
// None is 503, by which a client would come back at once with the same request.
func checkHandshake(r *http.Request) (protocol, error) {
	refuse := func(status int, reason string) (protocol, error) {
		return 0, &HandshakeError{Status: status, Reason: reason}
	}
	switch {
	case r.ProtoMajor != 1 || r.ProtoMinor < 1:
		return refuse(http.StatusUpgradeRequired, "Couchbase Lite replicates over a WebSocket in HTTP/1.1.")
	case !hasToken(r.Header["Connection"], "upgrade") || !hasToken(r.Header["Upgrade"], "websocket"):
		return refuse(http.StatusUpgradeRequired, "Couchbase Lite replicates over a WebSocket: this request does not ask for one.")
	case r.Header.Get("Sec-Websocket-Version") != "13":
		return refuse(http.StatusBadRequest, "The WebSocket version must be 13.")
	case !validKey(r.Header["Sec-Websocket-Key"]):
		return refuse(http.StatusBadRequest, "Sec-WebSocket-Key must be 16 bytes in base64, once.")
	}
	p, ok := negotiate(r.Header)
	if !ok {
		return refuse(http.StatusBadRequest, fmt.Sprintf(
			"No common version of the replication protocol: this server speaks the WebSocket subprotocols %s, %s and %s.",
			protocol2, protocol3, protocol4))
	}
	return p, nil
}

// validKey reports whether a Sec-WebSocket-Key is one (RFC 6455 section 4.1).
func validKey(values []string) bool {
	if len(values) != 1 {
		return false
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(values[0]))
	return err == nil && len(key) == 16
}

// hasToken reports whether a list of tokens has one, in any case (RFC 9110 section 5.6.1).
func hasToken(lines []string, token string) bool {
	for _, line := range lines {
		for part := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.Trim(part, " \t"), token) {
				return true
			}
		}
	}
	return false
}
