package rest

import (
	"net/http"
	"net/url"

	"github.com/caddysync/caddy-sync/auth"
	"github.com/caddysync/caddy-sync/syncstore"
)

// request is one request on its way: what routing and sign-in found out.
type request struct {
	w         http.ResponseWriter
	r         *http.Request
	query     url.Values
	principal *auth.Principal
	db        *syncstore.Database   // nil for root endpoints
	coll      *syncstore.Collection // nil for root endpoints
	docID     string                // unescaped; "_design/x" with its prefix; for _local without
	attName   string
}

// endpoint answers a request or returns an error, which is written as
// {"error","reason"} if no byte of the answer has gone out yet.
type endpoint func(h *Handler, rq *request) error
