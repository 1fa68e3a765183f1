package lite

import (
	"net/http"
	"strings"
)

// protocol is the version of Couchbase Lite's replication that a connection speaks.
type protocol int

// The versions (reference/blip.md 1.2): clients 2.x, 3.x, and 4.x with version vectors.
const (
	protocol2 protocol = 2
	protocol3 protocol = 3
	protocol4 protocol = 4
)

const subprotocolPrefix = "BLIP_3+CBMobile_"

// String is the name of the WebSocket subprotocol.
func (p protocol) String() string { return subprotocolPrefix + string('0'+rune(p)) }

// negotiate returns the first subprotocol of the client's list that is spoken here. It is the
// client's order that counts: a client of 3.3 that only pushes names _4 last, and does not
// expect it. Names are compared as they are; others, one-time tokens among them, are passed
// over.
func negotiate(header http.Header) (protocol, bool) {
	for _, line := range header["Sec-Websocket-Protocol"] {
		for name := range strings.SplitSeq(line, ",") {
			name = strings.Trim(name, " \t")
			for _, p := range [...]protocol{protocol2, protocol3, protocol4} {
				if name == p.String() {
					return p, true
				}
			}
		}
	}
	return 0, false
}
