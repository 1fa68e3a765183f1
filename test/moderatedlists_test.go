package test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

// listsPeople ask the server of the example as one user or another.
type listsPeople struct {
	t      *testing.T
	server *harness.Server
}

// as sends a request of a user, or of the administrator if there is no name, and expects a
// status. It returns the body.
func (p listsPeople) as(user, method, path, body string, status int) string {
	p.t.Helper()

	r := request{method: method, url: p.server.AdminURL + "/lists" + path, body: body}
	if user != "" {
		r.url, r.header = "/lists"+path, bearer(p.t, p.server, user)
	}

	got := ask(p.t, p.server, r)
	require.Equal(p.t, status, got.status, "%s %s %s: %s", user, method, path, got.body)

	return got.body
}

// rev is a document's current revision.
func (p listsPeople) rev(id string) string {
	p.t.Helper()

	found := regexp.MustCompile(`"_rev":"([^"]+)"`).FindStringSubmatch(p.as("", http.MethodGet, "/"+id, "", http.StatusOK))
	require.NotNil(p.t, found)

	return found[1]
}

// TestModeratedListsFollowRoles appoints and dismisses moderators, by documents, in the
// running server. The table of who may do what is tested with the function, in access.
func TestModeratedListsFollowRoles(t *testing.T) {
	t.Parallel()

	const (
		put, get, del = http.MethodPut, http.MethodGet, http.MethodDelete
		created, ok   = http.StatusCreated, http.StatusOK
		forbidden     = http.StatusForbidden
		notFound      = http.StatusNotFound
		item          = `{"type":"item","text":"Bread","by":"bob","done":`
	)

	p := listsPeople{t, moderatedLists(t)}
	for _, role := range []string{"moderator", "admin"} {
		p.as("", put, "/_role/"+role, `{"admin_channels":["moderation"]}`, created)
	}

	p.as("alice", put, "/list:alice:food", `{"type":"list","owner":"alice","title":"Food"}`, created)
	p.as("alice", put, "/share:alice:food:bob", `{"type":"share"}`, created)
	p.as("bob", put, "/item:alice:food:1", item+`false}`, created)

	tick := func(user string, done string, status int) string {
		return p.as(user, put, "/item:alice:food:1?rev="+p.rev("item:alice:food:1"), item+done+`}`, status)
	}

	tick("alice", "true", created)
	require.Contains(t, tick("carol", "false", forbidden), "only those who have the list change its items")
	p.as("carol", get, "/item:alice:food:1", "", notFound)
	require.Contains(t, p.as("carol", put, "/moderator:carol", `{"type":"moderator"}`, forbidden), "only admins appoint moderators")

	// Dave is an admin by the administrator; carol becomes a moderator by dave's document.
	p.as("dave", get, "/_session", "", ok)
	p.as("", put, "/_user/dave", `{"admin_roles":["admin"]}`, ok)
	p.as("dave", put, "/moderator:carol", `{"type":"moderator"}`, created)
	p.as("carol", get, "/item:alice:food:1", "", ok)
	tick("carol", "false", created)

	seen := p.as("carol", get, "/_changes", "", ok)
	require.Equal(t, 4, strings.Count(seen, `"id":`), seen)
	require.NotContains(t, seen, "revoked")

	last := regexp.MustCompile(`"last_seq":"([^"]+)"`).FindStringSubmatch(seen)
	require.NotNil(t, last)

	p.as("carol", del, "/moderator:carol?rev="+p.rev("moderator:carol"), "", forbidden)
	p.as("dave", del, "/moderator:carol?rev="+p.rev("moderator:carol"), "", ok)
	p.as("carol", get, "/item:alice:food:1", "", notFound)
	tick("carol", "true", forbidden)

	lost := p.as("carol", get, "/_changes?revocations=true&since="+last[1], "", ok)
	require.Equal(t, 4, strings.Count(lost, `"revoked":true`), lost)

	// The list is deleted by its owner, whose other devices see it like any deletion.
	p.as("alice", del, "/list:alice:food?rev="+p.rev("list:alice:food"), "", ok)
	require.Regexp(t, `"id":"list:alice:food","changes":\[\{"rev":"2-[^"]+"\}\],"deleted":true\}`, p.as("alice", get, "/_changes?since="+last[1], "", ok))
}
