package rest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/caddysync/caddy-sync/auth"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

func TestUsers(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.at(o.admin, []scenario{
		{name: "nobody yet", path: "/notes/_user/", has: []string{"[]\n"}, headers: map[string]string{"Cache-Control": "no-store"}},
		{name: "unknown", path: "/notes/_user/alice", status: 404, has: []string{`{"error":"not_found","reason":"missing"}`}},
		{name: "made", method: http.MethodPut, path: "/notes/_user/alice", body: `{"email":"alice@example.com","admin_channels":["b","a","b"]}`, status: 201,
			headers: map[string]string{"Location": "/notes/_user/alice"}},
		{name: "shown", path: "/notes/_user/alice", has: []string{
			`{"name":"alice","email":"alice@example.com","disabled":false,"admin_channels":["a","b"],"all_channels":["!","a","b"],"password_set":false}` + "\n",
		}},
		{name: "head", method: http.MethodHead, path: "/notes/_user/alice", hasNot: []string{"alice"}},
		{name: "changed in part", method: http.MethodPut, path: "/notes/_user/alice", body: `{"name":"alice","disabled":true}`},
		{name: "the rest stayed", path: "/notes/_user/alice", has: []string{`"disabled":true`, `"admin_channels":["a","b"]`, "alice@example.com"}},
		{name: "F96: null is absent", method: http.MethodPut, path: "/notes/_user/alice", body: `{"admin_channels":null,"email":null}`},
		{name: "F96: null changed nothing", path: "/notes/_user/alice", has: []string{`"admin_channels":["a","b"]`, "alice@example.com"}},
		{name: "F96: cleared", method: http.MethodPut, path: "/notes/_user/alice", body: `{"admin_channels":[],"email":""}`},
		{name: "F96: is empty", path: "/notes/_user/alice", has: []string{`"all_channels":["!"]`}, hasNot: []string{"admin_channels", "example.com"}},
		{name: "made by POST", method: http.MethodPost, path: "/notes/_user/", body: `{"name":"bob"}`, status: 201},
		{name: "exists", method: http.MethodPost, path: "/notes/_user", body: `{"name":"bob"}`, status: 409, has: []string{"Already exists"}},
		{name: "POST without a name", method: http.MethodPost, path: "/notes/_user/", body: `{}`, status: 400},
		{name: "renamed", method: http.MethodPut, path: "/notes/_user/bob", body: `{"name":"eve"}`, status: 400, has: []string{"Name mismatch (can't change name)"}},
		{name: "F93: names", path: "/notes/_user/", has: []string{`["alice","bob"]`}},
		{name: "F93: names said so", path: "/notes/_user/?name_only=true", has: []string{`["alice","bob"]`}},
		{name: "F93: details", path: "/notes/_user/?name_only=false", has: []string{
			`[{"name":"alice","email":"","disabled":true},{"name":"bob","email":"","disabled":false}]`,
		}},
		{name: "F93: limit", path: "/notes/_user/?name_only=false&limit=1", has: []string{"alice"}, hasNot: []string{"bob"}},
		{name: "F93: limit of names", path: "/notes/_user/?limit=1", status: 400},
		{name: "F93: bad limit", path: "/notes/_user/?name_only=false&limit=0", status: 400},
		{name: "no such method", method: http.MethodPut, path: "/notes/_user/", body: `{}`, status: 405},
		{name: "gone", method: http.MethodDelete, path: "/notes/_user/bob"},
		{name: "gone already", method: http.MethodDelete, path: "/notes/_user/bob", status: 404},
		{name: "unknown database", path: "/none/_user/", status: 404},
	}...)
}

// A person who is deleted leaves nothing behind that the next of the name could read.
func TestLocalDocumentsGoWithTheirUser(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.collection("s", "c")
	o.put("alice", `{}`)
	o.put("bob", `{}`)
	local := func(session, path string) {
		t.Helper()
		o.at(o.public, scenario{method: http.MethodPut, path: path, body: `{"of":"them"}`, header: cookie(session), status: 201})
	}
	alice, bob := o.session("alice"), o.session("bob")
	for n := range 3 {
		local(alice, fmt.Sprintf("/notes/_local/x%d", n))
	}
	local(alice, "/notes.s.c/_local/x")
	local(bob, "/notes/_local/x")
	o.at(o.admin, scenario{method: http.MethodDelete, path: "/notes/_user/alice"})
	o.put("alice", `{}`)
	alice = o.session("alice")
	o.at(o.public, []scenario{
		{path: "/notes/_local_docs", header: cookie(alice), has: []string{`"rows":[`}, hasNot: []string{"_local/x"}},
		{path: "/notes.s.c/_local/x", header: cookie(alice), status: 404},
		{path: "/notes/_local/x", header: cookie(bob), has: []string{"them"}},
	}...)
}

func TestCollectionAccessOfAnotherTypeIsNamed(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	for _, value := range []string{`5`, `[]`, `{"_default":5}`, `{"_default":{"items":"x"}}`} {
		for _, path := range []string{"/notes/_user/t1", "/notes/_role/t1"} {
			o.at(o.admin, scenario{
				name: value, method: http.MethodPut, path: path, body: `{"collection_access":` + value + `}`, status: 400,
				has: []string{"collection_access must be {"}, hasNot: []string{"The body must be"},
			})
		}
	}
	o.at(o.admin, scenario{name: "a body of another type", method: http.MethodPut, path: "/notes/_user/t1", body: `5`, status: 400, has: []string{"The body must be a JSON object."}})
}

func TestUserBodiesAreStrict(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	for body, says := range map[string]string{
		`{"admin_chanels":["a"]}`:       `\"admin_chanels\"`,
		`{"email":"a@b","email":"c@d"}`: "duplicate",
		`{"disabled":"true"}`:           "disabled",
		`{"admin_channels":"a"}`:        "admin_channels",
		`{"admin_channels":["a,b"]}`:    "Illegal channel name",
		`{"admin_channels":[""]}`:       "Illegal channel name",
		`{"admin_roles":["a/b"]}`:       "Illegal role name",
		`[]`:                            "object",
		``:                              "",
		`{"name":1}`:                    "name",
		`{"email":"nobody"}`:            "email", // F91
		`{"email":"@"}`:                 "email",
		`{"email":"a@b@c"}`:             "email",
		`{"password":""}`:               "password", // F87
		`{"password":"seven77"}`:        "password",
		`{"password":"long enough","password_hash":""}`:        "one of",
		`{"password_hash":"5f4dcc3b5aa765d61d8327deb882cf99"}`: "argon2id",
		`{"password_set":true}`:                                "password_set",
		`{"jwt_issuer":"https://nobody.example"}`:              "No provider",
		`{"collection_access":{"s":{"c":{"chanels":[]}}}}`:     "chanels",
		`{"collection_access":{"s":{"c/d":{}}}}`:               "collection",
		`{"collection_access":[]}`:                             "",
	} {
		o.at(o.admin, scenario{name: body, method: http.MethodPut, path: "/notes/_user/alice", body: body, status: 400, has: []string{says},
			header: map[string]string{"Content-Type": "application/json"}})
	}
	o.at(o.admin, scenario{name: "another type", method: http.MethodPut, path: "/notes/_user/alice", body: `{}`, status: 415,
		header: map[string]string{"Content-Type": "text/plain"}})
	o.at(o.admin, scenario{name: "no type", method: http.MethodPut, path: "/notes/_user/alice", body: `{}`, status: 415,
		header: map[string]string{"Content-Type": ""}})
	o.at(o.admin, scenario{name: "nothing was made", path: "/notes/_user/", has: []string{"[]"}})
}

func TestF38_ReadOnlyMembersMayBeSaidAgain(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.collection("s", "c")
	token := o.issuer.token("carl", map[string]any{"roles": []string{"r1"}, "channels": []string{"c2", "c1"}, "email": "carl@example.com"})
	o.at(o.public, scenario{path: "/notes", header: bearer(token)})
	o.put("carl", `{"admin_channels":["mine"],"collection_access":{"s":{"c":{"admin_channels":["x"]}}}}`)
	w := o.at(o.admin, scenario{path: "/notes/_user/carl"})
	carl := o.user("carl")
	require.Equal(t, o.issuer.url, carl["jwt_issuer"])
	require.Equal(t, []any{"r1"}, carl["jwt_roles"])
	require.Equal(t, []any{"r1"}, carl["roles"])
	require.Equal(t, []any{"c2", "c1"}, carl["jwt_channels"])
	require.Equal(t, []any{"!", "c1", "c2", "mine"}, carl["all_channels"])
	require.Equal(t, []any{map[string]any{"issuer": o.issuer.url, "subject": "carl"}}, carl["identities"])
	require.Contains(t, w.Body.String(), `"collection_access":{"s":{"c":{"admin_channels":["x"],"all_channels":["!","c1","c2","x"]}}}`)
	o.at(o.admin, []scenario{
		{name: "what GET answers can be sent", method: http.MethodPut, path: "/notes/_user/carl", body: w.Body.String()},
		{name: "nothing changed", path: "/notes/_user/carl", has: []string{w.Body.String()}},
	}...)
	for member, value := range map[string]any{
		"all_channels": []string{"!", "more"}, "roles": []string{"admin"}, "jwt_roles": []string{"admin"}, "jwt_channels": []string{"*"},
		"jwt_issuer": "https://other.example", "jwt_last_updated": "2020-01-01T00:00:00Z", "identities": []any{},
		"collection_access": map[string]any{"s": map[string]any{"c": map[string]any{"all_channels": []string{"*"}}}},
	} {
		body, err := json.Marshal(map[string]any{member: value})
		require.NoError(t, err)
		o.at(o.admin, scenario{name: member, method: http.MethodPut, path: "/notes/_user/carl", body: string(body), status: 400, has: []string{"read-only"}})
		if member == "identities" {
			continue // a new user has none, and that may be said
		}
		o.at(o.admin, scenario{name: "of a new user: " + member, method: http.MethodPut, path: "/notes/_user/new", body: string(body), status: 400})
	}
	// An order of lists is no change.
	o.at(o.admin, scenario{method: http.MethodPut, path: "/notes/_user/carl", body: `{"all_channels":["mine","c2","c1","!"]}`})
	o.at(o.admin, scenario{path: "/notes/_user/carl", has: []string{w.Body.String()}})
}

func TestF36_GrantsOfAnotherIssuerAreHidden(t *testing.T) {
	t.Parallel()
	o := newOffice(t, func(c *auth.Config) {
		c.Databases = append(c.Databases, auth.Policy{Name: "plain", PasswordAuth: true})
	})
	o.at(o.admin, scenario{method: http.MethodPut, path: "/plain", status: 201})
	// Imported before the provider was taken away.
	db, err := o.admin.Store.Database("plain")
	require.NoError(t, err)
	issuer := o.issuer.url
	_, err = o.state.PutUser(t.Context(), db.ID(), "carl", auth.UserUpdate{TokenIssuer: &issuer})
	require.NoError(t, err)
	o.at(o.admin, scenario{path: "/plain/_user/carl", hasNot: []string{"jwt_"}})
}

func TestF90_UserNames(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	for _, name := range []string{"foo#bar", "foo?bar", "$foo$bar", "_sync-foobar", "a%2Fb%40c+d", "127.0.0.1%3A5556_bob", "Jürgen ß", "auth0|x", "..a"} {
		path := "/notes/_user/" + url.PathEscape(name)
		o.at(o.admin, []scenario{
			{name: name, method: http.MethodPut, path: path, body: `{}`, status: 201, headers: map[string]string{"Location": path}},
			{name: name, path: path},
		}...)
		require.Equal(t, name, o.user(url.PathEscape(name))["name"])
		o.at(o.public, scenario{name: name, path: "/notes", header: cookie(o.session(name))})
		o.at(o.admin, scenario{name: name, method: http.MethodDelete, path: path})
	}
	for _, name := range []string{"a/b", "a:b", "a,b", "a`b", "---", strings.Repeat("x", 240), "a\nb", "\xff1"} {
		text, err := json.Marshal(name)
		require.NoError(t, err)
		o.at(o.admin, scenario{name: name, method: http.MethodPut, path: "/notes/_user/" + url.PathEscape(name), body: `{}`, status: 400, has: []string{"invalid name"}})
		o.at(o.admin, scenario{name: name, path: "/notes/_user/" + url.PathEscape(name), status: 404})
		if name != "\xff1" {
			o.at(o.admin, scenario{name: name, method: http.MethodPost, path: "/notes/_user/", body: `{"name":` + string(text) + `}`, status: 400, has: []string{"invalid name"}})
		}
	}
	o.at(o.admin, scenario{path: "/notes/_user/", has: []string{"[]"}})
}

func TestDecision1_ImportedUsersBindToTheirIssuer(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	password := o.secret("a password that stays")
	o.put("dora", `{"jwt_issuer":"`+o.issuer.url+`","password":"`+password+`"}`)
	o.put("erik", `{"password":"`+password+`"}`)
	require.Equal(t, o.issuer.url, o.user("dora")["jwt_issuer"])
	o.at(o.public, []scenario{
		{name: "becomes the imported user", path: "/notes/_session", header: bearer(o.issuer.token("dora", nil)), has: []string{`"name":"dora"`}},
		{name: "takes nobody over", path: "/notes/_session", header: bearer(o.issuer.token("erik", nil)), status: 403},
		{name: "nor does another with the name", path: "/notes/_session", header: bearer(o.issuer.token("second", map[string]any{"preferred_username": "dora"})), status: 403},
	}...)
	o.at(o.admin, []scenario{
		{name: "bound", method: http.MethodPut, path: "/notes/_user/dora", body: `{"jwt_issuer":""}`, status: 400, has: []string{"read-only"}},
		{name: "said again", method: http.MethodPut, path: "/notes/_user/dora", body: `{"jwt_issuer":"` + o.issuer.url + `"}`},
		{name: "first use", method: http.MethodPut, path: "/notes/_user/erik", body: `{"first_use":true}`},
	}...)
	o.at(o.public, scenario{name: "an administrator allowed it", path: "/notes/_session", header: bearer(o.issuer.token("erik", nil)), has: []string{`"name":"erik"`}})
}

func TestDecision1_LinkAndUnlinkIdentities(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.put("fred", `{}`)
	o.put("gina", `{}`)
	identity := `{"issuer":"` + o.issuer.url + `","subject":"4711"}`
	link := scenario{method: http.MethodPost, path: "/notes/_user/fred/_identity", body: identity}
	o.at(o.admin, []scenario{
		{path: "/notes/_user/fred/_identity", has: []string{`{"identities":[]}`}},
		link, link, // again is no error
		{path: "/notes/_user/fred/_identity", has: []string{`"subject":"4711"`}},
		{name: "somebody else's", method: http.MethodPost, path: "/notes/_user/gina/_identity", body: identity, status: 409},
		{name: "of nobody", method: http.MethodPost, path: "/notes/_user/nobody/_identity", body: identity, status: 404},
		{name: "half", method: http.MethodPost, path: "/notes/_user/fred/_identity", body: `{"issuer":"x"}`, status: 400, has: []string{"subject"}},
		{name: "no provider", method: http.MethodPost, path: "/notes/_user/fred/_identity", body: `{"issuer":"https://x.example","subject":"1"}`, status: 400, has: []string{"No provider"}},
		{name: "misspelt", method: http.MethodPost, path: "/notes/_user/fred/_identity", body: `{"iss":"https://x.example"}`, status: 400, has: []string{"iss"}},
	}...)
	token := bearer(o.issuer.token("4711", nil))
	o.at(o.public, scenario{name: "signs in as the user", path: "/notes/_session", header: token, has: []string{`"name":"fred"`}})
	o.at(o.admin, []scenario{
		{name: "unlinked", method: http.MethodDelete, path: "/notes/_user/fred/_identity", body: identity},
		{name: "unlinked already", method: http.MethodDelete, path: "/notes/_user/fred/_identity?issuer=" + url.QueryEscape(o.issuer.url) + "&subject=4711", status: 404},
	}...)
	o.at(o.public, scenario{name: "the tokens of before are refused", path: "/notes/_session", header: token, status: 401})
}

func TestF92_TheGuestIsConfigured(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	guestScenarios := []scenario{
		{path: "/notes/_user/GUEST", has: []string{`"name":"GUEST"`, `"disabled":true`}},
		{name: "not let in, not listed", path: "/notes/_user/", has: []string{"[]"}},
		{name: "what is", method: http.MethodPut, path: "/notes/_user/GUEST", body: `{"disabled":true}`},
		{name: "changed", method: http.MethodPut, path: "/notes/_user/GUEST", body: `{"disabled":false}`, status: 400, has: []string{"Caddyfile"}},
		{name: "channels", method: http.MethodPut, path: "/notes/_user/GUEST", body: `{"admin_channels":["x"]}`, status: 400},
		{name: "made", method: http.MethodPost, path: "/notes/_user/", body: `{"name":"GUEST","disabled":false}`, status: 400},
		{name: "deleted", method: http.MethodDelete, path: "/notes/_user/GUEST", status: 405, has: []string{"Caddyfile"}},
		{name: "session of nobody", method: http.MethodPost, path: "/notes/_session", body: `{"name":"GUEST"}`, status: 400, has: []string{"Invalid or missing user name"}},
	}
	o.at(o.admin, guestScenarios...)
	o = newOffice(t, func(c *auth.Config) { c.Databases[0].Guest = true })
	o.put("alice", `{}`)
	o.put("Aaron", `{}`)
	o.at(o.admin, []scenario{
		{path: "/notes/_user/GUEST", has: []string{`"disabled":false`}},
		{name: "listed in order", path: "/notes/_user/", has: []string{`["Aaron","GUEST","alice"]`}},
		{path: "/notes/_user/?name_only=false", has: []string{`{"name":"GUEST","email":"","disabled":false}`}},
	}...)
}

func TestTheGuestHasTheChannelsOfTheConfiguration(t *testing.T) {
	t.Parallel()
	given := func(channels ...string) func(*auth.Config) {
		return func(c *auth.Config) {
			c.Databases[0].Guest, c.Databases[0].GuestChannels = true, channels
			c.Databases[0].GuestCollections = auth.CollectionGrants{"_default": {"items": {"open"}}}
		}
	}
	o := newOffice(t, given("public", "news", "public"))
	o.collection("_default", "items")
	db, err := o.store.Database("notes")
	require.NoError(t, err)
	notes := auth.Database{Name: "notes", ID: db.ID()}
	require.NoError(t, o.service.GrantGuests(t.Context(), o.state, notes))
	const guest = "/notes/_user/GUEST"
	shown := o.at(o.admin, []scenario{
		{name: "given", path: guest + "/_all_channels", has: []string{`"news":[{`, `"public":[{`, `"open":[{`, `"by":"admin"`}},
		{name: "and described", path: guest, has: []string{
			`{"name":"GUEST",`, `"disabled":false,"admin_channels":["news","public"],"all_channels":["!","news","public"]`,
			`"collection_access":{"_default":{"items":{"admin_channels":["open"],"all_channels":["!","open"]}}}`,
		}},
	}...)
	o.at(o.admin, []scenario{
		{name: "what is may be said", method: http.MethodPut, path: guest, body: shown.Body.String()},
		{name: "and not changed", method: http.MethodPut, path: guest, body: `{"admin_channels":["public"]}`, status: 400, has: []string{"Caddyfile"}},
	}...)
	closed, err := auth.New(auth.Config{Databases: []auth.Policy{{Name: "notes", AccessStated: true, GuestChannels: []string{"public"}}}, Logger: zap.NewNop(), Audit: zap.NewNop()})
	require.NoError(t, err)
	require.NoError(t, closed.GrantGuests(t.Context(), o.state, notes))
	o.at(o.admin, scenario{name: "what guests lost", path: guest + "/_access_history", has: []string{`"news"`, `"public"`, `"open"`}})
}

func TestF95_UsersMadeAtTheSameTime(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	const writers = 8
	codes := make([]int, writers)
	var all sync.WaitGroup
	for i := range writers {
		o.collection("s", fmt.Sprintf("c%d", i))
		all.Go(func() {
			r := o.quiet(o.admin, scenario{method: http.MethodPost, path: "/notes/_user/", body: fmt.Sprintf(`{"name":"one","admin_channels":["c%d"]}`, i)})
			codes[i] = r.Code
			o.quiet(o.admin, scenario{method: http.MethodPut, path: "/notes/_user/many", body: fmt.Sprintf(`{"collection_access":{"s":{"c%d":{"admin_channels":["x"]}}}}`, i)})
		})
	}
	all.Wait()
	made := 0
	for _, code := range codes {
		require.Contains(t, []int{http.StatusCreated, http.StatusConflict}, code)
		if code == http.StatusCreated {
			made++
		}
	}
	require.Equal(t, 1, made)
	collections, _ := o.user("many")["collection_access"].(map[string]any)["s"].(map[string]any)
	require.Len(t, collections, writers, "partial updates lose nothing")
}

func TestReadOnlyAdministratorsOnlyRead(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.put("alice", `{}`)
	for _, c := range []scenario{
		{method: http.MethodPut, path: "/notes/_user/bob", body: `{}`},
		{method: http.MethodPost, path: "/notes/_user/", body: `{"name":"bob"}`},
		{method: http.MethodDelete, path: "/notes/_user/alice"},
		{method: http.MethodDelete, path: "/notes/_user/alice/_session"},
		{method: http.MethodDelete, path: "/notes/_user/alice/_session/00000000000000000000000000000000"},
		{method: http.MethodPost, path: "/notes/_user/alice/_identity", body: `{}`},
		{method: http.MethodDelete, path: "/notes/_user/alice/_identity", body: `{}`},
		{method: http.MethodPut, path: "/notes/_role/r", body: `{}`},
		{method: http.MethodPost, path: "/notes/_role/", body: `{"name":"r"}`},
		{method: http.MethodDelete, path: "/notes/_role/r"},
		{method: http.MethodPost, path: "/notes/_session", body: `{"name":"alice"}`},
	} {
		c.status, c.has = 403, []string{"read-only"}
		o.at(o.reader, c)
	}
	o.at(o.reader, []scenario{
		{path: "/notes/_user/"},
		{path: "/notes/_user/alice"},
		{path: "/notes/_user/alice/_session"},
		{path: "/notes/_role/"},
	}...)
}

func TestPublicSitesHaveNoAdministrativeEndpoints(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.put("alice", `{}`)
	o.at(o.admin, scenario{method: http.MethodPut, path: "/notes/_role/r", body: `{}`, status: 201})
	session := cookie(o.session("alice"))
	for _, path := range []string{
		"/notes/_user/", "/notes/_user/alice", "/notes/_user/alice/_session", "/notes/_user/alice/_identity", "/notes/_role/", "/notes/_role/r",
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
			unknown := o.send(o.public, scenario{method: method, path: "/notes/_nothing/x", body: "{}", header: session})
			known := o.send(o.public, scenario{method: method, path: path, body: "{}", header: session})
			require.Equal(t, unknown.Code, known.Code, "%s %s: %s", method, path, known.Body)
			require.Equal(t, unknown.Body.String(), known.Body.String())
			nobody := o.send(o.public, scenario{method: method, path: path, body: "{}"})
			require.Equal(t, http.StatusUnauthorized, nobody.Code, "%s %s", method, path)
		}
	}
	o.at(o.public, scenario{method: http.MethodPost, path: "/_auth/explain", body: "{}", status: 404})
}
