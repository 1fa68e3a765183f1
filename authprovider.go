package caddysync

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/caddyauth"
	"github.com/caddysync/caddy-sync/auth"
	"go.uber.org/zap"
)

// principalVar is the variable of a request that has who signed in by an AuthProvider.
const principalVar = "sync.principal"

// AuthProvider lets Caddy's other handlers, such as reverse_proxy and file_server, stand
// behind the same sign-in as a database: a bearer token, a session's cookie or, with
// `password_auth`, a user name and password. Guests are nobody here.
//
// Who signed in is {http.auth.user.id}; more is in {http.auth.user.roles} (separated by
// commas; a role with a comma in it is left out), {http.auth.user.email}, .method,
// .provider, .issuer and .subject. Writes and WebSocket handshakes that are not signed in
// by a bearer token must come from a page of the same origin or of one of Origins.
type AuthProvider struct {
	// The database whose users may come in, by its policy. Required.
	Database string `json:"database,omitempty"`

	// Other origins whose pages may write with a user's cookie. Default: none.
	Origins []string `json:"origins,omitempty"`

	app    *App
	logger *zap.Logger
	cross  *http.CrossOriginProtection
}

// CaddyModule returns the Caddy module information.
func (*AuthProvider) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.authentication.providers.sync", New: func() caddy.Module { return new(AuthProvider) }}
}

// Provision finds the app.
func (p *AuthProvider) Provision(ctx caddy.Context) error {
	p.logger = ctx.Logger()
	var err error
	if p.app, err = appOf(ctx); err != nil {
		return err
	}
	p.cross = http.NewCrossOriginProtection()
	for _, origin := range p.Origins {
		if err := p.cross.AddTrustedOrigin(origin); err != nil {
			return fmt.Errorf("origin %s: write it like https://app.example.com", origin)
		}
	}
	return nil
}

// Validate refuses a database that nothing is known about.
func (p *AuthProvider) Validate() error {
	if p.Database == "" {
		return errors.New("the provider sync needs a database: write `sync_auth <database>`")
	}
	if _, known := p.app.database(p.Database); p.Database == anyDatabase || !known {
		return p.app.unknownDatabase(p.Database)
	}
	return nil
}

// Authenticate implements caddyauth.Authenticator. Caddy answers 401 for every refusal; one
// that may pass by itself has a Retry-After.
func (p *AuthProvider) Authenticate(w http.ResponseWriter, r *http.Request) (caddyauth.User, bool, error) {
	if err := p.app.waitReady(r.Context()); err != nil {
		return caddyauth.User{}, false, comeAgain(w, err)
	}
	ctx, cancel := context.WithCancel(auth.WithClient(r.Context(), clientOf(r)))
	defer cancel()
	active, ok := p.app.handle.requests.begin(w, cancel)
	if !ok {
		return caddyauth.User{}, false, comeAgain(w, ErrClosed)
	}
	defer active.end()
	opened := p.app.handle.current()
	if opened == nil {
		return caddyauth.User{}, false, comeAgain(w, ErrClosed)
	}
	db, err := opened.store.Database(p.Database)
	if err != nil {
		return caddyauth.User{}, false, comeAgain(w, fmt.Errorf("database %s: %w", p.Database, err))
	}
	principal, err := p.app.auth.Authenticate(r.WithContext(ctx), &auth.Site{CookiePath: "/"}, auth.Database{Name: p.Database, ID: db.ID()})
	if refusal, refused := errors.AsType[*auth.Error](err); refused {
		challenge(w, refusal)
		return caddyauth.User{}, false, nil // auth logged why
	}
	if err != nil {
		return caddyauth.User{}, false, err
	}
	if principal.Method == auth.MethodGuest {
		w.Header().Add("WWW-Authenticate", `Bearer realm="caddy-sync"`)
		return caddyauth.User{}, false, nil
	}
	if err := p.checkOrigin(r, principal); err != nil {
		return caddyauth.User{}, false, err
	}
	caddyhttp.SetVar(r.Context(), principalVar, principal)
	user := caddyauth.User{ID: principal.Name, Metadata: metadata(principal)}
	if stored, err := opened.state.User(ctx, db.ID(), principal.Name); err == nil {
		user.Metadata["email"] = stored.Email
	}
	return user, true, nil
}

// challenge sets the headers with which sync refuses.
func challenge(w http.ResponseWriter, refusal *auth.Error) {
	for _, c := range refusal.Challenges {
		w.Header().Add("WWW-Authenticate", c)
	}
	if refusal.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((refusal.RetryAfter+time.Second-1)/time.Second)))
	}
}

// errOtherOrigin: another site's page made the browser send this with the user's cookie.
var errOtherOrigin = errors.New("the request comes from a page of another origin: list it in `origins` of sync_auth if its pages may write")

// checkOrigin is the check that sync has for its own writes (DECISIONS 12), for those that
// go to other handlers.
func (p *AuthProvider) checkOrigin(r *http.Request, principal *auth.Principal) error {
	if principal.Method == auth.MethodBearer {
		return nil
	}
	seen := *r
	if host := clientOf(r).Host; host != "" {
		seen.Host = host
	}
	if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		seen.Method = http.MethodPost // what comes over it can be anything
	}
	if p.cross.Check(&seen) != nil {
		return errOtherOrigin
	}
	return nil
}

// metadata is what placeholders show of who signed in. All of them are always there: an
// unknown placeholder would go to an upstream as it is written.
func metadata(p *auth.Principal) map[string]string {
	var roles []string
	for _, role := range p.Roles {
		if !strings.Contains(role, ",") {
			roles = append(roles, role)
		}
	}
	return map[string]string{
		"method": string(p.Method), "roles": strings.Join(roles, ","), "email": "",
		"provider": p.Provider, "issuer": p.Issuer, "subject": p.Subject,
	}
}
