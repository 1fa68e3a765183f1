package caddysync

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/access"
	"github.com/caddysync/caddy-sync/auth"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

// accessSite serves all databases of a configuration, and has an administrator's site.
type accessSite struct {
	*authSite
	store, log string
	sessions   map[string]map[string]string // by database and user
}

func newAccessSite(t *testing.T) *accessSite {
	t.Helper()
	s := &accessSite{
		authSite: &authSite{testSite: newTestSite(t)}, store: strings.ReplaceAll(t.Name(), "/", "_"),
		log: filepath.Join(t.TempDir(), "log"), sessions: map[string]map[string]string{},
	}
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s.admin = l.Addr().String()
	require.NoError(t, l.Close())
	return s
}

// with is a configuration with these databases.
func (s *accessSite) with(databases string) []byte {
	s.t.Helper()
	return adapt(s.t, fmt.Sprintf(`{
	admin off
	persist_config off
	log {
		output file %s
		level DEBUG
	}
	sync {
		store memory %s
		%s
	}
}
http://%s {
	bind 127.0.0.1
	sync *
	respond 404
}
http://%s {
	bind 127.0.0.1
	sync * {
		admin {
			allow loopback
		}
	}
}
`, s.log, s.store, databases, s.addr, s.admin))
}

// as sends a request as a user of the database; "" is a guest.
func (s *accessSite) as(user, method, path, body string) (int, string) {
	s.t.Helper()
	database, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	database, _, _ = strings.Cut(database, ".")
	key := database + "/" + user
	if user != "" && s.sessions[key] == nil {
		_, text := s.do(http.MethodPost, s.admin, "/"+database+"/_session", `{"name":"`+user+`"}`, nil)
		if !strings.Contains(text, "session_id") {
			answer, made := s.do(http.MethodPut, s.admin, "/"+database+"/_user/"+user, `{}`, nil)
			require.Less(s.t, answer.StatusCode, 300, made)
			_, text = s.do(http.MethodPost, s.admin, "/"+database+"/_session", `{"name":"`+user+`"}`, nil)
		}
		var session struct {
			ID     string `json:"session_id"`
			Cookie string `json:"cookie_name"`
		}
		require.NoError(s.t, json.Unmarshal([]byte(text), &session))
		s.sessions[key] = map[string]string{"Cookie": session.Cookie + "=" + session.ID}
	}
	answer, text := s.do(method, s.addr, path, body, s.sessions[key])
	return answer.StatusCode, text
}

// give gives a user channels.
func (s *accessSite) give(user, database, channels string) {
	s.t.Helper()
	answer, text := s.do(http.MethodPut, s.admin, "/"+database+"/_user/"+user, `{"admin_channels":`+channels+`}`, nil)
	require.Less(s.t, answer.StatusCode, 300, text)
}

func (s *accessSite) writes(user, path, body string, status int, has ...string) {
	s.t.Helper()
	got, text := s.as(user, http.MethodPut, path, body)
	require.Equal(s.t, status, got, text)
	for _, part := range has {
		require.Contains(s.t, text, part)
	}
}

func (s *accessSite) reads(user, path string, status int) {
	s.t.Helper()
	got, text := s.as(user, http.MethodGet, path, "")
	require.Equal(s.t, status, got, text)
}

// resyncs judges all documents of notes again, and returns how that went.
func (s *accessSite) resyncs() string {
	s.t.Helper()
	answer, text := s.do(http.MethodPost, s.admin, "/notes/_resync", "", nil)
	require.Equal(s.t, http.StatusOK, answer.StatusCode, text)
	require.Eventually(s.t, func() bool {
		_, text = s.do(http.MethodGet, s.admin, "/notes/_resync", "", nil)
		return strings.Contains(text, `"completed"`)
	}, 10*time.Second, 10*time.Millisecond)
	return text
}

// follows returns what a user is told by the feed of notes since the last time: the documents' IDs, "-" before one that is
// lost.
func (s *accessSite) follows(user string) func() []string {
	since := "0"
	return func() (ids []string) {
		s.t.Helper()
		status, text := s.as(user, http.MethodGet, "/notes/_changes?since="+since, "")
		require.Equal(s.t, http.StatusOK, status, text)
		var page struct {
			Results []struct {
				ID               string          `json:"id"`
				Removed, Revoked json.RawMessage `json:",omitempty"`
			} `json:"results"`
			LastSeq json.RawMessage `json:"last_seq"`
		}
		require.NoError(s.t, json.Unmarshal([]byte(text), &page), text)
		for _, row := range page.Results {
			lost := ""
			if row.Removed != nil || row.Revoked != nil {
				lost = "-"
			}
			ids = append(ids, lost+row.ID)
		}
		since = strings.Trim(string(page.LastSeq), `"`)
		return ids
	}
}

func (s *accessSite) logged() string {
	s.t.Helper()
	text, err := os.ReadFile(s.log)
	require.NoError(s.t, err)
	return string(text)
}

func writeFunction(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

// lookAgain looks at the sync functions of the running configuration now, and not within
// five seconds.
func lookAgain(t *testing.T) {
	t.Helper()
	a := handles()[0].newest()
	require.NotNil(t, a)
	a.policies.each(func(p *collectionPolicy) {
		if p.watch != nil {
			p.watch.Check(0)
		}
	})
}

func TestEachPolicyDecidesWhoSeesWhat(t *testing.T) {
	s := newAccessSite(t)
	file := filepath.Join(t.TempDir(), "lists.sync.js")
	writeFunction(t, file, `function (doc, oldDoc) {
	requireUser((oldDoc || doc).owner);
	channel('list:' + doc._id);
	access(doc.members, 'list:' + doc._id);
	console.log('judged', doc._id);
}`)
	require.NoError(t, s.load(s.with(`database usual
		database everybody {
			access shared
		}
		database mine {
			access private
		}
		database teams {
			access channels
			guest {
				channels news
				read_only
			}
		}
		database lists {
			sync_function `+file+`
		}`)))

	for _, database := range []string{"/usual", "/everybody"} {
		s.writes("alice", database+"/a", `{}`, 201)
		s.reads("bob", database+"/a", 200)
	}

	s.writes("alice", "/mine/a", `{}`, 201)
	s.reads("alice", "/mine/a", 200)
	s.reads("bob", "/mine/a", 404)
	s.writes("bob", "/mine/a", `{}`, 409)

	s.writes("alice", "/teams/a", `{"channels":["red"]}`, 201)
	s.writes("alice", "/teams/b", `{"channels":"news"}`, 201)
	s.reads("bob", "/teams/a", 404)
	s.give("bob", "teams", `["red"]`)
	s.reads("bob", "/teams/a", 200)
	s.reads("bob", "/teams/b", 404)
	s.reads("", "/teams/a", 404)
	s.reads("", "/teams/b", 200)
	s.writes("", "/teams/c", `{"channels":"news"}`, 403, "Anonymous access is read-only.")
	s.writes("", "/teams/_local/c", `{}`, 403)

	s.writes("bob", "/lists/a", `{"owner":"alice"}`, 403, "sg wrong user")
	s.writes("alice", "/lists/a", `{"owner":"alice","members":["alice","bob"]}`, 201)
	s.reads("bob", "/lists/a", 200)
	s.reads("carol", "/lists/a", 404)
	_, session := s.as("bob", http.MethodGet, "/lists/_session", "")
	require.Contains(t, session, `"list:a":`, "users are told what documents give")
	require.Contains(t, s.logged(), `"logger":"sync.function"`)
	require.Contains(t, s.logged(), `"text":"judged a"`)

	registry := prometheus.NewRegistry()
	require.NoError(t, handles()[0].metrics.register(registry))
	labelled := labelledMetrics(t, registry)
	require.InDelta(t, 1, labelled["caddy_sync_policy_rejections_total lists _default"], 0)
	require.InDelta(t, 2, labelled["caddy_sync_function_seconds lists _default"], 0)
	require.Contains(t, labelled, "caddy_sync_function_timeouts_total lists _default")
	require.NotContains(t, labelled, "caddy_sync_function_timeouts_total mine _default")
}

// labelledMetrics are the metrics that have labels, by name and labels.
func labelledMetrics(t *testing.T, registry *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	require.NoError(t, err)
	values := make(map[string]float64)
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			labels := map[string]string{}
			for _, label := range metric.GetLabel() {
				labels[label.GetName()] = label.GetValue()
			}
			if len(labels) > 0 {
				name := family.GetName() + " " + labels["database"] + " " + labels["collection"]
				values[name] = metric.GetCounter().GetValue() + float64(metric.GetHistogram().GetSampleCount())
			}
		}
	}
	return values
}

func TestDecision17_SyncFunctionIsReadAgain(t *testing.T) {
	s := newAccessSite(t)
	file := filepath.Join(t.TempDir(), "notes.sync.js")
	writeFunction(t, file, `function (doc) { throw({forbidden: 'closed for now'}); }`)
	config := s.with("database notes {\n sync_function " + file + "\n}")
	require.NoError(t, s.load(config))
	s.writes("alice", "/notes/a", `{}`, 403, "closed for now")

	writeFunction(t, file, "function (doc) {\n  channel('!');\n}")
	lookAgain(t)
	s.writes("alice", "/notes/a", `{}`, 201)
	s.reads("bob", "/notes/a", 200)
	require.NotContains(t, s.logged(), "_resync", "there was no document yet")

	writeFunction(t, file, "function (doc) {\n  channel(;\n}")
	lookAgain(t)
	s.writes("alice", "/notes/b", `{}`, 201)
	require.Contains(t, s.logged(), "has changed for the worse")
	require.Contains(t, s.logged(), file+":2:11: ")

	writeFunction(t, file, "(doc) => { channel('c') }")
	lookAgain(t)
	s.writes("alice", "/notes/c", `{}`, 201)
	s.reads("alice", "/notes/c", 404)
	require.Contains(t, s.logged(), "POST /notes/_resync on the administrator's site")

	before := strings.Count(s.logged(), "POST /notes/_resync")
	require.NoError(t, s.load(s.with("database notes {\n sync_function "+file+"\n session {\n lifetime 1h\n }\n}")))
	require.Equal(t, before+1, strings.Count(s.logged(), "POST /notes/_resync"), "at each start until it is done")
}

// Where a new function asks writers for channels that only it gives, nobody has these before the resync: devices would be
// refused, and give their documents up. They are told to come again while the database is offline, and a resync goes on.
func TestDecision17_AFunctionIsChangedOfflineWithItsResync(t *testing.T) {
	s := newAccessSite(t)
	file := filepath.Join(t.TempDir(), "notes.sync.js")
	function := func(channel, asks string) {
		t.Helper()
		text := "function (doc) { const it = CHANNEL + (doc.list || doc._id); if (!doc.list) access(doc.owner, it); else ASKS(it); channel(it); }"
		writeFunction(t, file, strings.NewReplacer("CHANNEL", "'"+channel+"'", "ASKS", asks).Replace(text))
	}
	function("old:", "String")
	require.NoError(t, s.load(s.with("database notes {\n sync_function "+file+"\n}")))
	s.writes("alice", "/notes/zoo", `{"owner":"alice"}`, 201)
	for n := range 3 {
		s.writes("alice", fmt.Sprint("/notes/", n), `{"list":"zoo"}`, 201)
	}
	rows := s.follows("alice")
	require.Equal(t, []string{"zoo", "0", "1", "2"}, rows())
	admin := func(path string) {
		t.Helper()
		answer, text := s.do(http.MethodPost, s.admin, path, "", nil)
		require.Equal(t, http.StatusOK, answer.StatusCode, text)
	}
	admin("/notes/_offline")
	function("new:", "requireAccess")
	lookAgain(t)
	s.writes("alice", "/notes/3", `{"list":"zoo"}`, 503)
	require.Contains(t, s.resyncs(), `"docs_changed":4`)
	admin("/notes/_online")
	s.writes("alice", "/notes/3", `{"list":"zoo"}`, 201)
	require.ElementsMatch(t, []string{"zoo", "0", "1", "2", "3"}, rows(), "and none is lost and given again")
}

// Who followed by a policy that showed them some documents, and comes to see all by another one, is told of the others by
// a resync: also of those that were in no channel. The log asks for one until it is done, and not where nothing changed.
func TestWhoComesToSeeEverythingIsToldOfItByAResync(t *testing.T) {
	s := newAccessSite(t)
	file := filepath.Join(t.TempDir(), "notes.sync.js")
	writeFunction(t, file, "function (doc) { if (doc.by) channel('user:' + doc.by); }")
	restricted, shared := s.with("database notes {\n sync_function "+file+"\n}"), s.with("database notes {\n access shared\n}")
	require.NoError(t, s.load(restricted))
	s.give("bob", "notes", `["user:bob"]`)
	s.writes("bob", "/notes/bobs", `{"by":"bob"}`, 201)
	s.writes("alice", "/notes/alices", `{"by":"alice"}`, 201)
	s.writes("alice", "/notes/nobodys", `{}`, 201)
	told := s.follows("bob")
	require.Equal(t, []string{"bobs"}, told())

	require.NoError(t, s.load(shared))
	s.reads("bob", "/notes/nobodys", 200)
	require.Empty(t, told())
	require.Equal(t, 1, strings.Count(s.logged(), "everybody sees every document now"))
	s.writes("bob", "/notes/more", `{}`, 201)
	require.Equal(t, []string{"more"}, told())
	require.NoError(t, s.load(s.with("database notes {\n access shared\n session {\n lifetime 1h\n }\n}")))
	require.Equal(t, 2, strings.Count(s.logged(), "everybody sees every document now"))

	s.resyncs()
	require.ElementsMatch(t, []string{"bobs", "alices", "nobodys", "more"}, told())
	require.NoError(t, s.load(shared))
	s.resyncs()
	require.Empty(t, told(), "they were all told of")

	// The database leaves the configuration for a while.
	require.NoError(t, s.load(s.with("database other {\n access shared\n}")))
	require.NoError(t, s.load(shared))
	require.Equal(t, 2, strings.Count(s.logged(), "everybody sees every document now"))

	// What was written while all saw everything is in no channel by the function that is back.
	require.NoError(t, s.load(restricted))
	require.Contains(t, s.logged(), "the access policy has changed")
	s.reads("bob", "/notes/bobs", 404)
	s.resyncs()
	s.reads("bob", "/notes/bobs", 200)
	require.Equal(t, []string{"bobs"}, told(), "of the others nothing says that he had them")
}

func TestDatabasesMadeAtRunTimeHaveTheirPolicy(t *testing.T) {
	s := newAccessSite(t)
	require.NoError(t, s.load(s.with(`database * {
			access private
			collection items {
				access channels
			}
			guest {
				collection items open
			}
		}`)))
	answer, text := s.do(http.MethodPut, s.admin, "/made", "", nil)
	require.Equal(t, http.StatusCreated, answer.StatusCode, text)
	s.writes("alice", "/made/a", `{}`, 201)
	s.reads("bob", "/made/a", 404)

	store := handles()[0].current().store
	db, err := store.Database("made")
	require.NoError(t, err)
	items, ok := db.Collection("", "items")
	require.True(t, ok)
	require.Equal(t, access.Channels{}.Version(), items.Policy().Version)
	held, err := db.Grants(t.Context(), "", false)
	require.NoError(t, err)
	require.Len(t, held, 1)
	require.Equal(t, "open", held[0].Channel)
	require.NotContains(t, s.logged(), "_resync")

	require.NoError(t, s.load(s.with("database * {\n access private\n}")))
	require.True(t, items.Policy().Closed, "a collection that left the configuration")
	held, err = db.Grants(t.Context(), "", false)
	require.NoError(t, err)
	require.Empty(t, held)
	require.NotContains(t, s.logged(), "_resync", "the documents were judged by the same policy from the start")
}

// A store that is older than the index of grants, or than a collection, has users and roles
// that were given what the index does not have.
func TestTheIndexOfGrantsIsBroughtUpToDate(t *testing.T) {
	s := newAccessSite(t)
	require.NoError(t, s.load(s.with("database notes {\n access channels\n}")))
	o := handles()[0].current()
	db, err := o.store.Database("notes")
	require.NoError(t, err)
	_, err = o.state.PutUser(t.Context(), db.ID(), "alice", auth.UserUpdate{
		AdminChannels: &[]string{"red"},
		Collections:   auth.CollectionGrants{"_default": {"items": {"blue"}}},
	})
	require.NoError(t, err)
	given := func() (channels []string) {
		held, err := db.Grants(t.Context(), "alice", false)
		require.NoError(t, err)
		for _, grant := range held {
			channels = append(channels, grant.Collection+" "+grant.Channel)
		}
		return channels
	}
	require.Equal(t, []string{"_default red"}, given())
	seq := db.Info().Seq
	require.NoError(t, s.load(s.with("database notes {\n access channels\n session {\n lifetime 1h\n }\n}")))
	require.Equal(t, seq, db.Info().Seq)

	require.NoError(t, s.load(s.with("database notes {\n access channels\n collection items\n}")))
	require.ElementsMatch(t, []string{"_default red", "items blue"}, given())

	require.NoError(t, o.store.Records().Update(t.Context(), func(tx syncstore.RecordTx) error {
		tx.SetGrants(db.ID(), "alice", syncstore.GrantedByAdmin, nil)
		tx.Delete(db.ID(), grantedRecord)
		return nil
	}))
	require.Empty(t, given())
	require.NoError(t, s.load(s.with("database notes {\n access channels\n}")))
	require.ElementsMatch(t, []string{"_default red", "items blue"}, given())
}

func TestCollectionsHaveTheirOwnPolicy(t *testing.T) {
	s := newAccessSite(t)
	file := filepath.Join(t.TempDir(), "orders.sync.js")
	writeFunction(t, file, "function (doc) {\n  requireUser(doc.by);\n  channel('orders');\n}")
	config := s.with(`database notes {
			access private
			unreadable forbidden
			collection photos
			collection shop.orders {
				sync_function ` + file + `
			}
		}`)
	require.NoError(t, s.load(config))
	s.writes("alice", "/notes/a", `{}`, 201)
	s.reads("bob", "/notes/a", 403)
	s.reads("bob", "/notes/nothing", 403)
	s.writes("alice", "/notes._default.photos/a", `{}`, 201)
	s.reads("alice", "/notes._default.photos/a", 200)
	s.reads("bob", "/notes._default.photos/a", 403)
	s.writes("alice", "/notes.shop.orders/a", `{"by":"bob"}`, 403, "sg wrong user")
	s.writes("alice", "/notes.shop.orders/a", `{"by":"alice"}`, 201)
	s.reads("alice", "/notes.shop.orders/a", 403)
	s.reads("alice", "/notes.nothing/a", 404)

	const attempt = `{"doc":{"_id":"a","by":"bob"},"userCtx":{"name":"alice"}}`
	answer, text := s.do(http.MethodPost, s.admin, "/notes.shop.orders/_sync", attempt, nil)
	require.Equal(t, http.StatusOK, answer.StatusCode, text)
	require.JSONEq(t, `{"channels":[],"access":{},"roles":{},"status":403,"exception":"sg wrong user","explanation":"bob has to write this, and not alice","log":[]}`, text)
	_, text = s.do(http.MethodPost, s.admin, "/notes/_sync", `{"doc":{"_id":"a"},"userCtx":{"name":"alice"}}`, nil)
	require.Contains(t, text, `"access":{"alice":[`, "words are judged too")
	for bad, says := range map[string]string{
		`{"doc":1}`:                          "doc: document must be a JSON object",
		`{`:                                  "unexpected EOF",
		`{"document":{}}`:                    `the member \"document\" is not known here`,
		`{"doc":{"_rev":"x"}}`:               "_rev",
		`{"doc":{},"userCtx":{"name":5}}`:    "the member userCtx.name has a number where a string belongs",
		`{"doc":{},"userCtx":{"roles":"a"}}`: "the member userCtx.roles has a string where an array belongs",
		`{"doc":{"_attachments":{"x":{"length":""}}}}`: "_attachments: x: the member length has a string where a whole number belongs",
	} {
		answer, text = s.do(http.MethodPost, s.admin, "/notes.shop.orders/_sync", bad, nil)
		require.Equal(t, http.StatusBadRequest, answer.StatusCode, text)
		require.Contains(t, text, says)
		require.NotContains(t, text, "Go struct", bad)
	}
	_, text = s.do(http.MethodGet, s.admin, "/notes.shop.orders/_config/sync", "", nil)
	require.Contains(t, text, "requireUser(doc.by)")

	require.NoError(t, s.load(s.with("database notes {\n access private\n}")))
	require.Eventually(t, func() bool { // the old configuration may answer for a moment
		status, _ := s.as("alice", http.MethodGet, "/notes._default.photos/a", "")
		return status == http.StatusNotFound
	}, 5*time.Second, 10*time.Millisecond)
	answer, _ = s.do(http.MethodGet, s.admin, "/notes._default.photos/a", "", nil)
	require.Equal(t, http.StatusOK, answer.StatusCode, "administrators reach what left the configuration")
	require.NoError(t, s.load(config))
	require.Eventually(t, func() bool {
		status, _ := s.as("alice", http.MethodGet, "/notes._default.photos/a", "")
		return status == http.StatusOK
	}, 5*time.Second, 10*time.Millisecond)
}
