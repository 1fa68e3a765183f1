package movein_test

import (
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/movein"
	"github.com/stretchr/testify/require"
)

// couch answers as CouchDB 3.5 is documented to: opaque sequences in strings, pending, text that is kept compressed, a
// list of local documents, _security and _users.
type couch struct {
	docs     map[string]string // by ID and revision
	rows     []string          // of the feed
	packed   []byte
	text     string
	security string
	admin    string // the value of Authorization that is an administrator's
}

func newCouch() *couch {
	c := &couch{text: strings.Repeat("what is long is kept compressed ", 4000), admin: "Basic YWRtaW46c2VjcmV0"}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write([]byte(c.text))
	_ = w.Close()
	c.packed = packed.Bytes()
	sum := md5.Sum(c.packed)
	c.docs = map[string]string{
		"note 2-b": `{"_id":"note","_rev":"2-b","n":9007199254740993,"_revisions":{"start":2,"ids":["b","a"]}}`,
		"note 2-a": `{"_id":"note","_rev":"2-a","n":1,"_revisions":{"start":2,"ids":["a","a"]}}`,
		"gone 3-c": `{"_id":"gone","_rev":"3-c","_deleted":true,"_revisions":{"start":3,"ids":["c","b","a"]}}`,
		"text 1-d": fmt.Sprintf(`{"_id":"text","_rev":"1-d","_revisions":{"start":1,"ids":["d"]},"_attachments":{"a.txt":{"content_type":"text/plain","revpos":1,`+
			`"digest":"md5-%s","length":%d,"stub":true,"encoding":"gzip","encoded_length":%d}}}`, base64.StdEncoding.EncodeToString(sum[:]), len(c.text), len(c.packed)),
		"_design/app 1-e": `{"_id":"_design/app","_rev":"1-e","language":"javascript","views":{"all":{"map":"function (doc) { emit(doc._id, null) }"}},` +
			`"shows":{"x":"function () {}"},"_revisions":{"start":1,"ids":["e"]}}`,
	}
	c.rows = []string{
		`{"seq":"1-g1AAAACbeJ","id":"note","changes":[{"rev":"2-b"},{"rev":"2-a"}]}`,
		`{"seq":"2-g1AAAACbeJ","id":"gone","changes":[{"rev":"3-c"}],"deleted":true}`,
		`{"seq":"3-g1AAAACbeJ","id":"text","changes":[{"rev":"1-d"}]}`,
		`{"seq":"4-g1AAAACbeJ","id":"_design/app","changes":[{"rev":"1-e"}]}`,
	}
	return c
}

func (c *couch) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	refuse := func(status int, name, reason string) {
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"error":%q,"reason":%q}`, name, reason)
	}
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		refuse(http.StatusMethodNotAllowed, "method_not_allowed", "Only GET and POST are expected: nothing is to be written.")
		return
	}
	if strings.HasPrefix(r.URL.Path, "/_users") || strings.HasSuffix(r.URL.Path, "/_security") {
		if r.Header.Get("Authorization") != c.admin {
			refuse(http.StatusForbidden, "forbidden", "You are not a server admin.")
			return
		}
	}
	switch r.URL.Path {
	case "/":
		fmt.Fprint(w, `{"couchdb":"Welcome","version":"3.5.0","git_sha":"11f0d3643","uuid":"0b1f","features":["access-ready","partitioned"],"vendor":{"name":"The Apache Software Foundation"}}`)
	case "/notes":
		fmt.Fprint(w, `{"instance_start_time":"1700000000","db_name":"notes","purge_seq":"0-g1AA","update_seq":"4-g1AAAACbeJ","sizes":{"file":1,"external":1,"active":1},`+
			`"props":{},"doc_del_count":1,"doc_count":3,"disk_format_version":8,"compact_running":false,"cluster":{"q":2,"n":1,"w":1,"r":1}}`)
	case "/notes/_changes":
		c.changes(w, r)
	case "/notes/_bulk_get":
		c.bulkGet(w, r)
	case "/notes/_all_docs":
		if r.Method == http.MethodGet {
			fmt.Fprintf(w, `{"total_rows":3,"offset":0,"rows":[{"id":"_design/app","key":"_design/app","value":{"rev":"1-e"},"doc":%s}]}`, c.docs["_design/app 1-e"])
			return
		}
		fmt.Fprint(w, `{"total_rows":3,"rows":[{"id":"note","key":"note","value":{"rev":"2-b"}},{"id":"gone","key":"gone","value":{"rev":"3-c","deleted":true},"doc":null}]}`)
	case "/notes/_local_docs":
		list(w, r, `{"id":"_local/app","key":"_local/app","value":{"rev":"0-1"},"doc":{"_id":"_local/app","_rev":"0-1","k":1}}`,
			`{"id":"_local/purge-mrview-1","key":"_local/purge-mrview-1","value":{"rev":"0-1"},"doc":{"_id":"_local/purge-mrview-1","_rev":"0-1","purge_seq":1}}`)
	case "/notes/_security":
		fmt.Fprint(w, c.security)
	case "/_users/_all_docs":
		c.users(w, r)
	case "/notes/text/a.txt":
		if r.Header.Get("Accept-Encoding") == "gzip" {
			w.Header().Set("Content-Encoding", "gzip")
		}
		_, _ = w.Write(c.packed)
	default:
		refuse(http.StatusNotFound, "not_found", "missing")
	}
}

// list answers with the rows from startkey on.
func list(w http.ResponseWriter, r *http.Request, rows ...string) {
	rows = slices.DeleteFunc(rows, func(text string) bool {
		var row struct{ ID string }
		_ = json.Unmarshal([]byte(text), &row)
		return strconv.Quote(row.ID) < r.URL.Query().Get("startkey")
	})
	limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
	fmt.Fprintf(w, `{"total_rows":null,"offset":null,"rows":[%s]}`, strings.Join(rows[:min(limit, len(rows))], ","))
}

func (c *couch) changes(w http.ResponseWriter, r *http.Request) {
	since, _, _ := strings.Cut(r.URL.Query().Get("since"), "-")
	from, _ := strconv.Atoi(since)
	limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
	if limit == 0 {
		limit = len(c.rows)
	}
	to := min(from+limit, len(c.rows))
	fmt.Fprintf(w, "{\"results\":[\n%s\n],\n\"last_seq\":\"%d-g1AAAACbeJ\",\"pending\":%d}\n", strings.Join(c.rows[from:to], ",\n"), to, len(c.rows)-to)
}

func (c *couch) bulkGet(w http.ResponseWriter, r *http.Request) {
	var asked struct{ Docs []struct{ ID, Rev string } }
	_ = json.NewDecoder(r.Body).Decode(&asked)
	fmt.Fprint(w, `{"results": [`)
	for i, one := range asked.Docs {
		if i > 0 {
			fmt.Fprint(w, ",")
		}
		answer := fmt.Sprintf(`{"error":{"id":%q,"rev":%q,"error":"not_found","reason":"missing"}}`, one.ID, one.Rev)
		if doc := c.docs[one.ID+" "+one.Rev]; doc != "" {
			answer = `{"ok":` + doc + `}`
		}
		fmt.Fprintf(w, `{"id": %q, "docs": [%s]}`, one.ID, answer)
	}
	fmt.Fprint(w, "]}")
}

// The keys of PBKDF2 for "correct horse", with the salt of users, computed by Python's hashlib: 600 passes of SHA-256, 10
// of SHA-1.
const (
	aliceKey = "cd701093a0f340d2e2b68fcd5f4f879fcacaa3042767f6abbff97874a842cbf9"
	bobKey   = "1dd9186323d8121f512ea8fa1a4e32ae984991c7"
)

// users are of all the kinds of passwords that there were.
func (c *couch) users(w http.ResponseWriter, r *http.Request) {
	user := func(name, roles, more string) string {
		return fmt.Sprintf(`{"id":"org.couchdb.user:%[1]s","key":"org.couchdb.user:%[1]s","value":{"rev":"1-a"},"doc":{"_id":"org.couchdb.user:%[1]s","_rev":"1-a","name":%[1]q,"type":"user","roles":[%[2]s]%[3]s}}`, name, roles, more)
	}
	list(w, r,
		user("alice", `"staff"`, `,"password_scheme":"pbkdf2","pbkdf2_prf":"sha256","iterations":600,"salt":"0123456789abcdef0123456789abcdef","derived_key":"`+aliceKey+`"`),
		user("bob", `"staff","_replicator"`, `,"password_scheme":"pbkdf2","iterations":10,"salt":"0123456789abcdef0123456789abcdef","derived_key":"`+bobKey+`"`),
		user("carol", `"staff"`, `,"password_scheme":"simple","password_sha":"da39a3ee5e6b4b0d3255bfef95601890afd80709","salt":"abc"`),
		user("dave", ``, ``),
		user("erin", `"boss"`, `,"password_scheme":"pbkdf2","pbkdf2_prf":"md5","iterations":10,"salt":"0123456789abcdef","derived_key":"00112233445566778899aabbccddeeff"`))
}

func TestACouchDBIsMovedIn(t *testing.T) {
	t.Parallel()
	there := newCouch()
	there.security = `{"admins":{"names":[],"roles":["_admin","boss"]},"members":{"names":[],"roles":["staff"]}}`
	source := httptest.NewServer(there)
	t.Cleanup(source.Close)
	to := newServer(t)
	o, said := to.from(movein.CouchDB, strings.Replace(source.URL, "http://", "http://admin:secret@", 1)+"/notes")
	o.Batch = 2
	require.NoError(t, movein.Run(t.Context(), o), said)
	require.Contains(t, to.get("/note?conflicts=true"), `"n":9007199254740993`)
	require.Contains(t, to.get("/note?conflicts=true"), `"_conflicts":["2-a"]`)
	require.Contains(t, to.get("/gone?rev=3-c&revs=true"), `"ids":["c","b","a"]`)
	require.Equal(t, there.text, to.get("/text/a.txt"))
	require.Contains(t, to.get("/_local/app"), `"k":1`)
	require.Contains(t, to.get("/_design/app"), `"shows"`)
	require.Equal(t, "[\"alice\",\"bob\",\"carol\",\"erin\"]\n", to.get("/_user/"))
	require.Equal(t, "[\"boss\",\"staff\"]\n", to.get("/_role/"))
	require.Contains(t, to.get("/_user/bob"), `"admin_roles":["staff"]`)
	for _, name := range []string{"alice", "bob"} {
		status, text := to.ask(http.MethodPost, "/_session", `{"name":"`+name+`","password":"correct horse"}`)
		require.Equal(t, http.StatusOK, status, "%s signs in with the password of before: %s", name, text)
	}
	for _, text := range []string{
		`_security: members role "staff"; administrators role "_admin", role "boss"`,
		"_design/app: shows: kept as they are, and not run here",
		`user "carol": the password is NOT taken (its hash is one round of SHA-1`,
		`user "erin": the password is NOT taken (its hash has the scheme "pbkdf2 md5"`,
		"2 users have no password here", "2 users have a password here",
		"1 users of the server may not use the database",
		"all are here: the same winners, leaves, bodies and attachments",
	} {
		require.Contains(t, said.String(), text)
	}
	require.NotContains(t, said.String(), "secret")
}

// Who is no administrator takes the documents, and is told what not.
func TestACouchDBIsMovedInWithoutItsUsers(t *testing.T) {
	t.Parallel()
	source := httptest.NewServer(newCouch())
	t.Cleanup(source.Close)
	to := newServer(t)
	o, said := to.from(movein.CouchDB, source.URL+"/notes")
	require.NoError(t, movein.Run(t.Context(), o), said)
	require.Contains(t, said.String(), "Users are not taken: _security")
	require.Equal(t, "[]\n", to.get("/_user/"))
	require.Contains(t, to.get(""), `"doc_count":3,"doc_del_count":1`)
}
