package caddysync

import (
	"context"
	"io"
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// cancelledPiece is how many bytes are written of a stream until it is looked whether the request was cancelled.
const cancelledPiece = 256 << 10

// cancelledWriter fails when the request was cancelled. Not every handler looks at that itself: file_server sends a file
// to its end. (A deadline would end a write that waits for the client as well, but Caddy's writer does not take one while
// somebody writes to it.)
type cancelledWriter struct {
	*caddyhttp.ResponseWriterWrapper
	ctx context.Context //nolint:containedctx // the request's
}

func newCancelledWriter(ctx context.Context, w http.ResponseWriter) *cancelledWriter {
	return &cancelledWriter{&caddyhttp.ResponseWriterWrapper{ResponseWriter: w}, ctx}
}

// Write implements io.Writer.
func (w *cancelledWriter) Write(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.ResponseWriterWrapper.Write(p)
}

// ReadFrom implements io.ReaderFrom.
func (w *cancelledWriter) ReadFrom(r io.Reader) (written int64, err error) {
	for {
		if err := w.ctx.Err(); err != nil {
			return written, err
		}
		n, err := w.ResponseWriterWrapper.ReadFrom(io.LimitReader(r, cancelledPiece))
		written += n
		if err != nil || n < cancelledPiece {
			return written, err
		}
	}
}
