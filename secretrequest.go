package caddysync

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// sessionInPath matches paths that may hold a session's ID, a secret of 43 characters: they
// do not reach the access log.
var sessionInPath = regexp.MustCompile(`/_session/[A-Za-z0-9_-]{43}(/|$)`)

// skipAccessLog keeps a request out of the access log if its path may hold a session's ID: Sync Gateway's
// administrators name a session by it. The audit log has what was done, by the session's handle.
func skipAccessLog(r *http.Request) {
	if sessionInPath.MatchString(r.URL.Path) {
		caddyhttp.SetVar(r.Context(), caddyhttp.LogSkipVar, true)
	}
}

// mayHoldSecret reports whether what Caddy logs of a request, beside the headers that it redacts itself, may hold a
// secret: what a filter of an access log leaves out (secretParameters).
func mayHoldSecret(r *http.Request) bool {
	referer, err := url.Parse(r.Referer())
	return r.Header.Get("Sec-WebSocket-Protocol") != "" || sessionInPath.MatchString(r.URL.Path) ||
		secretQuery(r.URL.RawQuery) || err != nil || secretQuery(referer.RawQuery)
}

func secretQuery(raw string) bool {
	query, err := url.ParseQuery(raw)
	return err != nil || slices.ContainsFunc(secretParameters, query.Has)
}
