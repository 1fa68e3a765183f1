package lite

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// Nothing that a device pushes comes back to it as a revision, and nothing that it pulls is
// proposed by it: by the next replication nothing is sent at all.
func TestNothingComesBack_row97(t *testing.T) {
	everyVersion(t, func(t versioned) {
		s, d := newSite(t.T), NewDevice(t, t.version)
		const n = 250
		for i := range n {
			s.put(fmt.Sprint("server-", i), `{"by":"server"}`)
			d.Put(fmt.Sprint("device-", i), `{"by":"device"}`)
		}
		for round := range 3 {
			r := d.Sync(s.both())
			s.requireSame(d)
			pulled, pushed := asked(r, "rev"), 0
			for _, m := range r.Messages() {
				if !m.FromServer && m.Profile() == "rev" {
					pushed++
				}
			}
			require.Equal(t, []int{n, n / 2, 0}[round], pulled, "round %d", round)
			require.Equal(t, []int{n, n / 2, 0}[round], pushed, "round %d", round)
			for i := range n / 2 * (1 - round) { // each edits what the other made
				s.put(fmt.Sprint("device-", i), `{"by":"server"}`)
				d.Put(fmt.Sprint("server-", i), `{"by":"device"}`)
			}
		}
	})
}
