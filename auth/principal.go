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
	MethodCookie Method = "cookie"
	MethodGuest  Method = "guest"
	MethodAdmin  Method = "admin" // by place (loopback, client_ip)
)

// Principal is who is asking.
type Principal struct {
	Name     string // user name in this database; "" for guest and administrator
	Admin    bool
	ReadOnly bool
	Method   Method
	Roles    []string // shared: do not change
	Provider string
	Issuer   string
	Subject  string
	// Expires is the token's or session's end, zero if none.
	Expires time.Time

	db       Database
	identity identityKey
	verified *verified
	session  *session
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
		Method: MethodBearer, Roles: v.roles, Provider: v.provider.Name,
		Issuer: v.identity.Issuer, Subject: v.identity.Subject, Expires: v.expires,
		db: db, identity: v.key, verified: v,
	}
}
