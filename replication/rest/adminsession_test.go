package rest

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestF71_AdministratorMakesASession(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.put("alice", `{}`)
	o.put("zoe", `{"disabled":true}`)
	w := o.at(o.admin, scenario{method: http.MethodPost, path: "/notes/_session", body: `{"name":"alice","ttl":120}`,
		headers: map[string]string{"Cache-Control": "no-store", "Set-Cookie": ""}})
	made := map[string]any{}
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &made))
	require.Equal(t, "SyncGatewaySession", made["cookie_name"])
	text, _ := made["expires"].(string)
	require.True(t, strings.HasSuffix(text, "Z"), text)
	expires, err := time.Parse(time.RFC3339, text)
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(120*time.Second), expires, 5*time.Second)
	id, _ := made["session_id"].(string)
	o.at(o.public, scenario{path: "/notes", header: cookie("syncgatewaysession=" + id)})
	post := func(name, body string, status int, says string) scenario {
		return scenario{name: name, method: http.MethodPost, path: "/notes/_session", body: body, status: status, has: []string{says}}
	}
	o.at(o.admin, []scenario{
		post("unknown user", `{"name":"nosuch"}`, 404, `No such user \"nosuch\"`),
		post("F75: no time", `{"name":"alice","ttl":0}`, 400, "Invalid or missing ttl"),
		post("F75: less", `{"name":"alice","ttl":-1}`, 400, "Invalid or missing ttl"),
		post("no number", `{"name":"alice","ttl":"60"}`, 400, "Invalid or missing ttl"),
		post("no name", `{"ttl":60}`, 400, "Invalid or missing user name"),
		post("F75: disabled", `{"name":"zoe"}`, 400, "User is disabled"),
		post("F67: more than 30 days", `{"name":"alice","ttl":31536000}`, 200, "session_id"),
		{name: "another type", method: http.MethodPost, path: "/notes/_session", body: `{"name":"alice"}`, status: 415,
			header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}},
	}...)
	first, second := o.session("alice"), o.session("alice")
	require.NotEqual(t, first, second, "F75")
}

func TestF69_AdministratorEndsSessions(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.put("alice", `{}`)
	o.put("bob", `{}`)
	first, second, third, bobs := o.session("alice"), o.session("alice"), o.session("alice"), o.session("bob")
	id := func(session string) string { _, id, _ := strings.Cut(session, "="); return id }
	works := func(session string, status int) {
		t.Helper()
		o.at(o.public, scenario{path: "/notes", header: cookie(session), status: status})
	}
	w := o.at(o.admin, scenario{path: "/notes/_user/alice/_session", hasNot: []string{id(first), id(second)}, headers: map[string]string{"Cache-Control": "no-store"}})
	var list struct{ Sessions []map[string]any }
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &list))
	require.Len(t, list.Sessions, 3)
	require.Equal(t, "admin", list.Sessions[0]["method"])
	o.at(o.admin, []scenario{
		{name: "shown by its ID", path: "/notes/_session/" + id(first), has: []string{`"name":"alice"`}, hasNot: []string{id(first)}},
		{name: "unknown", path: "/notes/_session/" + strings.Repeat("x", 43), status: 404},
		{name: "somebody else's", method: http.MethodDelete, path: "/notes/_user/bob/_session/" + id(first), status: 404},
	}...)
	works(first, 200)
	o.at(o.admin, scenario{method: http.MethodDelete, path: "/notes/_user/alice/_session/" + id(first)})
	works(first, 401)
	o.at(o.admin, []scenario{
		{name: "ended already", method: http.MethodDelete, path: "/notes/_user/alice/_session/" + id(first), status: 404},
		{name: "not shown", path: "/notes/_session/" + id(first), status: 404},
		{name: "by its ID alone", method: http.MethodDelete, path: "/notes/_session/" + id(second)},
	}...)
	works(second, 401)
	works(third, 200)
	w = o.at(o.admin, scenario{path: "/notes/_user/alice/_session"})
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &list))
	handle, _ := list.Sessions[0]["handle"].(string)
	o.at(o.admin, []scenario{
		{name: "by its handle, as somebody else's", method: http.MethodDelete, path: "/notes/_user/bob/_session/" + handle, status: 404},
		{name: "shown by its handle", path: "/notes/_session/" + handle, has: []string{handle}},
		{name: "by its handle", method: http.MethodDelete, path: "/notes/_user/alice/_session/" + handle},
	}...)
	works(third, 401)
	third = o.session("alice")
	o.at(o.admin, []scenario{
		{name: "all", method: http.MethodDelete, path: "/notes/_user/alice/_session"},
		{name: "none left", path: "/notes/_user/alice/_session", has: []string{`{"sessions":[]}`}},
		{name: "of nobody", method: http.MethodDelete, path: "/notes/_user/nosuch/_session", status: 404},
		{name: "of nobody", path: "/notes/_user/nosuch/_session", status: 404},
	}...)
	works(third, 401)
	works(bobs, 200)
	o.at(o.admin, scenario{method: http.MethodDelete, path: "/notes/_user/bob"})
	works(bobs, 401)
	o.put("bob", `{}`)
	works(bobs, 401)
}

func TestF86_DisabledBlocksEveryMethodAtOnce(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	token := bearer(o.issuer.token("alice", nil))
	w := o.at(o.public, scenario{method: http.MethodPost, path: "/notes/_session", header: token})
	made := cookie(strings.SplitN(w.Header().Get("Set-Cookie"), ";", 2)[0])
	given := cookie(o.session("alice"))
	for _, header := range []map[string]string{token, made, given} {
		o.at(o.public, scenario{path: "/notes", header: header})
	}
	o.put("alice", `{"disabled":true}`)
	for _, header := range []map[string]string{token, made, given} {
		o.at(o.public, scenario{path: "/notes", header: header, status: 401})
	}
	o.at(o.public, scenario{method: http.MethodPost, path: "/notes/_session", header: token, status: 401})
	o.at(o.admin, scenario{method: http.MethodPost, path: "/notes/_session", body: `{"name":"alice"}`, status: 400})
	o.put("alice", `{"disabled":false}`)
	for _, header := range []map[string]string{token, made, given} {
		o.at(o.public, scenario{name: "DECISIONS 4: also after enabling again", path: "/notes", header: header, status: 401})
	}
	o.at(o.public, scenario{path: "/notes", header: cookie(o.session("alice"))})
}

func TestUsersEndTheirOwnSessions(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.put("alice", `{}`)
	for _, base := range []string{"/notes/_session", "/_session"} {
		mine, other := cookie(o.session("alice")), o.session("alice")
		w := o.at(o.public, scenario{path: base + "/all", header: mine, has: []string{`"current":true`}, headers: map[string]string{"Cache-Control": "no-store"}})
		var list struct{ Sessions []map[string]any }
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &list))
		require.Len(t, list.Sessions, 2)
		for _, s := range list.Sessions {
			handle, _ := s["handle"].(string)
			o.at(o.public, scenario{path: base + "/" + handle, header: mine, has: []string{handle}})
			o.at(o.public, scenario{name: "nobody's business", path: base + "/" + handle, status: 401})
			if s["current"] != true {
				o.at(o.public, scenario{method: http.MethodDelete, path: base + "/" + handle, header: mine})
			}
		}
		o.at(o.public, []scenario{
			{name: "ended", path: "/notes", header: cookie(other), status: 401},
			{name: "unknown", path: base + "/00000000000000000000000000000000", header: mine, status: 404},
			{name: "method", method: http.MethodPut, path: base + "/all", header: mine, status: 405},
			{name: "forced by another site", method: http.MethodDelete, path: base + "/all", status: 403, header: map[string]string{
				"Cookie": mine["Cookie"], "Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site",
			}},
			{name: "everywhere", method: http.MethodDelete, path: base + "/all", header: mine},
			{name: "gone", path: "/notes", header: mine, status: 401},
		}...)
	}
}
