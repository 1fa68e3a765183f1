package movein_test

import (
	"cmp"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/movein"
	"github.com/stretchr/testify/require"
)

// gateway answers as Sync Gateway 4.2 was seen to, or is documented to: _bulk_get is multipart only (406), open_revs brings
// attachments along, sequences are numbers, documents have _cv, the feed has rows of users, and tombstones are not found in
// _all_docs.
type gateway struct {
	large string
	// parts: _bulk_get answers in parts; without, it is refused whatever is asked, as behind some proxies.
	parts bool
	// noFunction: its collection has Sync Gateway's default sync function.
	noFunction bool
	// guest is the answer for GUEST; guests do not come in if it is empty.
	guest string
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	refuse := func(status int, name, reason string) {
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"error":%q,"reason":%q}`, name, reason)
	}
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		refuse(http.StatusMethodNotAllowed, "Method Not Allowed", "nothing is to be written")
		return
	}
	switch r.URL.Path {
	case "/":
		fmt.Fprint(w, `{"ADMIN":true,"couchdb":"Welcome","vendor":{"name":"Couchbase Sync Gateway","version":"4.2"},"version":"Couchbase Sync Gateway/4.2.0(2000;0f0f0f0) EE","persistent_config":true}`)
	case "/db", "/db.shop.orders":
		fmt.Fprint(w, `{"db_name":"db","update_seq":9,"committed_update_seq":9,"instance_start_time":1795722580000000,"compact_running":false,"purge_seq":0,"disk_format_version":0,"state":"Online","server_uuid":"c0ffee"}`)
	case "/db/_config":
		fmt.Fprint(w, `{"bucket":"b","name":"db","scopes":{"_default":{"collections":{"_default":{}}},"shop":{"collections":{"orders":{"sync":"function(doc){channel(doc.c)}"}}}},"num_index_replicas":0}`)
	case "/db.shop.orders/_config/sync":
		w.Header().Set("Content-Type", "application/javascript")
		if !g.noFunction {
			fmt.Fprint(w, `function(doc){channel(doc.c)}`)
		}
	case "/db/_config/sync":
		refuse(http.StatusNotFound, "not_found", "not found")
	case "/db/_user/":
		fmt.Fprint(w, `["GUEST","alice","carl"]`)
	case "/db/_user/GUEST":
		fmt.Fprint(w, cmp.Or(g.guest, `{"name":"GUEST","disabled":true,"all_channels":["!"]}`))
	case "/db/_user/alice":
		fmt.Fprint(w, `{"name":"alice","email":"alice@example.com","all_channels":["!","a","from-access"],"admin_channels":["a"],"admin_roles":["staff"],"roles":["staff"],`+
			`"collection_access":{"shop":{"orders":{"admin_channels":["o"],"all_channels":["!","o"],"jwt_last_updated":"0001-01-01T00:00:00Z"},"dropped":{"admin_channels":["x"]}}}}`)
	case "/db/_user/carl":
		fmt.Fprint(w, `{"name":"carl","all_channels":["!","j"],"disabled":true,"jwt_issuer":"http://127.0.0.1:5556","jwt_roles":["r1"],"jwt_channels":["j"],"jwt_last_updated":"2026-08-12T10:00:00Z"}`)
	case "/db/_role/":
		fmt.Fprint(w, `["staff"]`)
	case "/db/_role/staff":
		fmt.Fprint(w, `{"name":"staff","all_channels":["!","s"],"admin_channels":["s"]}`)
	case "/db/_changes":
		g.changes(w, r, `{"seq":1,"id":"_user/alice","changes":[]}`, `{"seq":3,"id":"doc","changes":[{"rev":"2-b"},{"rev":"2-a"}]}`,
			`{"seq":5,"id":"gone","deleted":true,"changes":[{"rev":"2-c"}]}`, `{"seq":8,"id":"left","removed":["c"],"changes":[{"rev":"3-f"}]}`, `{"seq":9,"id":"pic","changes":[{"rev":"1-d"}]}`)
	case "/db.shop.orders/_changes":
		g.changes(w, r, `{"seq":7,"id":"order","changes":[{"rev":"1-e"}]}`)
	case "/db/_all_docs":
		fmt.Fprint(w, `{"rows":[{"key":"doc","id":"doc","value":{"rev":"2-b","cv":"1@c0ffee"}},{"key":"gone","error":"not_found","status":404},{"key":"pic","id":"pic","value":{"rev":"1-d"}}],"total_rows":3,"update_seq":9}`)
	case "/db.shop.orders/_all_docs":
		fmt.Fprint(w, `{"rows":[{"key":"order","id":"order","value":{"rev":"1-e"}}],"total_rows":1,"update_seq":9}`)
	case "/db/_bulk_get", "/db.shop.orders/_bulk_get":
		if !g.parts || !strings.Contains(r.Header.Get("Accept"), "multipart") {
			refuse(http.StatusNotAcceptable, "Not Acceptable", "Response is multipart")
			return
		}
		g.bulkGet(w, r)
	case "/db/doc", "/db/gone", "/db/pic", "/db/left", "/db.shop.orders/order":
		g.document(w, r)
	case "/db/pic/blob_/file":
		w.Header().Set("Content-Type", "image/png")
		fmt.Fprint(w, g.large)
	default:
		refuse(http.StatusNotFound, "not_found", "missing")
	}
}

func (g *gateway) changes(w http.ResponseWriter, r *http.Request, rows ...string) {
	var wish struct {
		DocIDs []string `json:"doc_ids"`
	}
	if r.Method == http.MethodPost {
		_ = json.NewDecoder(r.Body).Decode(&wish)
	}
	if r.URL.Query().Get("since") != "0" {
		rows = nil
	}
	fmt.Fprintf(w, "{\"results\":[\n%s\n],\n\"last_seq\":\"9\"}\n", strings.Join(rows, ",\n"))
}

// bulkGet answers a part for each, an error part for what it does not give.
func (g *gateway) bulkGet(w http.ResponseWriter, r *http.Request) {
	var asked struct{ Docs []struct{ ID, Rev string } }
	_ = json.NewDecoder(r.Body).Decode(&asked)
	w.Header().Set("Content-Type", `multipart/mixed; boundary="b0"`)
	for _, one := range asked.Docs {
		kind, text := "application/json", g.docs(`"stub":true`)[one.Rev]
		if text == "" {
			kind, text = `application/json; error="true"`, fmt.Sprintf(`{"id":%q,"rev":%q,"error":"not_found","reason":"missing","status":404}`, one.ID, one.Rev)
		}
		fmt.Fprintf(w, "--b0\r\nContent-Type: %s\r\n\r\n%s\r\n", kind, text)
	}
	fmt.Fprint(w, "--b0--")
}

// docs are by revision, content as told.
func (g *gateway) docs(content string) map[string]string {
	docs := map[string]string{
		"2-b": `{"_id":"doc","_rev":"2-b","_cv":"1@c0ffee","_exp":"2090-01-01T00:00:00Z","_revisions":{"start":2,"ids":["b","a"]},"n":12345678901234567890}`,
		"2-a": `{"_id":"doc","_rev":"2-a","_revisions":{"start":2,"ids":["a","a"]},"n":1}`,
		"2-c": `{"_id":"gone","_rev":"2-c","_deleted":true,"_revisions":{"start":2,"ids":["c","b"]}}`,
		"3-f": `{"_id":"left","_rev":"3-f","_removed":true}`,
		"1-e": `{"_id":"order","_rev":"1-e","_revisions":{"start":1,"ids":["e"]},"c":["o"]}`,
	}
	const stub = `"blob_/file":{"content_type":"image/png","digest":"sha1-%s","length":%d,"revpos":1,"ver":2,%s}`
	sum := sha1Base64(g.large)
	whole := `{"_id":"pic","_rev":"1-d","_revisions":{"start":1,"ids":["d"]},"file":{"@type":"blob","digest":"sha1-` + sum + `"},"_attachments":{` + stub + `}}`
	docs["1-d"] = fmt.Sprintf(whole, sum, len(g.large), content)
	return docs
}

func (g *gateway) document(w http.ResponseWriter, r *http.Request) {
	if rev := r.URL.Query().Get("rev"); rev != "" { // without attachments=true: stubs
		fmt.Fprint(w, g.docs(`"stub":true`)[rev])
		return
	}
	docs := g.docs(`"data":"` + base64.StdEncoding.EncodeToString([]byte(g.large)) + `"`)
	var revs []string
	_ = json.Unmarshal([]byte(r.URL.Query().Get("open_revs")), &revs)
	for i, rev := range revs {
		revs[i] = `{"ok":` + docs[rev] + `}`
	}
	fmt.Fprint(w, "["+strings.Join(revs, ",")+"]")
}

func sha1Base64(text string) string {
	sum := sha1.Sum([]byte(text))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func TestASyncGatewayIsMovedIn(t *testing.T) {
	t.Parallel()
	for name, there := range map[string]*gateway{
		"many at once": {large: strings.Repeat("0123456789abcdef", 10<<10), parts: true}, "an attachment that comes along": {large: strings.Repeat("0123456789abcdef", 10<<10)},
		"one that is too large for that": {large: strings.Repeat("0123456789abcdef", 20<<16)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source := httptest.NewServer(there)
			t.Cleanup(source.Close)
			to := newServer(t, "orders")
			o, said := to.from(movein.SyncGateway, source.URL+"/db")
			require.NoError(t, movein.Run(t.Context(), o), said)
			require.Contains(t, to.get("/doc?conflicts=true&show_exp=true"), `"_exp":"2090-01-01T00:00:00`)
			require.Contains(t, to.get("/doc?conflicts=true"), `"_conflicts":["2-a"]`)
			require.Contains(t, to.get("/doc"), `12345678901234567890`)
			require.Contains(t, to.get("/gone?rev=2-c"), `"_deleted":true`)
			require.Equal(t, there.large, to.get("/pic/blob_%2Ffile"))
			require.Contains(t, to.get("/pic"), sha1Base64(there.large))
			require.Contains(t, to.get(".shop.orders/order"), `"c":["o"]`)
			require.Equal(t, "[\"alice\",\"carl\"]\n", to.get("/_user/"))
			alice := to.get("/_user/alice")
			for _, text := range []string{`"email":"alice@example.com"`, `"admin_channels":["a"]`, `"admin_roles":["staff"]`, `"orders":{"admin_channels":["o"]`} {
				require.Contains(t, alice, text)
			}
			require.NotContains(t, alice, "dropped")
			require.Contains(t, to.get("/_user/carl"), `"disabled":true`)
			require.Contains(t, to.get("/_role/staff"), `"admin_channels":["s"]`)
			for _, text := range []string{
				"default collection shows no sync function of its own. Sync Gateway's default one is `access channels`",
				"the collection shop.orders has a sync function, which is not applied: --save-to",
				`user "carl": signed in at http://127.0.0.1:5556, which is no provider of the database here`,
				"2 users have NONE here", "1 have roles or channels from their tokens",
			} {
				require.Contains(t, said.String(), text)
			}
			require.Equal(t, 2, strings.Count(said.String(), "all are here: the same winners, leaves, bodies and attachments"))
		})
	}
}

func TestTheFunctionThatACollectionHasByDefaultIsMovedIn(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/db", "/db.shop.orders"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			source := httptest.NewServer(&gateway{large: "small", noFunction: true})
			t.Cleanup(source.Close)
			o, said := newServer(t, "orders").from(movein.SyncGateway, source.URL+path)
			if strings.HasSuffix(path, "orders") {
				o.Target.URL = o.Target.URL.JoinPath("../notes.shop.orders")
			}
			saved := make(map[string]string)
			o.Save = func(name, text string) (string, error) {
				saved[name] = text
				return "/etc/caddy/" + name, nil
			}
			require.NoError(t, movein.Run(t.Context(), o), said)
			require.Equal(t, map[string]string{"db.shop.orders.sync.js": "function (doc) { channel(\"orders\") }\n"}, saved)
			require.Contains(t, said.String(), `the collection shop.orders has Sync Gateway's default sync function: all documents are in the channel "orders"`)
			require.Contains(t, said.String(), "\n  collection shop.orders {\n  \tsync_function /etc/caddy/db.shop.orders.sync.js\n  }\n")
		})
	}
}

func TestWhatGuestsMaySeeIsSaidAsTheCaddyfileHasIt(t *testing.T) {
	t.Parallel()
	for guest, want := range map[string]string{
		`{"name":"GUEST","all_channels":["!"]}`: "the database's block\n  guest\n",
		`{"name":"GUEST","admin_channels":["news","front page"],"collection_access":{"shop":{"orders":{"admin_channels":["o"]},"dropped":{"admin_channels":["x"]}}}}`: "the database's block\n" +
			"  guest {\n  \tchannels news \"front page\"\n  \tcollection shop.orders o\n  }\n",
	} {
		source := httptest.NewServer(&gateway{large: "small", guest: guest})
		t.Cleanup(source.Close)
		o, said := newServer(t, "orders").from(movein.SyncGateway, source.URL+"/db")
		require.NoError(t, movein.Run(t.Context(), o), said)
		require.Contains(t, said.String(), want)
	}
}
