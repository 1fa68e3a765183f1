// Package rest serves documents over HTTP as CouchDB's replication protocol does.
package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/caddysync/caddy-sync/auth"
	"github.com/caddysync/caddy-sync/query/design"
	"github.com/caddysync/caddy-sync/query/view"
	"github.com/caddysync/caddy-sync/replication/peer"
	"github.com/caddysync/caddy-sync/syncstore"
	"go.uber.org/zap"
)

// Config is what a site serves.
type Config struct {
	Store *syncstore.Store
	Auth  *auth.Service
	Site  auth.Site
	// Databases are the names this site serves; a lone "*" serves all.
	Databases []string
	// Database returns the policy of a database. Default: default limits.
	Database func(name string) Policy
	// CreateDatabase makes an empty database for PUT /{db}. Default: Store's does.
	CreateDatabase func(ctx context.Context, name string) error
	Logger         *zap.Logger // default: no log
	CORS           *CORS       // nil: none
	// PathPrefix is cut off request paths ("" or "/api").
	PathPrefix string
	// TempDir is where large bulk bodies are spooled. Default: os.TempDir.
	TempDir string
	Version string // of the server
	// Streams ends long responses: it is closed when the server stops.
	Streams <-chan struct{}
	// Design runs the functions of design documents. Default: one of the handler's own.
	Design *design.Functions
	// Views answers queries of views. Default: one of the handler's own.
	Views *view.Views
	// Rejected is called for each document that a policy refused to be written. Default:
	// nothing is.
	Rejected func()
	// Replicate answers a handshake of Couchbase Lite. An error before anything was answered
	// is a *HandshakeError. nil: there is no such replication.
	Replicate func(http.ResponseWriter, *http.Request, Handshake) error
	// Replications are those with other servers. Default: a manager of the handler's own.
	Replications *peer.Manager
	// Limits are those of the server as a whole.
	Limits ServerLimits
	// Usage counts what the limits are about. Default: counters of the handler's own.
	Usage *Usage
	// Draining reports whether the process is about to end, and new requests had better go
	// elsewhere. Default: it is not.
	Draining func() bool
	// Console is the administrators' page, for their site. Default: there is none.
	Console Console
	// Stats are counters of the server for GET /_stats, by name. Default: none.
	Stats func() (map[string]any, error)
	// Detach runs what goes on after its request is over, a feed on a WebSocket, with a context
	// of its own; an error says that it is too late for that. Default: a goroutine.
	Detach func(run func(context.Context)) error
}

// Policy is what a database's configuration means for REST.
type Policy struct {
	Limits Limits
	// Forbidden answers 403 for documents that are not there, and for those that are not to
	// be read, instead of 404. An administrator gets 404.
	Forbidden bool
	// Config is the database's configuration as JSON, without secrets. nil: not to be had.
	Config func() ([]byte, error)
	// Collection says how writes to a collection are judged. nil: by nobody.
	Collection func(scope, name string) CollectionPolicy
}

// CollectionPolicy is what administrators may ask of how a collection's writes are judged.
type CollectionPolicy struct {
	// Try judges a write without storing it; nil if nobody judges.
	Try Try
	// SyncFunction is the text of the sync function, "" if there is none.
	SyncFunction string
	// UserView reports whether users may query a view, and not only administrators; nil: none.
	UserView func(design, view string) bool
	// Closed: the configuration does not have the collection (any more). It is there for
	// administrators only.
	Closed bool
}

// Try judges the write that body, a JSON object {"doc","oldDoc","userCtx"}, describes, and
// answers with JSON. An error that a client can mend has a text for it, and is ErrBadTry.
type Try func(ctx context.Context, body []byte) (answer []byte, err error)

// ErrBadTry says that the body of a dry run is not as it must be.
var ErrBadTry = errors.New("bad request for a dry run")

// Limits bound what a request may send, in bytes if not said otherwise; 0 means the
// default.
type Limits struct {
	Document   int64 // one document without its attachments; 20 MiB
	Attachment int64 // one attachment, decoded; 100 MiB
	Request    int64 // a whole body, before and after decompression; 256 MiB
	BulkDocs   int   // documents in one _bulk_docs or _bulk_get; 10000
	// FindDocuments is how many of the documents that a user sees a query of theirs may look at, and
	// FindTime how long it may work; 100000 and 10 s. Both are far above what an app asks for while
	// somebody waits, and keep a stranger's queries from taking the server. Administrators have no limit.
	FindDocuments int
	FindTime      time.Duration
	// UserFeeds is how many live feeds and replications a user may have open at once, UserRequests how
	// many requests a user may send in a second; 100 and 1000, far above what the devices of one
	// person need, but not what a loop in an app can do. A negative number: no such limit. They are not for administrators.
	UserFeeds, UserRequests int
}

// usualUserRequests is the default of Limits.UserRequests.
const usualUserRequests = 1000

func (l Limits) withDefaults() Limits {
	if l.Document <= 0 {
		l.Document = 20 << 20
	}
	if l.Attachment <= 0 {
		l.Attachment = 100 << 20
	}
	if l.Request <= 0 {
		l.Request = 256 << 20
	}
	if l.BulkDocs <= 0 {
		l.BulkDocs = 10000
	}
	if l.FindDocuments <= 0 {
		l.FindDocuments = 100_000
	}
	if l.FindTime <= 0 {
		l.FindTime = 10 * time.Second
	}
	if l.UserFeeds == 0 {
		l.UserFeeds = 100
	}
	if l.UserRequests == 0 {
		l.UserRequests = usualUserRequests
	}
	return l
}

// authenticator is what the handler asks of auth; a *auth.Service in production.
type authenticator interface {
	Authenticate(r *http.Request, site *auth.Site, db auth.Database) (*auth.Principal, error)
	AuthenticateAdmin(r *http.Request, site *auth.Site) (*auth.Principal, error)
	Lease(ctx context.Context, p *auth.Principal) (*auth.Lease, error)
	ServeSession(w http.ResponseWriter, r *http.Request, site *auth.Site, db *auth.Database, names []auth.Database)
	ServeSessionHandle(w http.ResponseWriter, r *http.Request, site *auth.Site, db *auth.Database, names []auth.Database, handle string)
	Administer(r *http.Request, actor *auth.Principal, db auth.Database) *auth.Administration
	Explain(ctx context.Context, actor *auth.Principal, raw string, db *auth.Database) (auth.Explanation, error)
	ServeOIDC(w http.ResponseWriter, r *http.Request, site *auth.Site, db auth.Database, endpoint auth.OIDCEndpoint)
}

// Handler serves a site.
type Handler struct {
	Config

	auth    authenticator
	names   map[string]struct{} // mounted databases; nil when all are
	origins originList
	cross   *http.CrossOriginProtection
	welcome []byte
	buffers sync.Pool // of *[]byte
	// take is lease; tests have no session to take one of.
	take func(*request) (heldLease, error)
	// tickets are good for a backup each.
	tickets tickets
}

// New checks the configuration and makes a handler of it. It does no I/O.
func New(c Config) (*Handler, error) {
	if c.Store == nil || c.Auth == nil {
		return nil, errors.New("rest: a store and an auth service are needed")
	}
	return newHandler(c, c.Auth)
}

func newHandler(c Config, a authenticator) (*Handler, error) {
	if len(c.Databases) == 0 {
		return nil, errors.New("rest: a site must name its databases, or * for all")
	}
	if c.Logger == nil {
		c.Logger = zap.NewNop()
	}
	if c.CreateDatabase == nil {
		c.CreateDatabase = func(ctx context.Context, name string) error {
			_, err := c.Store.CreateDatabase(ctx, name)
			return err
		}
	}
	if c.Database == nil {
		c.Database = func(string) Policy { return Policy{} }
	}
	c.Limits = c.Limits.withDefaults()
	if c.Usage == nil {
		c.Usage = NewUsage()
	}
	if c.Draining == nil {
		c.Draining = func() bool { return false }
	}
	if c.Stats == nil {
		c.Stats = func() (map[string]any, error) { return map[string]any{}, nil }
	}
	if c.Design == nil {
		c.Design = design.NewFunctions()
	}
	if c.Views == nil {
		c.Views = view.New(c.Design, c.Logger)
	}
	if c.Replications == nil {
		c.Replications = peer.NewManager(c.Logger)
	}
	h := &Handler{Config: c, auth: a}
	h.take = func(rq *request) (heldLease, error) { return h.lease(rq) }
	if len(c.Databases) != 1 || c.Databases[0] != "*" {
		h.names = make(map[string]struct{}, len(c.Databases))
		for _, name := range c.Databases {
			if name == "*" {
				return nil, errors.New("rest: * must stand alone")
			}
			h.names[name] = struct{}{}
		}
	}
	if c.CORS != nil && c.Site.Admin != nil {
		return nil, errors.New("rest: an admin site takes no cors block") // DECISIONS 12
	}
	if err := h.setOrigins(c.CORS); err != nil {
		return nil, fmt.Errorf("rest: cors: %w", err)
	}
	h.welcome = welcome(c.Version, c.Site.Admin != nil)
	return h, nil
}

// ServeHTTP answers what is a sync endpoint of this site and hands the rest to next
// (DECISIONS 14).
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next http.Handler) {
	to, ours := h.route(r.URL.EscapedPath())
	if !ours || (to.kind == kindRoot && prefersHTML(r.Header["Accept"])) {
		next.ServeHTTP(w, r)
		return
	}
	roomy := &roomyRequest{request: request{
		w: w, r: r, docID: to.doc, attName: to.att, item: to.item, part: to.part, started: time.Now(), seen: seenIn(r.Context()),
	}}
	rq := &roomy.request
	rq.headerText = roomy.texts[:]
	rq.seen.Endpoint = to.kind.endpoint()
	h.commonHeaders(rq)
	h.lite1Headers(rq)
	h.corsHeaders(rq)
	if r.Method == http.MethodOptions {
		h.preflight(rq, to)
		return
	}
	if err := h.serve(rq, to); err != nil {
		h.fail(rq, err)
	}
}

// serve finds the action for the request, signs it in and runs it.
func (h *Handler) serve(rq *request, to target) error {
	if to.err != nil {
		return to.err
	}
	act, err := to.action(rq.r.Method)
	if err != nil {
		return err
	}
	if err := rq.parseQuery(); err != nil {
		return err
	}
	if to.db == "" {
		return act.do(h, rq)
	}
	if err := h.signIn(rq, to, act); err != nil {
		return err
	}
	return act.do(h, rq)
}

// signIn says who is asking and whether they may do act in the database.
func (h *Handler) signIn(rq *request, to target, act action) error {
	db, err := h.Store.Database(to.db)
	if errors.Is(err, syncstore.ErrNoDatabase) {
		return h.signInUnknown(rq, to, act)
	}
	if err != nil {
		return fmt.Errorf("opening database: %w", err)
	}
	rq.dbName, rq.keyspace = to.db, to.keyspace
	rq.db = db
	if to.kind == kindUnknown && formerSignIn(to.doc) {
		return errFormerSignIn
	}
	if to.collection() {
		return h.signInCollection(rq, to, act)
	}
	if to.kind == kindOIDCBackchannelLogout && h.Site.Admin == nil {
		// Also while the database is offline: it ends sessions of all databases, and a provider
		// tells of it once.
		return nil
	}
	if to.kind == kindSession || to.kind == kindSessionHandle || to.kind.oidc() && h.Site.Admin == nil {
		return h.serving(rq) // auth judges by itself
	}
	rq.principal, err = h.auth.Authenticate(rq.r, &h.Site, auth.Database{Name: to.db, ID: db.ID()})
	if err != nil {
		return err
	}
	if err := h.admit(rq, act); err != nil {
		return err
	}
	rq.coll = db.Default()
	return h.admitted(rq, to.kind)
}

// admitted refuses a request that is allowed by itself, but not now.
func (h *Handler) admitted(rq *request, k kind) error {
	rq.seen.Database, rq.seen.Collection = rq.dbName, strings.TrimPrefix(rq.keyspace[len(rq.dbName):], ".")
	if p := rq.principal; p != nil {
		rq.seen.User, rq.seen.Method = p.Name, string(p.Method)
	}
	if err := h.serving(rq); err != nil {
		return err
	}
	return h.withinRate(rq, k)
}

// signInCollection signs in for a path that names a collection. Whether there is one only
// those learn who may come in.
func (h *Handler) signInCollection(rq *request, to target, act action) error {
	var err error
	rq.principal, err = h.auth.Authenticate(rq.r, &h.Site, auth.Database{Name: to.db, ID: rq.db.ID()})
	if err != nil {
		return err
	}
	if err := h.admit(rq, act); err != nil {
		return err
	}
	if to.kind.ofDatabase(rq.r.Method) {
		return notFound("missing")
	}
	scope, name, ok := splitKeyspace(to.keyspace)
	if ok {
		rq.coll, ok = h.collections(rq.db, to.db, rq.principal)(scope, name)
	}
	if !ok {
		return noKeyspace(to.keyspace)
	}
	return h.admitted(rq, to.kind)
}

// signInUnknown answers for a database that is not there. On a public site that is
// the answer to a request without credentials, so that names cannot be probed
// (DECISIONS 14): credentials are not looked at, since a good token would register a
// user of no database. On an administrator's site PUT goes on.
func (h *Handler) signInUnknown(rq *request, to target, act action) error {
	if h.Site.Admin == nil {
		r := *rq.r
		r.Header = http.Header{}
		if _, err := h.auth.Authenticate(&r, &h.Site, auth.Database{Name: to.db}); err != nil {
			return err
		}
		return loginRequired() // guests may come in, but not here
	}
	p, err := h.auth.Authenticate(rq.r, &h.Site, auth.Database{Name: to.db})
	if err != nil {
		return err
	}
	if to.kind != kindDatabase || rq.r.Method != http.MethodPut || to.collection() {
		return errNoDatabaseFile
	}
	rq.principal, rq.dbName = p, to.db
	return h.admit(rq, act)
}

// admit applies the rules that do not depend on the documents: the cross-origin
// check, read-only access, and the content types an administrator's site takes.
func (h *Handler) admit(rq *request, act action) error {
	if err := h.checkOrigin(rq); err != nil {
		return err
	}
	if act.write && rq.principal.ReadOnly && rq.principal.Method == auth.MethodGuest {
		return forbidden("Anonymous access is read-only.")
	}
	if act.write && rq.principal.ReadOnly {
		return forbidden("This access is read-only.")
	}
	return h.checkContentType(rq, act)
}

func (h *Handler) policy(rq *request) Policy {
	p := h.Database(rq.dbName)
	p.Limits = p.Limits.withDefaults()
	return p
}
