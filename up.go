package caddysync

import "net/http"

// The answers of /_up as long as no request can be served.
const (
	startingAnswer = `{"error":"service_unavailable","reason":"The store is not open.","status":"starting"}` + "\n"
	closedAnswer   = `{"error":"service_unavailable","reason":"The server is stopping.","status":"draining"}` + "\n"
)

// notUp answers GET /_up while the store is not open: a health check had better not wait for
// it, as other requests do. It reports whether it did.
func (h *Handler) notUp(w http.ResponseWriter, r *http.Request) bool {
	const path = "/_up"
	asked := r.URL.Path == path || h.PathPrefix != "" && r.URL.Path == h.PathPrefix+path
	if !asked || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	body := startingAnswer
	select {
	case <-h.app.ready:
		if h.app.handle.current() != nil {
			return false
		}
		body = closedAnswer
	default:
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "private, no-cache")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Retry-After", "2")
	w.WriteHeader(http.StatusServiceUnavailable)
	if r.Method == http.MethodGet {
		_, _ = w.Write([]byte(body)) // the client may have gone
	}
	return true
}
