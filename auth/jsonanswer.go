package auth

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// answerJSON answers with a JSON body, which has to be one that can be encoded.
func answerJSON(w http.ResponseWriter, r *http.Request, status int, body any) {
	text, _ := json.Marshal(body) // of strings and numbers: cannot fail
	text = append(text, '\n')
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(text) // the client may be gone
	}
}

// writeRefusal answers with e, as both Sync Gateway and CouchDB do: {"error","reason"}.
func writeRefusal(w http.ResponseWriter, r *http.Request, e *Error) {
	for _, challenge := range e.Challenges {
		w.Header().Add("WWW-Authenticate", challenge)
	}
	e.setRetryAfter(w.Header())
	answerJSON(w, r, e.Status, map[string]any{"error": e.Name, "reason": e.Reason})
}

// setRetryAfter says when to come back, in whole seconds (RFC 9110 section 10.2.3).
func (e *Error) setRetryAfter(h http.Header) {
	if e.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int((e.RetryAfter+time.Second-1)/time.Second)))
	}
}
