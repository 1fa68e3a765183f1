package rest

import (
	"encoding/json"
	"math"
	"net/url"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

func optionsOf(t *testing.T, query, body string) (changesOptions, error) {
	t.Helper()
	values, err := url.ParseQuery(query)
	require.NoError(t, err)
	p := params{query: values}
	if body != "" {
		require.NoError(t, json.Unmarshal([]byte(body), &p.body))
	}
	return parseChangesOptions(p, "")
}

func TestChangesOptionsHaveDefaults(t *testing.T) {
	t.Parallel()
	o, err := optionsOf(t, "", "")
	require.NoError(t, err)
	require.Equal(t, changesOptions{limit: -1, timeout: time.Minute}, o)
}

func TestChangesOptionsComeFromQueryAndBody(t *testing.T) {
	t.Parallel()
	want := changesOptions{
		feed: feedLongpoll, since: feedPosition{at: syncstore.At(7)}, limit: 25, descending: false, allLeaves: true,
		docs: docOptions{include: true, conflicts: true, attachments: true}, heartbeat: 10 * time.Second, timeout: 5 * time.Second,
	}
	inQuery, err := optionsOf(t,
		"feed=longpoll&since=7&limit=25&style=all_docs&include_docs=true&conflicts=true&attachments=true&heartbeat=10000&timeout=5000&seq_interval=100", "")
	require.NoError(t, err)
	require.Equal(t, want, inQuery)

	inBody, err := optionsOf(t, "", `{"feed":"longpoll","since":"7","limit":25,"style":"all_docs","include_docs":true,
		"conflicts":true,"attachments":true,"heartbeat":10000,"timeout":5000,"unknown":[1]}`)
	require.NoError(t, err)
	require.Equal(t, want, inBody)

	both, err := optionsOf(t, "since=9&limit=3", `{"since":7,"limit":25,"feed":"continuous"}`)
	require.NoError(t, err)
	require.Equal(t, syncstore.At(9), both.since.at, "the query goes before the body")
	require.Equal(t, 3, both.limit)
	require.Equal(t, feedContinuous, both.feed)
}

func TestChangesOptionsAreBounded(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		query  string
		got    func(*changesOptions) any
		wanted any
	}{
		{"limit=0", func(o *changesOptions) any { return o.limit }, 1}, // as CouchDB
		{"limit=99999999999999999999999", func(o *changesOptions) any { return o.limit }, math.MaxInt},
		{`limit="5"`, func(o *changesOptions) any { return o.limit }, 5},
		{"heartbeat=1", func(o *changesOptions) any { return o.heartbeat }, time.Second},
		{"heartbeat=true", func(o *changesOptions) any { return o.heartbeat }, time.Minute},
		{"heartbeat=false", func(o *changesOptions) any { return o.heartbeat }, time.Duration(0)},
		{"heartbeat=99999999999999999999999", func(o *changesOptions) any { return o.heartbeat }, time.Minute},
		{"timeout=0", func(o *changesOptions) any { return o.timeout }, time.Duration(0)},
		{"timeout=99999999999999999999999", func(o *changesOptions) any { return o.timeout }, 15 * time.Minute},
		{"since=now", func(o *changesOptions) any { return o.now }, true},
		{"since=5&descending=true", func(o *changesOptions) any { return o.since.at }, syncstore.Cursor{}},
	} {
		o, err := optionsOf(t, test.query, "")
		require.NoError(t, err, test.query)
		got := test.got(&o)
		require.Equal(t, test.wanted, got, test.query)
	}
}

func TestLastEventIDGoesBeforeSinceForEventSourcesOnly(t *testing.T) {
	t.Parallel()
	for feed, want := range map[string]syncstore.Cursor{"eventsource": syncstore.At(12), "continuous": syncstore.At(3)} {
		o, err := parseChangesOptions(params{query: url.Values{"feed": {feed}, "since": {"3"}}}, "12")
		require.NoError(t, err)
		require.Equal(t, want, o.since.at, feed)
	}
	_, err := parseChangesOptions(params{query: url.Values{"feed": {"eventsource"}}}, "x")
	require.Error(t, err)
}

func TestChangesOptionsThatMeanNothingAreRefused(t *testing.T) {
	t.Parallel()
	for query, status := range map[string]int{
		"feed=Normal":                  400,
		"style=none":                   400,
		"since=-5":                     400,
		"since=x":                      400,
		"limit=-1":                     400,
		"limit=ten":                    400,
		"limit=1.5":                    400,
		"limit=%2B1":                   400,
		"heartbeat=0":                  400,
		"heartbeat=-1":                 400,
		"heartbeat=soon":               400,
		"timeout=-1":                   400,
		"timeout=never":                400,
		"descending=1":                 400,
		"include_docs=yes":             400,
		"filter=_doc_ids":              400,
		"filter=_selector":             400,
		"filter=nothing":               400,
		"filter=_view":                 400,
		"filter=_view&view=a":          400,
		"filter=_view&view=a/b/c":      400,
		"filter=a/b/c":                 400,
		"filter=/b":                    400,
		"filter=a/":                    400,
		"doc_ids=a,b":                  400,
		"doc_ids=[1]":                  400,
		`doc_ids={"a":1}`:              400,
		`limit="`:                      400,
		`filter=_doc_ids&doc_ids=["a"`: 400,
	} {
		_, err := optionsOf(t, query, "")
		require.Error(t, err, query)
		require.Equal(t, status, asAnswer(err).status, query)
	}
	for _, body := range []string{
		`{"limit":-1}`, `{"limit":1.5}`, `{"limit":[1]}`, `{"since":-1}`, `{"since":[1,"x"]}`, `{"since":true}`,
		`{"feed":5}`, `{"doc_ids":"a"}`, `{"descending":"maybe"}`,
	} {
		_, err := optionsOf(t, "", body)
		require.Error(t, err, body)
		require.Equal(t, 400, asAnswer(err).status, body)
	}
}

func FuzzChangesOptions(f *testing.F) {
	f.Add("feed=longpoll&since=5:7&limit=10&heartbeat=10000&style=all_docs", `{"doc_ids":["a","b"]}`, "")
	f.Add("feed=eventsource&since=now", `{"limit":"5","since":null}`, "12")
	f.Add("filter=_design&include_docs=true", ``, "x")
	f.Fuzz(func(t *testing.T, query, body, lastEventID string) {
		values, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		p := params{query: values}
		if body != "" && json.Unmarshal([]byte(body), &p.body) != nil {
			return
		}
		o, err := parseChangesOptions(p, lastEventID)
		if err != nil {
			require.Contains(t, []int{400, 404}, asAnswer(err).status)
			return
		}
		require.True(t, o.limit == -1 || o.limit > 0)
		require.LessOrEqual(t, o.heartbeat, time.Minute)
		require.True(t, o.heartbeat == 0 || o.heartbeat >= time.Second)
		require.LessOrEqual(t, o.timeout, 15*time.Minute)
		require.GreaterOrEqual(t, o.timeout, time.Duration(0))
	})
}
