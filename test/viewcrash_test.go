package test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

const (
	crashedDocs  = 6000
	crashedKills = 6
)

// indexedAtAll is a view whose function takes its time, so that its building can be met in its
// middle. Each document has two rows, or as many as it says.
const indexedAtAll = `{"views":{"all":{"map":"function (doc) { for (let i = 0; i < 8000; i++) {} emit(doc.key, 1); for (let i = 0; i < doc.more; i++) emit([doc.key, i], 1) }","reduce":"_sum"}}}`

// crashedView is a collection whose index is built while the server is killed.
type crashedView struct {
	t      *testing.T
	server *harness.Server
	revs   map[string]string
	more   map[string]int // of each document, how many rows beside its first
}

// A server that is killed while it builds an index goes on where it was: no row is lost, and none
// is there twice.
func TestKillingTheServerWhileItBuildsAnIndexLosesAndDoublesNothing(t *testing.T) {
	t.Parallel()

	v := &crashedView{
		t: t, server: harness.New(t, harness.Options{Settings: harness.Settings{NoIDP: true, Database: "guest\naccess shared"}}),
		revs: map[string]string{}, more: map[string]int{},
	}
	ids := make([]string, crashedDocs)
	for i := range ids {
		ids[i] = fmt.Sprintf("d%05d", i)
	}
	for at := 0; at < len(ids); at += 1000 {
		v.write(ids[at:at+1000], 1)
	}
	// A document of more rows than one commit takes.
	v.write([]string{"d00500", "d03000"}, 2500)
	require.Equal(t, http.StatusCreated, v.ask(http.MethodPut, "/_design/crash", indexedAtAll).status)

	met := 0
	for kill := range crashedKills {
		covered := v.info()
		ctx, stop := context.WithCancel(t.Context())
		asking := v.query(ctx)
		require.Eventually(t, func() bool { return v.info() > covered }, time.Minute, 5*time.Millisecond)
		if now := v.info(); now > 0 && now < v.current() {
			met++
		}
		require.NoError(t, v.server.Kill())
		stop()
		<-asking
		require.NoError(t, v.server.Restart(t.Context()))
		// What changes meanwhile has rows already, or not yet.
		v.write(ids[kill*700:kill*700+50], kill%3)
		v.remove(ids[kill*300+100 : kill*300+120])
		v.write([]string{"d00500"}, 2500-1000*(kill%2))
	}
	require.GreaterOrEqual(t, met, crashedKills/2, "kills in the middle of building")
	v.check()
}

func (v *crashedView) ask(method, path, body string) reply {
	v.t.Helper()

	return ask(v.t, v.server, request{method: method, url: v.server.AdminURL + "/notes" + path, body: body})
}

// write stores documents, each with rows beside its first.
func (v *crashedView) write(ids []string, more int) {
	v.t.Helper()

	docs := make([]string, len(ids))
	for i, id := range ids {
		rev := ""
		if v.revs[id] != "" {
			rev = fmt.Sprintf(`"_rev":%q,`, v.revs[id])
		}
		docs[i] = fmt.Sprintf(`{"_id":%q,%s"key":"k%d","more":%d}`, id, rev, (len(id)+i)%97, more)
		v.more[id] = more
	}
	v.bulk(docs)
}

func (v *crashedView) remove(ids []string) {
	v.t.Helper()

	var docs []string
	for _, id := range ids {
		if _, there := v.more[id]; there {
			docs = append(docs, fmt.Sprintf(`{"_id":%q,"_rev":%q,"_deleted":true}`, id, v.revs[id]))
			delete(v.more, id)
		}
	}
	v.bulk(docs)
}

func (v *crashedView) bulk(docs []string) {
	v.t.Helper()

	got := v.ask(http.MethodPost, "/_bulk_docs", `{"docs":[`+strings.Join(docs, ",")+`]}`)
	require.Equal(v.t, http.StatusCreated, got.status, got.body)

	var results []struct{ ID, Rev string }
	require.NoError(v.t, json.Unmarshal([]byte(got.body), &results))
	require.Len(v.t, results, len(docs))

	for _, result := range results {
		require.NotEmpty(v.t, result.Rev, got.body)
		v.revs[result.ID] = result.Rev
		if _, there := v.more[result.ID]; !there {
			delete(v.revs, result.ID)
		}
	}
}

// query asks for the view, and closes what it returns when that is over, however it ends.
func (v *crashedView) query(ctx context.Context) <-chan struct{} {
	over := make(chan struct{})
	go func() {
		defer close(over)
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, v.server.AdminURL+"/notes/_design/crash/_view/all", nil)
		if err != nil {
			return
		}
		if res, err := http.DefaultClient.Do(req); err == nil {
			_ = res.Body.Close()
		}
	}()

	return over
}

// info is the sequence up to which the index covers the collection.
func (v *crashedView) info() int {
	v.t.Helper()

	var info struct {
		Index struct {
			Seq int `json:"update_seq"`
		} `json:"view_index"`
	}
	require.NoError(v.t, json.Unmarshal([]byte(v.ask(http.MethodGet, "/_design/crash/_info", "").body), &info))

	return info.Index.Seq
}

func (v *crashedView) current() int {
	v.t.Helper()

	var info struct {
		Seq int `json:"update_seq,string"`
	}
	require.NoError(v.t, json.Unmarshal([]byte(v.ask(http.MethodGet, "", "").body), &info))

	return info.Seq
}

// check compares all rows of the view with the documents.
func (v *crashedView) check() {
	v.t.Helper()

	var rows struct {
		Total int `json:"total_rows"`
		Rows  []struct {
			ID  string
			Key json.RawMessage
		}
	}
	got := v.ask(http.MethodGet, "/_design/crash/_view/all?reduce=false", "")
	require.Equal(v.t, http.StatusOK, got.status, got.body)
	require.NoError(v.t, json.Unmarshal([]byte(got.body), &rows))

	seen, of, want := map[string]bool{}, map[string]int{}, 0
	for _, row := range rows.Rows {
		at := row.ID + " " + string(row.Key)
		require.False(v.t, seen[at], "%s is there twice", at)
		seen[at] = true
		of[row.ID]++
	}
	for id, more := range v.more {
		want += 1 + more
		require.Equal(v.t, 1+more, of[id], "rows of %s", id)
	}
	require.Equal(v.t, want, rows.Total)
	require.Len(v.t, rows.Rows, want)
	require.Contains(v.t, v.ask(http.MethodGet, "/_design/crash/_view/all", "").body, fmt.Sprintf(`"value":%d}`, want))
}
