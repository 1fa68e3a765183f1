package rest

import (
	"net/http"
	"net/url"
	"time"

	"github.com/caddysync/caddy-sync/auth"
	"github.com/caddysync/caddy-sync/syncstore"
)

// request is one request on its way: what routing and sign-in found out.
type request struct {
	w         http.ResponseWriter
	r         *http.Request
	query     url.Values // nil if the URL has no query
	principal *auth.Principal
	db        *syncstore.Database   // nil for root endpoints
	dbName    string                // also set when the database is yet to be made
	keyspace  string                // how the path names the collection: dbName, or with a collection after it
	coll      *syncstore.Collection // nil for root endpoints
	docID     string                // unescaped; "_design/x" with its prefix; for _local without
	attName   string
	item      string // the user, role or session that the path is about
	part      string // the session of a user
	started   time.Time
	seen      *Seen     // what is found out, for logs and metrics
	doing     *Activity // of a feed that stays open; nil for others
	guard     *guard    // of a long transfer; nil for others
	// answered is set before the first byte of the answer goes out: an error after
	// that can only cut the connection.
	answered bool
	reader   syncstore.Viewer // what viewer points to: one allocation less

	// headerText has room for the values of the answer's headers: one allocation for all.
	// They are not shared between requests, since other Caddy handlers may rewrite
	// them in place.
	headerText []string
}

// roomyRequest is a request with room for the headers of its answer, in one allocation. A feed on a
// WebSocket goes on without it, for as long as it is open.
type roomyRequest struct {
	request
	texts [12]string
}

// endpoint answers a request or returns an error, which is written as
// {"error","reason"} if no byte of the answer has gone out yet.
type endpoint func(h *Handler, rq *request) error

// viewer is who reads and writes documents; nil is an administrator, who may see all.
func (rq *request) viewer() *syncstore.Viewer {
	if rq.principal.Admin {
		return nil
	}
	rq.reader = syncstore.Viewer{Name: rq.principal.Name, TokenGrants: rq.principal.TokenGrants}
	return &rq.reader
}

// set sets a header of the answer. The key must be in canonical form.
func (rq *request) set(key, value string) {
	header := rq.w.Header()
	if len(rq.headerText) == 0 {
		header[key] = []string{value}
		return
	}
	rq.headerText[0] = value
	header[key] = rq.headerText[:1:1]
	rq.headerText = rq.headerText[1:]
}

func (rq *request) parseQuery() error {
	if rq.r.URL.RawQuery == "" {
		return nil
	}
	query, err := url.ParseQuery(rq.r.URL.RawQuery)
	if err != nil {
		return badRequest("The query of the URL is malformed.")
	}
	rq.query = query
	return nil
}

// flag reads a boolean query parameter: absent and empty are false.
func (rq *request) flag(name string) (bool, error) {
	switch rq.query.Get(name) {
	case "true":
		return true, nil
	case "", "false":
		return false, nil
	}
	return false, badRequest("The query parameter " + name + " must be true or false.")
}

// flags reads several boolean query parameters.
func (rq *request) flags(into map[string]*bool) error {
	for name, target := range into {
		value, err := rq.flag(name)
		if err != nil {
			return err
		}
		*target = value
	}
	return nil
}
