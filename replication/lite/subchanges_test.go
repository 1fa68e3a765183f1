package lite

import (
	"fmt"
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/replication/blip"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

func TestSubChangesRefusesWhatIsMalformed(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	c := l.connect(protocol3)
	for name, test := range map[string]struct {
		body  string
		props []string
		text  string
	}{
		"since":              {props: []string{"since", "x"}},
		"since too long":     {props: []string{"since", "99999999999999999999"}},
		"since half quoted":  {props: []string{"since", `"5:3`}},
		"since negative":     {props: []string{"since", "-1"}},
		"batch":              {props: []string{"batch", "many"}},
		"unknown filter":     {props: []string{"filter", "nosuch/filter"}, text: "Unknown filter; try sync_gateway/bychannel"},
		"filter of none":     {props: []string{"filter", "sync_gateway/bychannel"}},
		"filter of empty":    {props: []string{"filter", "sync_gateway/bychannel", "channels", ",,"}},
		"version vectors":    {props: []string{"versioning", "version-vectors"}},
		"body no JSON":       {body: `{"docIDs":`},
		"body no object":     {body: `["a"]`},
		"body with garbage":  {body: `{"docIDs":["a"]}x`},
		"docIDs no list":     {body: `{"docIDs":"a"}`},
		"docIDs of numbers":  {body: `{"docIDs":[1]}`},
		"docIDs not in UTF8": {body: "{\"docIDs\":[\"\xff\"]}"},
	} {
		text := c.refused(400, "subChanges", test.body, test.props...)
		if test.text != "" {
			require.Equal(t, test.text, text, name)
		}
	}
	c.quiet() // and nothing of it made a feed
	c.must("subChanges", "")
	c.caughtUp()
}

func TestSubscription(t *testing.T) {
	t.Parallel()
	at := func(event, seq uint64) syncstore.Cursor { return syncstore.Cursor{Event: event, Seq: seq} }
	for name, test := range map[string]struct {
		version protocol
		body    string
		props   []string
		want    subscription
	}{
		"nothing said":             {version: protocol3},
		"row 23: since":            {version: protocol3, props: []string{"since", "7"}, want: subscription{since: at(0, 7)}},
		"since in quotes":          {version: protocol3, props: []string{"since", `"7"`}, want: subscription{since: at(0, 7)}},
		"compound since":           {version: protocol3, props: []string{"since", "463:459"}, want: subscription{since: at(463, 459)}},
		"in quotes, as it is told": {version: protocol3, props: []string{"since", `"463:459"`}, want: subscription{since: at(463, 459)}},
		"of Sync Gateway":          {version: protocol3, props: []string{"since", `"5::20"`}, want: subscription{since: at(0, 5)}},
		"empty since":              {version: protocol3, props: []string{"since", ""}},
		"small batch":              {version: protocol3, props: []string{"batch", "1"}, want: subscription{batch: 10}},
		"large batch":              {version: protocol3, props: []string{"batch", "99999999999999999999"}, want: subscription{batch: 1000}},
		"a batch":                  {version: protocol3, props: []string{"batch", "20"}, want: subscription{batch: 20}},
		"as 3.2 asks": {
			version: protocol3, props: []string{"activeOnly", "true", "revocations", "true", "sendReplacementRevs", "1", "continuous", "true", "versioning", "rev-trees"},
			want: subscription{activeOnly: true, revocations: true, replacements: true, continuous: true},
		},
		"version 2 has no revocations": {version: protocol2, props: []string{"revocations", "true"}},
		"as 4.0 asks":                  {version: protocol4, props: []string{"versioning", "version-vectors"}},
		"channels": {
			version: protocol3, props: []string{"filter", "sync_gateway/bychannel", "channels", "c1,,c9"}, want: subscription{channels: []string{"c1", "c9"}},
		},
		"channels without a filter": {version: protocol3, props: []string{"channels", "c1"}},
		"documents":                 {version: protocol3, body: `{"docIDs":["a","b","a"]}`, want: subscription{ids: map[string]struct{}{"a": {}, "b": {}}}},
		"no documents":              {version: protocol3, body: `{"docIDs":[],"x":1}`},
		"documents null":            {version: protocol3, body: `{"docIDs":null}`},
	} {
		if test.want.batch == 0 {
			test.want.batch = 200
		}
		r := &replication{version: test.version}
		got, err := r.parseSubscription(&blip.Request{Properties: message("subChanges", "", test.props...).Properties, Body: []byte(test.body)})
		require.NoError(t, err, name)
		require.Equal(t, test.want, got, name)
	}
}

func TestSecondSubscriptionIsRefusedWhileOneRuns(t *testing.T) { // row 21
	t.Parallel()
	l := newLoopback(t, nil)
	l.write(docs(3, "d%d")...)
	c := l.connect(protocol3)
	c.must("subChanges", "", "continuous", "true")
	q, _ := c.changes()
	c.refused(409, "subChanges", "")
	answer(q, "[]")
	c.caughtUp()
	c.refused(409, "subChanges", "")
	c.must("unsubChanges", "")

	c.must("subChanges", "") // a one-shot
	q, _ = c.changes()
	c.refused(409, "subChanges", "")
	answer(q, "[[],[],[]]")
	c.caughtUp()
	c.must("subChanges", "", "since", "3") // is over now, even if revisions are still to come
	for range 4 {
		q := c.request()
		require.True(t, q.Profile() == "rev" || string(q.Body) == "null", "%v", q.Properties)
	}
	c.quiet()
}

func TestUnsubChangesEndsAFeedAndIsNeverAnError(t *testing.T) { // row 22
	t.Parallel()
	l := newLoopback(t, nil)
	c := l.connect(protocol3)
	c.must("unsubChanges", "")
	c.must("subChanges", "", "continuous", "true")
	c.caughtUp()
	c.must("unsubChanges", "")
	l.write(docs(2, "a%d")...)
	c.quiet()
	c.must("unsubChanges", "")
	l.write(docs(2, "b%d")...)
	p := c.pull(nil, "", "since", "2") // goes on from a checkpoint
	require.Equal(t, []string{"b0", "b1"}, p.ids())
}

// The client does not wait for the answer to the one before it sends the other, and the first takes
// its time to be read.
func TestSubscriptionsAreTakenInTheirOrder(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	ids := `{"docIDs":["x"` + strings.Repeat(`,"y"`, 2000) + "]}" // in one frame
	for range 20 {
		c := l.connect(protocol3)
		answers := make(chan error, 2)
		for _, m := range []*blip.Message{message("subChanges", ids, "continuous", "true"), message("unsubChanges", "")} {
			require.NoError(t, c.conn.Start(c.ctx, m, func(_ *blip.Response, err error) { answers <- err }))
		}
		require.NoError(t, <-answers)
		require.NoError(t, <-answers)
		c.must("subChanges", "", "continuous", "true") // else it is followed already
		c.close()
	}
}

func TestUnansweredFeedsAreBounded(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	l.write(docs(1, "d%d")...)
	c := l.connect(protocol3)
	for range maxFeeds {
		c.must("subChanges", "", "continuous", "true")
		c.changes() // and no answer
		c.must("unsubChanges", "")
	}
	c.refused(409, "subChanges", "")
}

func FuzzSubscription(f *testing.F) {
	f.Add("7", "200", "sync_gateway/bychannel", "a,b", `{"docIDs":["a"]}`)
	f.Add(`"463:459"`, "-1", "", "*", `{"docIDs":[1]}`)
	f.Fuzz(func(t *testing.T, since, batch, filter, channels, body string) {
		r := &replication{version: protocol3}
		props := message("subChanges", "", "since", since, "batch", batch, "filter", filter, "channels", channels).Properties
		o, err := r.parseSubscription(&blip.Request{Properties: props, Body: []byte(body)})
		if err != nil {
			require.Equal(t, 400, asRefusal(err).code)
			return
		}
		require.True(t, o.batch >= minBatch && o.batch <= maxBatch)
		require.NotContains(t, strings.Join(o.channels, ""), ",")
	})
}

func TestAFeedOfTooManyDocumentsIsRefused(t *testing.T) {
	t.Parallel()
	body := []byte(`{"docIDs":["x"`)
	for i := range maxDocIDs {
		body = fmt.Appendf(body, `,"%d"`, i)
	}
	_, err := parseDocIDs(append(body, `]}`...))
	require.Equal(t, 413, asRefusal(err).code)
}

// A client does not wait for an answer, and so could have any number of feeds: each of a collection
// that is named no more.
func TestFeedsAreOfCollectionsThatMessagesName(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	r := newReplication(New(Config{}), l.peer, protocol3, "")
	r.peer.setDefaults()
	asked := r.fallback
	named := []*keyspace{nil, newKeyspace(r, l.coll(), 1)}
	require.NoError(t, r.name(named))
	require.Equal(t, 409, asRefusal(asked.begin(new(feed))).code)
	f := new(feed)
	require.NoError(t, named[1].begin(f))
	require.Equal(t, 409, asRefusal(r.name([]*keyspace{newKeyspace(r, l.coll(), 0)})).code)
	named[1].ended(f)
	require.NoError(t, r.name([]*keyspace{newKeyspace(r, l.coll(), 0)}))
	require.Equal(t, 409, asRefusal(named[1].begin(f)).code)
	r.feeds.Wait()
}
