package rest

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

const (
	// spoolAt is the size from which a body goes to a file (DECISIONS 28).
	spoolAt = 4 << 20
	// trustLength is the largest Content-Length for which memory is taken before any
	// byte has come.
	trustLength = 64 << 10
)

// body is a request's body as one text, in memory or in a file mapped into it.
type body struct {
	text []byte
	// mapped: text is not memory of Go's and is gone after free; what outlives the
	// request must be copied.
	mapped bool
	free   func()
}

// readBody reads the whole body, decompressed, up to limit bytes. Whoever took long to send it is judged again.
func (h *Handler) readBody(rq *request, limit int64) (body, error) {
	b, err := h.receiveBody(rq, limit)
	if err != nil {
		return body{}, err
	}
	if err := h.recheck(rq); err != nil {
		b.free()
		return body{}, err
	}
	return b, nil
}

func (h *Handler) receiveBody(rq *request, limit int64) (body, error) {
	source, err := rq.bodyReader(limit)
	if err != nil {
		return body{}, err
	}
	if n := rq.r.ContentLength; n >= 0 && n <= trustLength && !rq.encoded() {
		text := make([]byte, n)
		if _, err := io.ReadFull(source, text); err != nil {
			return body{}, bodyError(err)
		}
		return body{text: text, free: func() {}}, nil
	}
	b, err := h.gather(source)
	if err != nil {
		return body{}, bodyError(err)
	}
	return b, nil
}

// gather reads source to its end, into memory, or into a file where it is long.
func (h *Handler) gather(source io.Reader) (body, error) {
	var held bytes.Buffer
	n, err := io.CopyN(&held, source, spoolAt)
	if err != nil && !errors.Is(err, io.EOF) {
		return body{}, err
	}
	if n < spoolAt {
		return body{text: held.Bytes(), free: func() {}}, nil
	}
	text, free, err := spool(h.TempDir, held.Bytes(), source)
	if err != nil {
		return body{}, err
	}
	return body{text: text, mapped: true, free: free}, nil
}

// bodyReader reads the body with its Content-Encoding undone. The limit holds before
// and after that, so that a small body cannot become a huge one.
func (rq *request) bodyReader(limit int64) (io.Reader, error) {
	if rq.r.ContentLength > limit {
		return nil, &http.MaxBytesError{Limit: limit}
	}
	limited := http.MaxBytesReader(rq.w, rq.r.Body, limit)
	if !rq.encoded() {
		return limited, nil
	}
	if encoding := rq.r.Header.Get("Content-Encoding"); !strings.EqualFold(encoding, "gzip") {
		return nil, badContentType("Content-Encoding must be gzip or identity.")
	}
	unzipped, err := gzip.NewReader(limited)
	if err != nil {
		return nil, bodyError(err)
	}
	return &cappedReader{source: unzipped, limit: limit, left: limit}, nil
}

func (rq *request) encoded() bool {
	encoding := rq.r.Header.Get("Content-Encoding")
	return encoding != "" && !strings.EqualFold(encoding, "identity")
}

// bodyError tells the client's faults in sending a body from the server's.
func bodyError(err error) error {
	switch {
	case isTooLong(err):
		return err
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("reading the body: %w", io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("reading the body: %w", err)
}

// bodyTooLongError is what a cappedReader fails with.
type bodyTooLongError struct{ limit int64 }

func (e *bodyTooLongError) Error() string {
	return "more than " + strconv.FormatInt(e.limit, 10) + " bytes"
}

// bodyLimit is the limit that a body was over, as it came or unpacked.
func bodyLimit(err error) (limit int64, over bool) {
	if sent, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return sent.Limit, true
	}
	if unpacked, ok := errors.AsType[*bodyTooLongError](err); ok {
		return unpacked.limit, true
	}
	return 0, false
}

func isTooLong(err error) bool {
	_, over := bodyLimit(err)
	return over
}

// cappedReader fails when its source gives more than it may, where io.LimitReader
// would end.
type cappedReader struct {
	source io.Reader
	limit  int64
	left   int64
}

func (c *cappedReader) Read(p []byte) (int, error) {
	if int64(len(p)) > c.left+1 {
		p = p[:c.left+1]
	}
	n, err := c.source.Read(p)
	if int64(n) > c.left {
		return int(c.left), &bodyTooLongError{limit: c.limit}
	}
	c.left -= int64(n)
	return n, err
}
