package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/test/harness"
)

// files is the database of the bystanders: what they write is not in the books of the checker. Its name
// comes after that of the other, whose sequences are plain numbers because it is made first.
const files = "papers"

// bystander does what goes on beside the writes of documents, over and over, and judges it at the end.
type bystander interface {
	// step does one thing. The error is errLost, errRefused, or a fault.
	step(ctx context.Context) error
	// conclude looks at what was done, when the server was killed for the last time.
	conclude(ctx context.Context, c *checker)
	// String says how much it did.
	String() string
}

// stand lets a bystander go on until ctx ends.
func stand(ctx context.Context, b bystander, c *checker) {
	for ctx.Err() == nil {
		err := b.step(context.WithoutCancel(ctx))
		switch {
		case err == nil:
			wait(ctx, 10*time.Millisecond)
		case errors.Is(err, errLost), errors.Is(err, errRefused):
			wait(ctx, 50*time.Millisecond)
		default:
			c.report(faultAnswer, "%s: %v", b, err)
			wait(ctx, 100*time.Millisecond)
		}
	}
}

// attacher writes documents with an attachment each, and reads some again.
type attacher struct {
	client *client
	number int
	random *rand.Rand
	sums   map[string]string // of the attachments that were acknowledged, by document
	made   int
}

func (a *attacher) step(ctx context.Context) error {
	a.made++
	id := fmt.Sprintf("file-%d-%06d", a.number, a.made)
	content := make([]byte, 1+a.random.IntN(300_000))
	for i := range content {
		content[i] = byte(a.random.Uint32())
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, a.client.url+"/"+id+"/content", bytes.NewReader(content))
	if err != nil {
		return fmt.Errorf("making a request: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+a.client.token)
	req.Header.Set("Content-Type", "application/octet-stream")
	res, err := a.client.http.Do(req)
	if err != nil {
		return fmt.Errorf("%w: %w", errLost, err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", errLost, err)
	case res.StatusCode == http.StatusServiceUnavailable || res.StatusCode == http.StatusTooManyRequests:
		return fmt.Errorf("%w: %d", errRefused, res.StatusCode)
	case res.StatusCode != http.StatusCreated:
		return fmt.Errorf("PUT of an attachment: %d %s", res.StatusCode, brief(text))
	}
	sum := sha256.Sum256(content)
	a.sums[id] = hex.EncodeToString(sum[:])
	return nil
}

func (a *attacher) conclude(ctx context.Context, c *checker) {
	for id, want := range a.sums {
		status, text, err := a.client.do(ctx, http.MethodGet, "/"+id+"/content", nil)
		if err != nil || status != http.StatusOK {
			c.report(faultLost, "the attachment of %s: %d %v", id, status, err)
			continue
		}
		if sum := sha256.Sum256(text); hex.EncodeToString(sum[:]) != want {
			c.report(faultBody, "the attachment of %s has %d other bytes", id, len(text))
		}
	}
}

func (a *attacher) String() string { return fmt.Sprintf("%d attachments acknowledged", len(a.sums)) }

// visitor makes sessions and ends some. One whose end was acknowledged never lets anybody in again.
type visitor struct {
	client      *client // with a token
	random      *rand.Rand
	open, ended []string
	doubtful    int // whose end got no answer
}

// maxOpen is how many sessions a visitor has at once.
const maxOpen = 30

func (v *visitor) step(ctx context.Context) error {
	if len(v.open) < maxOpen && v.random.IntN(2) == 0 {
		id, err := signIn(ctx, v.client.url, v.client.token)
		switch {
		case err == nil:
			v.open = append(v.open, id)
			return nil
		case strings.Contains(err.Error(), "503"), strings.Contains(err.Error(), "429"):
			return fmt.Errorf("%w: %w", errRefused, err)
		case strings.Contains(err.Error(), "without a session cookie"):
			return err
		}
		return fmt.Errorf("%w: %w", errLost, err)
	}
	if len(v.open) == 0 {
		return nil
	}
	i := v.random.IntN(len(v.open))
	id := v.open[i]
	if v.random.IntN(3) > 0 {
		return v.require(ctx, id, http.StatusOK)
	}
	v.open = append(v.open[:i], v.open[i+1:]...)
	status, text, err := v.with(id).do(ctx, http.MethodDelete, "/_session", nil)
	if err != nil {
		v.doubtful++
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("DELETE _session: %d %s", status, brief(text))
	}
	v.ended = append(v.ended, id)
	return v.require(ctx, id, http.StatusUnauthorized)
}

func (v *visitor) with(session string) *client {
	return &client{http: v.client.http, url: v.client.url, name: "visitor", cookie: session}
}

func (v *visitor) require(ctx context.Context, session string, want int) error {
	status, text, err := v.with(session).do(ctx, http.MethodGet, "", nil)
	if err == nil && status != want {
		err = fmt.Errorf("a session got %d instead of %d: %s", status, want, brief(text))
	}
	return err
}

func (v *visitor) conclude(ctx context.Context, c *checker) {
	judge := func(sessions []string, want int) {
		for _, id := range sessions {
			_, err := again(ctx, func() (struct{}, error) { return struct{}{}, v.require(ctx, id, want) })
			if err != nil {
				c.report(faultSession, "%v", err)
			}
		}
	}
	judge(v.open, http.StatusOK)
	judge(v.ended, http.StatusUnauthorized)
}

func (v *visitor) String() string {
	return fmt.Sprintf("%d sessions ended for good, %d open", len(v.ended), len(v.open))
}

// socket is a device with Couchbase Lite that follows the files, and goes on where it was.
type socket struct {
	client *client
	since  string
	mu     sync.Mutex
	docs   map[string]struct{}
	ends   int
}

func (s *socket) step(ctx context.Context) error {
	// Not longer than a few kills, so that the end of the run is not waited for.
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	l, err := harness.DialLite(ctx, s.client.url, harness.LiteOptions{Header: http.Header{"Authorization": {"Bearer " + s.client.token}}})
	if err != nil {
		return fmt.Errorf("%w: %w", errLost, err)
	}
	defer l.Drop()
	s.ends++
	if err := l.Pull(ctx, s.since, true); err != nil {
		return fmt.Errorf("%w: %w", errLost, err)
	}
	select {
	case <-l.Ended():
	case <-ctx.Done():
	}
	s.take(l)
	return nil
}

func (s *socket) take(l *harness.Lite) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if since := l.Since(); since != "" {
		s.since = since
	}
	for id := range l.Docs() {
		s.docs[id] = struct{}{}
	}
}

// conclude lets the device catch up: then it has what the database has.
func (s *socket) conclude(ctx context.Context, c *checker) {
	l, err := harness.DialLite(ctx, s.client.url, harness.LiteOptions{Header: http.Header{"Authorization": {"Bearer " + s.client.token}}})
	if err != nil {
		c.report(faultAnswer, "a socket at the end: %v", err)
		return
	}
	defer l.Drop()
	err = l.Pull(ctx, s.since, false)
	if err == nil {
		limited, cancel := context.WithTimeout(ctx, maxDrain)
		defer cancel()
		err = l.Await(limited, func(state *harness.LiteState) bool { return state.Idle() })
	}
	if err != nil {
		c.report(faultAnswer, "a socket at the end: %v", err)
		return
	}
	s.take(l)
	var all struct {
		Rows []struct {
			ID string `json:"id"`
		} `json:"rows"`
	}
	status, text, err := s.client.do(ctx, http.MethodGet, "/_all_docs", nil)
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	if err != nil {
		c.report(faultAnswer, "reading all files: %d %v", status, err)
		return
	}
	for _, row := range all.Rows {
		if _, ok := s.docs[row.ID]; !ok {
			c.report(faultSkipped, "a device with Couchbase Lite has not %s", row.ID)
		}
	}
}

func (s *socket) String() string {
	return fmt.Sprintf("a socket pulled %d documents over %d connections", len(s.docs), s.ends)
}

// keeper backs the store up all the time. What comes whole is a backup, whatever happened meanwhile.
type keeper struct {
	http  *http.Client
	url   string
	since string
	made  int
	keys  uint64
	cut   int
}

func (k *keeper) step(ctx context.Context) error {
	// One after the other would leave nothing for those who write.
	defer wait(ctx, 2*time.Second)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, k.url+"/sync/backup?since="+k.since, nil)
	if err != nil {
		return fmt.Errorf("making a request: %w", err)
	}
	res, err := k.http.Do(req)
	if err != nil {
		return fmt.Errorf("%w: %w", errLost, err)
	}
	defer func() { _ = res.Body.Close() }()
	switch res.StatusCode {
	case http.StatusOK:
	case http.StatusServiceUnavailable, http.StatusNotFound:
		return fmt.Errorf("%w: %d", errRefused, res.StatusCode) // it starts or stops
	default:
		text, _ := io.ReadAll(res.Body)
		return fmt.Errorf("GET /sync/backup: %d %s", res.StatusCode, brief(text))
	}
	source := &endedBody{Reader: res.Body}
	header, end, err := syncstore.VerifyBackup(source)
	switch {
	case err == nil:
		k.made++
		k.keys += end.Keys
		k.since = header.Next
		return nil
	case source.err != nil && !errors.Is(source.err, io.EOF):
		k.cut++
		return fmt.Errorf("%w: %w", errLost, source.err)
	}
	return fmt.Errorf("a backup that came whole: %w", err)
}

// endedBody remembers how a body ended.
type endedBody struct {
	io.Reader
	err error
}

func (b *endedBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err != nil {
		b.err = err
	}
	return n, err
}

func (*keeper) conclude(context.Context, *checker) {}

func (k *keeper) String() string {
	return fmt.Sprintf("%d backups of %d keys, %d cut off", k.made, k.keys, k.cut)
}

// addBystanders signs them in. Their tokens outlive the run.
func (t *torture) addBystanders(ctx context.Context) error {
	base := t.server.URL + "/" + files
	t.bystanders = append(t.bystanders, &keeper{http: &http.Client{}, url: t.server.ControlURL})
	for i := range 2 {
		token, err := t.server.Token(ctx, "alice", url.Values{"ttl": {"12h"}})
		if err != nil {
			return fmt.Errorf("signing a bystander in: %w", err)
		}
		c := newClient(base, "bystander", token, "")
		random := func(n uint64) *rand.Rand { return rand.New(rand.NewPCG(t.seed, 1000+10*uint64(i)+n)) }
		t.bystanders = append(t.bystanders,
			&attacher{client: c, number: i, random: random(1), sums: map[string]string{}},
			&visitor{client: c, random: random(2)},
			&socket{client: c, since: "", docs: map[string]struct{}{}})
	}
	return nil
}
