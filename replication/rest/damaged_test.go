package rest

import (
	"bytes"
	"context"
	"net/http"
	"testing"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/engine"
	"github.com/caddysync/caddy-sync/syncstore/engine/memory"
	"github.com/stretchr/testify/require"
)

// spoiled is an engine from which what belongs to the document "bad" is read cut short.
type spoiled struct{ *memory.Engine }

type spoiledReader struct{ engine.Reader }

func (s spoiled) View(ctx context.Context, fn func(engine.Reader) error) error {
	return s.Engine.View(ctx, func(r engine.Reader) error { return fn(spoiledReader{r}) })
}

func (r spoiledReader) Get(key []byte) ([]byte, error) {
	value, err := r.Reader.Get(key)
	if err == nil && bytes.Contains(key, []byte("bad")) {
		value = value[:len(value)-1]
	}
	return value, err
}

// It will not heal, and whoever replicates asks for it again and again: others must not be behind it for ever.
func TestADamagedDocumentDoesNotStopTheOthers(t *testing.T) {
	t.Parallel()
	eng := memory.New()
	t.Cleanup(func() { require.NoError(t, eng.Close()) })
	store, err := syncstore.Open(t.Context(), eng, syncstore.Options{})
	require.NoError(t, err)
	db, err := store.CreateDatabase(t.Context(), "notes")
	require.NoError(t, err)
	writeDocs(t, db, "bad", "good")
	require.NoError(t, store.Close())
	store, err = syncstore.Open(t.Context(), spoiled{eng}, syncstore.Options{}) // with nothing in its cache
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	s := newSite(t, func(c *Config, _ *fakeAuth) { c.Store = store })
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
