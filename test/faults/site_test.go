package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

// oneUser lets one user do what thousands would.
const oneUser = "limits {\nuser_requests off\nuser_feeds off\n}"

// long tells that the tests run at full length.
func long() bool { return os.Getenv("FAULTS") == "long" }

// pick is a number for the short run or for the long one.
func pick[T any](short, full T) T {
	if long() {
		return full
	}
	return short
}

// site is a server and somebody who is signed in.
type site struct {
	*harness.Server

	token  string
	client *http.Client
}

func newSite(t *testing.T, o harness.Options) *site {
	t.Helper()
	s := &site{Server: harness.New(t, o), client: &http.Client{Timeout: time.Minute}}
	t.Cleanup(s.client.CloseIdleConnections)
	token, err := s.Token(t.Context(), "alice", map[string][]string{"ttl": {"12h"}})
	require.NoError(t, err)
	s.token = token
	return s
}

// do sends a request and reads the whole answer.
func (s *site) do(ctx context.Context, method, path string, body []byte) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, s.URL+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := s.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	return res.StatusCode, text, err
}

// document is what a document of these tests has: bytes that follow from its ID.
type document struct {
	ID   string `json:"_id"`
	Rev  string `json:"_rev,omitempty"`
	Text string `json:"text"`
}

// textOf is the text of a document, of about a kilobyte, of which no two are alike.
func textOf(id string, size int) string {
	var b bytes.Buffer
	for i := 0; b.Len() < size; i++ {
		_, _ = fmt.Fprintf(&b, "%s/%d ", id, i)
	}
	return b.String()
}

// journal is what was acknowledged.
type journal struct {
	mu      sync.Mutex
	revs    map[string]string // by document ID
	refused map[int]int       // how many by status
	size    int               // of a document's text
	next    atomic.Int64
}

func newJournal(size int) *journal {
	return &journal{revs: map[string]string{}, refused: map[int]int{}, size: size}
}

func (j *journal) acknowledged() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.revs)
}

func (j *journal) refusals(status int) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.refused[status]
}

// write puts one new document and notes what was answered; the status is 0 if nothing was.
func (j *journal) write(ctx context.Context, s *site, prefix string) int {
	id := fmt.Sprintf("%s-%06d", prefix, j.next.Add(1))
	body, _ := json.Marshal(map[string]string{"text": textOf(id, j.size)})
	status, answer, err := s.do(ctx, http.MethodPut, "/notes/"+id, body)
	if err != nil {
		return 0
	}
	var got struct {
		Rev string `json:"rev"`
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if status == http.StatusCreated && json.Unmarshal(answer, &got) == nil && got.Rev != "" {
		j.revs[id] = got.Rev
	} else {
		j.refused[status]++
	}
	return status
}

// requireAll reads every document that was acknowledged, and the feed, in which no sequence may
// come twice.
func (j *journal) requireAll(t *testing.T, s *site) {
	t.Helper()
	for id, rev := range j.revs {
		status, text, err := s.do(t.Context(), http.MethodGet, "/notes/"+id, nil)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status, "%s was acknowledged: %.200s", id, text)
		var got document
		require.NoError(t, json.Unmarshal(text, &got))
		require.Equal(t, rev, got.Rev, id)
		require.Equal(t, textOf(id, j.size), got.Text, id)
	}
	_, text, err := s.do(t.Context(), http.MethodGet, "/notes/_changes", nil)
	require.NoError(t, err)
	var feed struct {
		Results []struct {
			Seq any    `json:"seq"`
			ID  string `json:"id"`
		} `json:"results"`
	}
	require.NoError(t, json.Unmarshal(text, &feed))
	seen, found := map[any]string{}, map[string]bool{}
	for _, row := range feed.Results {
		require.NotContains(t, seen, row.Seq, "%s and %s", seen[row.Seq], row.ID)
		seen[row.Seq], found[row.ID] = row.ID, true
	}
	for id := range j.revs {
		require.True(t, found[id], "%s is not in the feed", id)
	}
}

// require waits for a status that a write gets.
func (j *journal) until(t *testing.T, s *site, prefix string, status int, limit time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if j.write(ctx, s, prefix) == status {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			require.Fail(t, "no write was answered so", "%d within %s; refused so far: %v", status, limit, j.refused)
		}
	}
}

// writers write until the context ends.
func (j *journal) writers(ctx context.Context, s *site, prefix string, n int) *sync.WaitGroup {
	all := new(sync.WaitGroup)
	for range n {
		all.Go(func() {
			for ctx.Err() == nil {
				if status := j.write(ctx, s, prefix); status != http.StatusCreated {
					pause(ctx, 10*time.Millisecond)
				}
			}
		})
	}
	return all
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
