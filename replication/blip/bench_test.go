package blip

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// acceptor serves connections, which run in goroutines of their own: the handler returns.
func acceptor(tb testing.TB, o Options) (s *httptest.Server, came chan *Conn) {
	tb.Helper()
	came = make(chan *Conn, 1)
	s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := Accept(w, r, nil, o)
		if err != nil {
			tb.Error(err)
			return
		}
		go func() { _ = c.Run(context.Background()) }()
		came <- c
	}))
	return s, came
}

// dialRaw does the handshake and leaves the rest to the test.
func dialRaw(tb testing.TB, conn net.Conn) {
	tb.Helper()
	_, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
	require.NoError(tb, err)
	br := bufio.NewReaderSize(conn, 512)
	response, err := http.ReadResponse(br, nil)
	require.NoError(tb, err)
	require.Equal(tb, http.StatusSwitchingProtocols, response.StatusCode)
	require.Zero(tb, br.Buffered())
}

// BenchmarkIdle measures what a connection costs on which nothing happens, after it answered
// one deflated request with an inflated body of the size named.
func BenchmarkIdle(b *testing.B) {
	for _, size := range []int{0, 100, 64 << 10} {
		b.Run(fmt.Sprintf("window=%d", min(size, windowSize)), func(b *testing.B) {
			const n = 2000
			for b.Loop() {
				heap, stack := idleCost(b, n, size)
				b.ReportMetric(heap, "heap-B/conn")
				b.ReportMetric(stack, "stack-B/conn")
			}
		})
	}
}

func idleCost(b *testing.B, n, size int) (heap, stack float64) {
	b.Helper()
	s, came := acceptor(b, Options{Handle: func(r *Request) { r.Reply(&Message{}) }})
	defer s.Close()
	clients, servers := make([]net.Conn, 0, n), make([]*Conn, 0, n)
	heapBefore, stackBefore := inUse()
	for range n {
		conn, err := new(net.Dialer).DialContext(b.Context(), "tcp", s.Listener.Addr().String())
		require.NoError(b, err)
		clients = append(clients, conn)
		dialRaw(b, conn)
		c := <-came
		servers = append(servers, c)
		if size > 0 {
			oneRequest(b, conn, size)
		}
	}
	heapAfter, stackAfter := inUse()
	heap, stack = (heapAfter-heapBefore)/float64(n), (stackAfter-stackBefore)/float64(n)
	b.Logf("goroutines per connection: %.2f", float64(runtime.NumGoroutine())/float64(n))
	for i := range clients {
		servers[i].Drop(ErrClosed)
		<-servers[i].Done()
		_ = clients[i].Close()
	}
	return heap, stack
}

func inUse() (heap, stack float64) {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc), float64(m.StackInuse)
}

// oneRequest sends a request by hand, masked with zeros, and waits for the answer.
func oneRequest(b *testing.B, conn net.Conn, size int) {
	b.Helper()
	content := make([]byte, size+1)
	_, _ = rand.Read(content[1:])
	for i := range content[1:] {
		content[i+1] &= 15
	}
	var e encoder
	for number := 0; len(content) > 0; number++ {
		part := content[:min(len(content), frameSize)]
		content = content[len(part):]
		flags := byte(flagCompressed)
		if len(content) > 0 {
			flags |= flagMore
		}
		f, _, err := e.encode(nil, 1, flags, part)
		require.NoError(b, err)
		head := []byte{0x82, 0x80 | 126, byte(len(f) >> 8), byte(len(f)), 0, 0, 0, 0}
		_, err = conn.Write(append(head, f...))
		require.NoError(b, err)
	}
	e.release()
	for { // the answer is the only frame of seven bytes behind the head
		var head [2]byte
		_, err := io.ReadFull(conn, head[:])
		require.NoError(b, err)
		rest := make([]byte, head[1])
		_, err = io.ReadFull(conn, rest)
		require.NoError(b, err)
		if rest[1]&typeMask == typeAnswer {
			return
		}
	}
}

// BenchmarkMessages measures requests that are answered, with 64 at once.
func BenchmarkMessages(b *testing.B) {
	for _, size := range []int{100, 1000, 10_000} {
		for _, compressed := range []bool{false, true} {
			b.Run(fmt.Sprintf("bytes=%d/compressed=%v", size, compressed), func(b *testing.B) {
				_, c := connect(b, Options{Handle: func(r *Request) { r.Reply(&Message{}) }}, Options{})
				body := text(mathrand.New(mathrand.NewPCG(1, 2)), size)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				free := make(chan struct{}, 64)
				for b.Loop() {
					free <- struct{}{}
					err := c.Start(b.Context(), &Message{Body: body, Compressed: compressed}, func(*Response, error) { <-free })
					require.NoError(b, err)
				}
				for range cap(free) {
					free <- struct{}{}
				}
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
			})
		}
	}
}

// BenchmarkStream measures an answer of 64 MiB that goes to a writer.
func BenchmarkStream(b *testing.B) {
	for _, compressed := range []bool{false, true} {
		b.Run(fmt.Sprintf("compressed=%v", compressed), func(b *testing.B) {
			const size = 64 << 20
			_, c := connect(b, Options{Handle: func(r *Request) {
				r.Reply(&Message{Stream: &repeated{n: size}, Compressed: compressed})
			}}, Options{})
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				_, err := c.CallTo(b.Context(), &Message{}, io.Discard)
				require.NoError(b, err)
			}
		})
	}
}
