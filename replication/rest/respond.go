package rest

import (
	"net/http"
	"strconv"
	"time"

	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

const (
	jsonType = "application/json"
	// keepBuffer is the largest answer buffer that is kept for another request.
	keepBuffer = 1 << 20
	// streamAt is how much of an answer is held before it goes out in pieces.
	streamAt = 64 << 10
)

// buffer takes an empty buffer from the pool; give it back with release.
func (h *Handler) buffer() *[]byte {
	if b, ok := h.buffers.Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, 0, 4<<10)
	return &b
}

func (h *Handler) release(b *[]byte) {
	if cap(*b) > keepBuffer {
		return
	}
	*b = (*b)[:0]
	h.buffers.Put(b)
}

// sendJSON writes body as the whole answer.
func (rq *request) sendJSON(status int, body []byte) error {
	rq.set("Content-Type", jsonType)
	rq.set("Content-Length", strconv.Itoa(len(body)))
	return rq.send(status, body)
}

func (rq *request) send(status int, body []byte) error {
	rq.answered = true
	rq.w.WriteHeader(status)
	if rq.r.Method == http.MethodHead {
		return nil
	}
	_, err := rq.w.Write(body)
	return err
}

// sendOK answers {"ok":true,"id":…,"rev":…} with the revision as ETag.
func (h *Handler) sendOK(rq *request, status int, id, rev string) error {
	rq.set("Etag", `"`+rev+`"`)
	buf := h.buffer()
	defer h.release(buf)
	b := append(*buf, `{"ok":true,"id":`...)
	b = jsondoc.AppendString(b, id)
	b = append(b, `,"rev":`...)
	b = jsondoc.AppendString(b, rev)
	b = append(b, '}', '\n')
	*buf = b
	return rq.sendJSON(status, b)
}

// stream writes an answer whose length is not known: small ones go out whole with a
// Content-Length, others in pieces.
type stream struct {
	rq     *request
	h      *Handler
	status int
	buf    *[]byte
	// guard, if not nil, is asked before each piece goes out whether the principal
	// may still read (DECISIONS 38).
	guard *guard
}

func (h *Handler) newStream(rq *request, status int, contentType string) *stream {
	rq.set("Content-Type", contentType)
	return &stream{rq: rq, h: h, status: status, buf: h.buffer()}
}

// Write holds p, or sends it after what is held.
func (s *stream) Write(p []byte) (int, error) {
	if len(p) < streamAt {
		*s.buf = append(*s.buf, p...)
		return len(p), s.drain()
	}
	if err := s.flush(); err != nil {
		return 0, err
	}
	return s.rq.w.Write(p)
}

// drain sends what is held if it is enough for a piece.
func (s *stream) drain() error {
	if len(*s.buf) < streamAt {
		return nil
	}
	return s.flush()
}

func (s *stream) flush() error {
	if err := s.guard.check(); err != nil {
		return err
	}
	if !s.rq.answered {
		s.rq.answered = true
		s.rq.w.WriteHeader(s.status)
	}
	_, err := s.rq.w.Write(*s.buf)
	*s.buf = (*s.buf)[:0]
	return err
}

// finish sends the rest. The stream is not used after it.
func (s *stream) finish() error {
	defer s.close()
	if s.rq.answered {
		return s.flush()
	}
	if err := s.guard.check(); err != nil {
		return err
	}
	s.rq.set("Content-Length", strconv.Itoa(len(*s.buf)))
	return s.rq.send(s.status, *s.buf)
}

// close gives the buffer back; finish does it too.
func (s *stream) close() {
	if s.buf != nil {
		s.h.release(s.buf)
		s.buf = nil
	}
}

// noMatch reports whether the If-None-Match header leaves the answer to be sent
// (RFC 9110 section 13.1.2, weak comparison). etag is quoted.
func (rq *request) noMatch(etag string) bool {
	for _, header := range rq.r.Header["If-None-Match"] {
		if matchesETag(header, etag) {
			return false
		}
	}
	return true
}

func (rq *request) notModified(etag string) error {
	rq.set("Etag", etag)
	rq.answered = true
	rq.w.WriteHeader(http.StatusNotModified)
	return nil
}

// slow reports whether the request has been open for so long that it needs a lease.
func (rq *request) slow() bool { return time.Since(rq.started) >= leaseAfter }
