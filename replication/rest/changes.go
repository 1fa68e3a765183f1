package rest

import (
	"context"
	"fmt"
	"net/http"

	"github.com/caddysync/caddy-sync/syncstore"
)

// maxOptionsBody is the largest body of a _changes, _all_docs, _revs_diff or _bulk_get request in bytes.
// Lists of document IDs and revisions are what makes them long.
const maxOptionsBody = 16 << 20

// changes answers GET and POST /{db}/_changes: a page, or a feed that waits for more.
func (h *Handler) changes(rq *request) error {
	p, err := h.params(rq)
	if err != nil {
		return err
	}
	if feed, err := p.text("feed"); err == nil && feed == "websocket" && rq.r.Method != http.MethodHead {
		return h.changesSocket(rq)
	}
	options, err := h.feedOptions(rq, p)
	if err != nil {
		return err
	}
	if options.live() && h.Draining() {
		return stoppingError()
	}
	rq.query = nil // a feed may be open for hours
	if rq.r.Method == http.MethodHead {
		return h.changesHead(rq, options.feed)
	}
	if options.live() {
		kind := FeedContinuous
		if options.feed == feedLongpoll {
			kind = FeedLongpoll
		}
		end, err := h.beginFeed(rq, kind)
		if err != nil {
			return err
		}
		defer end()
	}
	f := h.newChangeFeed(rq, rq.source(), options)
	defer f.close()
	return f.run(rq.r.Context())
}

// feedOptions reads the options of a feed, also of one on a WebSocket.
func (h *Handler) feedOptions(rq *request, p params) (changesOptions, error) {
	options, err := parseChangesOptions(p, rq.r.Header.Get("Last-Event-ID"))
	if err != nil {
		return changesOptions{}, err
	}
	return options, h.prepareFunction(rq, p, options.filter.function)
}

// changesHead answers without a body, and so without waiting.
func (h *Handler) changesHead(rq *request, feed feedKind) error {
	feed.setHeaders(rq)
	return rq.send(http.StatusOK, nil)
}

// params reads the options of a request from its query and its body.
func (h *Handler) params(rq *request) (params, error) {
	if rq.r.Method != http.MethodPost {
		return params{query: rq.query}, nil
	}
	body, err := h.readBody(rq, maxOptionsBody)
	if err != nil {
		return params{}, fmt.Errorf("reading the options: %w", err)
	}
	defer body.free()
	return newParams(rq.query, body.text)
}

// changeSource is what a feed reads from: a collection, except in tests.
type changeSource interface {
	Changes(ctx context.Context, o syncstore.ChangesOptions, fn func(*syncstore.Change) error) (syncstore.Cursor, error)
	Follow(since syncstore.Cursor, o syncstore.FeedOptions) liveChanges
	docSource
	GetRevs(ctx context.Context, id string, revs []syncstore.Rev, o syncstore.GetOptions) ([]syncstore.RevResult, error)
	Info() syncstore.Info
	Policy() syncstore.Policy
	// Done is closed when there is nothing to follow any more.
	Done() <-chan struct{}
}

// liveChanges is a *syncstore.Feed.
type liveChanges interface {
	Read(ctx context.Context, limit int, fn func(*syncstore.Change) error) (int, error)
	Cursor() syncstore.Cursor
	Turn() <-chan struct{}
	Aside(fn func() error) error
	Behind() bool
	Close()
}

// collectionChanges is the collection of a request as a changeSource.
type collectionChanges struct {
	*syncstore.Collection
	db *syncstore.Database
}

func (c collectionChanges) Follow(since syncstore.Cursor, o syncstore.FeedOptions) liveChanges {
	return c.Collection.Follow(since, o)
}

func (c collectionChanges) OpenContent(ctx context.Context, content syncstore.Content) (syncstore.ContentReader, error) {
	return c.db.OpenContent(ctx, content)
}
func (c collectionChanges) Done() <-chan struct{} { return c.db.Done() }

// servedChanges end also when the database goes out of service.
type servedChanges struct{ collectionChanges }

func (c servedChanges) Done() <-chan struct{} { return c.db.Serving() }

// source is what a feed of the request reads from.
func (rq *request) source() changeSource {
	if rq.principal.Admin {
		return collectionChanges{rq.coll, rq.db}
	}
	return servedChanges{collectionChanges{rq.coll, rq.db}}
}
