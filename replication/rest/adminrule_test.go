package rest

import (
	"maps"
	"net/http"
	"testing"

	"github.com/caddysync/caddy-sync/auth"
)

func TestDecision9_WhoAdministers(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	byRole := o.site("*", &auth.AdminRule{Roles: []string{"ops"}})
	byClaim := o.site("*", &auth.AdminRule{Claims: map[string][]string{"dept": {"it"}}})
	byScope := o.site("*", &auth.AdminRule{Scopes: []string{"admin"}})
	users, explain := scenario{path: "/notes/_user/"}, scenario{method: http.MethodPost, path: "/_auth/explain", body: "x"}
	with := func(c scenario, header map[string]string, status int) scenario {
		c.status, c.header = status, map[string]string{"Content-Type": "application/json"}
		maps.Copy(c.header, header)
		return c
	}
	ops := bearer(o.issuer.token("olga", map[string]any{"roles": "ops"}))
	anybody := bearer(o.issuer.token("alice", nil))
	o.at(byRole, with(users, nil, 401), with(users, anybody, 403), with(users, ops, 200),
		with(explain, ops, 403), with(explain, nil, 401)) // there are no roles without a database
	o.put("erik", `{"admin_roles":["ops"]}`)
	o.put("mia", `{"admin_channels":["ops"]}`)
	o.at(byRole, with(users, cookie(o.session("erik")), 200), with(users, cookie(o.session("mia")), 403))
	it := bearer(o.issuer.token("ida", map[string]any{"dept": []string{"sales", "it"}}))
	o.at(byClaim, with(users, anybody, 403), with(users, it, 200), with(explain, it, 200), with(explain, anybody, 403))
	scoped := bearer(o.issuer.token("svc", map[string]any{"scope": "openid admin"}))
	o.at(byScope, with(users, it, 403), with(users, scoped, 200), with(explain, scoped, 200))
	// A place alone needs no identity, and an identity does not make up for the place.
	o.at(o.admin, with(users, nil, 200), with(explain, nil, 200))
	elsewhere := o.site("*", o.admin.Site.Admin)
	o.at(elsewhere, with(users, ops, 403), with(explain, scoped, 403))
}
