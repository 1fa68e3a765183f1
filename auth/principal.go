package auth

import "time"

// Database names a database for auth: users and roles are per database.
type Database struct {
	Name string
	ID   uint32
}

// Method says how a principal signed in.
type Method string

// The methods, in the order in which they are tried.
const (
	MethodBearer Method = "bearer"
	MethodBasic  Method = "basic" // user name and password
	MethodOnce   Method = "websocket_token"
	MethodCookie Method = "cookie"
	MethodGuest  Method = "guest"
	MethodAdmin  Method = "admin" // by place (loopback, client_ip)
)

// Principal is who is asking.
type Principal struct {
	Name     string // user name in this database; "" for guest and administrator
	Admin    bool
	ReadOnly bool
	// TokenGrants is whether what the newest token gave counts: whether the database takes
	// tokens of the provider that it is from.
	TokenGrants bool
	Method      Method
	db          Database
	// Roles and Channels are what an administrator and the token gave. Shared: do not
	// change.
	Roles    []string
	Channels []string
	Provider string
	Issuer   string
	Subject  string
	// Expires is the token's or session's end, zero if none.
	Expires time.Time

	identity   identityKey
	sid        identityKey
	verified   *verified
	session    *session
	passwordAt int64 // of MethodBasic
	// rule is set if p is an administrator by a role and nothing else.
	rule *AdminRule
	// required are roles of which the user must have one, nil if none is needed.
	required []string
	// user is who an administrator with a token is in the database, by whom leases are found;
	// "" if it is nobody there.
	user string
	// admitted is the rule by which p is an administrator.
	admitted *AdminRule
}

// SessionHandle names the session that p signed in with, as lists of sessions do; "" if there is
// none.
func (p *Principal) SessionHandle() string {
	if p.session == nil {
		return ""
	}
	return p.session.handle()
}

// until is p if it ends at that time, and otherwise a copy that does.
func (p *Principal) until(end time.Time) *Principal {
	if p.Expires.Equal(end) {
		return p
	}
	q := *p
	q.Expires = end
	return &q
}

// expiry is the reason with which a lease ends at Expires.
func (p *Principal) expiry() string {
	if p.session != nil {
		return "session expired"
	}
	return "token expired"
}

// principalOfToken is the principal without what a database adds.
func principalOfToken(v *verified, db Database) *Principal {
	return &Principal{
		Method: MethodBearer, Roles: v.roles, Channels: v.channels, Provider: v.provider.Name,
		Issuer: v.identity.Issuer, Subject: v.identity.Subject, Expires: v.expires,
		db: db, identity: v.key, sid: v.applicant.sid, verified: v,
	}
}

// principalOfSession is the principal of a session that was found good in db.
func principalOfSession(x *session, db Database, end time.Time) *Principal {
	return &Principal{
		Method: MethodCookie, Provider: x.Provider, Issuer: x.Identity.Issuer, Subject: x.Identity.Subject,
		Expires: end, db: db, identity: x.identity, sid: x.sid, session: x,
	}
}
