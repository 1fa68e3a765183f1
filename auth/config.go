package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"
)

const (
	// DefaultLifetime is a session's absolute limit unless configured.
	DefaultLifetime = 24 * time.Hour
	// DefaultCookie is the session cookie's name unless configured: the one that
	// clients of Sync Gateway know.
	DefaultCookie = "SyncGatewaySession"
	// DefaultClockSkew is what iat and nbf are forgiven unless configured.
	DefaultClockSkew = 30 * time.Second
	// NoClockSkew forgives nothing.
	NoClockSkew time.Duration = -1

	maxClockSkew = 10 * time.Minute
)

// Config is one configuration's providers and policies.
type Config struct {
	Providers []Provider
	Databases []Policy
	Logger    *zap.Logger // default: no log
	// Audit takes one entry for every sign-in, refusal, session and administrator's action.
	// Default: none.
	Audit *zap.Logger
	// Access tells what a user of a database may see; tokenGrants is Principal.TokenGrants.
	// It is asked for answers of _session and for administrators, and decides nothing: who
	// may do what is syncstore's to say, by the same index. Default: nothing is known but
	// what an administrator and the token gave.
	Access func(ctx context.Context, db Database, name string, tokenGrants bool) (Access, error)
}

// Policy is a database's part of the configuration. Name "*" is the policy of
// databases without one of their own.
type Policy struct {
	Name      string
	Providers []string
	// DefaultProvider is the one that signs in by browser when a request names none.
	// Default: the only OpenID Connect provider of Providers, if there is one only.
	DefaultProvider string
	Guest           bool
	// GuestReadOnly refuses what a guest writes.
	GuestReadOnly bool
	// GuestChannels are channels of the default collection that guests have beside "!",
	// GuestCollections those of others.
	GuestChannels    []string
	GuestCollections CollectionGrants
	// PasswordAuth lets users with a password sign in with it. Without it, passwords are
	// refused whatever is stored.
	PasswordAuth bool
	Session      SessionPolicy
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
	// Domain lets the hosts below it have the cookie too. Default: the site's host alone.
	Domain string
	// Secure is whether browsers send the cookie over TLS only. Default: as the request
	// that made it came.
	Secure Tristate
	// HTTPOnly keeps the cookie from scripts. Default: on.
	HTTPOnly Tristate
}

// Tristate is on, off, or what is usual.
type Tristate int

// The values of a Tristate.
const (
	Usual Tristate = iota
	On
	Off
)

// policy is a Policy with its defaults and its providers looked up.
type policy struct {
	Policy
	providers []*provider // in the order of the configuration
	admits    map[*provider]bool
	first     *provider // the default provider, nil if there is none
}

func (c *Config) validate() ([]*provider, map[string]*policy, error) {
	providers, err := newProviders(c.Providers)
	if err != nil {
		return nil, nil, err
	}
	policies := make(map[string]*policy, len(c.Databases))
	for _, d := range c.Databases {
		if _, twice := policies[d.Name]; twice {
			return nil, nil, fmt.Errorf("database %s is configured twice: keep one block", d.Name)
		}
		p, err := newPolicy(d, providers)
		if err != nil {
			return nil, nil, fmt.Errorf("database %s: %w", d.Name, err)
		}
		policies[d.Name] = p
	}
	return providers, policies, nil
}

func newPolicy(d Policy, providers []*provider) (*policy, error) {
	p := &policy{Policy: d, admits: map[*provider]bool{}}
	if d.Name == "" {
		return nil, errors.New("a database needs a name")
	}
	for _, name := range d.Providers {
		i := slices.IndexFunc(providers, func(pr *provider) bool { return pr.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("oidc %s: there is no provider of that name: add `oidc %s { … }` to the sync options", name, name)
		}
		if p.admits[providers[i]] {
			return nil, fmt.Errorf("oidc %s is listed twice", name)
		}
		p.admits[providers[i]] = true
		p.providers = append(p.providers, providers[i])
		if err := checkOpenRegistration(d, providers[i]); err != nil {
			return nil, err
		}
	}
	if err := p.chooseDefault(providers); err != nil {
		return nil, err
	}
	if err := p.checkGuest(); err != nil {
		return nil, err
	}
	return p, p.Session.fill()
}

// chooseDefault finds the default provider: the named one, or the only one.
func (p *policy) chooseDefault(providers []*provider) error {
	several := false
	for _, pr := range providers {
		switch {
		case !p.admits[pr] || pr.Kind != KindOIDC:
		case pr.Name == p.DefaultProvider:
			p.first = pr
			return nil
		case p.first != nil:
			several = true
		default:
			p.first = pr
		}
	}
	if p.DefaultProvider != "" {
		return fmt.Errorf("default_provider %s is not one of the database's oidc providers: add it to `oidc`", p.DefaultProvider)
	}
	if several {
		p.first = nil
	}
	return nil
}

// checkOpenRegistration refuses what would open a database to everybody who has an
// account at a provider, without a word about access (DECISIONS 8).
func checkOpenRegistration(d Policy, p *provider) error {
	if !p.Register || len(p.Require) > 0 || d.AccessStated || loopbackURL(p.Issuer) {
		return nil
	}
	return fmt.Errorf("oidc %s has register and no require, so everybody with an account at %s could read and write here: "+
		"write `access shared`, `access private`, `access channels` or `sync_function <file>` in the database, or `require <claim> <value>` in the provider",
		p.Name, p.Issuer)
}

func (s *SessionPolicy) fill() error {
	if s.Lifetime == 0 {
		s.Lifetime = DefaultLifetime
	}
	if s.Cookie == "" {
		s.Cookie = DefaultCookie
	}
	if s.SameSite == 0 || s.SameSite == http.SameSiteDefaultMode {
		s.SameSite = http.SameSiteLaxMode
	}
	switch {
	case s.Lifetime < time.Second:
		return fmt.Errorf("session lifetime %v is too short: write at least 1s", s.Lifetime)
	case s.Idle < 0 || s.Idle > 0 && s.Idle < time.Second:
		return fmt.Errorf("session idle %v is too short: write at least 1s, or leave it out", s.Idle)
	case !isCookieName(s.Cookie):
		return fmt.Errorf("session cookie %q is not a cookie name: use letters, digits, - and _", s.Cookie)
	}
	return s.checkCookie()
}

// checkCookie refuses cookies that browsers would not keep.
func (s *SessionPolicy) checkCookie() error {
	lower := strings.ToLower(s.Cookie)
	host, secure := strings.HasPrefix(lower, "__host-"), strings.HasPrefix(lower, "__secure-")
	switch {
	case s.Domain != "" && !isDomain(s.Domain):
		return fmt.Errorf("session domain %q is not a host name like example.com", s.Domain)
	case host && s.Domain != "":
		return errors.New("a session cookie called __Host-… has no domain: leave one of the two out (RFC 6265bis section 4.1.3.2)")
	case (host || secure) && s.Secure == Off:
		return fmt.Errorf("session cookie %s has to be secure: leave `secure off` out", s.Cookie)
	case s.SameSite == http.SameSiteNoneMode && s.Secure == Off:
		return errors.New("session same_site none has to be secure: leave `secure off` out")
	}
	if host || secure {
		s.Secure = On
	}
	return nil
}

func isDomain(s string) bool {
	return strings.Contains(s, ".") && !strings.HasPrefix(s, ".") && !strings.HasSuffix(s, ".") &&
		!strings.ContainsFunc(s, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '.' && r != '-'
		})
}

// isCookieName reports whether s is a token (RFC 6265 section 4.1.1).
func isCookieName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r)
	})
}
