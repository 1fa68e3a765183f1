package auth

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/engine/memory"
	"github.com/stretchr/testify/require"
)

// people is how many sign in in turn: enough that the processor's caches do not hold them.
const people = 3_000

// newCrowd is a world on the store's own records with many people in notes, and a database
// open for guests.
func newCrowd(b *testing.B) (w *world, db Database, views *countedViews, bearers, cookies []string) {
	b.Helper()
	store, err := syncstore.Open(b.Context(), memory.New(), syncstore.Options{})
	require.NoError(b, err)
	made, err := store.CreateDatabase(b.Context(), "notes")
	require.NoError(b, err)
	db = Database{Name: "notes", ID: made.ID()}
	views = &countedViews{records: store.Records()}
	w = &world{t: b, issuer: newIssuer(b), site: &Site{}}
	w.state, err = openState(b.Context(), views, nil)
	require.NoError(b, err)
	w.service = w.start(func(c *Config) { c.Databases = append(c.Databases, Policy{Name: "open", Guest: true}) })
	b.Cleanup(func() {
		w.state.Close()
		require.NoError(b, store.Close())
	})
	for n := range people {
		tok := w.issuer.token(fmt.Sprint("user", n))
		resp, body := w.session(request(http.MethodPost, "/notes/_session", "", bearer(tok)), &db)
		require.Equal(b, http.StatusOK, resp.StatusCode, body)
		bearers = append(bearers, bearer(tok))
		cookies = append(cookies, resp.Cookies()[0].Name+"="+resp.Cookies()[0].Value)
	}
	return w, db, views, bearers, cookies
}

// countedViews counts the reads of a store's records.
type countedViews struct {
	records
	n atomic.Int64
}

func (c *countedViews) View(ctx context.Context, fn func(syncstore.RecordReader) error) error {
	c.n.Add(1)
	return c.records.View(ctx, fn)
}

// The hot path is a hash and a lookup in memory: compare the three with each other. The
// request is the same one each time, as one that was just read is in the processor's caches.
func BenchmarkAuthenticate(b *testing.B) {
	w, db, views, bearers, cookies := newCrowd(b)
	for _, c := range []struct {
		name, header string
		values       []string
		db           Database
	}{
		{"guest", "Accept", []string{"*/*"}, Database{"open", 9}},
		{"bearer", "Authorization", bearers, db},
		{"cookie", "Cookie", cookies, db},
	} {
		value := []string{""}
		r := get()
		r.Header[c.header] = value
		once := func(n int) {
			value[0] = c.values[n*7919%len(c.values)]
			if _, err := w.service.Authenticate(r, w.site, c.db); err != nil {
				b.Fatal(err)
			}
		}
		for n := range 2 * len(c.values) {
			once(n)
		}
		before := views.n.Load()
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				once(n)
			}
		})
		require.Equal(b, before, views.n.Load(), "no read of the store")
	}
}

// A token that is not known yet.
func BenchmarkVerify(b *testing.B) {
	w := newWorld(b)
	tok := w.issuer.token("alice")
	w.in(bearer(tok))
	pol := w.service.policy("notes")
	b.ReportAllocs()
	for b.Loop() {
		t, err := peek(tok)
		if err != nil {
			b.Fatal(err)
		}
		p, _ := w.service.providerOf(t, pol.admitted)
		if _, refusal := p.checkSignature(b.Context(), t); refusal != nil {
			b.Fatal(refusal)
		}
	}
}

func BenchmarkLease(b *testing.B) {
	w := newWorld(b)
	p := w.in(bearer(w.issuer.token("alice", map[string]any{"exp": time.Now().Add(240 * time.Hour).Unix()})))
	for range 10_000 {
		w.lease(p)
	}
	b.ReportAllocs()
	for b.Loop() {
		l, err := w.service.Lease(b.Context(), p)
		if err != nil {
			b.Fatal(err)
		}
		l.Close()
	}
}
