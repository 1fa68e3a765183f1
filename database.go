package caddysync

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddysync/caddy-sync/auth"
	"github.com/caddysync/caddy-sync/replication/rest"
)

// anyDatabase stands for the databases that have no policy of their own, and at a site
// for all databases.
const anyDatabase = "*"

// accessShared is the access policy under which whoever is signed in sees all documents.
const accessShared = "shared"

// databaseName is CouchDB's rule for names of databases, without the slash.
var databaseName = regexp.MustCompile(`^[a-z][a-z0-9_$()+-]{0,237}$`)

// Database is the policy of a database: who may sign in, for how long, and how much they
// may send. A database that is named in the configuration is made when Caddy starts.
type Database struct {
	// The names of the OpenID Connect providers whose tokens sign in here. Default: none,
	// so that only administrators and guests come in.
	OIDC []string `json:"oidc,omitempty"`

	// The names of the `jwt` providers whose tokens sign in here. Default: none.
	JWT []string `json:"jwt,omitempty"`

	// The name of the provider that signs browsers in when a request names none.
	// Default: the only one of `oidc`, if there is one only.
	DefaultProvider string `json:"default_provider,omitempty"`

	// Who sees which documents: `shared` means everybody who is signed in sees and
	// changes all of them, which is also what happens if nothing is stated. It has to be
	// stated where a provider registers everybody who has an account there.
	Access string `json:"access,omitempty"`

	// Whether requests without credentials are let in, as a guest. Default: false.
	Guest bool `json:"guest,omitempty"`

	// Whether users who have a password sign in with it, by Basic or at _session. Without
	// it passwords are refused, whatever is stored. Default: false.
	PasswordAuth bool `json:"password_auth,omitempty"`

	// The limits of sessions. Default: sessions of 24 hours without an idle limit.
	Session *Session `json:"session,omitempty"`

	// How much clients may send.
	Limits *Limits `json:"limits,omitempty"`

	// How many generations of a document's ancestry are kept. All databases of a store
	// have the same number. Default: 1000.
	Revisions int `json:"revisions,omitempty"`
}

// Session limits the sessions that tokens are traded for.
type Session struct {
	// Whether no sessions are made, so that every request brings its token. Default:
	// false.
	Off bool `json:"off,omitempty"`

	// When a session ends, whatever it is used for. Default: 24h.
	Lifetime caddy.Duration `json:"lifetime,omitempty"`

	// When a session ends that is not used. Default: no such limit.
	Idle caddy.Duration `json:"idle,omitempty"`

	// The name of the cookie. Default: SyncGatewaySession.
	Cookie string `json:"cookie,omitempty"`

	// The cookie's SameSite: `lax`, `strict` or `none`. Default: lax.
	SameSite string `json:"same_site,omitempty"`

	// A domain whose hosts all get the cookie, such as example.com. Default: none, so that
	// only the site's own host does.
	Domain string `json:"domain,omitempty"`

	// Whether browsers send the cookie over TLS only. Default: as the request came that
	// made the session.
	Secure *bool `json:"secure,omitempty"`

	// Whether scripts cannot read the cookie. Default: true.
	HTTPOnly *bool `json:"http_only,omitempty"`

	// Whether a session ends with the token that it was made from. Default: false.
	UntilTokenExpiry bool `json:"until_token_expiry,omitempty"`
}

// Limits bound what clients send to a database. Sizes are in bytes.
type Limits struct {
	// The largest document, without its attachments. Default: 20 MiB.
	Document int64 `json:"document,omitempty"`

	// The largest attachment. Default: 100 MiB.
	Attachment int64 `json:"attachment,omitempty"`

	// The largest body of a request, before and after decompression. Default: 256 MiB.
	Request int64 `json:"request,omitempty"`

	// How many documents one _bulk_docs or _bulk_get may have. Default: 10000.
	BulkDocs int `json:"bulk_docs,omitempty"`
}

// maxDocument is the largest `limits document`: what a store reserves for one.
const maxDocument = 32 << 20

var sameSites = map[string]http.SameSite{
	"": http.SameSiteLaxMode, "lax": http.SameSiteLaxMode,
	"strict": http.SameSiteStrictMode, "none": http.SameSiteNoneMode,
}

func (d *Database) validate(name string) error {
	if name != anyDatabase && !databaseName.MatchString(name) {
		return fmt.Errorf("database %q: a name begins with a letter a-z and has a-z, 0-9 and _$()+- only, at most 238", name)
	}
	if d.Access != "" && d.Access != accessShared {
		return fmt.Errorf("database %s: unknown access %q: write `access shared`", name, d.Access)
	}
	if d.Revisions < 0 || d.Revisions == 1 {
		return fmt.Errorf("database %s: revisions %d: write 2 or more", name, d.Revisions)
	}
	if s := d.Session; s != nil {
		if _, ok := sameSites[s.SameSite]; !ok {
			return fmt.Errorf("database %s: unknown same_site %q: write lax, strict or none", name, s.SameSite)
		}
	}
	if l := d.Limits; l != nil {
		if l.Document < 0 || l.Attachment < 0 || l.Request < 0 || l.BulkDocs < 0 {
			return fmt.Errorf("database %s: a limit is negative", name)
		}
		if l.Document > maxDocument {
			return fmt.Errorf("database %s: limits document is over 32MiB: put large content into attachments", name)
		}
	}
	return nil
}

// policy is the database as auth takes it.
func (d *Database) policy(name string) auth.Policy {
	p := auth.Policy{
		Name: name, Providers: slices.Concat(d.OIDC, d.JWT), DefaultProvider: d.DefaultProvider,
		Guest: d.Guest, PasswordAuth: d.PasswordAuth, AccessStated: d.Access != "",
	}
	if s := d.Session; s != nil {
		p.Session = auth.SessionPolicy{
			Off: s.Off, Lifetime: time.Duration(s.Lifetime), Idle: time.Duration(s.Idle),
			Cookie: s.Cookie, SameSite: sameSites[s.SameSite], UntilTokenExpiry: s.UntilTokenExpiry,
			Domain: s.Domain, Secure: tristate(s.Secure), HTTPOnly: tristate(s.HTTPOnly),
		}
	}
	return p
}

func tristate(b *bool) auth.Tristate {
	switch {
	case b == nil:
		return auth.Usual
	case *b:
		return auth.On
	}
	return auth.Off
}

// limits is the database as replication/rest takes it.
func (d *Database) limits() rest.Limits {
	if d.Limits == nil {
		return rest.Limits{}
	}
	return rest.Limits{
		Document: d.Limits.Document, Attachment: d.Limits.Attachment,
		Request: d.Limits.Request, BulkDocs: d.Limits.BulkDocs,
	}
}
