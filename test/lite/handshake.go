package lite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// Error is why a replication ended, or why a document was not replicated.
type Error struct {
	// Domain is "HTTP" for what the server answered, "WebSocket" for a close code, "POSIX"
	// for a connection that broke.
	Domain string
	Code   int
	Text   string
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("%s/%d %s", e.Domain, e.Code, e.Text) }

// Transient reports whether a client tries again by itself after this (blip.md 1.3).
func (e *Error) Transient(v Version) bool {
	switch e.Domain {
	case "POSIX":
		return true
	case "HTTP":
		return slices.Contains([]int{408, 429, 502, 503, 504}, e.Code)
	case "WebSocket":
		return e.Code == 1006 || e.Code == 4001
	}
	return false
}

// dial connects, and checks the handshake as LiteCore does.
func (r *Replication) dial(ctx context.Context) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	dialer := &net.Dialer{}
	transport := &http.Transport{
		DisableKeepAlives:  true,
		DisableCompression: true,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			t := newTap(c, r.violate)
			t.drop = r.config.DropAfter
			r.mu.Lock()
			r.tap = t
			r.mu.Unlock()
			return t, nil
		},
	}
	header := r.config.Header.Clone()
	if header == nil {
		header = make(http.Header)
	}
	header.Set("User-Agent", r.device.version.userAgent())
	offered := r.device.version.offers(r.config.Push, r.config.Pull)
	ws, response, err := websocket.Dial(ctx, r.config.URL+"/_blipsync", &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: transport}, HTTPHeader: header, Subprotocols: offered,
	})
	if err != nil {
		return nil, r.refused(response, err)
	}
	ws.SetReadLimit(1 << 20)
	r.checkHandshake(offered)
	return ws, nil
}

// refused is why there is no connection.
func (r *Replication) refused(response *http.Response, err error) error {
	if response == nil || response.StatusCode == http.StatusSwitchingProtocols {
		if response != nil {
			r.violate("blip.md 1.1", "handshake: %v", err)
			return &Error{"WebSocket", 1002, err.Error()}
		}
		return &Error{"POSIX", 104, err.Error()}
	}
	body, _ := io.ReadAll(response.Body)
	var answer struct{ Error, Reason string }
	if json.Unmarshal(body, &answer) != nil || answer.Reason == "" {
		r.violate("blip.md 1.3", "a refused handshake without a JSON reason: %d %s", response.StatusCode, body)
	}
	if response.StatusCode == http.StatusUnauthorized && response.Header.Get("WWW-Authenticate") == "" {
		r.violate("blip.md 1.3", "401 without WWW-Authenticate")
	}
	return &Error{"HTTP", response.StatusCode, answer.Reason}
}

// checkHandshake looks at the head of the answer as it came.
func (r *Replication) checkHandshake(offered []string) {
	var head Message
	for _, m := range r.tap.recorded() {
		if m.Kind == Handshake && m.FromServer {
			head = m
		}
	}
	if v := head.Get("Connection"); !strings.EqualFold(v, "Upgrade") {
		r.violate("blip.md 1.1", "Connection: %s", v)
	}
	if v := head.Get("Upgrade"); v != "websocket" {
		r.violate("blip.md 1.1", "Upgrade: %s", v)
	}
	if v, ok := head.find("Sec-Websocket-Extensions"); ok {
		r.violate("blip.md 1.1", "Sec-WebSocket-Extensions: %s", v)
	}
	protocol, ok := head.find("Sec-Websocket-Protocol")
	if !ok || !slices.Contains(offered, protocol) {
		r.violate("blip.md 1.1", "Sec-WebSocket-Protocol %q, where %v was offered", protocol, offered)
	}
	if protocol != offered[0] {
		r.violate("blip.md 1.2", "Sec-WebSocket-Protocol %q, not the first that was offered, %v", protocol, offered)
	}
	r.protocol = map[string]int{protocol2: 2, protocol3: 3, protocol4: 4}[protocol]
}

// ended is the error of a connection that is over.
func (r *Replication) ended(err error) *Error {
	if failure, ok := errors.AsType[*Error](err); ok {
		return failure
	}
	if r.tap != nil {
		for _, m := range r.tap.recorded() {
			if m.Kind == Close && m.FromServer {
				return &Error{"WebSocket", m.Code, string(m.Body)}
			}
		}
	}
	return &Error{"POSIX", 104, fmt.Sprint(err)}
}
