package lite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/replication/blip"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/engine"
	"github.com/caddysync/caddy-sync/syncstore/engine/memory"
	"github.com/stretchr/testify/require"
)

// followed begins a one-shot feed of one change and returns the message that tells of it.
func (c *client) followed(props ...string) (*blip.Request, told) {
	c.t.Helper()
	c.must("subChanges", "", props...)
	q, rows := c.changes()
	require.Len(c.t, rows, 1)
	return q, rows[0]
}

// brought waits for the one rev or norev that follows, and for what says that the feed has
// caught up.
func (c *client) brought() *blip.Request {
	c.t.Helper()
	c.caughtUp()
	q := c.request()
	require.NotEqual(c.t, "changes", q.Profile())
	answer(q, "")
	c.quiet()
	return q
}

// version is the current version of a document.
func (l *loopback) version(id string) string {
	l.t.Helper()
	leaves, err := l.coll().GetRevs(l.ctx, id, nil, syncstore.GetOptions{})
	require.NoError(l.t, err)
	return leaves[0].Doc.Version.String()
}

func properties(p blip.Properties) string {
	all := make([]string, len(p))
	for i := range p {
		all[i] = p[i].Name + "=" + p[i].Value
	}
	return strings.Join(all, " ")
}

func TestRevisionHasTheFormOfTheTraces(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	first := l.edit("a", `{"n":1}`, "")
	second := l.edit("a", `{"n":2}`, first)
	rev := l.connect(protocol3).pull(nil, "").revs["a"]
	require.Equal(t, "Profile=rev id=a rev="+second+" sequence=2 history="+first+" Content-Type=application/json", properties(rev.Properties))
	require.Equal(t, `{"n":2}`, string(rev.Body))
	require.True(t, rev.NoReply)
	require.True(t, rev.Compressed)

	third := l.remove("a", second)
	rev = l.connect(protocol3).pull(nil, "").revs["a"]
	require.Equal(t, "Profile=rev id=a rev="+third+" sequence=3 history="+second+","+first+" deleted=1 Content-Type=application/json", properties(rev.Properties))
	require.Equal(t, `{}`, string(rev.Body))

	c := l.connect(protocol4)
	c.must("getCollections", `{"checkpoint_ids":["cp"],"collections":["_default"]}`)
	rev = c.pull(nil, "", "collection", "0").revs["a"]
	require.Equal(t, "Profile=rev collection=0 id=a rev="+l.version("a")+" sequence=3 deleted=1 Content-Type=application/json", properties(rev.Properties))
}

func TestNumbersComeAsTheyAre(t *testing.T) { // row 36
	t.Parallel()
	l := newLoopback(t, nil)
	body := `{"i": 9223372036854775807, "f":0.1000000000000000055511151231257827, "\u00fc":null}`
	l.edit("a", body, "")
	require.Equal(t, body, string(l.connect(protocol3).pull(nil, "").revs["a"].Body))
}

func TestMembersOfOtherClientsComeBack(t *testing.T) { // DECISIONS 26
	t.Parallel()
	l := newLoopback(t, nil)
	l.write(syncstore.Edit{ID: "a", Body: []byte(`{"n":1}`), Extra: []byte(`{"_cookie":"x"}`)})
	l.write(syncstore.Edit{ID: "b", Extra: []byte(`{"_cookie":"x"}`)})
	p := l.connect(protocol3).pull(nil, "")
	require.Equal(t, `{"_cookie":"x","n":1}`, string(p.revs["a"].Body))
	require.Equal(t, `{"_cookie":"x"}`, string(p.revs["b"].Body))
}

func TestEveryAnswerToChangesBringsWhatItWants(t *testing.T) {
	t.Parallel()
	version := "18eab9b640170001@UI154sPAT+GNjAKK6RxxmA"
	for reply, want := range map[string]int{
		`[[],[],[]]`: 3, `[]`: 0, `null`: 0, ``: 0, `[[]]`: 1, `[0,null,409]`: 0, `[0,[]]`: 1, `[{},"x",[]]`: 1, `[[],[],[],[],[]]`: 3,
		// what Sync Gateway sends nothing for, so that the client waits for ever
		`[["` + version + `","18eab9b519020001@UI154sPAT+GNjAKK6RxxmA","18eab9b5d68f0001@UI154sPAT+GNjAKK6RxxmA"]]`: 1,
		`[["no revision"],["",5,null,{}],[["` + version + `"]]]`:                                                    3,
		`[["` + strings.Repeat("x", 10_000) + `"],[` + strings.Repeat(`"1-a",`, 1000) + `"1-a"]]`:                   2,
	} {
		for _, protocol := range []protocol{protocol2, protocol3, protocol4} {
			l := newLoopback(t, nil)
			l.write(docs(3, "d%d")...)
			c := l.connect(protocol)
			c.must("subChanges", "")
			q, _ := c.changes()
			answer(q, reply, "deltas", "true", "maxHistory", "x")
			c.caughtUp()
			for range want {
				c.rev()
			}
			c.quiet()
		}
	}
}

func TestSupersededRevisionIsSentAsItWasAnnounced(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	first := l.edit("a", `{"v":1}`, "")
	c := l.connect(protocol3)
	q, _ := c.followed("sendReplacementRevs", "1")
	l.edit("a", `{"v":2}`, first)
	answer(q, "[[]]")
	rev := c.brought()
	require.Equal(t, first, rev.Properties.Value("rev"))
	require.Equal(t, "1", rev.Properties.Value("sequence"))
	require.Equal(t, `{"v":1}`, string(rev.Body))
	_, replaced := rev.Properties.Get("replacedRev")
	require.False(t, replaced)
}

func TestSupersededVersionIsReplacedOrMissing(t *testing.T) { // rows 50, 51
	t.Parallel()
	for name, test := range map[string]struct {
		subscription, reply []string
		replaced            bool
	}{
		"asked for in the answer":       {reply: []string{"sendReplacementRevs", "1"}, replaced: true},
		"asked for in the subscription": {subscription: []string{"sendReplacementRevs", "true"}, replaced: true},
		"not asked for":                 {reply: []string{"sendReplacementRevs", "0"}},
	} {
		for _, deleted := range []bool{false, true} {
			l := newLoopback(t, nil)
			first := l.edit("a", `{"v":1}`, "")
			c := l.connect(protocol4)
			q, row := c.followed(test.subscription...)
			if deleted {
				l.remove("a", first)
			} else {
				l.edit("a", `{"v":2}`, first)
			}
			answer(q, "[[]]", test.reply...)
			rev := c.brought()
			require.Equal(t, "1", rev.Properties.Value("sequence"), name)
			if !test.replaced {
				require.Equal(t, "Profile=norev id=a rev="+row.rev+" sequence=1 error=404 reason=missing", properties(rev.Properties))
				continue
			}
			require.Equal(t, row.rev, rev.Properties.Value("replacedRev"), name)
			require.Equal(t, l.version("a"), rev.Properties.Value("rev"), name)
			require.Equal(t, deleted, rev.Properties.Value("deleted") == "1")
			require.Equal(t, map[bool]string{false: `{"v":2}`, true: "{}"}[deleted], string(rev.Body))
		}
	}
}

func TestReplacementStaysInTheFeed(t *testing.T) { // row 51
	t.Parallel()
	for channel, replaced := range map[string]bool{"a": true, "b": false, "z": false} {
		l := newLoopback(t, nil)
		l.share("bob", "a", "b")
		first := l.edit("d", `{"channels":"a"}`, "")
		c := l.connect(protocol4)
		q, _ := c.followed("sendReplacementRevs", "1", "filter", "sync_gateway/bychannel", "channels", "a")
		l.edit("d", `{"channels":"`+channel+`"}`, first)
		answer(q, "[[]]")
		rev := c.brought()
		require.Equal(t, map[bool]string{true: "rev", false: "norev"}[replaced], rev.Profile(), channel)
	}
}

func TestAccessIsLookedAtWhenARevisionIsSent(t *testing.T) { // row 54
	t.Parallel()
	for _, version := range []protocol{protocol2, protocol3, protocol4} {
		l := newLoopback(t, nil)
		l.share("bob", "a")
		l.edit("d", `{"channels":"a","secret":1}`, "")
		c := l.connect(version)
		q, row := c.followed()
		l.give("bob") // nothing
		answer(q, "[[]]")
		rev := c.brought()
		require.Equal(t, "rev", rev.Profile())
		require.Equal(t, row.rev, rev.Properties.Value("rev"))
		require.Equal(t, `{"_removed":true}`, string(rev.Body))
	}
}

func TestDocumentThatChangedAndIsNobodysAnyMoreIsMissing(t *testing.T) {
	t.Parallel()
	for _, version := range []protocol{protocol3, protocol4} {
		l := newLoopback(t, nil)
		l.share("bob", "a")
		first := l.edit("d", `{"channels":"a"}`, "")
		c := l.connect(version)
		q, _ := c.followed("sendReplacementRevs", "1")
		l.edit("d", `{"channels":"z","secret":1}`, first)
		l.give("bob")
		answer(q, "[[]]")
		require.Equal(t, "norev", c.brought().Profile(), version)
	}
}

// failing is an engine from which some keys are read otherwise.
type failing struct {
	*memory.Engine
	get atomic.Pointer[func(key, value []byte) ([]byte, error)]
}

type failingReader struct {
	engine.Reader
	get func(key, value []byte) ([]byte, error)
}

func (f *failing) View(ctx context.Context, fn func(engine.Reader) error) error {
	return f.Engine.View(ctx, func(r engine.Reader) error {
		if get := f.get.Load(); get != nil {
			r = &failingReader{r, *get}
		}
		return fn(r)
	})
}

func (f *failingReader) Get(key []byte) ([]byte, error) {
	value, err := f.Reader.Get(key)
	if err != nil || !bytes.Contains(key, []byte("bad")) {
		return value, err
	}
	return f.get(key, value)
}

func (f *failingReader) GetMany(keys [][]byte) ([][]byte, error) {
	values, err := f.Reader.GetMany(keys)
	for i := range values {
		if err == nil && values[i] != nil && bytes.Contains(keys[i], []byte("bad")) {
			values[i], err = f.get(keys[i], values[i])
		}
	}
	return values, err
}

// A document may have thousands of deleted leaves, each as large as a document may be.
func TestATombstoneIsReadWithoutTheOtherLeaves(t *testing.T) {
	t.Parallel()
	const leaves, size = 16, 100_000
	eng := &failing{Engine: memory.New()}
	l := newLoopbackOn(t, eng, nil)
	edits := make([]syncstore.Edit, leaves)
	for i := range edits {
		edits[i] = syncstore.Edit{ID: "bad", History: parsed(t, tree(2, fmt.Sprintf("%x", i)), tree(1, "a")), Deleted: true}
		edits[i].Body = []byte(`{"x":"` + strings.Repeat("x", size) + `"}`)
	}
	l.write(syncstore.Edit{ID: "bad", History: parsed(t, tree(1, "a"))})
	c := l.connect(protocol3)
	q, _ := c.followed("sendReplacementRevs", "1")
	l.write(edits...)
	l.db.Compact()
	require.Eventually(t, func() bool { return !l.db.Compacting() }, waitFor, time.Millisecond)
	var read atomic.Int64
	count := func(_, value []byte) ([]byte, error) {
		read.Add(int64(len(value)))
		return value, nil
	}
	eng.get.Store(&count)
	answer(q, "[[]]")
	require.Equal(t, tree(2, "f"), c.brought().Properties.Value("rev"))
	require.Less(t, read.Load(), int64(leaves*size/2))
}

// failed tells a client of two documents, the first of which then cannot be read.
func failed(t *testing.T, get func(key, value []byte) ([]byte, error)) *client {
	t.Helper()
	eng := &failing{Engine: memory.New()}
	l := newLoopbackOn(t, eng, nil)
	first := l.edit("bad", `{}`, "")
	l.edit("bad", `{"v":2}`, first)
	l.edit("good", `{}`, "")
	c := l.connect(protocol3)
	c.must("subChanges", "", "sendReplacementRevs", "1")
	q, _ := c.changes()
	eng.get.Store(&get)
	answer(q, "[[],[]]")
	return c
}

func TestFailureIsNoReasonToPassADocumentOver(t *testing.T) { // rows 7, 53
	t.Parallel()
	c := failed(t, func(_, _ []byte) ([]byte, error) { return nil, errors.New("overload") })
	select {
	case err := <-c.ended:
		require.Error(t, err)
	case <-time.After(waitFor):
		require.Fail(t, "the connection goes on")
	}
	for len(c.requests) > 0 {
		require.Equal(t, "changes", (<-c.requests).Profile())
	}
}

func TestDamagedDocumentDoesNotStopTheOthers(t *testing.T) { // row 52
	t.Parallel()
	c := failed(t, func(_, value []byte) ([]byte, error) { return value[:len(value)-1], nil })
	c.caughtUp()
	q := c.request()
	require.Equal(t, "norev", q.Profile())
	require.Equal(t, "500", q.Properties.Value("error"))
	require.Equal(t, "2", q.Properties.Value("sequence"))
	require.Equal(t, "good", c.rev().Properties.Value("id"))
	c.quiet()
}

func TestSlowClientHoldsItsFeedOnly(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	edits := docs(40, "d%02d")
	for i := range edits {
		edits[i].Body = fmt.Appendf(nil, `{"x":"%s"}`, strings.Repeat(fmt.Sprint(i), 100_000))
	}
	l.write(edits...)
	p := l.connect(protocol3).pull(nil, "") // four times as much as may be queued
	require.Len(t, p.revs, 40)
}

// A panic in one feed ends its connection, and not the server.
func TestAFeedThatPanicsEndsItsConnection(t *testing.T) {
	t.Parallel()
	c := failed(t, func(_, _ []byte) ([]byte, error) { panic("fault") })
	select {
	case err := <-c.ended:
		require.Error(t, err)
	case <-time.After(waitFor):
		require.Fail(t, "the connection goes on")
	}
}

// A feed of some documents looks them up, and would end at each beginning.
func TestADamagedDocumentDoesNotStopAFeedThatNamesIt(t *testing.T) { // row 52
	t.Parallel()
	eng := &failing{Engine: memory.New()}
	l := newLoopbackOn(t, eng, nil)
	l.edit("good", `{}`, "")
	l.edit("bad", `{}`, l.edit("bad", `{}`, ""))
	damage := func(_, value []byte) ([]byte, error) { return value[:len(value)-1], nil }
	eng.get.Store(&damage)
	pulled := l.connect(protocol3).pull(nil, `{"docIDs":["good","bad"]}`)
	require.Contains(t, pulled.revs, "good")
	require.Contains(t, pulled.norevs, "bad")
}

// A device that was updated to version 4 names what it has by its tree ID, after a change that it has not pushed; a
// deletion it does not name. It knows no version of it, and would take that for a conflict with its change.
func TestADeviceIsNotSentWhatItHasByItsTreeID(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	l.connect(protocol3).push("a", tree(1, "a"), `{}`)
	for known, profile := range map[string]string{
		`["` + tree(2, "b") + `","` + tree(1, "a") + `"]`:                        "norev",
		`["` + tree(4, "b") + `","` + tree(1, "c") + `","` + tree(1, "a") + `"]`: "norev",
		`["` + tree(1, "a") + `"]`:                                               "norev", // unchanged, or deleted
		`["` + tree(1, "b") + `","` + tree(1, "a") + `"]`:                        "norev", // a conflict that it knows of
		`["` + versionAt(1, sourceX) + `","` + tree(1, "a") + `"]`:               "norev", // changed after the update
		`["` + tree(2, "b") + `","` + tree(1, "b") + `"]`:                        "rev",   // a conflict
		`["` + versionAt(1, sourceX) + `","` + tree(1, "b") + `"]`:               "rev",   // likewise
		`["` + versionAt(1, sourceX) + `"]`:                                      "rev",
		`[]`:                                                                     "rev",
	} {
		c := l.connect(protocol4)
		q, row := c.followed()
		require.Contains(t, row.rev, "@")
		answer(q, "["+known+"]")
		require.Equal(t, profile, c.brought().Profile(), known)
	}
}

// It would be in conflict with itself on a device that was updated to version 4. A deletion it does not name.
func TestAnUpdatedDeviceIsNotSentWhatItHasPushedMeanwhile(t *testing.T) {
	t.Parallel()
	own := versionAt(1, sourceX)
	for known, profile := range map[string]string{
		`["` + own + `","` + tree(1, "a") + `"]`: "norev",
		`["` + tree(1, "a") + `"]`:               "norev",
		`["` + own + `"]`:                        "rev",
		`[]`:                                     "rev",
	} {
		l := newLoopback(t, nil)
		l.connect(protocol3).push("a", tree(1, "a"), `{}`)
		c := l.connect(protocol4)
		q, row := c.followed("sendReplacementRevs", "1")
		c.must("rev", `{}`, "id", "a", "rev", own, "history", tree(1, "a"), "deleted", "1", "sequence", "1", "noconflicts", "1")
		answer(q, "["+known+"]")
		got := c.brought()
		require.Equal(t, profile, got.Profile(), known)
		require.Equal(t, row.seq, got.Properties.Value("sequence"))
		c.close()
	}
}
