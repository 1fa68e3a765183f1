package lite1

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/coder/websocket"
)

// socketFeed is the WebSocket of a feed.
type socketFeed struct {
	ws      *websocket.Conn
	edition Edition
	// inflate reads what comes packed as one stream; nil before the first of it.
	inflate io.Reader
	packed  *io.PipeWriter
	plain   bool // a message came unpacked
}

// openSocket opens a feed and sends its options.
func (r *remote) openSocket(ctx context.Context, since string, activeOnly bool) (*socketFeed, error) {
	h := http.Header{}
	r.sign(h)
	r.device.note("GET /" + r.config.URL[strings.LastIndex(r.config.URL, "/")+1:] + "/_changes?feed=websocket")
	ws, answer, err := websocket.Dial(ctx, r.config.URL+"/_changes?feed=websocket", &websocket.DialOptions{
		HTTPClient: r.client, HTTPHeader: h, CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		if answer != nil {
			return nil, &StatusError{Status: answer.StatusCode, Reason: err.Error()}
		}
		return nil, fmt.Errorf("opening a WebSocket: %w", err)
	}
	ws.SetReadLimit(-1)
	o := r.config.feedOptions("websocket", since, activeOnly)
	o["accept_encoding"] = "gzip"
	text, err := json.Marshal(o)
	if err == nil {
		err = ws.Write(ctx, websocket.MessageBinary, text) // bytes, in both editions
	}
	if err != nil {
		return nil, fmt.Errorf("sending the options: %w", err)
	}
	return &socketFeed{ws: ws, edition: r.device.edition}, nil
}

func (s *socketFeed) close(code websocket.StatusCode) {
	_ = s.ws.Close(code, "") // whatever the server says
	if s.packed != nil {
		_ = s.packed.Close()
	}
}

// next returns the rows of the next message that has some; none: the server says that there
// are no more for now.
func (s *socketFeed) next(ctx context.Context) ([]row, error) {
	for {
		kind, message, err := s.ws.Read(ctx)
		if err != nil {
			return nil, err
		}
		if len(message) == 0 {
			continue // a heartbeat
		}
		if s.edition == NET && len(message) > maxNETMessage {
			return nil, fmt.Errorf("%w: a message of %d bytes", errFeed, len(message))
		}
		text := message
		if kind == websocket.MessageBinary {
			if text, err = s.unpack(message); err != nil {
				return nil, err
			}
		} else if s.edition == NET && string(text) != "[]" && s.inflate != nil {
			return nil, fmt.Errorf("%w: text among packed messages", errFeed)
		}
		s.plain = s.plain || kind == websocket.MessageText && string(text) != "[]"
		var rows []row
		if err := json.Unmarshal(text, &rows); err != nil || rows == nil {
			return nil, fmt.Errorf("%w: a message is no array: %.100q", errFeed, text)
		}
		if len(rows) == 0 && s.edition == NET && kind == websocket.MessageBinary {
			return nil, fmt.Errorf("%w: caught up, but not as text", errFeed)
		}
		for i := range rows {
			if err := rows[i].check(); err != nil {
				return nil, err
			}
		}
		return rows, nil
	}
}

// unpack inflates a message: the next piece of one gzip stream, which must hold whole JSON.
func (s *socketFeed) unpack(message []byte) ([]byte, error) {
	if s.plain {
		return nil, fmt.Errorf("%w: a packed message among text", errFeed)
	}
	if s.inflate == nil {
		if !bytes.HasPrefix(message, []byte{0x1f, 0x8b, 8}) || len(message) < 10 || message[3] != 0 {
			return nil, fmt.Errorf("%w: the stream does not begin as gzip", errFeed)
		}
		message = message[10:]
		var stream io.Reader
		stream, s.packed = io.Pipe()
		s.inflate = flate.NewReader(stream)
	}
	go func() { _, _ = s.packed.Write(message) }() // the reader tells of errors
	var text []byte
	piece := make([]byte, 4<<10)
	for !json.Valid(text) {
		n, err := s.inflate.Read(piece)
		text = append(text, piece[:n]...)
		if err != nil {
			return nil, errors.Join(errFeed, err)
		}
	}
	return text, nil
}
