package lite

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/access"
	"github.com/caddysync/caddy-sync/replication/blip"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

// told is a row of changes, as it came.
type told struct {
	seq, id, rev string
	flags        string // "" without one
}

// toldRows reads the body of changes; nil if it says that the feed has caught up.
func toldRows(tb testing.TB, q *blip.Request) []told {
	tb.Helper()
	require.Equal(tb, "changes", q.Profile(), "%v %s", q.Properties, q.Body)
	require.Equal(tb, "application/json", q.Properties.Value("Content-Type"))
	require.True(tb, q.Compressed)
	if string(q.Body) == "null" {
		require.True(tb, q.NoReply)
		return nil
	}
	require.False(tb, q.NoReply)
	var rows [][]json.RawMessage
	require.NoError(tb, json.Unmarshal(q.Body, &rows), "%s", q.Body)
	require.NotEmpty(tb, rows)
	all := make([]told, len(rows))
	for i, row := range rows {
		require.GreaterOrEqual(tb, len(row), 3)
		all[i].seq = string(row[0])
		require.NoError(tb, json.Unmarshal(row[1], &all[i].id))
		require.NoError(tb, json.Unmarshal(row[2], &all[i].rev))
		if len(row) > 3 {
			all[i].flags = string(row[3])
		}
	}
	return all
}

// changes waits for the next message of changes.
func (c *client) changes() (*blip.Request, []told) {
	c.t.Helper()
	q := c.request()
	return q, toldRows(c.t, q)
}

// caughtUp waits for what says that the feed has caught up.
func (c *client) caughtUp() {
	c.t.Helper()
	q, rows := c.changes()
	require.Nil(c.t, rows, "%s", q.Body)
}

// rev waits for the next revision.
func (c *client) rev() *blip.Request {
	c.t.Helper()
	q := c.request()
	require.Equal(c.t, "rev", q.Profile(), "%v %s", q.Properties, q.Body)
	return q
}

// quiet asserts that nothing comes that is there already: what a request is answered after.
func (c *client) quiet() {
	c.t.Helper()
	c.must("PING", "")
	select {
	case q := <-c.requests:
		require.Fail(c.t, "a request that was not expected", "%v %s", q.Properties, q.Body)
	case <-time.After(20 * time.Millisecond):
	}
}

// answer answers changes as clients of version 3 do. props are further properties.
func answer(q *blip.Request, body string, props ...string) {
	m := &blip.Message{Body: []byte(body), Compressed: true}
	for i := 0; i < len(props); i += 2 {
		m.Properties = append(m.Properties, blip.Property{Name: props[i], Value: props[i+1]})
	}
	q.Reply(m)
}

// pulled is what a one-shot replication brought.
type pulled struct {
	batches [][]told
	revs    map[string]*blip.Request // by document
	norevs  map[string]*blip.Request
}

func (p *pulled) rows() (all []told) {
	for _, b := range p.batches {
		all = append(all, b...)
	}
	return all
}

func (p *pulled) ids() (all []string) {
	for _, row := range p.rows() {
		all = append(all, row.id)
	}
	return all
}

// pull replicates once. known says what the client answers for a row; nil: it wants all that
// is not lost.
func (c *client) pull(known func(told) string, body string, props ...string) *pulled {
	c.t.Helper()
	if known == nil {
		known = func(row told) string {
			switch row.flags {
			case "2", "3", "4", "6", "7":
				return "0" // to be purged
			}
			return "[]"
		}
	}
	p := &pulled{revs: make(map[string]*blip.Request), norevs: make(map[string]*blip.Request)}
	c.must("subChanges", body, props...)
	wanted, told := 0, false
	for !told || len(p.revs)+len(p.norevs) < wanted {
		q := c.request()
		id := q.Properties.Value("id")
		switch q.Profile() {
		case "rev":
			require.NotContains(c.t, p.revs, id)
			require.NotContains(c.t, p.norevs, id)
			p.revs[id] = q
			answer(q, "")
		case "norev":
			require.True(c.t, q.NoReply)
			require.NotContains(c.t, p.revs, id)
			require.NotContains(c.t, p.norevs, id)
			p.norevs[id] = q
		default:
			rows := toldRows(c.t, q)
			if rows == nil {
				require.False(c.t, told, "caught up twice")
				told = true
				continue
			}
			p.batches = append(p.batches, rows)
			answers := make([]string, len(rows))
			for i, row := range rows {
				if answers[i] = known(row); strings.HasPrefix(answers[i], "[") {
					wanted++
				}
			}
			answer(q, "["+strings.Join(answers, ",")+"]")
		}
	}
	return p
}

// share makes documents be in the channels that they name, and lets a user replicate.
func (l *loopback) share(user string, channels ...string) {
	l.t.Helper()
	l.coll().SetPolicy(syncstore.Policy{Evaluator: access.Channels{}, Version: "1"})
	l.give(user, channels...)
	l.setPeer(func(p *Peer) { p.Viewer = &syncstore.Viewer{Name: user} })
}

// give sets the channels that an administrator gives a user.
func (l *loopback) give(user string, channels ...string) {
	l.t.Helper()
	given := make([]syncstore.Given, len(channels))
	for i, channel := range channels {
		given[i] = syncstore.Given{Channel: channel}
	}
	require.NoError(l.t, l.store.Records().Update(l.ctx, func(tx syncstore.RecordTx) error {
		tx.SetGrants(l.db.ID(), user, syncstore.GrantedByAdmin, given)
		return nil
	}))
}

// edit writes a revision and returns its tree ID.
func (l *loopback) edit(id, body, parent string) string {
	l.t.Helper()
	edit := syncstore.Edit{ID: id, Body: []byte(body)}
	if parent != "" {
		edit.Parent = mustRev(l.t, parent)
	}
	return l.write(edit)[0].String()
}

// remove makes a tombstone and returns its tree ID.
func (l *loopback) remove(id, parent string) string {
	l.t.Helper()
	return l.write(syncstore.Edit{ID: id, Deleted: true, Parent: mustRev(l.t, parent)})[0].String()
}

func mustRev(tb testing.TB, text string) syncstore.Rev {
	tb.Helper()
	rev, err := syncstore.ParseRev(text)
	require.NoError(tb, err)
	return rev
}

// docs are edits that make documents, named by a format.
func docs(n int, format string) []syncstore.Edit {
	edits := make([]syncstore.Edit, n)
	for i := range edits {
		edits[i] = syncstore.Edit{ID: fmt.Sprintf(format, i), Body: fmt.Appendf(nil, `{"n":%d}`, i)}
	}
	return edits
}

// grown is an edit of a replicated revision; revs are its tree IDs, newest first.
func grown(t *testing.T, id, body string, revs ...string) syncstore.Edit {
	t.Helper()
	edit := syncstore.Edit{ID: id, Body: []byte(body)}
	for _, text := range revs {
		edit.History = append(edit.History, mustRev(t, text))
	}
	return edit
}

// tree is a tree ID of a generation that Couchbase Lite can hold.
func tree(generation int, digit string) string {
	return fmt.Sprintf("%d-%s", generation, strings.Repeat(digit, 40))
}
