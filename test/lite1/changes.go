package lite1

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// row is a row of _changes.
type row struct {
	Seq     json.RawMessage
	ID      string
	Changes []struct{ Rev string }
	Deleted bool
}

// sequence is a row's position as it is kept: a text.
func (r *row) sequence() string { return strings.Trim(string(r.Seq), `"`) }

// check sees to it that a row is what the parsers expect.
func (r *row) check() error {
	if len(r.Seq) == 0 || r.ID == "" || r.Changes == nil {
		return fmt.Errorf("%w: a row without seq, id or changes", errFeed)
	}
	for _, c := range r.Changes {
		if c.Rev == "" {
			return fmt.Errorf("%w: a change without rev", errFeed)
		}
	}
	return nil
}

var errFeed = errors.New("the feed is not as Couchbase Lite 1 reads it")

// feedOptions are what a feed is asked for, as the body of a POST and as the first message on
// a WebSocket.
func (c *Config) feedOptions(feed, since string, activeOnly bool) map[string]any {
	o := map[string]any{"feed": feed, "heartbeat": heartbeat, "style": "all_docs"}
	if since != "" {
		o["since"] = since
		if n, err := strconv.ParseInt(since, 10, 64); err == nil && n >= 0 {
			o["since"] = n // the server may take it for a number
		}
	}
	if activeOnly {
		o["active_only"] = true
	}
	switch {
	case c.DocIDs != nil:
		o["filter"], o["doc_ids"] = "_doc_ids", c.DocIDs
	case c.Channels != nil:
		o["filter"], o["channels"] = "sync_gateway/bychannel", strings.Join(c.Channels, ",")
	}
	return o
}

// feedPath has most of them too, for CouchDB.
func (c *Config) feedPath(feed, since string, activeOnly, post bool) string {
	path := fmt.Sprintf("_changes?feed=%s&heartbeat=%d&style=all_docs", feed, heartbeat)
	if since != "" {
		path += "&since=" + escape(since)
	}
	if activeOnly {
		path += "&active_only=true"
	}
	switch {
	case c.DocIDs != nil:
		path += "&filter=_doc_ids"
		if !post {
			text, _ := json.Marshal(c.DocIDs) // strings
			path += "&doc_ids=" + escape(string(text))
		}
	case c.Channels != nil:
		path += "&filter=" + escape("sync_gateway/bychannel")
		if !post {
			path += "&channels=" + escape(strings.Join(c.Channels, ","))
		}
	}
	return path
}

// page asks for a page by HTTP: feed=normal, or longpoll.
func (r *remote) page(ctx context.Context, feed, since string, activeOnly bool) ([]row, error) {
	// The editions for Java and iOS always try POST; that for .NET asks a CouchDB by GET.
	post := r.device.edition != NET || r.gateway("0.9.3")
	path := r.config.feedPath(feed, since, activeOnly, post)
	var page struct {
		Results []row
	}
	var err error
	if post {
		o := r.config.feedOptions(feed, since, activeOnly)
		if r.device.edition != Java {
			o["accept_encoding"] = "gzip"
		}
		err = r.json(ctx, http.MethodPost, path, o, &page)
	} else {
		err = r.json(ctx, http.MethodGet, path, nil, &page)
	}
	if err != nil {
		return nil, err
	}
	if page.Results == nil {
		return nil, fmt.Errorf("%w: no results", errFeed)
	}
	for i := range page.Results {
		if err := page.Results[i].check(); err != nil {
			return nil, err
		}
	}
	return page.Results, nil
}
