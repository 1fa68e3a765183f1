package rest

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/auth"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

// feedMemory is the bar of DESIGN section 7 for a live feed that has received a change,
// in bytes; here without what Caddy adds, but with the client's connection.
const feedMemory = 48 << 10

// Not parallel: it measures the memory of the process.
func TestLiveFeedsStayWithinTheirMemory(t *testing.T) {
	const feeds = 200
	for _, feed := range []string{"continuous", "longpoll"} {
		_, db := badgerStore(t)
		server := httptest.NewServer(feedServer(db))
		conns := make([]net.Conn, feeds)
		for i := range conns {
			conn, err := net.Dial("tcp", server.Listener.Addr().String())
			require.NoError(t, err)
			conns[i] = conn
		}
		before := inUse()
		for _, conn := range conns {
			_, err := fmt.Fprintf(conn, "GET /?feed=%s&since=now&heartbeat=60000 HTTP/1.1\r\nHost: x\r\n\r\n", feed)
			require.NoError(t, err)
			require.NoError(t, conn.SetReadDeadline(time.Now().Add(time.Minute)))
			readUntil(t, conn, "\r\n\r\n")
		}
		var rev syncstore.Rev
		for range 3 {
			rev = writeEdits(t, db, syncstore.Edit{ID: "a-document", Parent: rev})[0]
		}
		for _, conn := range conns {
			want := "a-document"
			if feed == "longpoll" { // whose answer is over: the connection waits for the next request
				want = "last_seq"
			}
			readUntil(t, conn, want)
		}
		runtime.GC() // stacks shrink by half each time
		runtime.GC()
		each := (inUse() - before) / feeds
		t.Logf("%s: %d bytes a feed", feed, each)
		require.Less(t, each, int64(feedMemory), feed)
		for _, conn := range conns {
			require.NoError(t, conn.Close())
		}
		server.Close()
	}
}

// socketMemory is the bar of DESIGN section 7 for a live feed on a WebSocket, in bytes. No
// window is kept.
const socketMemory = 24 << 10

// Not parallel: it measures the memory of the process.
func TestSocketFeedsStayWithinTheirMemory(t *testing.T) {
	const feeds = 200
	for _, options := range []string{`{"since":"now","heartbeat":60000}`, `{"since":"now","accept_encoding":"gzip","style":"all_docs"}`} {
		_, db := badgerStore(t)
		server := httptest.NewServer(socketServer(db))
		conns := make([]net.Conn, feeds)
		for i := range conns {
			conn, err := net.Dial("tcp", server.Listener.Addr().String())
			require.NoError(t, err)
			conns[i] = conn
		}
		before := inUse()
		for _, conn := range conns {
			_, err := fmt.Fprint(conn, "GET /?feed=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
				"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
			require.NoError(t, err)
			// A masked text frame whose mask is zero.
			_, err = conn.Write(append([]byte{0x81, 0x80 | byte(len(options)), 0, 0, 0, 0}, options...))
			require.NoError(t, err)
			require.NoError(t, conn.SetReadDeadline(time.Now().Add(time.Minute)))
			readUntil(t, conn, "[]")
		}
		var rev syncstore.Rev
		for range 3 {
			rev = writeEdits(t, db, syncstore.Edit{ID: "a-document", Parent: rev})[0]
		}
		for _, conn := range conns {
			readUntil(t, conn, "a-document")
		}
		runtime.GC() // stacks shrink by half each time
		runtime.GC()
		each := (inUse() - before) / feeds
		t.Logf("%s: %d bytes a feed", options, each)
		require.Less(t, each, int64(socketMemory), options)
		for _, conn := range conns {
			require.NoError(t, conn.Close())
		}
		server.Close()
	}
}

func socketServer(db *syncstore.Database) http.Handler {
	h := &Handler{
		Config: Config{
			Draining: func() bool { return false }, Usage: NewUsage(), Limits: ServerLimits{}.withDefaults(),
			Database: func(string) Policy { return Policy{Limits: Limits{UserFeeds: Unlimited}} },
		},
		take: func(*request) (heldLease, error) { return newFakeLease(), nil },
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rq := &request{w: w, r: r, db: db, coll: db.Default(), principal: &auth.Principal{Name: "alice"}, started: time.Now(), query: r.URL.Query()}
		if err := h.changesSocket(rq); err != nil {
			panic(err)
		}
	})
}

func feedServer(db *syncstore.Database) http.Handler {
	h := &Handler{}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		options, err := parseChangesOptions(params{query: r.URL.Query()}, "")
		if err != nil {
			panic(err)
		}
		rq := &request{w: w, r: r, db: db, coll: db.Default(), principal: &auth.Principal{}, started: time.Now()}
		f := h.newChangeFeed(rq, collectionChanges{rq.coll, rq.db}, options)
		f.lease.take = func() (heldLease, error) { return newFakeLease(), nil }
		defer f.close()
		_ = f.run(r.Context())
	})
}

func readUntil(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	var seen strings.Builder
	reader := bufio.NewReaderSize(conn, 16)
	for !strings.Contains(seen.String(), text) {
		c, err := reader.ReadByte()
		require.NoError(t, err)
		seen.WriteByte(c)
	}
}

// inUse is the memory in use for heap and stacks. What was used before may go meanwhile: a
// difference can be below 0.
func inUse() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc + stats.StackInuse)
}
