package rest

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/engine"
	"github.com/caddysync/caddy-sync/syncstore/engine/memory"
	"github.com/stretchr/testify/require"
)

// spoiled is an engine from which what has a name in its key is read cut short.
type spoiled struct {
	*memory.Engine
	name string
}

type spoiledReader struct {
	engine.Reader
	name string
}

func (s spoiled) View(ctx context.Context, fn func(engine.Reader) error) error {
	return s.Engine.View(ctx, func(r engine.Reader) error { return fn(spoiledReader{r, s.name}) })
}

func (r spoiledReader) Get(key []byte) ([]byte, error) {
	value, err := r.Reader.Get(key)
	if err == nil && bytes.Contains(key, []byte(r.name)) {
		value = value[:len(value)-1]
	}
	return value, err
}

// spoiledSite is a site of a store of which only that is damaged.
func spoiledSite(t *testing.T, name string, write func(*syncstore.Database)) *site {
	t.Helper()
	eng := memory.New()
	t.Cleanup(func() { require.NoError(t, eng.Close()) })
	store, err := syncstore.Open(t.Context(), eng, syncstore.Options{})
	require.NoError(t, err)
	db, err := store.CreateDatabase(t.Context(), "notes")
	require.NoError(t, err)
	write(db)
	require.NoError(t, store.Close())
	store, err = syncstore.Open(t.Context(), spoiled{eng, name}, syncstore.Options{}) // with nothing in its cache
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return newSite(t, func(c *Config, _ *fakeAuth) { c.Store = store })
}

// It will not heal, and whoever replicates asks for it again and again: others must not be behind it for ever.
func TestADamagedDocumentDoesNotStopTheOthers(t *testing.T) {
	t.Parallel()
	s := spoiledSite(t, "bad", func(db *syncstore.Database) { writeDocs(t, db, "bad", "good") })
	const good = `"_id":"good"`
	s.run(scenario{name: "the document itself", path: "/notes/bad", status: 500})
	s.runAll([]scenario{
		{path: "/notes/_changes?include_docs=true", has: []string{`"id":"bad"`, `"doc":null`, good}},
		{path: `/notes/_changes?include_docs=true&doc_ids=["bad","good"]`, has: []string{`"id":"bad"`, good}},
		{path: `/notes/_changes?filter=_selector&selector={"n":{"$gte":0}}`, has: []string{`"id":"good"`}, hasNot: []string{`"id":"bad"`}},
		{
			method: http.MethodPost, path: "/notes/_bulk_get", body: `{"docs":[{"id":"bad"},{"id":"good"}]}`,
			has: []string{`{"id":"bad","docs":[{"error":{"id":"bad","rev":"undefined","error":"internal_server_error"`, good},
		},
		{
			method: http.MethodPost, path: "/notes/_bulk_get", body: `{"docs":[{"id":"bad"},{"id":"good"}]}`, header: map[string]string{"Accept": "multipart/mixed"},
			has: []string{`"error":"internal_server_error"`, good},
		},
	})
}

// A revision is damaged for which there was no room beside the winner.
func TestADamagedRevisionDoesNotStopTheOthers(t *testing.T) {
	t.Parallel()
	s := spoiledSite(t, "spoiled", func(db *syncstore.Database) {
		for _, rev := range []string{"3-a", "2-spoiled", "1-a"} {
			edit := replicated("a", false, rev)
			edit.Body = []byte(`{"v":"` + rev + `","x":"` + strings.Repeat("x", revsAtOnce) + `"}`)
			writeEdits(t, db, edit)
		}
		writeDocs(t, db, "good")
	})
	get := scenario{
		method: http.MethodPost, path: "/notes/_bulk_get", body: `{"docs":[{"id":"a"},{"id":"good"}]}`,
		has: []string{`"v":"3-a"`, `"rev":"2-spoiled","error":"internal_server_error"`, `"v":"1-a"`, `"_id":"good"`},
	}
	s.run(get)
	get.header = map[string]string{"Accept": "multipart/mixed"}
	s.run(get)
}
