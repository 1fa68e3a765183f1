package rest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/auth"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

func TestRowsAreJSONWhateverTheID(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"a", `"quoted"\`, "é😀\u2028", "a/b?c=d&<e>", "_design/x", "\x7f"} {
		change := &syncstore.Change{Seq: 1 << 53, ID: []byte(id), Deleted: true, Leaves: []syncstore.ChangeLeaf{
			{Rev: []byte("2-b")}, {Rev: []byte("1-a"), Deleted: true},
		}}
		for _, all := range []bool{false, true} {
			text := append((&sequences{}).appendChange(nil, change, all), '}')
			var row struct {
				Seq     uint64
				ID      string
				Changes []struct{ Rev string }
				Deleted bool
			}
			require.NoError(t, json.Unmarshal(text, &row), "%s", text)
			require.Equal(t, uint64(1<<53), row.Seq)
			require.Equal(t, id, row.ID)
			require.True(t, row.Deleted)
			require.Equal(t, "2-b", row.Changes[0].Rev)
			require.Len(t, row.Changes, map[bool]int{false: 1, true: 2}[all])
		}
	}
}

func TestDecision34_RowsOfAnAccessEventNameIt(t *testing.T) {
	t.Parallel()
	leaves := []syncstore.ChangeLeaf{{Rev: []byte("1-a")}}
	for want, change := range map[string]syncstore.Change{
		`{"seq":7,"id":"d","changes":[{"rev":"1-a"}]}`:                                {Seq: 7},
		`{"seq":"9:7","id":"d","changes":[{"rev":"1-a"}]}`:                            {Seq: 7, Event: 9},
		`{"seq":"9:7","id":"d","changes":[{"rev":"1-a"}],"revoked":true}`:             {Seq: 7, Event: 9, Revoked: true},
		`{"seq":7,"id":"d","changes":[{"rev":"1-a"}],"removed":["a","\"b\""]}`:        {Seq: 7, Removed: []string{"a", `"b"`}},
		`{"seq":7,"id":"d","changes":[{"rev":"1-a"}],"deleted":true,"removed":["a"]}`: {Seq: 7, Deleted: true, Removed: []string{"a"}},
	} {
		change.ID, change.Leaves = []byte("d"), leaves
		require.Equal(t, want, string(append((&sequences{}).appendChange(nil, &change, false), '}')))
	}
}

func BenchmarkAppendChange(b *testing.B) {
	change := &syncstore.Change{
		Seq: 123456, ID: []byte("0197a1c2-5a3e-7cc1-a0a3-bd2ab90a1f6e"),
		Leaves: []syncstore.ChangeLeaf{{Rev: []byte("3-9b2c3d4e5f60718293a4b5c6d7e8f901")}},
	}
	buf := make([]byte, 0, 256)
	b.ReportAllocs()
	for b.Loop() {
		buf = append((&sequences{}).appendChange(buf[:0], change, true), '}')
	}
}

// discarded is a connection that takes everything.
type discarded struct{ header http.Header }

func (d *discarded) Header() http.Header         { return d.header }
func (d *discarded) WriteHeader(int)             {}
func (d *discarded) Write(p []byte) (int, error) { return len(p), nil }

// BenchmarkChangesPage reads pages of 1000 rows, the store in memory included and the
// network not.
func BenchmarkChangesPage(b *testing.B) {
	_, db := feedStore(b)
	writeDocs(b, db, numbered("0197a1c2-5a3e-7cc1-a0a3-bd2ab90a-", 5000)...)
	h := &Handler{}
	b.ReportAllocs()
	rows := 0
	for b.Loop() {
		w := &discarded{header: http.Header{}}
		rq := &request{
			w: w, r: httptest.NewRequest(http.MethodGet, "/", nil), db: db, coll: db.Default(),
			principal: &auth.Principal{}, started: time.Now(),
		}
		o := changesOptions{since: feedPosition{at: syncstore.At(uint64(rows % 4000))}, limit: 1000, allLeaves: true}
		f := h.newChangeFeed(rq, collectionChanges{rq.coll, rq.db}, o)
		if err := f.run(b.Context()); err != nil {
			b.Fatal(err)
		}
		f.close()
		rows += 1000
	}
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkChangesPageHTTP is the same over loopback and with Badger.
func BenchmarkChangesPageHTTP(b *testing.B) {
	store, db := badgerStore(b)
	h, err := newHandler(Config{Store: store, Databases: []string{"notes"}}, signedIn{})
	require.NoError(b, err)
	site := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(w, r, http.NotFoundHandler()) })
	writeDocs(b, db, numbered("0197a1c2-5a3e-7cc1-a0a3-bd2ab90a-", 5000)...)
	server := httptest.NewServer(site)
	defer server.Close()
	rows := 0
	for b.Loop() {
		r, err := http.NewRequestWithContext(b.Context(), http.MethodGet,
			fmt.Sprintf("%s/notes/_changes?style=all_docs&since=%d&limit=1000", server.URL, rows%4000), nil)
		if err != nil {
			b.Fatal(err)
		}
		response, err := server.Client().Do(r)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			b.Fatal(err)
		}
		_ = response.Body.Close()
		rows += 1000
	}
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
}
