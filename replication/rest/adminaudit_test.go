package rest

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEveryAdministrativeActionIsAudited(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	secret := o.secret("never to be seen again")
	identity := `{"issuer":"` + o.issuer.url + `","subject":"4711"}`
	o.at(o.admin, []scenario{
		{method: http.MethodPut, path: "/notes/_user/alice", body: `{"password":"` + secret + `"}`, status: 201},
		{method: http.MethodPut, path: "/notes/_user/alice", body: `{"email":"a@example.com"}`},
		{path: "/notes/_user/alice"},
		{method: http.MethodPost, path: "/notes/_user/alice/_identity", body: identity},
		{method: http.MethodDelete, path: "/notes/_user/alice/_identity", body: identity},
		{method: http.MethodPost, path: "/notes/_session", body: `{"name":"alice"}`},
		{path: "/notes/_user/alice/_session"},
		{method: http.MethodDelete, path: "/notes/_user/alice/_session"},
		{method: http.MethodDelete, path: "/notes/_user/alice"},
		{method: http.MethodDelete, path: "/notes/_user/alice", status: 404},
	}...)
	require.Equal(t, []string{
		"user_created", "user_updated", "user_read", "identity_linked", "identity_unlinked", "session_created",
		"sessions_listed", "sessions_ended", "user_deleted",
	}, o.events("user", "alice"))
	o.at(o.admin, []scenario{
		{method: http.MethodPut, path: "/notes/_role/staff", body: `{}`, status: 201},
		{method: http.MethodPut, path: "/notes/_role/staff", body: `{}`},
		{path: "/notes/_role/staff"},
		{method: http.MethodDelete, path: "/notes/_role/staff"},
	}...)
	require.Equal(t, []string{"role_created", "role_updated", "role_read", "role_deleted"}, o.events("role", "staff"))
	for _, entry := range o.audit.FilterMessage("user_created").All() {
		require.Equal(t, "notes", entry.ContextMap()["database"])
		require.Equal(t, adminAddress, entry.ContextMap()["client"])
		require.Equal(t, []any{"password"}, entry.ContextMap()["changed"])
	}
}
