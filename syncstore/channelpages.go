package syncstore

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// maxPages is how many pages a database keeps, of viewedPage rows at most: a crowd of feeds, each of
// which is somewhere else, reads a few, over and over.
const maxPages = 32

// channelPages keep what was read last of channels that were given or taken: when that befalls a
// role of ten thousand members, each of their feeds reads the same rows, and the first reads them
// for all.
type channelPages struct {
	mu    sync.Mutex
	pages map[pageKey]*channelPage
	order []pageKey // the one that was used the longest ago first
}

type pageKey struct {
	channel channelKey
	from    uint64
	limit   int
}

// channelPage are the rows of a channel from a sequence on. It is not changed any more.
type channelPage struct {
	seq  uint64 // the database's in the snapshot that it was read from
	rows []channelRow
	next uint64 // the channel's next row, math.MaxUint64 if there is none
}

// get returns a page as it is in a snapshot of a database's sequence, nil if it is not kept. No
// row of the channel may have come or gone between the two snapshots: each of those that can be
// seen in either is known to tops.
func (p *channelPages) get(key pageKey, seq uint64, tops *channelTops) *channelPage {
	page := p.used(key)
	if page == nil {
		return nil
	}
	// Only now: page may be of a snapshot that is later than the reader's.
	if top := tops.top(key.channel); top > seq || top > page.seq {
		return nil
	}
	return page
}

func (p *channelPages) used(key pageKey) *channelPage {
	p.mu.Lock()
	defer p.mu.Unlock()
	page := p.pages[key]
	if page != nil {
		at := slices.Index(p.order, key)
		copy(p.order[at:], p.order[at+1:])
		p.order[len(p.order)-1] = key
	}
	return page
}

func (p *channelPages) put(key pageKey, page *channelPage) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pages == nil {
		p.pages = make(map[pageKey]*channelPage, maxPages)
	}
	old, ok := p.pages[key]
	switch {
	case ok && old.seq > page.seq:
		return // the reader's snapshot is an old one
	case !ok:
		if len(p.order) == maxPages {
			delete(p.pages, p.order[0])
			p.order = append(p.order[:0], p.order[1:]...)
		}
		p.order = append(p.order, key)
	}
	p.pages[key] = page
}

func (p *channelPages) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pages, p.order = nil, nil
}

// addShared is add for what other feeds read too.
func (c *channelRows) addShared(channel string, from, to uint64) (next uint64, gave []uint64, err error) {
	begin := len(c.given)
	for from < to {
		if c.fullBefore(from) {
			return from, c.given[begin:], nil
		}
		page, err := c.sharedPage(channel, from)
		if err != nil {
			return 0, nil, err
		}
		for i := range page.rows {
			row := &page.rows[i]
			if row.seq >= to || c.fullBefore(row.seq) {
				return row.seq, c.given[begin:], nil
			}
			c.insertRow(*row)
			c.given = append(c.given, row.seq)
		}
		from = page.next
	}
	return from, c.given[begin:], nil
}

// sharedPage returns as many rows of a channel as the read has room for.
func (c *channelRows) sharedPage(channel string, from uint64) (*channelPage, error) {
	db := c.collection.db
	key := pageKey{channel: channelKey{c.collection.scope.collection, channel}, from: from, limit: c.limit}
	if page := db.pages.get(key, c.seq, &db.tops); page != nil {
		return page, nil
	}
	page := &channelPage{seq: c.seq, rows: make([]channelRow, 0, c.limit), next: math.MaxUint64}
	start := c.collection.scope.channel(channel, from)
	pairs, failed := c.reader.Scan(engine.Range{Start: start, End: engine.PrefixEnd(start[:len(start)-8]), Limit: c.limit + 1})
	for k, record := range pairs {
		if len(k) != len(start) {
			return nil, fmt.Errorf("%w: key of a row", ErrDamaged)
		}
		seq := binary.BigEndian.Uint64(k[len(k)-8:])
		if len(page.rows) == c.limit {
			page.next = seq
			break
		}
		row := newChannelRow(seq, append([]byte(nil), record...))
		if !row.left {
			row.shared = new(atomic.Pointer[head])
		}
		page.rows = append(page.rows, row)
	}
	if err := failed(); err != nil {
		return nil, fmt.Errorf("reading channel %q: %w", channel, err)
	}
	db.pages.put(key, page)
	return page, nil
}
