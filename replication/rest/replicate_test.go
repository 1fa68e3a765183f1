package rest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/auth"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// elsewhere is an administrators' site that replications reach over HTTP.
func elsewhere(t *testing.T) (*site, string) {
	t.Helper()
	s := newSite(t, adminSite)
	httpd := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.ServeHTTP(w, r, http.NotFoundHandler())
	}))
	t.Cleanup(httpd.Close)
	return s, httpd.URL
}

// replicating is an administrators' site whose replications end with the test.
func replicating(t *testing.T) *site {
	t.Helper()
	s := newSite(t, adminSite)
	t.Cleanup(s.Replications.Close)
	service, err := auth.New(auth.Config{})
	require.NoError(t, err)
	s.auth = auditing{s.auth, service}
	return s
}

// auditing writes an audit log.
type auditing struct {
	authenticator
	service *auth.Service
}

func (a auditing) Administer(r *http.Request, actor *auth.Principal, db auth.Database) *auth.Administration {
	return a.service.Administer(r, actor, db)
}

func post(name, path, body string, status int, has ...string) scenario {
	return scenario{name: name, method: http.MethodPost, path: path, body: body, status: status, has: has}
}

func TestReplicateOnce(t *testing.T) {
	t.Parallel()
	there, url := elsewhere(t)
	here := replicating(t)
	writeDocs(t, there.db, "a", "b")
	writeDocs(t, here.db, "c")
	w := here.run(post("pull", "/_replicate", `{"source":"`+url+`/notes","target":"notes"}`, 200, `"ok":true`, `"docs_written":2`, `"history":[{"session_id"`))
	var answer replicateAnswer
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer))
	require.False(t, answer.NoChanges)
	here.run(post("again", "/_replicate", `{"source":"`+url+`/notes","target":"notes"}`, 200, `"no_changes":true`))
	here.run(post("push", "/_replicate", `{"source":"notes","target":{"url":"`+url+`/notes/","headers":{"X-One":"1"},"auth":{"basic":{"username":"alice","password":"s3cret"}}},"worker_batch_size":2,"worker_processes":4}`, 200, `"ok":true`))
	for _, s := range []*site{here, there} {
		s.run(scenario{name: "what is there", path: "/notes/_all_docs", has: []string{`"id":"a"`, `"id":"b"`, `"id":"c"`}})
	}
	require.Empty(t, here.Replications.List())
}

// The sequences of a store's second database begin high, and its feed has them as "2-1".
func TestReplicationsTellOfTheSourceSequencesAsItsFeed(t *testing.T) {
	t.Parallel()
	_, url := elsewhere(t)
	here := replicating(t)
	second, err := here.Store.CreateDatabase(t.Context(), "second")
	require.NoError(t, err)
	writeDocs(t, second, "a", "b")
	feed := here.run(scenario{path: "/second/_changes"})
	var changes struct {
		Last string `json:"last_seq"`
	}
	require.NoError(t, json.Unmarshal(feed.Body.Bytes(), &changes))
	require.Regexp(t, "^2-[0-9]+$", changes.Last)
	raw := syncstore.At(second.Info().Seq).String()
	body := `{"source":"second","target":"` + url + `/notes"`
	once := post("once", "/_replicate", body+`}`, 200, `"source_last_seq":"`+changes.Last+`"`, `"end_last_seq":"`+changes.Last+`"`, `"recorded_seq":"`+changes.Last+`"`)
	once.hasNot = []string{raw}
	here.run(once)
	once.name, once.has = "nothing since", []string{`"no_changes":true`, `"source_last_seq":"` + changes.Last + `"`, `"start_last_seq":"` + changes.Last + `"`}
	here.run(once)
	here.run(post("from now on", "/_replicate", body+`,"continuous":true}`, 202))
	require.Eventually(t, func() bool {
		return strings.Contains(here.send(scenario{path: "/_active_tasks"}).Body.String(), `"checkpointed_source_seq":"`+changes.Last+`"`)
	}, 10*time.Second, 5*time.Millisecond)
	here.runAll([]scenario{
		{name: "task", path: "/_active_tasks", hasNot: []string{raw}},
		{name: "job", path: "/_scheduler/jobs", has: []string{`"checkpointed_source_seq":"` + changes.Last + `"`}, hasNot: []string{raw}},
		{name: "status", path: "/second/_replicationStatus/", has: []string{`"last_seq_push":"` + changes.Last + `"`}, hasNot: []string{raw}},
		post("end", "/_replicate", body+`,"continuous":true,"cancel":true}`, 200),
	})
}

func TestReplicateMakesTheTarget(t *testing.T) {
	t.Parallel()
	there, url := elsewhere(t)
	here := replicating(t)
	writeDocs(t, there.db, "a")
	here.run(post("not asked for", "/_replicate", `{"source":"`+url+`/notes","target":"copy"}`, 404, "no_db_file"))
	here.run(post("here", "/_replicate", `{"source":"`+url+`/notes","target":"copy","create_target":true}`, 200))
	here.run(scenario{name: "made here", path: "/copy/a"})
	here.run(post("there, not asked for", "/_replicate", `{"source":"copy","target":"`+url+`/copy"}`, 502, "replication_failed", "no_db_file"))
	here.run(post("there", "/_replicate", `{"source":"copy","target":"`+url+`/copy","create_target":true}`, 200))
	there.run(scenario{name: "made there", path: "/copy/a"})
}

// A target that a replication makes is a database as one that PUT makes.
func TestTheTargetThatAReplicationMakesIsLimitedAndAudited(t *testing.T) {
	t.Parallel()
	_, url := elsewhere(t)
	here := replicating(t)
	core, logged := observer.New(zapcore.InfoLevel)
	service, err := auth.New(auth.Config{Audit: zap.New(core)})
	require.NoError(t, err)
	here.auth = auditing{here.auth, service}
	here.Limits.Databases = 2
	body := func(target, more string) string {
		return `{"source":"` + url + `/notes","target":"` + target + `","create_target":true` + more + `}`
	}
	here.run(post("not to be made for an end", "/_replicate", body("copy", `,"cancel":true`), 404, "no_db_file"))
	here.run(post("made", "/_replicate", body("copy", ""), 200))
	here.run(post("one too many", "/_replicate", body("third", ""), 503, "There are 2 databases, and the server may have 2"))
	here.run(post("there already", "/_replicate", body("copy", ""), 200))
	require.Equal(t, []string{"copy", "notes"}, here.Store.Databases())
	made := logged.FilterMessage(string(auth.DatabaseCreated)).All()
	require.Len(t, made, 1)
	require.Equal(t, "copy", made[0].ContextMap()["database"])
}

func TestReplicateFromNowOn(t *testing.T) {
	t.Parallel()
	there, url := elsewhere(t)
	here := replicating(t)
	body := `{"source":"` + strings.Replace(url, "http://", "http://alice:s3cret@", 1) + `/notes","target":"notes","continuous":true`
	w := here.run(post("begin", "/_replicate", body+`}`, 202, `+continuous"`))
	var begun struct {
		ID string `json:"_local_id"`
	}
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &begun))
	here.run(post("begun already", "/_replicate", body+`}`, 202, begun.ID))
	writeDocs(t, there.db, "a")
	// A document can be read a moment before it is counted.
	require.Eventually(t, func() bool {
		return strings.Contains(here.send(scenario{path: "/_scheduler/jobs"}).Body.String(), `"docs_written":1`)
	}, 10*time.Second, 5*time.Millisecond)
	here.run(scenario{name: "replicated", path: "/notes/a"})
	here.run(scenario{name: "task", path: "/_active_tasks", has: []string{`"type":"replication"`, `"replication_id":"` + begun.ID, `"source":"` + url}, hasNot: []string{"s3cret"}})
	here.run(scenario{name: "job", path: "/_scheduler/jobs", has: []string{`"total_rows":1`, begun.ID, `"docs_written":1`}, hasNot: []string{"s3cret"}})
	here.run(scenario{name: "status", path: "/notes/_replicationStatus/", has: []string{begun.ID, `"status":"running"`, `"direction":"pull"`, `"last_seq_pull"`}, hasNot: []string{"s3cret"}})
	here.run(scenario{name: "one", path: "/notes/_replicationStatus/" + begun.ID, has: []string{`"docs_read":1`}})
	here.run(scenario{name: "another", path: "/notes/_replicationStatus/none", status: 404})
	here.run(post("once, while it goes on", "/_replicate", strings.Replace(body, "true", "false", 1)+`}`, 409))
	here.run(post("end", "/_replicate", body+`,"cancel":true}`, 200, begun.ID))
	here.run(post("ended", "/_replicate", `{"cancel":true,"replication_id":"`+begun.ID+`"}`, 404))
	here.run(scenario{name: "no task", path: "/_active_tasks", has: []string{"[]"}})
}

func TestReplicateRefuses(t *testing.T) {
	t.Parallel()
	_, url := elsewhere(t)
	here := replicating(t)
	there := `"` + url + `/notes"`
	for body, want := range map[string]struct {
		status int
		has    string
	}{
		`x`: {400, "The body must be like"},
		`{"source":"notes","target":` + there + `,"since_seq":3}`: {400, "since_seq"},
		`[]`: {400, "an array where an object belongs"},
		`{"source":"notes","target":` + there + `,"query_params":{"a":1}}`:                  {400, "the member query_params has a number where a string belongs"},
		`{"source":"notes","target":` + there + `,"query_params":{"channels":["board"]}}`:   {400, "the member query_params has an array where a string belongs"},
		`{"source":"notes","target":` + there + `,"channels":"board"}`:                      {400, "the member channels has a string where an array belongs"},
		`{"source":"notes","target":5}`:                                                     {400, "source and target are each"},
		`{"source":"notes","target":{"url":` + there + `,"auth":{"basic":{"username":1}}}}`: {400, "the member target.auth.basic.username has a number where a string belongs"},
		`{"source":"notes","target":{"url":` + there + `,"more":1}}`:                        {400, `the member \"more\" is not known here`},
		`{"source":"notes"}`:                                                                                                                           {400, "source and target"},
		`{"source":"notes","target":"notes2"}`:                                                                                                         {501, "not replicated with one another"},
		`{"source":` + there + `,"target":` + there + `}`:                                                                                              {501, "must be a database of this server"},
		`{"source":"notes","target":` + there + `,"selector":{"a":1}}`:                                                                                 {501, "selector"},
		`{"source":"notes","target":` + there + `,"selector":{"a":1},"doc_ids":["a"]}`:                                                                 {400, "exclude"},
		`{"source":"notes","target":` + there + `,"filter":"app/f"}`:                                                                                   {501, "sync_gateway/bychannel"},
		`{"source":"notes","target":` + there + `,"filter":"sync_gateway/bychannel"}`:                                                                  {400, "needs channels"},
		`{"source":"notes","target":` + there + `,"query_params":{"a":"b"}}`:                                                                           {501, "query_params"},
		`{"source":"none","target":` + there + `}`:                                                                                                     {404, "no_db_file"},
		`{"source":"notes.none","target":` + there + `}`:                                                                                               {404, "missing"},
		`{"source":"notes","target":"file:///etc/passwd"}`:                                                                                             {400, "http://"},
		`{"source":"notes","target":"http://alice:s3cret@exa mple/db"}`:                                                                                {400, "not the URL"},
		`{"source":"notes","target":{"url":` + there + `,"headers":{"Host":"x"}}}`:                                                                     {400, "headers"},
		`{"source":"notes","target":{"url":` + there + `,"headers":{"Authorization":"Digest s3cret"}}}`:                                                {400, "Basic or Bearer"},
		`{"source":"notes","target":"http://alice:s3cret@127.0.0.1:1/db"}`:                                                                             {502, "cannot be reached"},
		`{"cancel":true,"source":"notes","target":` + there + `}`:                                                                                      {404, "no such replication"},
		`{"source":"notes","target":` + there + `,"worker_batch_size":-1}`:                                                                             {400, "worker_batch_size"},
		`{"source":"notes","target":` + there + `,"channels":["a,b"]}`:                                                                                 {400, "channel"},
		`{"source":"notes","target":{"url":` + there + `,"headers":{"Authorization":"Basic czNjcmV0OnMzY3JldA=="}},"query_params":{"channels":"a,b"}}`: {200, `"ok":true`},
	} {
		here.run(scenario{name: body, method: http.MethodPost, path: "/_replicate", body: body, status: want.status, has: []string{want.has}, hasNot: []string{"s3cret"}})
	}
	newSite(t).run(post("by a user", "/_replicate", `{"source":"notes","target":`+there+`}`, 404))
}
