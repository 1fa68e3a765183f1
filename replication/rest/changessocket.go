package rest

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/zap"
)

const (
	// maxOptionsMessage is the longest message with the options of a feed, in bytes. Longer
	// lists of documents come by POST.
	maxOptionsMessage = 1 << 20
	// optionsPatience is how long the options may take to come.
	optionsPatience = 30 * time.Second
)

// changesSocket answers GET /{db}/_changes?feed=websocket, Sync Gateway's feed for Couchbase
// Lite 1: the client's first message has the options, as the body of a POST has them
// elsewhere; then come arrays of rows, an empty one when there are no more for now, and those
// of what changes. The request is over with the handshake (DECISIONS 38).
func (h *Handler) changesSocket(rq *request) error {
	if err := checkUpgrade(rq); err != nil {
		return err
	}
	if err := h.checkHandshakeOrigin(rq); err != nil {
		return err
	}
	lease, err := h.takeCounted(rq, FeedWebSocket)
	if err != nil {
		return err
	}
	rq.answered = true
	socket, err := acceptSocket(rq.w, rq.r)
	if err != nil {
		lease.Close() // it has answered
		return nil    //nolint:nilerr // likewise
	}
	// Nothing of the request is kept, which Caddy has put much into. What its options may refer
	// to is, until they have come.
	feed := &socketFeed{
		h: h, socket: socket, lease: lease,
		rq: &request{
			r:         &http.Request{Method: rq.r.Method, URL: rq.r.URL, Header: rq.r.Header.Clone()},
			principal: rq.principal, db: rq.db, dbName: rq.dbName, keyspace: rq.keyspace, coll: rq.coll,
			query: rq.query, started: rq.started, doing: rq.doing,
		},
	}
	if err := h.detach(feed.run); err != nil {
		lease.Close()
		socket.ctx = context.Background()
		socket.close(websocket.StatusTryAgainLater, "The server is stopping.")
	}
	return nil
}

// checkUpgrade refuses a request for a WebSocket feed that does not ask for a WebSocket.
func checkUpgrade(rq *request) error {
	asks := rq.r.ProtoMajor == 1 && headerHas(rq.r.Header["Connection"], "upgrade") && headerHas(rq.r.Header["Upgrade"], "websocket")
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(rq.r.Header.Get("Sec-Websocket-Key")))
	switch {
	case rq.r.Method == http.MethodPost:
		return badRequest("A WebSocket is opened by GET; its first message has the options.")
	case asks && rq.r.Header.Get("Sec-Websocket-Version") != "13":
		rq.set("Sec-Websocket-Version", "13") // RFC 6455 section 4.4
		return badRequest("The WebSocket version must be 13.")
	case asks && (err != nil || len(key) != 16 || len(rq.r.Header["Sec-Websocket-Key"]) != 1):
		return badRequest("Sec-WebSocket-Key must be 16 bytes in base64, once.")
	case asks:
		return nil
	}
	rq.set("Upgrade", "websocket") // RFC 9110 section 15.5.22
	rq.set("Connection", "Upgrade")
	return &answerError{
		status: http.StatusUpgradeRequired, name: "upgrade_required",
		reason: "feed=websocket needs a WebSocket in HTTP/1.1: this request does not ask for one.",
	}
}

// headerHas reports whether a list of tokens has one, in any case (RFC 9110 section 5.6.1).
func headerHas(lines []string, token string) bool {
	for _, line := range lines {
		for part := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.Trim(part, " \t"), token) {
				return true
			}
		}
	}
	return false
}

// detach runs what outlives its request.
func (h *Handler) detach(run func(context.Context)) error {
	if h.Detach != nil {
		return h.Detach(run)
	}
	go run(context.Background())
	return nil
}

// socketFeed is a feed on a WebSocket.
type socketFeed struct {
	h      *Handler
	rq     *request // with what the options may refer to, until they have come
	socket *feedSocket
	lease  heldLease
}

// run serves the feed until it ends. Its frame is below everything that waits for a change, ten
// thousand times, so what needs room is done in functions that have returned by then.
func (s *socketFeed) run(ctx context.Context) {
	defer s.recovered()
	lease := s.leased(ctx)
	defer lease.close()
	f, err := s.begin(ctx, lease)
	if err == nil {
		err = f.onSocket(s.socket.ctx)
		f.out.rest()
	}
	s.end(lease, err)
}

//go:noinline // see run
func (s *socketFeed) leased(ctx context.Context) *feedLease {
	s.socket.ctx = ctx
	return &feedLease{
		held: s.lease, started: s.rq.started, cut: s.socket.cut, patience: socketPatience,
		stopping: s.h.Streams, gone: s.rq.source().Done(),
	}
}

// begin makes the feed that the client's first message asks for.
//
//go:noinline // see run
func (s *socketFeed) begin(ctx context.Context, lease *feedLease) (*changeFeed, error) {
	o, err := s.options(ctx, lease)
	if err != nil {
		return nil, err
	}
	s.socket.ctx = s.socket.ws.CloseRead(ctx)
	f := newFeed(s.h, s.rq, s.rq.source(), lease, o)
	f.out.socket = s.socket
	return f, nil
}

// options reads the client's first message, text or binary. A feed that ends before it has
// come is dropped, as one whose message does not come.
func (s *socketFeed) options(ctx context.Context, lease *feedLease) (changesOptions, error) {
	s.socket.ws.SetReadLimit(maxOptionsMessage)
	message, err := s.optionsMessage(ctx, lease)
	if err != nil {
		return changesOptions{}, fmt.Errorf("%w: reading the options: %w", errSocket, err)
	}
	p, err := newParams(s.rq.query, message)
	if err != nil {
		return changesOptions{}, err
	}
	s.rq.r = s.rq.r.WithContext(ctx)
	o, err := s.h.feedOptions(s.rq, p)
	s.rq.r, s.rq.query = nil, nil // a feed may be open for hours
	if err == nil && o.docs.attachments {
		err = badRequest("attachments=true is not for feed=websocket: read the documents.")
	}
	if err != nil {
		return changesOptions{}, err
	}
	encoding, err := p.text("accept_encoding")
	if headerHas([]string{encoding}, gzipEncoding) {
		s.socket.gzip = new(gzipFrames)
	}
	return o, err
}

// optionsMessage waits for the client's first message. A context with a deadline would stay with
// the connection: it is cut instead.
func (s *socketFeed) optionsMessage(ctx context.Context, lease *feedLease) ([]byte, error) {
	read := make(chan struct{})
	defer close(read)
	go func() {
		patience := time.NewTimer(optionsPatience)
		defer patience.Stop()
		select {
		case <-read:
			return
		case <-patience.C:
		case <-lease.done():
		case <-lease.stopping:
		case <-lease.gone:
		}
		s.socket.cut()
	}()
	_, message, err := s.socket.ws.Read(ctx)
	return message, err //nolint:wrapcheck // by who calls
}

// end tells the client why the feed is over. Couchbase Lite 1 comes back after any of these,
// and the handshake then says what is the matter.
func (s *socketFeed) end(lease *feedLease, err error) {
	answer := asAnswer(err)
	s.h.Usage.note(answer.limit)
	switch {
	case err == nil:
		s.socket.close(websocket.StatusNormalClosure, "")
	case s.socket.ctx.Err() != nil, errors.Is(err, errSocket):
		_ = s.socket.ws.CloseNow() // the client is gone, or was told
	case errors.Is(err, errFeedEnded) && isClosed(lease.done()):
		s.socket.close(statusUnauthorized, "Login required")
	case errors.Is(err, errFeedEnded):
		s.socket.close(websocket.StatusGoingAway, "The feed ended. Open it again.")
	case answer.status < http.StatusInternalServerError:
		s.socket.close(websocket.StatusPolicyViolation, answer.reason)
	case answer.status == http.StatusServiceUnavailable:
		s.socket.close(websocket.StatusTryAgainLater, answer.reason)
	default:
		s.h.Logger.Error("feed failed", zap.String("database", s.rq.dbName), zap.Error(err))
		s.socket.close(websocket.StatusInternalError, answer.reason)
	}
}

// recovered keeps what goes wrong with one feed from ending the others.
func (s *socketFeed) recovered() {
	if cause := recover(); cause != nil {
		s.h.Logger.Error("feed panicked", zap.Any("panic", cause), zap.Stack("stack"))
		_ = s.socket.ws.CloseNow()
	}
}

func isClosed(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// onSocket shows the changes that are there, says so, and goes on with those that come.
func (f *changeFeed) onSocket(ctx context.Context) error {
	if err := f.page(ctx); err != nil {
		return err
	}
	if err := f.out.send(); err != nil || f.left == 0 {
		return err
	}
	if err := f.out.caughtUp(); err != nil {
		return err
	}
	// active_only is for the catch-up, as over BLIP (blip.md 3.4): Couchbase Lite 1 for iOS asks for
	// it with a database that is empty, keeps the feed, and must hear of deletions to come.
	f.o.access.ActiveOnly = false
	f.o.timeout = noTimeout // as with Sync Gateway, whatever was asked for
	return f.follow(ctx)
}
