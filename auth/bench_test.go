package auth

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The hot path is a hash and lookups in memory: compare the three with each other.
func BenchmarkAuthenticate(b *testing.B) {
	w := newWorld(b, func(c *Config) { c.Databases = append(c.Databases, Policy{Name: "open", Guest: true}) })
	const people = 500
	bearers, cookies := make([]*http.Request, people), make([]*http.Request, people)
	for n := range people {
		tok := w.issuer.token(fmt.Sprint("user", n))
		bearers[n], cookies[n] = get(bearer(tok)), get(w.signIn(tok))
	}
	for _, c := range []struct {
		name     string
		requests []*http.Request
		db       Database
	}{
		{"guest", []*http.Request{get()}, Database{"open", 9}},
		{"bearer", bearers, notes},
		{"cookie", cookies, notes},
	} {
		for _, r := range c.requests {
			_, err := w.service.Authenticate(r, w.site, c.db)
			require.NoError(b, err)
		}
		views := w.records.views.Load()
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				if _, err := w.service.Authenticate(c.requests[n%len(c.requests)], w.site, c.db); err != nil {
					b.Fatal(err)
				}
			}
		})
		require.Equal(b, views, w.records.views.Load(), "no read of the store")
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
