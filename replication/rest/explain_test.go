package rest

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDecision42_ExplainAToken(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	token := o.issuer.token("alice", nil)
	post := func(name, path, body, contentType string, status int, has ...string) scenario {
		return scenario{
			name: name, method: http.MethodPost, path: path, body: body, status: status, has: has, hasNot: []string{token},
			header: map[string]string{"Content-Type": contentType},
		}
	}
	const asJSON = "application/json"
	o.at(o.admin, []scenario{
		post("bare", "/_auth/explain", token+"\n", asJSON, 200, `{"ok":true,"checks":[{"check":"form","ok":true,"detail":`, `"account"`),
		post("bare, with its type", "/_auth/explain?db=notes", token, "application/jwt", 200, `"ok":true`, "registered as the new user"),
		post("in an object", "/_auth/explain", `{"token":"`+token+`"}`, asJSON, 200, `"ok":true`),
		post("with a database", "/_auth/explain", `{"token":"`+token+`","database":"notes"}`, asJSON, 200, `{"check":"database","ok":true`),
		post("unknown database", "/_auth/explain?db=none", token, asJSON, 404),
		post("misspelt", "/_auth/explain", `{"tokn":"x"}`, asJSON, 400, "tokn"),
		post("no token", "/_auth/explain", `{}`, asJSON, 400, "token"),
		post("nothing", "/_auth/explain", "", asJSON, 200, `"ok":false`),
		post("too much", "/_auth/explain", strings.Repeat("x", maxExplainBody+1), asJSON, 413),
		post("what a page may send unasked", "/_auth/explain", token, "text/plain", 415),
		post("unknown path", "/_auth/explain/x", token, asJSON, 404),
		{name: "not by GET", path: "/_auth/explain", status: 405},
	}...)
	o.at(o.admin, scenario{
		name: "from a page of another site", method: http.MethodPost, path: "/_auth/explain", body: token, status: 403,
		header: map[string]string{"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
	})
	o.at(o.reader, post("read-only administrators may ask", "/_auth/explain", token, asJSON, 200, `"ok":true`))
	o.at(o.public, post("nobody else", "/_auth/explain", token, asJSON, 404))
	o.at(o.admin, scenario{name: "nobody was registered", path: "/notes/_user/", has: []string{"[]"}})
	require.NotContains(t, o.seen.String(), token)
	o.secret(token)
	require.NotZero(t, o.audit.FilterMessage("token_explained").Len())
	w := o.at(o.admin, post("expired", "/_auth/explain", o.issuer.token("alice", map[string]any{"exp": 1}), asJSON, 200, `"ok":false`, "exp has no leeway"))
	require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
}
