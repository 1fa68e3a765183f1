package peer

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// dropLeft leaves out of a page of the feed of some channels what goes on outside of them. Sync Gateway names the
// channels that a document left also where it is in another one of them: a task that has moved from one to the
// other would be left out with what it has become.
func (s *session) dropLeft(ctx context.Context, p *page) error {
	moved, err := s.moved(ctx, p)
	p.changes = slices.DeleteFunc(p.changes, func(c change) bool { return c.left() && !moved[c.id] })
	return err
}

// moved finds the documents of a page that left some of the channels, and are in another: the feed of the others
// alone does not say that they left.
func (s *session) moved(ctx context.Context, p *page) (map[string]bool, error) {
	doubtful := make(map[string][]change) // by the channels that they may be in
	for _, c := range p.changes {
		if others := s.otherThan(c.gone); c.left() && len(c.gone) > 0 && len(others) > 0 && s.onlyIDs == nil {
			key := strings.Join(others, ",")
			doubtful[key] = append(doubtful[key], c)
		}
	}
	moved := make(map[string]bool)
	for channels, some := range doubtful {
		// Up to the end of the page these channels have no more rows than all have.
		a := ask{method: http.MethodGet, path: "_changes", query: url.Values{
			"style": {"all_docs"}, "since": {sinceText(s.seq)}, "limit": {strconv.Itoa(max(p.rows, s.o.Batch))},
		}}
		byChannels(&a, strings.Split(channels, ","))
		within, err := s.readPage(ctx, s.to, a)
		if err != nil {
			return nil, err
		}
		there := make(map[string]change)
		for _, c := range within.changes {
			there[c.id] = c
		}
		for _, c := range some {
			now, ok := there[c.id]
			moved[c.id] = ok && !now.left() && slices.Equal(now.revs, c.revs) // one that has changed has a row of its own later
		}
	}
	return moved, nil
}

// otherThan are the channels that a replication is limited to, without some.
func (s *session) otherThan(gone []string) (others []string) {
	for _, channel := range s.o.Channels {
		if !slices.Contains(gone, channel) {
			others = append(others, channel)
		}
	}
	return others
}
