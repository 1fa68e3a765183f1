package mango

import (
	"fmt"
	"testing"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

// BenchmarkFind finds documents among 10 000: one by an index, a page by an index, none without
// one, and an administrator's and a user's.
func BenchmarkFind(b *testing.B) {
	m := newMangoModel(b)
	m.fill(b, "a", 9000)
	m.fill(b, "b", 1000)
	alice := &syncstore.Viewer{Name: "alice"}
	for name, q := range map[string]struct {
		text   string
		viewer *syncstore.Viewer
	}{
		"one": {`{"selector":{"a":%d}}`, nil}, "one of a user's": {`{"selector":{"a":%d}}`, alice}, "page": {`{"selector":{"b":3,"a":{"$gt":%d}}}`, nil},
		"by ID": {`{"selector":{"_id":"a%05d"}}`, nil}, "scan": {`{"selector":{"x":%d}}`, nil}, "scan of a user's": {`{"selector":{"x":%d}}`, alice},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			_, err := m.prepare(b, fmt.Sprintf(q.text, 0), nil).update(b.Context())
			require.NoError(b, err)
			n := 0
			for b.Loop() {
				query := m.prepare(b, fmt.Sprintf(q.text, n%900), q.viewer)
				_, err := query.Run(b.Context(), Limits{}, func(*syncstore.Document) error { return nil })
				require.NoError(b, err)
				n++
			}
		})
	}
}
