// Package auth answers who is asking: it verifies tokens and sessions and gives a
// principal with a lease.
package auth

import (
	"context"
	"net/http"
	"net/netip"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
	"go.uber.org/zap"
)

// State is what outlives a configuration: sessions, users, known tokens, open leases
// and the last good keys of providers. One for each store.
type State struct{}

// OpenState opens the state kept in records.
func OpenState(ctx context.Context, records *syncstore.Records, logger *zap.Logger) (*State, error) {
	panic("todo")
}
func (s *State) Close() { panic("todo") }

// Config is one configuration's providers and policies.
type Config struct {
	Providers []Provider
	Databases []Policy
	Logger    *zap.Logger
	// ClockSkew etc. belong to a Provider.
}

// Provider is an OpenID Connect provider (`oidc <name>`).
type Provider struct {
	Name               string
	Issuer             string
	ClientIDs          []string
	DiscoveryURL       string
	JWKSURL            string
	Algorithms         []string
	UsernameClaim      string
	UserPrefix         string
	RolesClaim         string
	ChannelsClaim      string
	Require            map[string][]string
	Register           bool
	ClockSkew          time.Duration // default 30s
	MaxTokenAge        time.Duration
	AccessTokens       bool
	CAFile             string
	InsecureSkipVerify bool
	HTTPClient         *http.Client // tests
}

// Policy is a database's part of the configuration. Name "*" is the policy of
// databases without one of their own.
type Policy struct {
	Name      string
	Providers []string
	Guest     bool
	Session   SessionPolicy
	// AccessStated is set when the Caddyfile names `access …` or `sync_function`.
	AccessStated bool
}

// SessionPolicy limits sessions.
type SessionPolicy struct {
	Off              bool
	Lifetime         time.Duration // absolute; default 24h
	Idle             time.Duration // 0: none
	Cookie           string        // default SyncGatewaySession
	SameSite         http.SameSite // default Lax
	UntilTokenExpiry bool
}

// Service judges requests by one configuration.
type Service struct{}

// New checks the configuration (no network, no I/O that a validate could not do).
func New(c Config) (*Service, error) { panic("todo") }

// Start puts the service to work on state: it becomes the configuration by which
// open leases are judged; those it refuses end within a second.
func (s *Service) Start(ctx context.Context, state *State) error { panic("todo") }

// Stop ends what Start began (background refreshes); leases stay.
func (s *Service) Stop() { panic("todo") }

// Site is what a site directive says about who may come in.
type Site struct {
	// Admin is nil on a public site.
	Admin *AdminRule
	// CookiePath is the Path of session cookies: "/" or the prefix the browser sees.
	CookiePath string
}

// AdminRule is an `admin { allow … }` block (DECISIONS 9).
type AdminRule struct {
	Loopback  bool
	ClientIPs []netip.Prefix
	Roles     []string
	Claims    map[string][]string
	Scopes    []string
	ReadOnly  bool
}

// Database names a database for auth: users and roles are per database.
type Database struct {
	Name string
	ID   uint32
}

// Method says how a principal signed in.
type Method string

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
	Roles    []string
	Provider string
	Issuer   string
	Subject  string
	// Expires is the token's or session's end, zero if none.
	Expires time.Time
}

// Authenticate says who is asking for db. The error is an *Error. Order: bearer,
// (basic), (one-time), cookie, guest; a bad bearer never falls through.
func (s *Service) Authenticate(r *http.Request, site *Site, db Database) (*Principal, error) {
	panic("todo")
}

// AuthenticateAdmin is for endpoints of an admin site that name no database.
func (s *Service) AuthenticateAdmin(r *http.Request, site *Site) (*Principal, error) { panic("todo") }

// Lease ends when p's session is deleted or expires, its token expires, its user is
// disabled or deleted, or the configuration no longer admits it. It registers first and
// then reads the session, user and provider again; a principal that is already refused gets an *Error.
func (s *Service) Lease(ctx context.Context, p *Principal) (*Lease, error) { panic("todo") }

// Lease is held by a response for as long as it is open.
type Lease struct{}

func (l *Lease) Done() <-chan struct{} { panic("todo") }

// Reason says why it ended; "" while it runs.
func (l *Lease) Reason() string { panic("todo") }
func (l *Lease) Close()         { panic("todo") }

// ServeSession answers GET, HEAD, POST and DELETE of /{db}/_session, and of /_session
// with db nil (and names = the site's databases). CORS and the cross-origin check have been done.
func (s *Service) ServeSession(w http.ResponseWriter, r *http.Request, site *Site, db *Database, names []Database) {
	panic("todo")
}
