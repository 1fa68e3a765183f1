package devidp

import (
	"fmt"
	"net/http"
	"path/filepath"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
)

const (
	defaultTokenLifetime = time.Hour
	defaultFolder        = "sync_dev_idp" // in Caddy's data directory
)

func init() {
	caddy.RegisterModule(&Handler{})
	registerDirective()
}

// pool has what must outlive a configuration, by issuer and data folder, so that a
// reload ends no sign-in.
var pool = caddy.NewUsagePool()

// Handler is an OpenID Connect provider for development: a client on this machine signs
// in as any of the listed users by choosing one. It refuses everybody else.
type Handler struct {
	// The issuer: an http or https URL on localhost, 127.0.0.1 or [::1], as browsers
	// see it. The provider answers below its path. Required.
	Issuer string `json:"issuer,omitempty"`

	// The apps that may send their users here. At least one.
	Clients []Client `json:"clients,omitempty"`

	// Who can sign in. At least one.
	Users []User `json:"users,omitempty"`

	// The folder of the signing keys, which are made when first needed. Default: the
	// folder sync_dev_idp in Caddy's data directory.
	Data string `json:"data,omitempty"`

	// What ID tokens are signed with: RS256 (the default), ES256 or EdDSA. The key set
	// has a key for each.
	Algorithm string `json:"algorithm,omitempty"`

	// How long ID tokens and access tokens live. Default: 1h.
	TokenLifetime caddy.Duration `json:"token_lifetime,omitempty"`

	provider *provider
	poolKey  string
	held     bool
}

// CaddyModule returns the Caddy module information.
func (*Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.sync_dev_idp",
		New: func() caddy.Module { return new(Handler) },
	}
}

// Provision checks the configuration and reads the keys if there are any. It opens no
// connection and writes no file.
func (h *Handler) Provision(ctx caddy.Context) error {
	repl := caddy.NewReplacer()

	issuer, err := repl.ReplaceOrErr(h.Issuer, true, true)
	if err != nil {
		return fmt.Errorf("sync_dev_idp: issuer: %w", err)
	}

	checked, err := newSettings(h, issuer)
	if err != nil {
		return fmt.Errorf("sync_dev_idp: %w", err)
	}

	folder := filepath.Join(caddy.AppDataDir(), defaultFolder)
	if h.Data != "" {
		if folder, err = repl.ReplaceOrErr(h.Data, true, true); err != nil {
			return fmt.Errorf("sync_dev_idp: data: %w", err)
		}
	}

	if folder, err = canonicalFolder(folder); err != nil {
		return fmt.Errorf("sync_dev_idp: %w", err)
	}

	if err := h.hold(issuer, folder, checked, ctx.Logger()); err != nil {
		return fmt.Errorf("sync_dev_idp: %w", err)
	}

	announce(ctx.Logger(), checked, folder)

	return nil
}

// announce says loudly what is on, and for whom.
func announce(log *zap.Logger, checked settings, folder string) {
	log.Warn("a DEVELOPMENT identity provider is on: anybody on this machine can sign in as any of these users, without a password; never use it in production",
		zap.String("issuer", checked.issuer), zap.Strings("users", checked.userNames()), zap.String("data", folder))
}

// hold takes what is shared with other configurations. held is what Cleanup goes by: it
// is called also after a Provision that failed before.
func (h *Handler) hold(issuer, folder string, checked settings, log *zap.Logger) error {
	h.poolKey = issuer + "\x00" + folder

	value, _, err := pool.LoadOrNew(h.poolKey, func() (caddy.Destructor, error) {
		return newShared(folder), nil
	})
	if err != nil {
		return fmt.Errorf("preparing the logins: %w", err)
	}

	h.held = true

	state, ok := value.(*shared)
	if !ok {
		return fmt.Errorf("preparing the logins: the pool has a %T", value)
	}

	if err := state.keys.load(); err != nil {
		return err
	}

	h.provider, err = newProvider(checked, state, log)

	return err
}

// Cleanup gives back what Provision took.
func (h *Handler) Cleanup() error {
	if !h.held {
		return nil
	}

	h.held = false

	_, err := pool.Delete(h.poolKey)

	return err
}

// ServeHTTP answers below the issuer's path, and leaves all else to the next handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	endpoint, ok := h.provider.answers(outerPath(r))
	if !ok {
		return next.ServeHTTP(w, r)
	}

	h.provider.serve(w, r, endpoint)

	return nil
}

// outerPath is the path as the browser sees it, before handle_path and rewrites; the
// issuer is such a URL too.
func outerPath(r *http.Request) string {
	if original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok && original.URL != nil {
		return original.URL.Path
	}

	return r.URL.Path
}

var (
	_ caddy.Module                = (*Handler)(nil)
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddy.CleanerUpper          = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
