package rest

import "net/http"

// seenWriter notes as what an answer fails that another package writes.
type seenWriter struct {
	http.ResponseWriter
	seen *Seen
}

// WriteHeader implements http.ResponseWriter.
func (w seenWriter) WriteHeader(status int) {
	if status >= http.StatusBadRequest {
		w.seen.Failure = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w seenWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// answerOf is the writer for an answer of another package.
func (rq *request) answerOf() http.ResponseWriter {
	if rq.seen == nil {
		return rq.w
	}
	return seenWriter{rq.w, rq.seen}
}
