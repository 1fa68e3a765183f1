package rest

import (
	"net/http"
	"strings"
)

const (
	// lite1Agent is how Couchbase Lite 1 of every platform calls itself, before the version of
	// its protocol.
	lite1Agent = "CouchbaseLite/1."
	// lite1Server is what it looks for. Only where it finds Sync Gateway it opens WebSockets,
	// asks for many documents at once, sends its filters by POST and compresses what it sends;
	// it takes every other server for a CouchDB of long ago.
	lite1Server = "Couchbase Sync Gateway/2.8 (caddy-sync)"
)

// lite1Headers tells Couchbase Lite 1 what is spoken here.
func (h *Handler) lite1Headers(rq *request) {
	if strings.HasPrefix(rq.r.UserAgent(), lite1Agent) {
		rq.set("Server", lite1Server)
	}
}

// errFormerSignIn answers to ways of signing in that Sync Gateway had, to whoever asks: nobody
// is signed in yet.
var errFormerSignIn = &answerError{
	status: http.StatusNotFound, name: "not_found",
	reason: "There is no sign-in by Facebook, Google or Persona here. Use OpenID Connect: GET _oidc_challenge, or a token to POST _session.",
}

// formerSignIn reports whether a name is the endpoint of such a way.
func formerSignIn(name string) bool {
	return name == "_facebook" || name == "_google" || name == "_persona" || name == "_browserid"
}
