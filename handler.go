package caddysync

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddysync/caddy-sync/auth"
	"github.com/caddysync/caddy-sync/console"
	"github.com/caddysync/caddy-sync/replication/lite"
	"github.com/caddysync/caddy-sync/replication/rest"
	"github.com/caddysync/caddy-sync/syncstore"
	"go.uber.org/zap"
)

// Handler shows databases to the clients of a site: it answers for them, for `/`,
// `/_session` and the other root endpoints, and leaves all other paths to the next
// handler. Without `admin` it never serves an administrator's endpoint, whatever the
// token says.
type Handler struct {
	// The databases that the site serves, or a lone `*` for all. Required.
	Databases []string `json:"databases,omitempty"`

	// Makes this the administrators' site. Default: a public site.
	Admin *Admin `json:"admin,omitempty"`

	// Lets scripts of other origins use the site. Not with admin. Default: none.
	CORS *CORS `json:"cors,omitempty"`

	// The path that the site's databases are under, as browsers see it, such as /api.
	// Inside `handle_path /api/*` it is given too, for the Path of cookies. Default: none.
	PathPrefix string `json:"path_prefix,omitempty"`

	app    *App
	logger *zap.Logger
	site   auth.Site

	// Set by start, before the app is ready.
	rest *rest.Handler
	lite *lite.Server
	// feeds serve _changes: each ends its feeds at another moment.
	feeds    [streamGroups]*rest.Handler
	nextFeed atomic.Uint32
}

// CaddyModule returns the Caddy module information.
func (*Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.sync", New: func() caddy.Module { return new(Handler) }}
}

// Provision checks what the site serves and registers it with the app.
func (h *Handler) Provision(ctx caddy.Context) error {
	h.logger = ctx.Logger()
	app, err := appOf(ctx)
	if err != nil {
		return err
	}
	h.app = app
	if err := h.provisionSite(); err != nil {
		return err
	}
	app.sites = append(app.sites, h)
	return nil
}

func (h *Handler) provisionSite() error {
	h.site.CookiePath = "/"
	if h.PathPrefix != "" {
		if err := checkLiteral("path_prefix", h.PathPrefix); err != nil {
			return err
		}
		if h.PathPrefix[0] != '/' || path.Clean(h.PathPrefix) != h.PathPrefix || h.PathPrefix == "/" ||
			strings.ContainsAny(h.PathPrefix, "%?#; \\\"") {
			return fmt.Errorf("path_prefix %q: write a path like /api, without a slash at the end", h.PathPrefix)
		}
		h.site.CookiePath = h.PathPrefix
	}
	h.site.Prefix = h.PathPrefix
	if h.CORS != nil {
		if err := atLeast("cors max_age", time.Second, h.CORS.MaxAge); err != nil {
			return err
		}
		// Who may read answers may also have browsers sent to it.
		h.site.ReturnOrigins = slices.DeleteFunc(slices.Clone(h.CORS.Origins), func(o string) bool { return o == "*" })
	}
	if h.Admin == nil {
		return nil
	}
	if h.CORS != nil {
		return errors.New("admin and cors exclude each other: no other origin's script may act as an administrator") // DECISIONS 12
	}
	rule, err := h.Admin.rule()
	h.site.Admin = rule
	return err
}

// Validate refuses sites that name no database, or one that nothing is known about.
func (h *Handler) Validate() error {
	if len(h.Databases) == 0 {
		return errors.New("the site names no database: write `sync <database…>`, or `sync *` for all")
	}
	seen := make(map[string]bool, len(h.Databases))
	for _, name := range h.Databases {
		switch {
		case seen[name]:
			return fmt.Errorf("database %s is named twice", name)
		case name == anyDatabase && len(h.Databases) > 1:
			return errors.New("* stands for all databases, and alone")
		case name != anyDatabase && !databaseName.MatchString(name):
			return fmt.Errorf("%q is no name of a database", name)
		}
		seen[name] = true
		if _, known := h.app.database(name); name != anyDatabase && !known {
			return h.app.unknownDatabase(name)
		}
	}
	// What rest checks is checked now, so that `caddy validate` shows it; it does no I/O.
	_, err := h.newREST(new(syncstore.Store), nil)
	return err
}

// newREST makes the handler that does the work.
func (h *Handler) newREST(store *syncstore.Store, streams <-chan struct{}) (*rest.Handler, error) {
	made, err := rest.New(rest.Config{
		Store: store, Auth: h.app.auth, Site: h.site, Databases: h.Databases,
		CreateDatabase: h.app.createDatabase, Database: h.app.restPolicy, Logger: h.logger, CORS: h.CORS.config(),
		PathPrefix: h.PathPrefix, Version: version(), Streams: streams,
		Rejected: func() { h.app.handle.metrics.rejections.Add(1) }, Replicate: h.replicate,
		Detach: h.detach, Console: h.console(),
		Design: h.app.handle.design, Views: h.app.handle.views, Replications: h.app.handle.replications,
		Limits: h.app.Limits.config(), Usage: h.app.handle.usage, Draining: h.app.streams.draining.Load, Stats: h.app.handle.metrics.values,
	})
	if err != nil {
		return nil, fmt.Errorf("site of %s: %w", strings.Join(h.Databases, " "), err)
	}
	return made, nil
}

// console is the page of an administrators' site, nil if it has none.
func (h *Handler) console() rest.Console {
	if h.Admin == nil || h.Admin.Console != nil && !*h.Admin.Console {
		return nil
	}
	return console.New()
}

// restPolicy is what REST has to know about a database.
func (a *App) restPolicy(name string) rest.Policy {
	if p, ok := a.rests[name]; ok {
		return p
	}
	return a.restPolicyOf(name)
}

func (a *App) restPolicyOf(name string) rest.Policy {
	d, ok := a.database(name)
	if !ok {
		return rest.Policy{}
	}
	return rest.Policy{
		Config: func() ([]byte, error) { return a.describeDatabase(name, d) },
		Limits: d.limits(), Forbidden: d.Unreadable == unreadableForbidden, Collection: a.policies.ofREST(name),
	}
}

// start prepares the site for the open store.
func (h *Handler) start(opened *openStore) error {
	var err error
	h.lite = h.newLite()
	if h.rest, err = h.newREST(opened.store, nil); err != nil {
		return err
	}
	for i := range h.feeds {
		if h.feeds[i], err = h.newREST(opened.store, h.app.streams.groups[i]); err != nil {
			return err
		}
	}
	return nil
}

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if h.notUp(w, r) {
		return nil
	}
	if err := h.app.waitReady(r.Context()); err != nil {
		return comeAgainQuietly(w, r, err)
	}
	seen := new(rest.Seen)
	ctx, cancel := context.WithCancel(rest.WithSeen(auth.WithClient(r.Context(), clientOf(r)), seen))
	defer cancel()
	active, ok := h.app.handle.requests.begin(w, cancel)
	if !ok {
		return comeAgainQuietly(w, r, ErrClosed)
	}
	onward := &onward{next: next, request: r, active: active}
	defer onward.release()
	began := time.Now()
	h.serve(w, h.prefixed(r.WithContext(ctx)), onward)
	h.app.handle.metrics.requestsSeen.observe(seen, time.Since(began))
	trace(ctx, seen)
	logSeen(ctx, seen)
	return onward.err
}

// serve hands the request to rest, and counts it.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request, onward *onward) {
	metrics := h.app.handle.metrics
	if isFeed(r.URL.Path) {
		metrics.feeds.Add(1)
		defer metrics.feeds.Add(-1)
		h.feeds[h.nextFeed.Add(1)%streamGroups].ServeHTTP(w, r, onward)
	} else {
		h.rest.ServeHTTP(w, r, onward)
	}
	if onward.passed {
		return
	}
	h.logFields(r)
	skipAccessLog(r)
}

// isFeed reports whether the path is that of a feed of changes, which may stay open. A slash at the end
// changes nothing.
func isFeed(path string) bool {
	return strings.HasSuffix(strings.TrimSuffix(path, "/"), "/_changes")
}

// prefixed puts the path prefix back if handle_path took it away: rest wants to see what
// the browser sees. What is left may begin like the prefix: /api/apis has a database apis.
func (h *Handler) prefixed(r *http.Request) *http.Request {
	if h.PathPrefix == "" {
		return r
	}
	original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request)
	if !ok || original.URL == nil || original.URL.Path != h.PathPrefix+strings.TrimSuffix(r.URL.Path, "/") &&
		original.URL.Path != h.PathPrefix+r.URL.Path {
		return r
	}
	u := new(url.URL)
	*u = *r.URL
	u.Path, u.RawPath = original.URL.Path, original.URL.RawPath
	r.URL = u // r is a copy already
	return r
}

// logFields adds what only this handler knows to the access log.
func (h *Handler) logFields(r *http.Request) {
	extra, ok := r.Context().Value(caddyhttp.ExtraLogFieldsCtxKey).(*caddyhttp.ExtraLogFields)
	if !ok {
		return
	}
	keyspace, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(r.URL.EscapedPath(), h.PathPrefix), "/"), "/")
	escaped, _, _ := strings.Cut(keyspace, ".")
	name, _ := url.PathUnescape(escaped) // malformed: no name
	if databaseName.MatchString(name) {
		extra.Add(zap.String("sync_db", name))
	}
}

// onward hands a request that is not ours to Caddy's next handler, as it came in, and no
// longer counts it as one that uses the store: it may be a proxied WebSocket.
type onward struct {
	next    caddyhttp.Handler
	request *http.Request
	active  *activeRequest
	passed  bool
	err     error
}

// ServeHTTP implements http.Handler.
func (o *onward) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	o.passed = true
	o.release()
	o.err = o.next.ServeHTTP(w, o.request)
}

func (o *onward) release() {
	if o.active != nil {
		o.active.end()
		o.active = nil
	}
}
