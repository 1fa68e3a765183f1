package lite

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

// device is what a client has that replicates now and then, and goes on where it was.
type device struct {
	docs  map[string]string
	known map[string]string // the revisions that it has
	since string
}

func (d *device) pull(c *client, props ...string) {
	if d.since != "" {
		props = append(props, "since", d.since)
	}
	p := c.pull(func(row told) string {
		switch row.flags {
		case "2", "3", "4", "6", "7":
			delete(d.docs, row.id)
			delete(d.known, row.id)
			return "0"
		}
		if d.known[row.id] == row.rev {
			return "0"
		}
		if rev, ok := d.known[row.id]; ok {
			return `["` + rev + `"]`
		}
		return "[]"
	}, "", props...)
	for _, row := range p.rows() {
		d.since = row.seq
	}
	for id, rev := range p.revs {
		if rev.Properties.Value("deleted") == "1" || string(rev.Body) == removedBody {
			delete(d.docs, id)
			delete(d.known, id)
			continue
		}
		d.docs[id], d.known[id] = string(rev.Body), rev.Properties.Value("rev")
	}
}

// A device that replicates now and then has, after each time, just what its user may see.
func TestDevicesHaveWhatTheirUsersMaySee(t *testing.T) {
	t.Parallel()
	for _, version := range []protocol{protocol2, protocol3, protocol4} {
		for seed := range uint64(6) {
			t.Run(fmt.Sprintf("%s seed %d", version, seed), func(t *testing.T) {
				t.Parallel()
				testDevice(t, version, rand.New(rand.NewPCG(seed, uint64(version))))
			})
		}
	}
}

func testDevice(t *testing.T, version protocol, random *rand.Rand) {
	t.Helper()
	l := newLoopback(t, nil)
	channels := []string{"a", "b", "c"}
	l.share("bob", "a", "b")
	d := &device{docs: map[string]string{}, known: map[string]string{}}
	noted := ""
	for round := range 15 {
		for range random.IntN(8) {
			if version >= protocol3 && random.IntN(4) == 0 { // before, a device is not told of channels that are taken away
				l.give("bob", channels[random.IntN(3)], channels[random.IntN(3)])
				continue
			}
			id := fmt.Sprintf("d%02d", random.IntN(12))
			edit := syncstore.Edit{ID: id, Deleted: random.IntN(4) == 0}
			edit.Body = fmt.Appendf(nil, `{"channels":["%s","%s"],"n":%d}`, channels[random.IntN(3)], channels[random.IntN(3)], random.IntN(1000))
			leaves, err := l.coll().GetRevs(l.ctx, id, nil, syncstore.GetOptions{})
			if err == nil && !leaves[0].Doc.Deleted {
				edit.Parent = leaves[0].Rev
			} else if edit.Deleted {
				continue
			}
			l.write(edit)
		}
		c := l.connect(version)
		if version >= protocol3 && random.IntN(4) == 0 {
			d.since = noted // its connection broke before it noted how far it came
		}
		noted = d.since
		if d.since == "" && len(d.docs) == 0 {
			d.pull(c, "batch", "10", "revocations", "true", "activeOnly", "true")
		} else {
			d.pull(c, "batch", "10", "revocations", "true")
		}
		c.close()
		want := make(map[string]string)
		require.NoError(t, l.coll().AllDocs(l.ctx, syncstore.AllDocsOptions{Viewer: &syncstore.Viewer{Name: "bob"}}, func(doc *syncstore.Document) error {
			want[strings.Clone(doc.ID)] = string(doc.Body)
			return nil
		}))
		require.Equal(t, want, d.docs, "round %d", round)
	}
}
