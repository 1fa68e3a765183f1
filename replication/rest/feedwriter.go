package rest

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// pieceSize is how much of a feed is gathered before it goes out, in bytes.
const pieceSize = 48 << 10

// feedWriter sends a feed's answer in pieces. It has a buffer only while it is at work:
// ten thousand feeds that wait hold none.
type feedWriter struct {
	h     *Handler
	rq    *request
	lease *feedLease
	// socket, if not nil, is where the pieces go, as messages.
	socket *feedSocket
	// live: what is sent must reach the client at once.
	live bool
	buf  *[]byte
	sent time.Time // when something was sent last, or the request came
}

// held returns what is gathered and not yet sent, to append to; keep stores it back.
func (w *feedWriter) held() []byte {
	if w.buf == nil {
		w.buf = w.h.buffer()
	}
	return *w.buf
}

func (w *feedWriter) keep(b []byte) { *w.buf = b }

// full reports whether there is enough for a piece.
func (w *feedWriter) full() bool { return w.buf != nil && len(*w.buf) >= pieceSize }

// Write appends p, piece by piece, so that the content of an attachment needs no more
// memory than a row. When the feed has to end in the middle of it, no complete body is
// possible, and the connection is cut.
func (w *feedWriter) Write(p []byte) (int, error) {
	for begin := 0; begin < len(p); begin += pieceSize {
		w.keep(append(w.held(), p[begin:min(len(p), begin+pieceSize)]...))
		if !w.full() {
			continue
		}
		if err := w.lease.check(); errors.Is(err, errFeedEnded) {
			return begin, unavailable("The feed ended in the middle of an attachment.", nil)
		} else if err != nil {
			return begin, err
		}
		if err := w.send(); err != nil {
			return begin, err
		}
	}
	return len(p), nil
}

// send sends what is gathered, the headers first. It gives the buffer back: the feed may have to
// wait for its turn to read the next piece, with ten thousand others.
func (w *feedWriter) send() error {
	w.lease.beginWrite()
	defer w.lease.endWrite()
	w.rq.answered = true
	if len(w.held()) > 0 {
		w.sent = time.Now()
	}
	if w.socket != nil {
		rows, err := w.socket.send(w.held())
		w.keep(rows)
		w.restBuffer()
		return err
	}
	if b := w.held(); len(b) > 0 {
		if _, err := w.rq.w.Write(b); err != nil {
			return fmt.Errorf("sending changes: %w", err)
		}
	}
	w.restBuffer()
	if !w.live {
		return nil
	}
	return w.flush()
}

func (w *feedWriter) flush() error {
	if err := http.NewResponseController(w.rq.w).Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("sending changes: %w", err)
	}
	return nil
}

// finish sends the rest; an answer of one piece goes out with its length.
func (w *feedWriter) finish() error {
	if w.rq.answered {
		return w.send()
	}
	w.lease.beginWrite()
	defer w.lease.endWrite()
	b := w.held()
	w.rq.set("Content-Length", strconv.Itoa(len(b)))
	if err := w.rq.send(http.StatusOK, b); err != nil {
		return fmt.Errorf("sending changes: %w", err)
	}
	return nil
}

// open prepares the connection for an answer without an end: the server's limits on
// the time of a request would cut it.
func (w *feedWriter) open() {
	w.live = true
	control := http.NewResponseController(w.rq.w)
	_ = control.SetReadDeadline(time.Time{}) // not every connection has deadlines
	_ = control.SetWriteDeadline(time.Time{})
}

// heartbeat sends a sign of life.
func (w *feedWriter) heartbeat(feed feedKind) error {
	if w.socket != nil {
		w.lease.beginWrite()
		defer w.lease.endWrite()
		w.sent = time.Now()
		return w.socket.heartbeat()
	}
	w.keep(feed.appendHeartbeat(w.held()))
	if err := w.send(); err != nil || w.live {
		return err
	}
	w.lease.beginWrite()
	defer w.lease.endWrite()
	return w.flush()
}

// caughtUp tells the client of a WebSocket that it has all there was.
func (w *feedWriter) caughtUp() error {
	w.lease.beginWrite()
	defer w.lease.endWrite()
	w.rq.answered = true
	return w.socket.caughtUp()
}

// rest gives back what sending needs until there is something to send again.
func (w *feedWriter) rest() {
	w.lease.rest()
	w.restBuffer()
}

func (w *feedWriter) restBuffer() {
	if w.buf == nil {
		return
	}
	w.h.release(w.buf)
	w.buf = nil
}
