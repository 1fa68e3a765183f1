package lite

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/replication/blip"
	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
)

// witness is a test that may fail: it keeps what would fail it.
type witness struct {
	testing.TB
	mu    sync.Mutex
	texts []string
}

func (w *witness) Errorf(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.texts = append(w.texts, fmt.Sprintf(format, args...))
}

func (w *witness) Error(args ...any) { w.Errorf("%s", fmt.Sprint(args...)) }

func (w *witness) Helper() {}

func (w *witness) all() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.texts, "\n")
}

// fake is a server that does what a test says.
type fake struct {
	t    *testing.T
	ctx  context.Context //nolint:containedctx // of the test
	conn *blip.Conn
}

// newFake serves; after subChanges, misbehave has its say.
func newFake(t *testing.T, protocol string, misbehave func(f *fake)) (url string) {
	t.Helper()
	var running sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	httpd := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{protocol}, InsecureSkipVerify: true})
		if err != nil {
			return
		}
		f := &fake{t: t, ctx: ctx}
		f.conn = blip.NewConn(ws, blip.Options{Handle: func(q *blip.Request) {
			switch q.Profile() {
			case "getCheckpoint":
				q.Refuse("HTTP", 404, "missing")
			case "setCheckpoint":
				q.Reply(&blip.Message{Properties: blip.Properties{{Name: "rev", Value: "0-1"}}})
			case "getCollections":
				q.Reply(&blip.Message{Body: []byte(`[{}]`)})
			case "subChanges":
				q.Reply(&blip.Message{})
				running.Go(func() { misbehave(f) })
			default:
				q.Refuse("BLIP", 404, "No handler for BLIP request")
			}
		}})
		_ = f.conn.Run(ctx)
	}))
	t.Cleanup(func() {
		cancel()
		running.Wait()
		httpd.Close()
	})
	return strings.Replace(httpd.URL, "http://", "ws://", 1) + "/db"
}

// ask sends a request with properties; an empty body for none.
func (f *fake) ask(reply bool, body string, properties ...string) {
	m := &blip.Message{Body: []byte(body)}
	for i := 0; i < len(properties); i += 2 {
		m.Properties = append(m.Properties, blip.Property{Name: properties[i], Value: properties[i+1]})
	}
	if !reply {
		_ = f.conn.Send(f.ctx, m)
		return
	}
	_, _ = f.conn.Call(f.ctx, m)
}

func (f *fake) changes(rows string) { f.ask(true, rows, "Profile", "changes") }
func (f *fake) caughtUp()           { f.ask(false, "[]", "Profile", "changes") }
func (f *fake) rev(body, id, rev, seq string, more ...string) {
	f.ask(false, body, append([]string{"Profile", "rev", "id", id, "rev", rev, "sequence", seq}, more...)...)
}

const (
	revA = "1-00112233445566778899aabbccddeeff"
	revB = "2-00112233445566778899aabbccddeeff"
)

// misbehaviours are what a server may do wrong while a device pulls, and what the device says.
var misbehaviours = map[string]struct {
	rule      string
	misbehave func(f *fake)
}{
	"another sequence in rev": {"has the sequence", func(f *fake) {
		f.changes(`[[1,"a","` + revA + `"]]`)
		f.rev(`{}`, "a", revA, "2")
		f.caughtUp()
	}},
	"a rev twice": {"answered before", func(f *fake) {
		f.changes(`[[1,"a","` + revA + `"]]`)
		f.rev(`{}`, "a", revA, "1")
		f.rev(`{}`, "a", revA, "1")
		f.caughtUp()
	}},
	"a rev that nobody asked for": {"not asked for", func(f *fake) {
		f.rev(`{}`, "a", revA, "1")
		f.caughtUp()
	}},
	"a revision is never sent": {"does not end", func(f *fake) {
		f.changes(`[[1,"a","` + revA + `"]]`)
		f.caughtUp()
	}},
	"caught up twice": {"an empty changes", func(f *fake) {
		f.changes(`[[1,"a","` + revA + `"]]`)
		f.caughtUp()
		f.caughtUp()
		f.rev(`{}`, "a", revA, "1")
	}},
	"sequences fall": {"the sequence 1 after 2", func(f *fake) {
		f.changes(`[[2,"a","` + revA + `"],[1,"b","` + revA + `"]]`)
	}},
	"a long ID":           {"256 bytes", func(f *fake) { f.changes(`[[1,"` + strings.Repeat("x", 256) + `","` + revA + `"]]`) }},
	"a malformed rev":     {"no revision", func(f *fake) { f.changes(`[[1,"a","abc"]]`) }},
	"an odd digest":       {"16 to 20 bytes", func(f *fake) { f.changes(`[[1,"a","1-abc"]]`) }},
	"a design document":   {"the document ID", func(f *fake) { f.changes(`[[1,"_design/a","` + revA + `"]]`) }},
	"unknown flags":       {"out of range", func(f *fake) { f.changes(`[[1,"a","` + revA + `",8]]`) }},
	"collection property": {"without getCollections", func(f *fake) { f.ask(true, "[]", "Profile", "changes", "collection", "0") }},
	"unknown profile":     {"the server sent", func(f *fake) { f.ask(true, "", "Profile", "hello"); f.caughtUp() }},
	"a body with _id": {"the body has _id", func(f *fake) {
		f.changes(`[[1,"a","` + revA + `"]]`)
		f.rev(`{"_id":"a"}`, "a", revA, "1")
		f.caughtUp()
	}},
	"history upwards": {"comes after", func(f *fake) {
		f.changes(`[[1,"a","` + revA + `"]]`)
		f.rev(`{}`, "a", revA, "1", "history", revB)
		f.caughtUp()
	}},
	"attachments without a wish for an answer": {"no answer wanted", func(f *fake) {
		f.changes(`[[1,"a","` + revA + `"]]`)
		f.rev(`{"_attachments":{}}`, "a", revA, "1")
		f.caughtUp()
	}},
	"a hex digest": {"the digest", func(f *fake) {
		f.changes(`[[1,"a","` + revA + `"]]`)
		f.ask(true, `{"_attachments":{"x":{"digest":"sha1-00ff","length":1,"stub":true}}}`, "Profile", "rev", "id", "a", "rev", revA, "sequence", "1")
		f.caughtUp()
	}},
	"a blob that is not there": {"was refused by BLIP/404", func(f *fake) {
		f.changes(`[[1,"a","` + revA + `"]]`)
		f.ask(true, `{"_attachments":{"x":{"digest":"`+digestOf(nil)+`","length":0,"stub":true}}}`, "Profile", "rev", "id", "a", "rev", revA, "sequence", "1")
		f.caughtUp()
	}},
	"deleted in rev only": {"deleted true, and flags 0", func(f *fake) {
		f.changes(`[[1,"a","` + revA + `"]]`)
		f.rev(`{}`, "a", revA, "1", "deleted", "1")
		f.caughtUp()
	}},
}

func TestADeviceIsStrictAboutWhatItPulls(t *testing.T) {
	t.Parallel()
	for name, test := range misbehaviours {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &witness{TB: t}
			d := NewDevice(w, V32)
			_ = d.Start(Config{URL: newFake(t, protocol3, test.misbehave), Pull: true, Timeout: 500 * time.Millisecond}).Wait()
			require.Contains(t, w.all(), test.rule)
		})
	}
}

func TestADeviceIsStrictAboutVersions(t *testing.T) {
	t.Parallel()
	const source = "AAECAwQFBgcICQoLDA0ODw"
	now := uint64(time.Now().UnixNano())
	for name, test := range map[string]struct{ rule, rev string }{
		"a short source":       {"22 base64 characters", fmt.Sprintf("%x@AAECAwQ", now)},
		"a source of zeros":    {"the source is zero", fmt.Sprintf("%x@AAAAAAAAAAAAAAAAAAAAAA", now)},
		"me":                   {"22 base64 characters", fmt.Sprintf("%x@*", now)},
		"upper case":           {"not lower-case", fmt.Sprintf("%X@%s", now, source)},
		"three minutes ahead":  {"two minutes ahead", fmt.Sprintf("%x@%s", now+180e9, source)},
		"before there was one": {"out of range", "10@" + source},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &witness{TB: t}
			url := newFake(t, protocol4, func(f *fake) {
				f.ask(true, `[[1,"a","`+test.rev+`"]]`, "Profile", "changes", "collection", "0")
			})
			_ = NewDevice(w, V40).Start(Config{URL: url, Pull: true, Timeout: 500 * time.Millisecond}).Wait()
			require.Contains(t, w.all(), test.rule)
		})
	}
}

// Rules of 1.1, on what comes over the wire.
func TestADeviceIsStrictAboutTheHandshake(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ rule, connection, upgrade, protocol, more string }{
		"a list in Connection":  {"Connection: keep-alive, Upgrade", "keep-alive, Upgrade", "websocket", protocol3, ""},
		"WebSocket in capitals": {"Upgrade: WebSocket", "Upgrade", "WebSocket", protocol3, ""},
		"no protocol":           {"Sec-WebSocket-Protocol \"\"", "Upgrade", "websocket", "", ""},
		"the second protocol":   {"not the first", "Upgrade", "websocket", protocol2, ""},
		"an extension":          {"", "Upgrade", "websocket", protocol3, "Sec-WebSocket-Extensions: permessage-deflate\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
			require.NoError(t, err)
			defer listener.Close()
			go shakeHands(listener, test.connection, test.upgrade, test.protocol, test.more)
			w := &witness{TB: t}
			_ = NewDevice(w, V32).Start(Config{URL: "ws://" + listener.Addr().String() + "/db", Pull: true, Timeout: 200 * time.Millisecond}).Wait()
			require.Contains(t, w.all(), test.rule)
			require.NotEmpty(t, w.all())
		})
	}
}

func shakeHands(listener net.Listener, connection, upgrade, protocol, more string) {
	c, err := listener.Accept()
	if err != nil {
		return
	}
	request, err := http.ReadRequest(bufio.NewReader(c))
	if err != nil {
		return
	}
	sum := sha1.Sum([]byte(request.Header.Get("Sec-Websocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	if protocol != "" {
		more += "Sec-WebSocket-Protocol: " + protocol + "\r\n"
	}
	_, _ = fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: %s\r\nUpgrade: %s\r\nSec-WebSocket-Accept: %s\r\n%s\r\n",
		connection, upgrade, base64.StdEncoding.EncodeToString(sum[:]), more)
	_, _ = io.Copy(io.Discard, c)
	_ = c.Close()
}

func TestFramesAreChecked(t *testing.T) {
	t.Parallel()
	frame := func(crc *uint32, number, flags uint64, payload string) []byte {
		b := binary.AppendUvarint(nil, number)
		b = binary.AppendUvarint(b, flags)
		b = append(b, payload...)
		*crc = crc32.Update(*crc, crc32.IEEETable, []byte(payload))
		return binary.BigEndian.AppendUint32(b, *crc)
	}
	var crc uint32
	var r blipReader
	r.init()
	m, err := r.frame(frame(&crc, 1, flagUrgent|flagMore, "\x0aProfile\x00x\x00he"))
	require.NoError(t, err)
	require.Nil(t, m)
	m, err = r.frame(frame(&crc, 2, 0, "\x00"))
	require.NoError(t, err)
	require.Equal(t, uint64(2), m.Number)
	m, err = r.frame(frame(&crc, 1, 0, "llo"))
	require.NoError(t, err)
	require.Equal(t, "hello", string(m.Body))
	require.Equal(t, "x", m.Profile())
	require.True(t, m.Urgent)
	require.Equal(t, 2, m.Frames)
	_, err = r.frame(frame(&crc, 4, 0, "\x00"))
	require.ErrorContains(t, err, "request 4 where 3 is next")
	crc++
	_, err = r.frame(frame(&crc, 3, 0, "\x00"))
	require.ErrorContains(t, err, "checksum")
	_, err = r.frame(nil)
	require.ErrorContains(t, err, "without a number")
	_, err = r.frame([]byte{1, flagCompressed, 0xff, 0xff, 0xff, 0, 0, 0, 0})
	require.ErrorContains(t, err, "bad deflate")
}
