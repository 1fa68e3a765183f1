package rest

import (
	"net/http"
	"testing"
)

func TestF97_Roles(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.collection("s", "c")
	o.put("alice", `{"admin_roles":["staff","later"],"admin_channels":["own"]}`)
	o.at(o.admin, []scenario{
		{name: "none", path: "/notes/_role/", has: []string{"[]\n"}, headers: map[string]string{"Cache-Control": "no-store"}},
		{name: "a role that is not there gives nothing", path: "/notes/_user/alice", has: []string{`"roles":["later","staff"]`, `"all_channels":["!","own"]`}},
		{name: "made", method: http.MethodPut, path: "/notes/_role/staff", body: `{"admin_channels":["s2","s1"],"collection_access":{"s":{"c":{"admin_channels":["x"]}}}}`,
			status: 201, headers: map[string]string{"Location": "/notes/_role/staff"}},
		{name: "shown", path: "/notes/_role/staff", has: []string{
			`{"name":"staff","admin_channels":["s1","s2"],"all_channels":["!","s1","s2"],"collection_access":{"s":{"c":{"admin_channels":["x"],"all_channels":["!","x"]}}}}` + "\n",
		}},
		{name: "effective for who has it already", path: "/notes/_user/alice", has: []string{
			`"all_channels":["!","own","s1","s2"]`, `"collection_access":{"s":{"c":{"all_channels":["!","x"]}}}`,
		}},
		{name: "changed in part", method: http.MethodPut, path: "/notes/_role/staff", body: `{"name":"staff","admin_channels":["s1"],"all_channels":["s2","s1","!"]}`},
		{name: "the rest stayed", path: "/notes/_role/staff", has: []string{`"admin_channels":["s1"]`, `"x"`}},
		{name: "F96: a named collection without admin_channels is cleared", method: http.MethodPut, path: "/notes/_role/staff", body: `{"collection_access":{"s":{"c":{}}}}`},
		{name: "F96: cleared", path: "/notes/_role/staff", hasNot: []string{`collection_access`}},
		{name: "F96: the default collection", method: http.MethodPut, path: "/notes/_role/staff", body: `{"collection_access":{"_default":{"_default":{"admin_channels":["d"]}}}}`},
		{name: "F96: is the role's own", path: "/notes/_role/staff", has: []string{`"admin_channels":["d"]`}, hasNot: []string{"collection_access"}},
		{name: "F96: saying nothing of it", method: http.MethodPut, path: "/notes/_role/staff", body: `{"collection_access":{"_default":{"_default":{}}}}`},
		{name: "F96: changes nothing", path: "/notes/_role/staff", has: []string{`"admin_channels":["d"]`}},
		{name: "read-only", method: http.MethodPut, path: "/notes/_role/staff", body: `{"all_channels":["*"]}`, status: 400, has: []string{"read-only"}},
		{name: "misspelt", method: http.MethodPut, path: "/notes/_role/staff", body: `{"channels":["*"]}`, status: 400, has: []string{`\"channels\"`}},
		{name: "POST", method: http.MethodPost, path: "/notes/_role/", body: `{"name":"later","admin_channels":["l"]}`, status: 201},
		{name: "POST again", method: http.MethodPost, path: "/notes/_role/", body: `{"name":"later"}`, status: 409},
		{name: "renamed", method: http.MethodPut, path: "/notes/_role/later", body: `{"name":"staff"}`, status: 400, has: []string{"Name mismatch"}},
		{name: "bad name", method: http.MethodPut, path: "/notes/_role/a%2Fb", body: `{}`, status: 400, has: []string{"invalid name"}},
		{name: "CouchDB's word for an administrator", method: http.MethodPut, path: "/notes/_role/_admin", body: `{}`, status: 400, has: []string{"_admin"}},
		{name: "CouchDB's word for an administrator, given", method: http.MethodPut, path: "/notes/_user/alice", body: `{"admin_roles":["_admin"]}`, status: 400, has: []string{"_admin"}},
		{name: "names", path: "/notes/_role/", has: []string{`["later","staff"]`}},
	}...)
}

func TestF97_DeletedRolesAreKeptUntilPurged(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.put("alice", `{"admin_roles":["staff"]}`)
	o.at(o.admin, []scenario{
		{method: http.MethodPut, path: "/notes/_role/staff", body: `{"admin_channels":["s"]}`, status: 201},
		{name: "deleted", method: http.MethodDelete, path: "/notes/_role/staff"},
		{name: "not there", path: "/notes/_role/staff", status: 404},
		{name: "deleted already", method: http.MethodDelete, path: "/notes/_role/staff", status: 404},
		{name: "not listed", path: "/notes/_role/", has: []string{"[]"}},
		{name: "listed if asked", path: "/notes/_role/?deleted=true", has: []string{`["staff"]`}},
		{name: "gives nothing", path: "/notes/_user/alice", has: []string{`"all_channels":["!"]`, `"roles":["staff"]`}},
		{name: "made anew", method: http.MethodPost, path: "/notes/_role/", body: `{"name":"staff"}`, status: 201},
		{name: "without what it had", path: "/notes/_role/staff", has: []string{`"all_channels":["!"]`}},
		{name: "deleted", method: http.MethodDelete, path: "/notes/_role/staff"},
		{name: "purged", method: http.MethodDelete, path: "/notes/_role/staff?purge=true"},
		{name: "not kept", path: "/notes/_role/?deleted=true", has: []string{"[]"}},
		{name: "purged already", method: http.MethodDelete, path: "/notes/_role/staff?purge=true", status: 404},
		{name: "bad flag", method: http.MethodDelete, path: "/notes/_role/staff?purge=1", status: 400},
	}...)
}
