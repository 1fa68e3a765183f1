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
	"github.com/caddysync/caddy-sync/syncstore"
)

// anyDatabase stands for the databases that have no policy of their own, and at a site
// for all databases.
const anyDatabase = "*"

// databaseName is CouchDB's rule for names of databases. A slash is escaped in URLs (%2F).
var databaseName = regexp.MustCompile(`^[a-z][a-z0-9_$()+/-]{0,237}$`)

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

	// Who sees and changes which documents of the default collection.
	AccessPolicy

	// The database's collections beside the default one, by name, such as `items`, or
	// `shop.items` where the scope is not the default one; null means all defaults. They
	// are made when Caddy starts. One that leaves the configuration keeps its documents,
	// and nobody but administrators reaches them. Default: none.
	Collections map[string]*Collection `json:"collections,omitempty"`

	// How documents are answered that somebody may not see: `not_found` as those that are
	// not there; `forbidden`: both with 403. Default: not_found.
	Unreadable string `json:"unreadable,omitempty"`

	// Whether requests without credentials are let in, as a guest. Default: false.
	Guest bool `json:"guest,omitempty"`

	// What guests may do. Only with guest. Default: they see the channel `!`, or everything where
	// access is shared, and write what the access policy lets them write.
	GuestAccess *GuestAccess `json:"guest_access,omitempty"`

	// Whether users who have a password sign in with it, by Basic or at _session. Without
	// it passwords are refused, whatever is stored. Default: false.
	PasswordAuth bool `json:"password_auth,omitempty"`

	// The limits of sessions. Default: sessions of 24 hours without an idle limit.
	Session *Session `json:"session,omitempty"`

	// How much clients may send.
	Limits *Limits `json:"limits,omitempty"`

	// For how long things are kept that nobody may need any more.
	Retention *Retention `json:"retention,omitempty"`

	// Whether documents are refused that Couchbase Lite cannot hold: an ID over 240 bytes, or
	// a revision whose digest is not 16 to 20 bytes in lower-case hex. Otherwise they are
	// stored, and left out of what Couchbase Lite gets, with a warning. Default: false.
	LiteIDs bool `json:"lite_ids,omitempty"`

	// Whether Couchbase Lite may send and get the difference between two revisions instead
	// of the whole document. Default: true.
	DeltaSync *bool `json:"delta_sync,omitempty"`

	// How many generations of a document's ancestry are kept. All databases of a store
	// have the same number. Default: 1000.
	Revisions int `json:"revisions,omitempty"`

	// The database's replications with other servers, by a name of your choice. Not of `*`.
	// Default: none.
	Replicate map[string]*Replication `json:"replicate,omitempty"`
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

// Limits bound what clients send to a database, and what their queries cost. Sizes are in bytes.
type Limits struct {
	// The largest document, without its attachments. Default: 20 MiB.
	Document int64 `json:"document,omitempty"`

	// The largest attachment. Default: 100 MiB.
	Attachment int64 `json:"attachment,omitempty"`

	// The largest body of a request, before and after decompression. Default: 256 MiB.
	Request int64 `json:"request,omitempty"`

	// How many documents one _bulk_docs or _bulk_get may have. Default: 10000.
	BulkDocs int `json:"bulk_docs,omitempty"`

	// How many of the documents that a user sees a _find of theirs may look at. Default: 100000.
	FindDocuments int `json:"find_documents,omitempty"`

	// How long it may work; waiting for an index, or for a client that reads slowly, does not
	// count. Default: 10s.
	FindTime caddy.Duration `json:"find_time,omitempty"`

	// How many live feeds and replications a user may have open at once; -1 for any number.
	// Default: 100.
	UserFeeds int `json:"user_feeds,omitempty"`

	// How many requests a user may send in a second, over some seconds; -1 for any number.
	// Guests are counted by their address, administrators not at all. Default: 1000.
	UserRequests int `json:"user_requests,omitempty"`
}

// maxDocument is the largest `limits document`: what a store reserves for one.
const maxDocument = 32 << 20

var sameSites = map[string]http.SameSite{
	"": http.SameSiteLaxMode, "lax": http.SameSiteLaxMode,
	"strict": http.SameSiteStrictMode, "none": http.SameSiteNoneMode,
}

// revisions is how many generations of a document's ancestry are kept.
func (d *Database) revisions() int {
	if d == nil || d.Revisions == 0 {
		return syncstore.DefaultRevisions
	}
	return d.Revisions
}

func (d *Database) check(name string) error {
	if name != anyDatabase && !databaseName.MatchString(name) {
		return fmt.Errorf("database %q: a name begins with a letter a-z and has a-z, 0-9 and _$()+-/ only, at most 238", name)
	}
	if err := d.validateAccess(); err != nil {
		return fmt.Errorf("database %s: %w", name, err)
	}
	if err := d.checkReplications(name); err != nil {
		return err
	}
	if d.Revisions < 0 || d.Revisions == 1 {
		return fmt.Errorf("database %s: revisions %d: write 2 or more", name, d.Revisions)
	}
	if s := d.Session; s != nil {
		if _, ok := sameSites[s.SameSite]; !ok {
			return fmt.Errorf("database %s: unknown same_site %q: write lax, strict or none", name, s.SameSite)
		}
	}
	if err := d.Retention.check(); err != nil {
		return fmt.Errorf("database %s: %w", name, err)
	}
	if l := d.Limits; l != nil {
		if l.Document < 0 || l.Attachment < 0 || l.Request < 0 || l.BulkDocs < 0 || l.FindDocuments < 0 || l.FindTime < 0 ||
			l.UserFeeds < rest.Unlimited || l.UserRequests < rest.Unlimited {
			return fmt.Errorf("database %s: a limit is negative", name)
		}
		if l.Document > maxDocument {
			return fmt.Errorf("database %s: limits document is over 32MiB: put large content into attachments", name)
		}
		if err := atLeast("limits find_time", time.Millisecond, l.FindTime); err != nil {
			return fmt.Errorf("database %s: %w", name, err)
		}
	}
	return nil
}

// policy is the database as auth takes it.
func (d *Database) policy(name string) auth.Policy {
	p := auth.Policy{
		Name: name, Providers: slices.Concat(d.OIDC, d.JWT), DefaultProvider: d.DefaultProvider,
		PasswordAuth: d.PasswordAuth, AccessStated: d.stated(),
	}
	d.guest(&p)
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
		FindDocuments: d.Limits.FindDocuments, FindTime: time.Duration(d.Limits.FindTime),
		UserFeeds: d.Limits.UserFeeds, UserRequests: d.Limits.UserRequests,
	}
}
