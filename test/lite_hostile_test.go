package test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

// hostileRoom is how much more memory the server may take while it is attacked.
const hostileRoom = 64 << 20

// hostileLimit is how long an attack may occupy the server.
func hostileLimit() time.Duration {
	if raced() {
		return 30 * time.Second
	}

	return 5 * time.Second
}

// hostileFrames is how many frames a flood has.
func hostileFrames() uint64 {
	if raced() {
		return 25_000
	}

	return 100_000
}

// Section 8.2 of reference/blip.md: hostile peers cost bounded memory and their own connection
// only.
func TestLiteHostilePeersCostTheirOwnConnection(t *testing.T) {
	t.Parallel()

	if runtime.GOOS != "linux" {
		t.Skip("SKIPPED, NOT TESTED: the server's memory is read from /proc")
	}

	server := harness.New(t, harness.Options{Settings: harness.Settings{NoIDP: true, Database: "guest\naccess shared", Databases: "notes open", Sync: "database open {\nguest\naccess shared\n}"}})
	a := &attacked{Server: server, honest: lite(t, server.URL+"/notes", harness.LiteOptions{})}

	// What there is to pull.
	large := `{"text":"` + strings.Repeat("0123456789abcdef", 1<<16) + `"}`
	for i := range 24 {
		made := ask(t, server, request{method: http.MethodPut, url: "/open/large-" + strconv.Itoa(i), body: large})
		require.Equal(t, http.StatusCreated, made.status, made.body)
	}

	var docs strings.Builder

	for i := range 5000 {
		fmt.Fprintf(&docs, `,{"_id":"small-%d"}`, i)
	}

	made := ask(t, server, request{method: http.MethodPost, url: "/open/_bulk_docs", body: `{"docs":[` + docs.String()[1:] + `]}`})
	require.Equal(t, http.StatusCreated, made.status, made.body)

	var err error
	a.worked, err = resident(server)
	require.NoError(t, err)

	for _, attack := range []struct {
		name string
		run  func(t *testing.T, a *attacked)
	}{
		{"never reads", neverReads},
		{"never answers changes", neverAnswersChanges},
		{"never answers getAttachment", neverAnswersGetAttachment},
		{"asks and never reads", asksAndNeverReads},
		{"zip bomb", zipBomb},
		{"a long message", longMessage},
		{"properties of 2^60 bytes", hugeProperties},
		{"tiny frames of one message", tinyFrames},
		{"tiny messages", tinyMessages},
		{"tiny acknowledgements", tinyAcks},
		{"pings", pings},
		{"open requests", openRequests},
		{"large open requests", largeOpenRequests},
		{"garbage", garbage},
	} {
		t.Run(attack.name, func(t *testing.T) {
			a.withstand(t, func(t *testing.T) {
				t.Helper()
				attack.run(t, a)
			})
		})
	}

	a.awaitReplications(t, 1) // nothing is left of them
}

const hostilePeers = 8

// neverReads asks for all documents and then reads nothing.
func neverReads(t *testing.T, a *attacked) {
	t.Helper()

	for range hostilePeers {
		l := lite(t, a.URL+"/open", harness.LiteOptions{Stalls: true})
		require.NoError(t, l.Pull(t.Context(), "", true))
	}

	a.settled(t)
}

// neverAnswersChanges reads what the server announces and does not answer it.
func neverAnswersChanges(t *testing.T, a *attacked) {
	t.Helper()

	for range 4 * hostilePeers {
		l := lite(t, a.URL+"/open", harness.LiteOptions{Silent: true})
		require.NoError(t, l.Pull(t.Context(), "", true))
	}

	a.settled(t)
}

// neverAnswersGetAttachment pushes revisions with attachments that it does not give.
func neverAnswersGetAttachment(t *testing.T, a *attacked) {
	t.Helper()

	const body = `{"_attachments":{"a":{"stub":true,"revpos":1,"length":1000,"digest":"sha1-AAAAAAAAAAAAAAAAAAAAAAAAAAA="}},"text":"`

	p := newHostilePeer(t, a.Server, true)
	text := body + strings.Repeat("x", 10_000) + `"}`

	for n := uint64(1); n <= 10_000; n++ {
		if !p.frame(n, harness.FrameRequest, harness.RawMessage(text, "Profile", "rev", "id", strconv.FormatUint(n, 10), "rev", "1-abc")) {
			break
		}
	}

	p.requireEnd()
}

// asksAndNeverReads asks for more than it reads.
func asksAndNeverReads(t *testing.T, a *attacked) {
	t.Helper()

	p := newHostilePeer(t, a.Server, false)
	a.awaitReplications(t, 2)

	for n := uint64(1); n <= 2000; n++ {
		if !p.frame(n, harness.FrameRequest, harness.RawMessage("", "Profile", "getRev", "id", "large-1")) {
			break
		}
	}

	_ = p.Flush() // it is over, perhaps
	a.awaitReplications(t, 1)
}

// zipBomb sends little that inflates to much.
func zipBomb(t *testing.T, a *attacked) {
	t.Helper()

	zeros := make([]byte, 8<<20)

	for _, profile := range []string{"getRev", "rev", "proposeChanges"} {
		p := newHostilePeer(t, a.Server, true)
		p.frame(1, harness.FrameRequest|harness.FrameMore, harness.RawMessage("", "Profile", profile))

		for range 100 {
			if !p.frame(1, harness.FrameRequest|harness.FrameMore|harness.FrameDeflated, zeros) || p.Flush() != nil {
				break
			}
		}

		p.requireEnd()
	}
}

// longMessage sends one document without end: far more than is thrown away of one that is too large.
func longMessage(t *testing.T, a *attacked) {
	t.Helper()

	p := newHostilePeer(t, a.Server, true)
	part := bytes.Repeat([]byte("x"), 16<<10)
	p.frame(1, harness.FrameRequest|harness.FrameMore, harness.RawMessage("", "Profile", "rev", "id", "a", "rev", "1-abc"))

	for range 20_000 {
		if !p.frame(1, harness.FrameRequest|harness.FrameMore, part) {
			break
		}
	}

	p.requireEnd()
}

// hugeProperties announces properties of more bytes than there is memory.
func hugeProperties(t *testing.T, a *attacked) {
	t.Helper()

	for _, size := range []uint64{1 << 60, 1<<64 - 1, 1 << 32, 200 << 10} {
		p := newHostilePeer(t, a.Server, true)
		p.frame(1, harness.FrameRequest|harness.FrameMore, binary.AppendUvarint(nil, size))
		p.requireEnd()
	}
}

func tinyFrames(t *testing.T, a *attacked) {
	t.Helper()

	p := newHostilePeer(t, a.Server, true)
	p.frame(1, harness.FrameRequest|harness.FrameMore, harness.RawMessage("", "Profile", "rev"))

	for range hostileFrames() {
		if !p.frame(1, harness.FrameRequest|harness.FrameMore, nil) {
			break
		}
	}

	p.requireEnd()
}

// tinyMessages are as many as nobody sends, but no fault.
func tinyMessages(t *testing.T, a *attacked) {
	t.Helper()

	p := newHostilePeer(t, a.Server, true)
	for n := uint64(1); n <= hostileFrames(); n++ {
		p.frame(n, harness.FrameRequest|harness.FrameNoReply, harness.RawMessage("", "Profile", "PING"))
	}

	p.requireAlive(hostileFrames() + 1)
}

func tinyAcks(t *testing.T, a *attacked) {
	t.Helper()

	p := newHostilePeer(t, a.Server, true)
	for n := range hostileFrames() {
		p.message(harness.OpBinary, append(binary.AppendUvarint(nil, n), harness.FrameAck|harness.FrameNoReply, 1))
	}

	p.requireAlive(1)
}

// pings asks for more pongs than it reads.
func pings(t *testing.T, a *attacked) {
	t.Helper()

	p := newHostilePeer(t, a.Server, false)
	a.awaitReplications(t, 2)

	payload := make([]byte, 125)

	for range hostileFrames() {
		// A kernel that is full of pongs takes nothing either, for a while.
		if p.Message(harness.OpPing, payload, time.Second) != nil {
			break
		}
	}

	p.Close()
	a.awaitReplications(t, 1)
}

// openRequests begins requests and ends none.
func openRequests(t *testing.T, a *attacked) {
	t.Helper()

	p := newHostilePeer(t, a.Server, true)
	begin := func(n uint64) bool {
		return p.frame(n, harness.FrameRequest|harness.FrameMore, harness.RawMessage("{", "Profile", "rev", "id", "a", "rev", "1-abc"))
	}

	for n := uint64(1); n <= 1000; n++ {
		begin(n)
	}

	p.requireAlive(1001) // Couchbase Lite may have as many

	for n := uint64(1002); n <= hostileFrames(); n++ {
		if !begin(n) {
			break
		}
	}

	p.requireEnd()
}

func largeOpenRequests(t *testing.T, a *attacked) {
	t.Helper()

	p := newHostilePeer(t, a.Server, true)
	content := harness.RawMessage(strings.Repeat("x", 60<<10), "Profile", "rev", "id", "a", "rev", "1-abc")

	for n := uint64(1); n <= 10_000; n++ {
		if !p.frame(n, harness.FrameRequest|harness.FrameMore, content) {
			break
		}
	}

	p.requireEnd()
}

// garbage is what no frame is.
func garbage(t *testing.T, a *attacked) {
	t.Helper()

	random := rand.NewChaCha8([32]byte{1})

	for range 20 {
		p := newHostilePeer(t, a.Server, true)

		for size := range 100 {
			b := make([]byte, 1+20*size)
			_, _ = random.Read(b) // never fails
			p.message(harness.OpBinary, b)
		}

		p.requireEnd()
	}

	ping := harness.RawMessage("", "Profile", "PING")

	for name, send := range map[string]func(p *hostilePeer){
		"an empty message": func(p *hostilePeer) { p.message(harness.OpBinary, nil) },
		"a bad checksum": func(p *hostilePeer) {
			p.BreakChecksum()
			p.frame(1, harness.FrameRequest, ping)
		},
		"a number left out":    func(p *hostilePeer) { p.frame(2, harness.FrameRequest, ping) },
		"an answer to nothing": func(p *hostilePeer) { p.frame(7, harness.FrameAnswer, harness.RawMessage("")) },
		"no deflate":           func(p *hostilePeer) { p.message(harness.OpBinary, []byte("\x01\x08\xff\xff\xff\xff\xff\xff\xff\xff")) },
		"a message of 8 MiB":   func(p *hostilePeer) { p.message(harness.OpBinary, make([]byte, 8<<20)) },
		"a reserved bit":       func(p *hostilePeer) { p.message(0x40|harness.OpBinary, ping) },
		"a reserved opcode":    func(p *hostilePeer) { p.message(0x0b, ping) },
		"no beginning":         func(p *hostilePeer) { p.message(0, ping) },
		"half a property":      func(p *hostilePeer) { p.frame(1, harness.FrameRequest, []byte("\x03a\x00b")) },
	} {
		t.Log(name)

		p := newHostilePeer(t, a.Server, true)
		send(p)
		p.requireEnd()
	}

	// Text is no frame, but no fault either (reference/blip.md 1.5).
	p := newHostilePeer(t, a.Server, true)
	p.message(harness.OpText, []byte("hello"))
	p.requireAlive(1)
}
