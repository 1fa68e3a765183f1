package auth

import (
	"net/http"
	"slices"
	"strings"
)

// authenticationHandlers are what both Sync Gateway and CouchDB call the ways to sign in.
var authenticationHandlers = []string{"default", "cookie"}

// addVary adds names that the answer's Vary does not have yet.
func addVary(h http.Header, names ...string) {
	have := strings.Join(h.Values("Vary"), ",")
	for _, name := range names {
		if !slices.ContainsFunc(strings.Split(have, ","), func(v string) bool {
			return strings.EqualFold(strings.TrimSpace(v), name)
		}) {
			h.Add("Vary", name)
		}
	}
}

// answer writes who p is; nil is nobody.
func (c *sessionCall) answer(p *Principal, signedIn bool) {
	body, refusal := c.describe(p, signedIn)
	if refusal != nil {
		c.refuse(refusal)
		return
	}
	c.write(body)
}

// describe says who p is, as both Sync Gateway and CouchDB do: channels are Sync Gateway's
// object with sequences, roles CouchDB's array of names.
func (c *sessionCall) describe(p *Principal, signedIn bool) (map[string]any, *Error) {
	var name any
	var channels map[string]uint64
	var authenticated string
	roles := []string{}
	if p != nil {
		held, seen, refusal := c.s.describeAccess(c.r.Context(), p)
		if refusal != nil {
			return nil, refusal
		}
		roles, channels = append(roles, held...), seen
		if p.Admin {
			roles = append(roles, adminRole)
		}
		if p.Name != "" {
			name = p.Name
		}
		switch p.Method {
		case MethodCookie, MethodOnce:
			authenticated = "cookie"
		case MethodBearer:
			authenticated = "jwt" // CouchDB's word for it
		case MethodAdmin, MethodGuest, MethodBasic:
			authenticated = "default"
		}
	}
	info := map[string]any{"authentication_handlers": authenticationHandlers}
	if authenticated != "" {
		info["authenticated"] = authenticated
	}
	body := map[string]any{
		"ok":                      true,
		"userCtx":                 map[string]any{"name": name, "roles": roles, "channels": channels},
		"authentication_handlers": authenticationHandlers,
		"info":                    info,
	}
	if p != nil && p.Admin {
		body["read_only"] = p.ReadOnly
	}
	if signedIn {
		body["name"], body["roles"] = name, roles
	}
	if p != nil && p.session != nil {
		body["session"] = describeSession(p.session, p)
	}
	return body, nil
}

func (c *sessionCall) refuse(e *Error) {
	c.s.logRefusal(c.r.Context(), c.database().Name, e)
	writeRefusal(c.w, c.r, e)
}

func (c *sessionCall) write(body map[string]any) { answerJSON(c.w, c.r, http.StatusOK, body) }
