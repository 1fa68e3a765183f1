package caddysync

import (
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// comeAgain refuses a request that another configuration, or the store when it is open, will answer soon.
func comeAgain(w http.ResponseWriter, err error) error {
	w.Header().Set("Retry-After", "1")
	return caddyhttp.Error(http.StatusServiceUnavailable, err)
}

// comeAgainQuietly is comeAgain for requests that may hold a secret, which is good still since nobody took it. Caddy
// writes the request of an error that it is given into a log that no access log's filter is for, so it is given none.
func comeAgainQuietly(w http.ResponseWriter, r *http.Request, err error) error {
	refused := comeAgain(w, err)
	if !mayHoldSecret(r) {
		return refused // the site's handle_errors may have words for it
	}
	skipAccessLog(r)
	w.WriteHeader(http.StatusServiceUnavailable)
	return nil
}
