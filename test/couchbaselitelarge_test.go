package test

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/caddysync/caddy-sync/test/cblite"
	"github.com/stretchr/testify/require"
)

// Couchbase Lite sends ten revisions at once, however long they are: together they are more than a connection may
// have in memory.
func TestCouchbaseLiteDevicesExchangeManyLargeDocuments(t *testing.T) {
	t.Parallel()

	for _, l := range couchbaseLite(t) {
		t.Run(l.String(), func(t *testing.T) {
			t.Parallel()

			s := newLiteSite(t, l, l)
			alice, bob := s.people[0], s.people[1]
			s.give(bob, "alice")

			random := rand.NewChaCha8([32]byte{1})
			noise := make([]byte, 6<<20)

			for n := range 12 {
				_, _ = random.Read(noise)
				text := base64.StdEncoding.EncodeToString(noise)
				alice.Save(cblite.Default, fmt.Sprint("d", n), map[string]any{"channels": []string{"alice"}, "text": text}, nil)
			}

			s.replicate(alice)
			s.replicate(bob)

			// They are too long to be shown.
			all := [...]int{len(s.stored(cblite.Default)), len(bob.All(cblite.Default)), len(s.differences(alice)), len(s.differences(bob))}
			require.Equal(t, [...]int{12, 12, 0, 0}, all, "stored, at the other device, differences of each")
		})
	}
}
