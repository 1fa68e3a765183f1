package harness

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/caddysync/caddy-sync/replication/blip"
	"github.com/coder/websocket"
)

// liteProtocol begins the names of the WebSocket subprotocols of Couchbase Lite.
const liteProtocol = "BLIP_3+CBMobile_"

// LiteOptions say how a Lite connects.
type LiteOptions struct {
	// Version is that of the replication protocol: 2, 3 or 4. Default 3.
	Version int
	// Protocols are the subprotocols offered. Default: the version's.
	Protocols []string
	Header    http.Header
	// TLS is for a database at https://…. Its connection is seen only encrypted: Head and
	// CloseFrame tell nothing.
	TLS *tls.Config
	// Silent does not answer the server's requests.
	Silent bool
	// Stalls answers the first message with changes, and then reads nothing more.
	Stalls bool
}

// Lite is a small client of Couchbase Lite's replication, for tests of the built server:
// what it pulls it keeps, and it tells how its connection ended.
type Lite struct {
	// Conn is the connection. Run already reads from it.
	Conn *blip.Conn
	// Protocol is the subprotocol that the server chose.
	Protocol string

	version int
	silent  bool
	stalls  bool
	wire    *wire
	ended   chan struct{}

	mu      sync.Mutex
	changed chan struct{} // closed at the next change of what follows
	docs    map[string]LiteDoc
	rows    []liteRow // announced, and not all before them has come
	since   string
	caught  int
}

// HandshakeError says that a server refused a WebSocket.
type HandshakeError struct {
	Status int
	Header http.Header
	Body   string
}

// Error implements error.
func (e *HandshakeError) Error() string {
	return fmt.Sprintf("the handshake got %d: %s", e.Status, e.Body)
}

// DialLite connects to a database, http://…/notes. A refusal is a *HandshakeError, a
// connection that ended before an answer is ErrNotTaken.
func DialLite(ctx context.Context, database string, o LiteOptions) (*Lite, error) {
	if o.Version == 0 {
		o.Version = 3
	}

	if o.Protocols == nil {
		o.Protocols = []string{liteProtocol + strconv.Itoa(o.Version)}
	}

	l := &Lite{
		version: o.Version, silent: o.Silent, stalls: o.Stalls, ended: make(chan struct{}), changed: make(chan struct{}),
		docs: map[string]LiteDoc{},
	}
	transport := &http.Transport{TLSClientConfig: o.TLS, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil {
			return nil, connectError(err)
		}

		if tcp, ok := conn.(*net.TCPConn); ok && o.Stalls {
			_ = tcp.SetReadBuffer(4 << 10) // it only helps
		}

		l.wire = newWire(conn)

		return l.wire, nil
	}}

	ws, res, err := websocket.Dial(ctx, database+"/_blipsync", &websocket.DialOptions{
		HTTPClient: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		HTTPHeader: o.Header, Subprotocols: o.Protocols, CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		defer transport.CloseIdleConnections()

		return nil, l.refused(res, err)
	}

	l.Protocol = ws.Subprotocol()
	l.Conn = blip.NewConn(ws, blip.Options{Handle: l.handle})

	go func() {
		defer close(l.ended)

		_ = l.Conn.Run(context.WithoutCancel(ctx)) // how it ended is seen on the wire
		l.wire.over()
	}()

	return l, nil
}

// refused says why there is no WebSocket.
func (l *Lite) refused(res *http.Response, err error) error {
	if res != nil && res.StatusCode != http.StatusSwitchingProtocols {
		body, _ := io.ReadAll(res.Body) // as much as websocket.Dial keeps

		return &HandshakeError{Status: res.StatusCode, Header: res.Header, Body: string(body)}
	}

	if l.wire != nil {
		if head, _, _ := l.wire.state(); head == "" {
			return fmt.Errorf("connecting: %w: %w", ErrNotTaken, err)
		}
	}

	return fmt.Errorf("connecting: %w", err)
}

// Head is the answer to the handshake as it was sent, with its status line.
func (l *Lite) Head() string {
	head, _, _ := l.wire.state()

	return head
}

// CloseFrame tells whether the server sent a close frame.
func (l *Lite) CloseFrame() bool {
	_, closed, _ := l.wire.state()

	return closed
}

// Ended is closed when the connection has ended.
func (l *Lite) Ended() <-chan struct{} { return l.ended }

// EndedAt is when the end was seen, zero before.
func (l *Lite) EndedAt() time.Time {
	_, _, at := l.wire.state()

	return at
}

// Close ends the replication as a client does that is done.
func (l *Lite) Close() {
	l.Conn.Close(websocket.StatusNormalClosure, "")
	<-l.ended
}

// Drop ends the connection as a network does that goes away.
func (l *Lite) Drop() {
	l.Conn.Drop(errors.New("dropped by the test"))
	<-l.ended
}

// Call sends a request and returns the answer. props are names and values in turn; the
// collection's is added where the version needs it, after Open.
func (l *Lite) Call(ctx context.Context, profile, body string, props ...string) (*blip.Response, error) {
	return l.Conn.Call(ctx, l.Message(profile, body, props...))
}

// Message makes a request as clients send most of them.
func (l *Lite) Message(profile, body string, props ...string) *blip.Message {
	m := &blip.Message{Properties: blip.Properties{{Name: "Profile", Value: profile}}, Body: []byte(body), Compressed: true}
	for i := 0; i < len(props); i += 2 {
		m.Properties = append(m.Properties, blip.Property{Name: props[i], Value: props[i+1]})
	}

	if l.version >= 4 && profile != "getCollections" && profile != "PING" {
		m.Properties = append(m.Properties, blip.Property{Name: "collection", Value: "0"})
	}

	return m
}

// Open does what a client does first: it reads its checkpoint, "" if there is none.
func (l *Lite) Open(ctx context.Context, client string) (rev, remote string, err error) {
	var stored struct {
		Rev    string          `json:"rev"`
		Remote json.RawMessage `json:"remote"`
	}

	if l.version >= 4 {
		res, err := l.Call(ctx, "getCollections", fmt.Sprintf(`{"checkpoint_ids":[%q],"collections":["_default"]}`, client))
		if err != nil {
			return "", "", fmt.Errorf("getCollections: %w", err)
		}

		list := []any{&stored}
		if err := json.Unmarshal(res.Body, &list); err != nil || string(res.Body) == "[null]" {
			return "", "", fmt.Errorf("getCollections answers %s: %w", res.Body, err)
		}

		return stored.Rev, string(stored.Remote), nil
	}

	res, err := l.Call(ctx, "getCheckpoint", "", "client", client)
	if refused, ok := errors.AsType[*blip.PeerError](err); ok && refused.Domain == "HTTP" && refused.Code == http.StatusNotFound {
		return "", "", nil
	}

	if err != nil {
		return "", "", fmt.Errorf("getCheckpoint: %w", err)
	}

	if err := json.Unmarshal(res.Body, &stored); err != nil {
		return "", "", fmt.Errorf("getCheckpoint answers %s: %w", res.Body, err)
	}

	return res.Properties.Value("rev"), string(stored.Remote), nil
}

// SetCheckpoint stores a checkpoint over the one of rev, and returns the new revision.
func (l *Lite) SetCheckpoint(ctx context.Context, client, rev, remote string) (string, error) {
	res, err := l.Call(ctx, "setCheckpoint", `{"remote":`+remote+`}`, "client", client, "rev", rev)
	if err != nil {
		return "", fmt.Errorf("setCheckpoint: %w", err)
	}

	return res.Properties.Value("rev"), nil
}

// NewRev makes a revision ID of generation n, as clients of the version do.
func (l *Lite) NewRev(n int) string {
	var random [16]byte

	_, _ = rand.Read(random[:]) // never fails since Go 1.24

	if l.version >= 4 {
		return strconv.FormatInt(time.Now().UnixNano(), 16) + "@" + "bGl0ZSBvZiBhIHRlc3QgLg"
	}

	return strconv.Itoa(n) + "-" + hex.EncodeToString(random[:])
}

// Push proposes a new document and sends it. It returns the revision when the server has
// acknowledged it.
func (l *Lite) Push(ctx context.Context, id, body string) (rev string, err error) {
	rev = l.NewRev(1)

	return rev, l.PushRev(ctx, id, rev, body)
}

// PushRev is Push of a revision that may have arrived already, before a connection ended.
func (l *Lite) PushRev(ctx context.Context, id, rev, body string) error {
	res, err := l.Call(ctx, "proposeChanges", fmt.Sprintf(`[[%q,%q,"",%d]]`, id, rev, len(body)), "conflictIncludesRev", "true")
	if err != nil {
		return fmt.Errorf("proposeChanges: %w", err)
	}

	switch answer := string(res.Body); answer {
	case "[304]":
		return nil
	case "[]", "[0]":
	default:
		return fmt.Errorf("proposeChanges: %w: %s", ErrRefused, answer)
	}

	if _, err := l.Call(ctx, "rev", body, "id", id, "rev", rev, "sequence", "1", "noconflicts", "1"); err != nil {
		return fmt.Errorf("rev: %w", err)
	}

	return nil
}
