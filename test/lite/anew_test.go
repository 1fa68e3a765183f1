package lite

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// A device that never heard of a document makes it, while the tombstone that others left of it is
// on its way, and is told of what it made before the tombstone comes.
func TestADocumentMadeAnewIsNotLostToATombstoneOnItsWay(t *testing.T) {
	everyVersion(t, func(t versioned) {
		s, d, other := newSite(t.T), NewDevice(t, t.version), NewDevice(t, t.version)
		s.put("a", `{"life":1}`)
		other.Sync(s.both())
		s.remove("a")
		for i := range 2*pullBatch + 10 { // the server goes on telling of others before it sends the tombstone
			s.put(fmt.Sprintf("doc-%03d", i), `{}`)
		}
		d.Put("a", `{"life":2}`)
		config, once := s.pullOnly(), false
		config.Meanwhile = func() {
			if !once {
				once = true
				d.Sync(s.pushOnly())
			}
		}
		d.Sync(config)
		d.Sync(s.both())
		s.requireSame(d)
		doc, _ := d.Get("a")
		require.JSONEq(t, `{"life":2}`, doc.Body)
		other.Sync(s.both())
		s.requireSame(other)
	})
}
