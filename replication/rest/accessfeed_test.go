package rest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

// play does steps, each of which takes one sequence:
//
//	+a -a     alice gets or loses the channel a
//	+R -R     alice gets or loses the role R, which has the channel a
//	+Ra -Ra   the role R gets or loses the channel a
//	!R        the role R is deleted
//	d:a,b d:  the document d is written, into these channels
//	d!        the document d is deleted
//	.         something else happens
func (g *gate) play(script string) {
	g.t.Helper()
	own, role := map[string]bool{}, map[string]bool{"role:R": true, "a": true}
	docs := map[string]stored{}
	list := func(set map[string]bool) []string {
		var all []string
		for name, there := range set {
			if there {
				all = append(all, name)
			}
		}
		return all
	}
	g.give(syncstore.RolePrincipal("R"), list(role)...)
	for i, step := range strings.Fields(script) {
		before := g.db.Info().Seq
		switch id, channels, isDoc := strings.Cut(step, ":"); {
		case isDoc:
			docs[id] = g.store(id, docs[id].rev, strings.FieldsFunc(channels, func(r rune) bool { return r == ',' })...)
		case step == ".":
			g.store(fmt.Sprintf("else%d", i), "", "elsewhere")
		case step == "!R":
			g.give(syncstore.RolePrincipal("R"))
		case strings.HasSuffix(step, "!"):
			docs[step[:len(step)-1]] = g.remove(docs[step[:len(step)-1]])
		case step[1:] == "R":
			own["role:R"] = step[0] == '+'
			g.give("alice", list(own)...)
		case strings.HasPrefix(step[1:], "R"):
			role[step[2:]] = step[0] == '+'
			g.give(syncstore.RolePrincipal("R"), list(role)...)
		default:
			own[step[1:]] = step[0] == '+'
			g.give("alice", list(own)...)
		}
		require.Equal(g.t, before+1, g.db.Info().Seq, "step %d of %q", i+1, script)
	}
}

// feedRow is a row of _changes.
type feedRow struct {
	Seq     json.RawMessage `json:"seq"`
	ID      string          `json:"id"`
	Deleted bool            `json:"deleted"`
	Removed []string        `json:"removed"`
	Revoked bool            `json:"revoked"`
	Doc     json.RawMessage `json:"doc"`
}

func (r feedRow) String() string {
	text := strings.Trim(string(r.Seq), `"`) + " " + r.ID
	if r.Deleted {
		text += " deleted"
	}
	if r.Removed != nil {
		text += " removed " + strings.Join(r.Removed, ",")
	}
	if r.Revoked {
		text += " revoked"
	}
	return text
}

// rows are those of _changes, one text for each, and last_seq.
func (g *gate) rows(who, query string) ([]string, string) {
	g.t.Helper()
	w := g.as(who, http.MethodGet, "/notes/_changes?"+query, "")
	require.Equal(g.t, http.StatusOK, w.Code, w.Body)
	var page struct {
		Results []feedRow `json:"results"`
		Last    string    `json:"last_seq"`
	}
	require.NoError(g.t, json.Unmarshal(w.Body.Bytes(), &page), w.Body)
	all := []string{}
	for _, row := range page.Results {
		all = append(all, row.String())
	}
	return all, page.Last
}

// The sequence before the script's first step is 1: the role is made.
func TestF104_LossesAndGainsInTheFeed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		script  string
		since   string
		revoked []string // with revocations=true
		without []string // without; nil: the same
	}{
		"a channel is granted: backfill":                {"d:a e:a +a f:a", "3", []string{"4:2 d", "4:3 e", "5 f"}, nil},
		"in the middle of it":                           {"d:a e:a +a f:a", "4:2", []string{"4:3 e", "5 f"}, nil},
		"after it":                                      {"d:a e:a +a f:a", "4", []string{"5 f"}, nil},
		"a role is granted":                             {"d:a +R", "2", []string{"3:2 d"}, nil},
		"a role gets a channel":                         {"+R -Ra d:a +Ra", "4", []string{"5:4 d"}, nil},
		"a channel is lost":                             {"+a d:a . -a .", "4", []string{"5:3 d revoked"}, []string{}},
		"a role is lost":                                {"+R d:a . -R .", "4", []string{"5:3 d revoked"}, []string{}},
		"a role loses a channel":                        {"+R d:a . -Ra .", "4", []string{"5:3 d revoked"}, []string{}},
		"a role is deleted":                             {"+R d:a . !R .", "4", []string{"5:3 d revoked"}, []string{}},
		"lost by one way and seen by another":           {"+a +R d:a -a", "4", []string{}, nil},
		"lost by both":                                  {"+a +R d:a -a -R", "4", []string{"6:4 d revoked"}, []string{}},
		"lost and regained since":                       {"+a d:a . -a +a", "4", []string{"6:3 d"}, nil},
		"lost before, regained since":                   {"+a d:a -a . +a", "5", []string{"6:3 d"}, nil},
		"lost and regained before":                      {"+a d:a -a +a .", "6", []string{}, nil},
		"lost twice":                                    {"+a d:a -a +a -a", "3", []string{"6:3 d revoked"}, []string{}},
		"lost twice, since between":                     {"+a d:a -a +a -a", "5", []string{"6:3 d revoked"}, []string{}},
		"lost before since":                             {"+a d:a -a .", "4", []string{}, nil},
		"entered the channel after the loss":            {"+a -a d:a", "2", []string{}, nil},
		"left the channel before the grant":             {"d:a d:b +a -a", "4", []string{}, nil},
		"changed after the loss":                        {"+a d:a -a d:a", "3", []string{"4:5 d revoked"}, []string{}},
		"left after the loss":                           {"+a d:a -a d:b", "3", []string{"4:5 d revoked"}, []string{}},
		"left the channel":                              {"+a d:a d:b", "3", []string{"4 d removed a"}, nil},
		"left one of two":                               {"+a d:a,b d:a", "3", []string{"4 d"}, nil},
		"left and came back":                            {"+a d:a d:b d:a", "3", []string{"5 d"}, nil},
		"left, and the channel was lost":                {"+a d:a d:b -a", "3", []string{"5:4 d revoked"}, []string{}},
		"seen still by another channel":                 {"+a +b d:a,b -a", "4", []string{}, nil},
		"deleted":                                       {"+a d:a d!", "3", []string{"4 d deleted"}, nil},
		"deleted, and the channel was lost":             {"+a d:a d! -a", "3", []string{"5:4 d deleted revoked"}, []string{}},
		"deleted before the channel was granted":        {"d:a d! +a", "1", []string{}, nil},
		"moved to a channel that is granted later":      {"+a d:a d:b +b", "3", []string{"5:4 d"}, nil},
		"everything again from the start":               {"+a d:a -a e:a +a", "0", []string{"6:3 d", "6:5 e"}, nil},
		"a client that has nothing is taken nothing":    {"+a d:a -a e:b", "0", []string{}, nil},
		"a since that there never was is the beginning": {"+a d:a", "99", []string{"3 d"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGate(t)
			g.play(test.script)
			if test.without == nil {
				test.without = test.revoked
			}
			got, _ := g.rows("alice", "revocations=true&since="+test.since)
			require.Equal(t, test.revoked, got, "with revocations")
			got, last := g.rows("alice", "since="+test.since)
			require.Equal(t, test.without, got, "without")
			require.Equal(t, fmt.Sprint(g.db.Info().Seq), last)
			active := []string{}
			for _, row := range test.revoked {
				if !strings.Contains(row, "deleted") && !strings.Contains(row, "removed") && !strings.Contains(row, "revoked") {
					active = append(active, row)
				}
			}
			got, _ = g.rows("alice", "revocations=true&active_only=true&since="+test.since)
			require.Equal(t, active, got, "active_only")
			got, _ = g.rows("alice", "revocations=true&filter=sync_gateway/bychannel&channels=*&since="+test.since)
			require.Equal(t, test.revoked, got, "all channels")
		})
	}
}

// POST takes revocations too, where Sync Gateway ignores it.
func TestRevocationsByPost(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	g.play("+a d:a . -a")
	w := g.as("alice", http.MethodPost, "/notes/_changes", `{"since":4,"revocations":true,"include_docs":true}`)
	require.Contains(t, w.Body.String(), `{"seq":"5:3","id":"d",`)
	require.Contains(t, w.Body.String(), `"revoked":true`)
	require.NotContains(t, w.Body.String(), "body-of")
	require.Contains(t, w.Body.String(), `"_removed":true`)
	w = g.as("alice", http.MethodPost, "/notes/_changes", `{"since":"4","revocations":false}`)
	require.NotContains(t, w.Body.String(), "revoked")
}

func TestFeedOfSomeChannels(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	g.play("+a +b d:a e:b f:a,b h:c i:! d:b")
	for channels, want := range map[string][]string{
		"a":        {"6 f"}, // d has left a, and is seen by b
		"b":        {"5 e", "6 f", "9 d"},
		"c":        {},
		"b,c":      {"5 e", "6 f", "9 d"},
		"!":        {"8 i"},
		"*":        {"5 e", "6 f", "8 i", "9 d"},
		`["a",""]`: {"6 f"},
	} {
		got, _ := g.rows("alice", "filter=sync_gateway/bychannel&channels="+url.QueryEscape(channels))
		require.Equal(t, want, got, channels)
	}
	got, _ := g.rows("admin", "filter=sync_gateway/bychannel&channels=c")
	require.Equal(t, []string{"7 h"}, got)
}

// A client may stop after any row and come back: it gets what is left, and nothing twice.
func TestDecision34_AFeedGoesOnAfterAnyRow(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	g.play("d:a e:a f:a +a h:a i:a -a +R j:a d:b k:a +b")
	whole, last := g.rows("alice", "revocations=true&since=1")
	require.NotEmpty(t, whole)
	for _, feed := range []string{"normal", "longpoll"} {
		since, got := "1", []string{}
		for range whole {
			rows, at := g.rows("alice", "revocations=true&limit=1&timeout=0&feed="+feed+"&since="+since)
			got, since = append(got, rows...), at
		}
		require.Equal(t, whole, got)
		require.True(t, since == last || strings.HasPrefix(whole[len(whole)-1], since+" "), since)
	}
	for i, row := range whole {
		at, _, _ := strings.Cut(row, " ")
		rest, end := g.rows("alice", "revocations=true&since="+at)
		require.Equal(t, whole[i+1:], rest)
		require.Equal(t, last, end)
	}
}

// accessOf is a database in a bubble, where alice's channels change while feeds are open.
func accessOf(t *testing.T) (*gate, func(all ...string)) {
	t.Helper()
	store, db := feedStore(t)
	g := &gate{site: &site{t: t, Handler: &Handler{Config: Config{Store: store}}, db: db}}
	db.Default().SetPolicy(syncstore.Policy{Evaluator: byBody{}, Version: "1"})
	return g, func(all ...string) { g.give("alice", all...) }
}

func TestLiveFeedsFollowGrantsAndLosses(t *testing.T) {
	t.Parallel()
	for _, feed := range []string{"continuous", "eventsource"} {
		synctest.Test(t, func(t *testing.T) {
			g, give := accessOf(t)
			writeEdits(t, g.db,
				syncstore.Edit{ID: "d", Body: []byte(`{"channels":["a"]}`)},
				syncstore.Edit{ID: "e", Body: []byte(`{"channels":["b"]}`)})
			give("x")
			open := startFeed(t, g.db, "revocations=true&heartbeat=60000&feed="+feed)
			synctest.Wait()
			seen := len(open.seen())
			news := func() []string {
				synctest.Wait()
				text := open.seen()[seen:]
				seen += len(text)
				rows := []string{}
				for line := range strings.Lines(text) {
					line = strings.TrimPrefix(strings.TrimSpace(line), "data: ")
					if id, ok := strings.CutPrefix(line, "id: "); ok {
						require.True(t, strings.HasPrefix(rows[len(rows)-1], id+" "), "a browser comes back with the row's position")
						continue
					}
					if line == "" || line == ":" {
						continue
					}
					var row feedRow
					require.NoError(t, json.Unmarshal([]byte(line), &row), line)
					rows = append(rows, row.String())
				}
				return rows
			}
			begin := time.Now()
			require.Empty(t, news())
			give("x", "a")
			require.Equal(t, []string{"4:1 d"}, news())
			give("a", "b")
			require.Equal(t, []string{"5:2 e"}, news())
			give("b")
			require.Equal(t, []string{"6:1 d revoked"}, news())
			rev := writeEdits(t, g.db, syncstore.Edit{ID: "f", Body: []byte(`{"channels":["b"]}`)})[0]
			require.Equal(t, []string{"7 f"}, news())
			writeEdits(t, g.db, syncstore.Edit{ID: "f", Parent: rev, Body: []byte(`{"channels":["c"]}`)})
			require.Equal(t, []string{"8 f removed b"}, news())
			writeEdits(t, g.db, syncstore.Edit{ID: "h", Body: []byte(`{"channels":["c"],"grants":{"alice":["c"]}}`)})
			require.Equal(t, []string{"9:8 f", "9 h"}, news())
			require.Zero(t, time.Since(begin), "at once, in a time that stands still")
			open.closeConn()
			<-open.over
		})
	}
}

func TestLongpollIsAnsweredByAGrant(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, give := accessOf(t)
		writeEdits(t, g.db,
			syncstore.Edit{ID: "d", Body: []byte(`{"channels":["a"]}`)},
			syncstore.Edit{ID: "e", Body: []byte(`{"channels":["b"]}`)})
		give("x")
		open := startFeed(t, g.db, "feed=longpoll&since=now&heartbeat=60000")
		synctest.Wait()
		writeEdits(t, g.db, syncstore.Edit{ID: "f", Body: []byte(`{"channels":["b"]}`)})
		synctest.Wait()
		require.True(t, open.running(), "a change that may not be seen is none")
		give("x", "a")
		<-open.over
		require.NoError(t, open.err)
		page := parsePage(t, open.seen())
		require.Equal(t, []string{"d"}, page.ids())
		require.Equal(t, `"5:1"`, string(page.Results[0].Seq))
		require.NotContains(t, open.seen(), `"e"`)
	})
}
