package rest

import "net/http"

// othersAnswer notes as what an answer fails that another package writes.
type othersAnswer struct {
	http.ResponseWriter
	seen *Seen
}

// WriteHeader implements http.ResponseWriter.
func (w othersAnswer) WriteHeader(status int) {
	if status >= http.StatusBadRequest {
		w.seen.Failure = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w othersAnswer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// answerOf is the writer for an answer of another package.
func (rq *request) answerOf() http.ResponseWriter {
	if rq.seen == nil {
		return rq.w
	}
	return othersAnswer{rq.w, rq.seen}
}
