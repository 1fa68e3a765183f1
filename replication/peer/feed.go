package peer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/caddysync/caddy-sync/syncstore"
)

// maxPage bounds the answer of one page of changes.
const maxPage = 64 << 20

// change is a row of a feed: the leaves of a document.
type change struct {
	id   string
	revs []syncstore.Rev
	// removed: the user who asks does not see the document any more, or not in the channels that were
	// asked for. A deleted document is told of so too, if its tombstone is in none of them.
	removed, deleted bool
	// gone are the channels that it left, as far as that is said.
	gone []string
}

// left reports whether the document goes on outside of the channels that a replication is limited to: what
// it has become there is not for the target.
func (c *change) left() bool { return c.removed && !c.deleted }

// page is some rows of a feed, and where it goes on.
type page struct {
	changes []change
	last    json.RawMessage
	rows    int // with those that are not documents
	// pending is how many rows follow, -1 if that is not said.
	pending int64
}

// changes reads a page of the other server's feed. With wait it is answered when there is
// something.
func (s *session) changes(ctx context.Context, wait bool) (page, error) {
	p, err := s.nextPage(ctx, wait)
	if err == nil && len(s.o.Channels) > 0 {
		err = s.dropLeft(ctx, &p)
	}
	// A server that does not know the filter may give everything.
	p.changes = slices.DeleteFunc(p.changes, func(c change) bool { return !s.names(c.id) })
	return p, err
}

func (s *session) nextPage(ctx context.Context, wait bool) (page, error) {
	a := ask{method: http.MethodGet, path: "_changes", query: url.Values{
		"style": {"all_docs"}, "since": {sinceText(s.seq)}, "limit": {strconv.Itoa(s.o.Batch)},
		"heartbeat": {strconv.FormatInt(s.o.Heartbeat.Milliseconds(), 10)},
	}}
	if wait {
		a.query.Set("feed", "longpoll")
		var cancel context.CancelFunc
		ctx, cancel = s.untilRetake(ctx)
		defer cancel()
	}
	if err := s.filter(&a); err != nil {
		return page{}, err
	}
	p, err := s.readPage(ctx, s.to, a)
	if err != nil && errors.Is(context.Cause(ctx), errRetakeDue) {
		return page{last: s.seq, pending: s.Status().Pending}, nil
	}
	return p, err
}

// feedRow is a row of a feed as it comes.
type feedRow struct {
	Seq     json.RawMessage `json:"seq"`
	ID      string          `json:"id"`
	Changes []struct {
		Rev string `json:"rev"`
	} `json:"changes"`
	Deleted bool            `json:"deleted"`
	Removed json.RawMessage `json:"removed"`
	Revoked bool            `json:"revoked"`
}

// feedAnswer is the answer of a feed.
type feedAnswer struct {
	results []feedRow
	last    json.RawMessage
	pending *int64
}

// member reads a member of the answer. Of a server that does not heed the limit the first rows are a page.
func (f *feedAnswer) member(decoder *json.Decoder, name string) error {
	switch name {
	case "results":
		return f.rows(decoder)
	case "last_seq":
		return decoder.Decode(&f.last)
	case "pending":
		return decoder.Decode(&f.pending)
	}
	return skip(decoder)
}

func (f *feedAnswer) rows(decoder *json.Decoder) error {
	begin, err := decoder.Token()
	switch {
	case err != nil || begin == nil: // null is none
		return err
	case begin != json.Delim('['):
		return fmt.Errorf("%v where rows should be", begin)
	}
	for decoder.More() {
		if len(f.results) == rowsAtOnce {
			f.last, f.pending = nil, nil // they are those of the end
			return errEnough
		}
		var row feedRow
		if err := decoder.Decode(&row); err != nil {
			return err
		}
		f.results = append(f.results, row)
	}
	_, err = decoder.Token()
	return err
}

// readPage reads a page of a feed.
func (s *session) readPage(ctx context.Context, from *remote, a ask) (page, error) {
	var answer feedAnswer
	if err := from.getMembers(ctx, a, maxPage, answer.member); err != nil {
		return page{}, err
	}
	p := page{rows: len(answer.results), last: answer.last, pending: -1}
	if answer.pending != nil {
		p.pending = *answer.pending
	}
	if len(p.last) == 0 || string(p.last) == "null" {
		p.last = s.seq
		if p.rows > 0 {
			p.last = answer.results[p.rows-1].Seq
		}
	}
	for i := range answer.results {
		row := &answer.results[i]
		if len(row.Changes) == 0 || strings.HasPrefix(row.ID, "_") && !strings.HasPrefix(row.ID, "_design/") {
			continue // Sync Gateway tells of users and roles
		}
		c := change{id: row.ID, removed: len(row.Removed) > 0 || row.Revoked, deleted: row.Deleted}
		if !row.Revoked && json.Unmarshal(row.Removed, &c.gone) != nil {
			c.gone = nil // it is said in another way
		}
		for _, leaf := range row.Changes {
			rev, err := syncstore.ParseRev(leaf.Rev)
			if err != nil {
				s.failed(row.ID, leaf.Rev, err)
				continue
			}
			c.revs = append(c.revs, rev)
		}
		p.changes = append(p.changes, c)
	}
	return p, nil
}

// filter limits the feed to what is wanted.
func (s *session) filter(a *ask) (err error) {
	switch {
	case s.onlyIDs != nil:
		return byIDs(a, s.onlyIDs)
	case len(s.o.Channels) > 0:
		byChannels(a, s.o.Channels)
	case len(s.o.DocIDs) > 0:
		return byIDs(a, s.o.DocIDs)
	case s.o.Selector != nil:
		a.query.Set("filter", "_selector")
		a.method = http.MethodPost
		a.json, err = json.Marshal(map[string]any{"selector": s.o.Selector})
	}
	return err
}

// byChannels limits a feed to some channels.
func byChannels(a *ask, channels []string) {
	a.query.Set("filter", "sync_gateway/bychannel")
	a.query.Set("channels", strings.Join(channels, ","))
}

// byIDs limits a feed to some documents.
func byIDs(a *ask, ids []string) (err error) {
	a.query.Set("filter", "_doc_ids")
	a.method = http.MethodPost
	a.json, err = json.Marshal(map[string]any{"doc_ids": ids})
	return err
}

// sinceText is a sequence as a query has it: CouchDB's are strings or numbers, those of
// older clusters arrays.
func sinceText(seq json.RawMessage) string {
	var text string
	if json.Unmarshal(seq, &text) == nil {
		return text
	}
	return string(seq)
}
