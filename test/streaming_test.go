package test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

// What a store of 64 MiB may hold in memory of its own (DESIGN section 7): its memory and
// 128 MiB. A body of 100 MB that is decoded as a whole does not fit.
const streamBound = (64 + 128) << 20

// streamed is a server of 64 MiB that is watched while it streams.
type streamed struct {
	*harness.Server
	t     *testing.T
	token string
}

func newStreamed(t *testing.T) *streamed {
	t.Helper()

	if runtime.GOOS != "linux" {
		t.Skip("SKIPPED, NOT TESTED: a process's memory is read from /proc")
	}

	server := harness.New(t, harness.Options{Settings: harness.Settings{
		Database: "limits {\nattachment 2GiB\nrequest 2GiB\n}",
	}})
	token, err := server.Token(t.Context(), "alice", nil)
	require.NoError(t, err)

	return &streamed{Server: server, t: t, token: token}
}

// open sends a request and returns its answer, whose body is to be read and closed.
func (s *streamed) open(ctx context.Context, method, path, contentType string, body io.Reader) *http.Response {
	s.t.Helper()

	req, err := http.NewRequestWithContext(ctx, method, s.URL+path, body)
	require.NoError(s.t, err)
	req.Header.Set("Authorization", "Bearer "+s.token)
	req.Header.Set("Content-Type", contentType)

	answer, err := http.DefaultClient.Do(req)
	require.NoError(s.t, err)

	return answer
}

// within fails the test if do makes the server's memory grow out of its bound.
func (s *streamed) within(what string, do func()) {
	s.t.Helper()

	stop := harness.PeakAnonymous(s.PID())

	do()

	peak := stop()
	s.t.Logf("%s: at most %d MiB", what, peak>>20)
	require.Less(s.t, peak, int64(streamBound), what)
}

// count reads all of an answer and returns how long it is.
func (s *streamed) count(answer *http.Response) int64 {
	s.t.Helper()
	defer answer.Body.Close()

	n, err := io.Copy(io.Discard, answer.Body)
	require.NoError(s.t, err)
	require.Less(s.t, answer.StatusCode, 300)

	return n
}

// bulk is a _bulk_docs body, written as it is read.
func (s *streamed) bulk(from, documents, size int) io.Reader {
	r, w := io.Pipe()
	text := bytes.Repeat([]byte("x"), size)

	go func() {
		_, err := io.WriteString(w, `{"docs":[`)
		for n := from; n < from+documents && err == nil; n++ {
			comma := ","
			if n == from {
				comma = ""
			}

			_, err = fmt.Fprintf(w, `%s{"_id":"doc-%07d","n":%d,"text":"%s"}`, comma, n, n, text)
		}

		if err == nil {
			_, err = io.WriteString(w, `]}`)
		}

		w.CloseWithError(err)
	}()

	return r
}

func bulkGetBody(documents int) io.Reader {
	type wanted struct {
		ID string `json:"id"`
	}

	docs := make([]wanted, documents)
	for n := range docs {
		docs[n].ID = fmt.Sprintf("doc-%07d", n)
	}

	text, err := json.Marshal(map[string]any{"docs": docs})
	if err != nil {
		panic(err)
	}

	return bytes.NewReader(text)
}

// scaled is a number that an environment variable can raise: CI has less time than a developer.
func scaled(t *testing.T, name string, usual int) int {
	t.Helper()

	text := os.Getenv(name)
	if text == "" {
		return usual
	}

	n, err := strconv.Atoi(text)
	require.NoError(t, err, name)

	return n
}

// 10 000 documents of 10 KB in one request, and in one answer; STREAM_ROWS rows of _changes and
// an attachment of STREAM_MEGABYTES, both ways.
func TestDecision28_LargeBodiesAndAnswersTakeConstantMemory(t *testing.T) {
	t.Parallel()

	const documents, size = 10_000, 10_000

	s, ctx := newStreamed(t), t.Context()
	rows := scaled(t, "STREAM_ROWS", 50_000)
	attachment := int64(scaled(t, "STREAM_MEGABYTES", 256)) << 20

	s.within("_bulk_docs of 100 MB", func() {
		s.count(s.open(ctx, "POST", "/notes/_bulk_docs", "application/json", s.bulk(0, documents, size)))
	})
	s.within("_bulk_get of 100 MB", func() {
		n := s.count(s.open(ctx, "POST", "/notes/_bulk_get", "application/json", bulkGetBody(documents)))
		require.Greater(t, n, int64(documents*size))
	})
	s.within("_changes with 100 MB of documents", func() {
		n := s.count(s.open(ctx, "GET", "/notes/_changes?include_docs=true", "application/json", http.NoBody))
		require.Greater(t, n, int64(documents*size))
	})
	s.within(fmt.Sprintf("_changes of %d rows", rows), func() {
		for from := documents; from < rows; from += documents {
			s.count(s.open(ctx, "POST", "/notes/_bulk_docs", "application/json", s.bulk(from, min(documents, rows-from), 10)))
		}

		n := s.count(s.open(ctx, "GET", "/notes/_changes", "application/json", http.NoBody))
		require.Greater(t, n, int64(rows*60))
		n = s.count(s.open(ctx, "GET", "/notes/_all_docs", "application/json", http.NoBody))
		require.Greater(t, n, int64(rows*60))
	})
	s.within("an attachment", func() {
		content := io.LimitReader(noise{}, attachment)
		s.count(s.open(ctx, "PUT", "/notes/large/content", "application/octet-stream", content))
		n := s.count(s.open(ctx, "GET", "/notes/large/content", "application/octet-stream", http.NoBody))
		require.Equal(t, attachment, n)
	})
}

// noise is content that is not the same everywhere.
type noise struct{}

func (noise) Read(p []byte) (int, error) {
	for n := range p {
		p[n] = byte(n * n >> 3)
	}

	return len(p), nil
}

// Who does not read what was asked for holds the server back, and who goes away stops its work.
func TestAnswersWaitForTheirReadersAndEndWithThem(t *testing.T) {
	t.Parallel()

	const documents, size = 10_000, 10_000

	s := newStreamed(t)
	s.count(s.open(t.Context(), "POST", "/notes/_bulk_docs", "application/json", s.bulk(0, documents, size)))

	for what, ask := range map[string]func(context.Context) *http.Response{
		"_changes": func(ctx context.Context) *http.Response {
			return s.open(ctx, "GET", "/notes/_changes?include_docs=true", "application/json", http.NoBody)
		},
		"_all_docs": func(ctx context.Context) *http.Response {
			return s.open(ctx, "GET", "/notes/_all_docs?include_docs=true", "application/json", http.NoBody)
		},
		"_bulk_get": func(ctx context.Context) *http.Response {
			return s.open(ctx, "POST", "/notes/_bulk_get", "application/json", bulkGetBody(documents))
		},
	} {
		ctx, leave := context.WithCancel(t.Context())
		answer := ask(ctx)
		_, err := io.ReadFull(answer.Body, make([]byte, 4096))
		require.NoError(t, err, what)

		s.within(what+" that nobody reads", func() { s.settles(what + " is not read") })
		leave()
		s.settles(what + " is left")
		require.NoError(t, answer.Body.Close())
	}
}

// settles waits until the server has done nothing for half a second.
func (s *streamed) settles(why string) {
	s.t.Helper()

	const quiet = 500 * time.Millisecond

	end := time.Now().Add(20 * time.Second)

	for {
		before, err := harness.CPUTime(s.PID())
		require.NoError(s.t, err)

		select {
		case <-time.After(quiet):
		case <-s.t.Context().Done():
		}

		after, err := harness.CPUTime(s.PID())
		require.NoError(s.t, err)

		if after-before <= quiet/10 {
			return
		}

		require.True(s.t, time.Now().Before(end), "%s, but the server goes on working", why)
	}
}
