package rest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

// A marker is a text that stands in one place only: in a document's ID, in the body of one
// version, in the content of its attachment, or in the name of a channel.
var (
	marker     = regexp.MustCompile(`\b(?:doc|ver|att|chan)[0-9]+q[0-9a-f]{8}\b`)
	inlineData = regexp.MustCompile(`"data":"([A-Za-z0-9+/=]*)"`)
)

// version is a revision of a document in the model.
type version struct {
	rev      syncstore.Rev
	deleted  bool
	channels []string
	grants   map[string][]string
	markers  []string // in its body and its attachment
}

// modelDoc is a document in the model: its leaves, and all versions that there ever were.
type modelDoc struct {
	id     string
	leaves []*version
	ever   []*version
}

func (d *modelDoc) winner() *version {
	if len(d.leaves) == 0 {
		return nil
	}
	return slices.MaxFunc(d.leaves, func(a, b *version) int {
		switch {
		case a.deleted != b.deleted && a.deleted:
			return -1
		case a.deleted != b.deleted:
			return 1
		case a.rev.Gen != b.rev.Gen:
			return int(a.rev.Gen) - int(b.rev.Gen)
		}
		return strings.Compare(a.rev.Digest, b.rev.Digest)
	})
}

// leakModel is a small reference of who may see what, and what everybody was sent.
type leakModel struct {
	*gate
	random   *rand.Rand
	n        int
	users    []string
	roles    []string
	channels []string
	docs     []*modelDoc
	given    map[string]map[string]bool // of administrators, by principal
	// could are the markers that a user could see at some time.
	could   map[string]map[string]bool
	clients map[string]*modelClient
	met     int // markers that were sent and allowed
}

// modelClient is a device that comes now and then.
type modelClient struct {
	since string
	has   map[string]bool
}

func newLeakModel(t *testing.T, seed uint64) *leakModel {
	t.Helper()
	g := newGate(t)
	g.giveViews()
	m := &leakModel{
		gate: g, random: rand.New(rand.NewPCG(seed, 4)),
		users: []string{"alice", "bob", "carol", "dave"}, roles: []string{"role:staff", "role:team"},
		given: map[string]map[string]bool{}, could: map[string]map[string]bool{}, clients: map[string]*modelClient{},
	}
	for range 6 {
		m.channels = append(m.channels, m.mark("chan"))
	}
	for range 10 {
		m.docs = append(m.docs, &modelDoc{id: m.mark("doc")})
	}
	for _, user := range m.users {
		m.could[user] = map[string]bool{}
		m.clients[user] = &modelClient{since: "0", has: map[string]bool{}}
	}
	return m
}

func (m *leakModel) mark(kind string) string {
	m.n++
	return fmt.Sprintf("%s%dq%08x", kind, m.n, m.random.Uint32())
}

func pick[T any](m *leakModel, from []T) T { return from[m.random.IntN(len(from))] }

// some are a few of the channels; now and then everybody's.
func (m *leakModel) some(most int) []string {
	set := map[string]bool{}
	for range m.random.IntN(most + 1) {
		set[pick(m, m.channels)] = true
	}
	if m.random.IntN(20) == 0 {
		set["!"] = true
	}
	return slices.Sorted(maps.Keys(set))
}

// has is what a user has: by an administrator, by documents, and by roles that there are.
func (m *leakModel) has(user string) map[string]bool {
	own := m.givenTo(user)
	all := map[string]bool{"!": true}
	for name := range own {
		if !strings.HasPrefix(name, "role:") {
			all[name] = true
			continue
		}
		if role := m.givenTo(name); m.given[name][name] {
			maps.Copy(all, role)
		}
	}
	return all
}

func (m *leakModel) givenTo(principal string) map[string]bool {
	all := maps.Clone(m.given[principal])
	if all == nil {
		all = map[string]bool{}
	}
	for _, doc := range m.docs {
		if w := doc.winner(); w != nil {
			for _, name := range w.grants[principal] {
				all[name] = true
			}
		}
	}
	return all
}

func meets(channels []string, has map[string]bool) bool {
	return has["*"] || slices.ContainsFunc(channels, func(c string) bool { return has[c] })
}

// note notes what everybody can see now.
func (m *leakModel) note() {
	for _, user := range m.users {
		has, could := m.has(user), m.could[user]
		for channel := range has {
			could[channel] = true
		}
		for _, doc := range m.docs {
			for _, v := range doc.ever {
				if meets(v.channels, has) {
					could[doc.id] = true
					for _, text := range v.markers {
						could[text] = true
					}
				}
			}
		}
	}
}

// step changes something.
func (m *leakModel) step() {
	switch n := m.random.IntN(10); {
	case n < 4:
		m.write()
	case n == 4:
		m.conflict()
	case n == 5:
		m.delete()
	case n < 9:
		user := pick(m, m.users)
		m.setGiven(user, m.some(2), m.random.IntN(3) == 0, m.random.IntN(25) == 0)
	default:
		m.setGiven(pick(m, m.roles), m.some(2), m.random.IntN(4) > 0, false)
	}
	m.note()
	synctest.Wait()
}

// setGiven gives anew what an administrator gives: to a user perhaps a role, to a role
// perhaps itself, without which there is no such role.
func (m *leakModel) setGiven(principal string, channels []string, role, everything bool) {
	set := map[string]bool{}
	for _, c := range channels {
		set[c] = true
	}
	if everything {
		set["*"] = true
	}
	switch {
	case role && strings.HasPrefix(principal, "role:"):
		set[principal] = true
	case role:
		set[pick(m, m.roles)] = true
	}
	m.given[principal] = set
	m.give(principal, slices.Sorted(maps.Keys(set))...)
}

// body makes a version: a body with its channels, now and then grants, and an attachment.
func (m *leakModel) body() (*version, string) {
	v := &version{channels: m.some(2), grants: map[string][]string{}}
	if m.random.IntN(4) == 0 {
		to := pick(m, slices.Concat(m.users, m.roles))
		v.grants[to] = []string{pick(m, m.channels)}
		if !strings.HasPrefix(to, "role:") && m.random.IntN(3) == 0 {
			v.grants[to] = []string{pick(m, m.roles)}
		}
	}
	text, content := m.mark("ver"), m.mark("att")
	v.markers = append([]string{text, content}, v.channels...)
	for _, names := range v.grants {
		v.markers = append(v.markers, names...)
	}
	grants, err := json.Marshal(v.grants)
	require.NoError(m.t, err)
	return v, fmt.Sprintf(`"text":%q,"channels":%s,"grants":%s,"_attachments":{"att":{"data":%q}}}`,
		text, quotedList(v.channels), grants, base64.StdEncoding.EncodeToString([]byte(content)))
}

// write writes a new revision of a document's winner, or the first one.
func (m *leakModel) write() {
	doc := pick(m, m.docs)
	v, body := m.body()
	w := doc.winner()
	if w != nil && !w.deleted {
		body = `"_rev":"` + w.rev.String() + `",` + body
	}
	m.store(doc, v, w, "/notes/"+doc.id, "{"+body)
}

// conflict makes a leaf that extends nothing.
func (m *leakModel) conflict() {
	doc := pick(m, m.docs)
	v, body := m.body()
	rev := fmt.Sprintf("1-%016x%016x", m.random.Uint64(), m.random.Uint64())
	m.store(doc, v, nil, "/notes/"+doc.id+"?new_edits=false", `{"_rev":"`+rev+`",`+body)
}

func (m *leakModel) delete() {
	doc := pick(m, m.docs)
	w := doc.winner()
	if w == nil || w.deleted {
		return
	}
	m.store(doc, &version{deleted: true, channels: w.channels}, w, "/notes/"+doc.id, `{"_rev":"`+w.rev.String()+`","_deleted":true}`)
}

func (m *leakModel) store(doc *modelDoc, v, parent *version, path, body string) {
	m.t.Helper()
	answer := m.as("admin", http.MethodPut, path, body)
	require.Less(m.t, answer.Code, 300, "%s %s: %s", path, body, answer.Body)
	rev, err := syncstore.ParseRev(strings.Trim(answer.Header().Get("Etag"), `"`))
	require.NoError(m.t, err)
	v.rev = rev
	doc.leaves = slices.DeleteFunc(doc.leaves, func(l *version) bool { return l == parent })
	doc.leaves, doc.ever = append(doc.leaves, v), append(doc.ever, v)
}

// sent looks for markers in something that was sent to a user. named are those that the
// user named in the request, and that the answer may repeat.
func (m *leakModel) sent(user, text, named string) {
	m.t.Helper()
	for _, data := range inlineData.FindAllStringSubmatch(text, -1) {
		content, err := base64.StdEncoding.DecodeString(data[1])
		require.NoError(m.t, err)
		text += "\n" + string(content)
	}
	for _, found := range marker.FindAllString(text, -1) {
		if m.could[user][found] {
			m.met++
			continue
		}
		require.Contains(m.t, named, found, "%s got what is not theirs in\n%s", user, text)
	}
}

// ask has a user ask for something.
func (m *leakModel) ask(user string) {
	m.t.Helper()
	doc := pick(m, m.docs)
	revs, rev := []string{}, "1-abc"
	for _, v := range doc.ever {
		revs = append(revs, v.rev.String())
		if m.random.IntN(2) == 0 {
			rev = v.rev.String()
		}
	}
	all := make([]string, len(m.docs))
	for i, d := range m.docs {
		all[i] = d.id
	}
	since := fmt.Sprint(m.random.Uint64N(m.db.Info().Seq + 2))
	if m.random.IntN(2) == 0 {
		since = fmt.Sprint(m.random.Uint64N(m.db.Info().Seq+2)+1) + ":" + since
	}
	changes := "_changes?timeout=0&include_docs=true&attachments=true&style=all_docs&conflicts=true&since=" + since
	type request struct{ method, path, body string }
	for _, r := range []request{
		{http.MethodGet, doc.id, ""},
		{http.MethodGet, doc.id + "?attachments=true&meta=true&revs=true&rev=" + rev, ""},
		{http.MethodGet, doc.id + "?open_revs=all&latest=true&revs=true", ""},
		{http.MethodGet, doc.id + "?open_revs=" + url.QueryEscape(string(quotedList(revs))), ""},
		{http.MethodGet, doc.id + "/att", ""},
		{http.MethodGet, doc.id + "/att?rev=" + rev, ""},
		{http.MethodPost, "_bulk_get?attachments=true&revs=true", `{"docs":[{"id":"` + doc.id + `"},{"id":"` + doc.id + `","rev":"` + rev + `"}]}`},
		{http.MethodPost, "_revs_diff", `{"` + doc.id + `":` + string(quotedList(append(revs, "1-abc"))) + `}`},
		{http.MethodGet, "_all_docs?include_docs=true&attachments=true&conflicts=true", ""},
		{http.MethodPost, "_all_docs/queries", `{"queries":[{"include_docs":true,"limit":5},{"include_docs":true,"keys":` + string(quotedList(all)) + `}]}`},
		{http.MethodGet, "_design_docs?include_docs=true", ""},
		{http.MethodGet, "_local_docs?include_docs=true", ""},
		{http.MethodPost, "_all_docs?include_docs=true", `{"keys":` + string(quotedList(all)) + `}`},
		{http.MethodGet, "_all_docs?startkey=" + url.QueryEscape(`"`+doc.id+`"`) + "&limit=2&descending=true", ""},
		{http.MethodGet, changes + "&revocations=true", ""},
		{http.MethodGet, changes + "&descending=true&limit=5", ""},
		{http.MethodGet, changes + "&feed=longpoll&active_only=true", ""},
		{http.MethodGet, changes + "&feed=continuous&revocations=true&limit=7", ""},
		{http.MethodGet, changes + "&feed=eventsource", ""},
		{http.MethodPost, changes + "&filter=_doc_ids", `{"doc_ids":` + string(quotedList(all)) + `}`},
		{http.MethodPost, changes + "&revocations=true&filter=_selector&limit=3", `{"selector":{"text":{"$gt":null}}}`},
		{http.MethodGet, changes + "&revocations=true&filter=sync_gateway/bychannel&channels=" + strings.Join(m.channels, ","), ""},
		{http.MethodGet, changes + "&filter=paths/all", ""},
		{http.MethodGet, "_design/paths/_view/all?include_docs=true&attachments=true&conflicts=true", ""},
		{http.MethodGet, "_design/paths/_view/all?stale=update_after&descending=true&limit=3", ""},
		{http.MethodGet, "_design/paths/_view/links?stale=ok&include_docs=true", ""},
		{http.MethodPost, "_design/paths/_view/all?update_seq=true", `{"keys":` + string(quotedList(all)) + `}`},
		{http.MethodGet, "_design/paths/_view/all?startkey=" + url.QueryEscape(`"`+doc.id+`"`) + "&skip=1", ""},
		{http.MethodGet, "_design/paths/_view/count?group=true", ""},
		{http.MethodGet, "_design/paths/_view/hidden", ""},
		{http.MethodPost, "_find", `{"selector":{},"conflicts":true,"execution_stats":true}`},
		{http.MethodPost, "_find", `{"selector":{"_id":{"$in":` + string(quotedList(all)) + `}},"sort":[{"_id":"desc"}],"limit":3,"skip":1}`},
		{http.MethodPost, "_find", `{"selector":{"text":{"$gt":null}},"sort":["text"],"limit":4,"execution_stats":true}`},
		{http.MethodPost, "_find", `{"selector":{"text":{"$regex":"^ver"}},"fields":["text","_attachments","_rev"],"update":false}`},
		{http.MethodPost, "_find", `{"selector":{"_attachments":{"att":{"length":{"$gt":0}}},"text":{"$exists":true}},"use_index":"find/text"}`},
		{http.MethodPost, "_explain", `{"selector":{"text":{"$gt":null},"_id":"` + doc.id + `"}}`},
		{http.MethodGet, "_index", ""},
		{http.MethodGet, "", ""},
	} {
		if m.random.IntN(3) > 0 {
			continue
		}
		w := m.as(user, r.method, "/notes/"+r.path, r.body)
		require.Less(m.t, w.Code, 500, r.path)
		var text strings.Builder
		require.NoError(m.t, w.Header().Write(&text))
		text.Write(w.Body.Bytes())
		named := r.path + r.body
		if strings.HasPrefix(r.path, "_changes") || r.method == http.MethodGet {
			named = "" // they repeat nothing
		}
		m.sent(user, text.String(), named)
	}
	m.askForAll(user)
	w := m.as(user, http.MethodGet, "/notes/"+doc.id, "")
	want := http.StatusNotFound
	if v := doc.winner(); v != nil && !v.deleted && meets(v.channels, m.has(user)) {
		want = http.StatusOK
	}
	require.Equal(m.t, want, w.Code, "%s reads %s", user, doc.id)
}

// askForAll has a user find all documents, by their IDs and by an index: it is those that they
// see, and no others are counted.
func (m *leakModel) askForAll(user string) {
	m.t.Helper()
	has := m.has(user)
	seen := 0
	for _, doc := range m.docs {
		if v := doc.winner(); v != nil && !v.deleted && meets(v.channels, has) {
			seen++
		}
	}
	for _, selector := range []string{`{"text":{"$exists":true}}`, `{"_id":{"$gt":null}}`} {
		f := m.find(user, `{"limit":1000,"execution_stats":true,"selector":`+selector+`}`)
		require.Len(m.t, f.Docs, seen, "%s: %s", user, selector)
		require.Equal(m.t, [3]int{seen, seen, seen}, [3]int{f.Stats.Keys, f.Stats.Docs, f.Stats.Results}, "%s: %s", user, selector)
	}
}

// come has a user's device come and take some pages.
func (m *leakModel) come(user string, pages int) (more bool) {
	m.t.Helper()
	c := m.clients[user]
	for range pages {
		limit := 1 + m.random.IntN(4)
		w := m.as(user, http.MethodGet, fmt.Sprintf("/notes/_changes?revocations=true&limit=%d&since=%s", limit, c.since), "")
		m.sent(user, w.Body.String(), "")
		var page struct {
			Results []feedRow `json:"results"`
			Last    string    `json:"last_seq"`
		}
		require.NoError(m.t, json.Unmarshal(w.Body.Bytes(), &page), w.Body)
		for _, row := range page.Results {
			if syncstore.IsDesign(row.ID) {
				continue
			}
			if row.Deleted || row.Removed != nil || row.Revoked {
				delete(c.has, row.ID)
			} else {
				c.has[row.ID] = true
			}
		}
		c.since = page.Last
		if len(page.Results) < limit {
			return false
		}
	}
	return true
}

// seen are the documents that a user sees.
func (m *leakModel) seen(user string) map[string]bool {
	all, has := map[string]bool{}, m.has(user)
	for _, doc := range m.docs {
		if w := doc.winner(); w != nil && !w.deleted && meets(w.channels, has) {
			all[doc.id] = true
		}
	}
	return all
}

// listen opens a feed for a user that stays open.
func (m *leakModel) listen(ctx context.Context, user, feed string) *answer {
	a := newAnswer()
	path := "/notes/_changes?include_docs=true&attachments=true&style=all_docs&revocations=true&heartbeat=60000&feed=" + feed
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, path, nil)
	r.Header.Set("Authorization", "Bearer "+user)
	go func() {
		defer func() {
			if cut := recover(); cut != nil && cut != http.ErrAbortHandler { //nolint:errorlint // as net/http compares
				panic(cut)
			}
		}()
		serveNoted(m.Handler, a, r, http.NotFoundHandler())
	}()
	return a
}

// listenOnSocket opens a feed on a WebSocket for a user; its rows become lines.
func (m *leakModel) listenOnSocket(w *wire, user, options string) *answer {
	a, s := newAnswer(), w.open(user, options)
	go func() {
		for {
			text, err := s.read()
			if err != nil {
				return
			}
			var rows []json.RawMessage
			if text != "" && json.Unmarshal([]byte(text), &rows) != nil {
				panic(text)
			}
			for _, row := range rows {
				var line bytes.Buffer // a document may have line breaks
				_ = json.Compact(&line, row)
				_, _ = a.Write(append(line.Bytes(), '\n'))
			}
			_ = a.FlushError()
		}
	}()
	return a
}

// Nobody is sent a byte of what they may not see and could not see before, whatever they
// ask for, and every device ends up with what its user may see.
func TestNobodyIsSentWhatIsNotTheirs(t *testing.T) {
	t.Parallel()
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := newLeakModel(t, seed)
				ctx, hangUp := context.WithCancel(t.Context())
				feeds := map[string][]*answer{}
				sockets := newWire(t, m.Handler)
				for _, user := range m.users {
					feeds[user] = []*answer{
						m.listen(ctx, user, "continuous"), m.listen(ctx, user, "eventsource"),
						m.listenOnSocket(sockets, user, `{"include_docs":true,"conflicts":true,"style":"all_docs","revocations":true,"accept_encoding":"gzip"}`),
					}
				}
				m.note()
				for range 80 {
					m.step()
					user := pick(m, m.users)
					m.ask(user)
					m.come(pick(m, m.users), m.random.IntN(3))
				}
				for _, user := range m.users {
					for m.come(user, 100) {
					}
					require.Equal(t, m.seen(user), m.clients[user].has, user)
					for _, feed := range feeds[user] {
						m.sent(user, feed.seen(), "")
						require.Equal(t, m.seen(user), heldBy(t, feed.seen()), "%s by a live feed", user)
					}
				}
				require.Greater(t, m.met, 1000, "there was something to see")
				hangUp()
				synctest.Wait()
			})
		})
	}
}

// heldBy is what a device has that listened to a live feed from the start.
func heldBy(t *testing.T, text string) map[string]bool {
	t.Helper()
	has := map[string]bool{}
	for line := range strings.Lines(text) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "data: ")
		if !strings.HasPrefix(line, "{") {
			continue
		}
		var row feedRow
		require.NoError(t, json.Unmarshal([]byte(line), &row), line)
		if syncstore.IsDesign(row.ID) {
			continue
		}
		if row.Deleted || row.Removed != nil || row.Revoked {
			delete(has, row.ID)
		} else {
			has[row.ID] = true
		}
	}
	return has
}
