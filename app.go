package caddysync

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
	"github.com/caddysync/caddy-sync/access"
	"github.com/caddysync/caddy-sync/auth"
	"github.com/caddysync/caddy-sync/replication/rest"
	"go.uber.org/zap"
)

// defaultStreamCloseDelay is over how long the feeds of an old configuration end.
const defaultStreamCloseDelay = time.Minute

// App owns what all sites share: the store that documents are kept in, the identity
// providers whose tokens sign clients in, and the databases with their policies. Sites
// show databases to clients with the HTTP handler `sync`.
type App struct {
	// Where documents are kept. Required.
	StoreRaw json.RawMessage `json:"store,omitempty" caddy:"namespace=sync.stores inline_key=backend"`

	// The OpenID Connect providers, by a name of your choice. Default: none, so that
	// nobody signs in by token.
	OIDC map[string]*Provider `json:"oidc,omitempty"`

	// The providers of JWTs without OpenID Connect, such as an app's own backend, by a
	// name that no OpenID Connect provider has. Default: none.
	JWT map[string]*JWTProvider `json:"jwt,omitempty"`

	// The databases by name. `*` is the policy of those that administrators make at run
	// time. Required: one at least.
	Databases map[string]*Database `json:"databases,omitempty"`

	// What all clients together may have open, and how many databases there may be.
	Limits *ServerLimits `json:"limits,omitempty"`

	// Over how long the live feeds of clients are ended after a reload, so that they do
	// not all come back at once; 0 ends them at once. Default: 1m.
	StreamCloseDelay *caddy.Duration `json:"stream_close_delay,omitempty"`

	ctx     caddy.Context
	logger  *zap.Logger
	backend Backend
	auth    *auth.Service
	streams *streams
	cut     *time.Timer // cuts off the requests that do not end when the process exits
	sites   []*Handler
	// came is set when it tried to enter; the handle's lock guards it.
	came bool
	// endEntering ends what tries to enter again, nil if nothing does.
	endEntering func()

	policies policies
	// rests are the policies of the databases that the configuration names, as REST takes them.
	rests map[string]rest.Policy
	// validations run the validate_doc_update functions of design documents.
	validations *access.Validations

	handle *storeHandle
	held   bool // Cleanup is also called when Provision failed before it held the store

	// ready is closed when the store is open and sign-in works. Caddy starts apps in
	// random order, so requests may come before.
	ready chan struct{}
	// gone is closed when the configuration is stopped or has failed, by endWaiting.
	gone       chan struct{}
	endWaiting func()
}

// CaddyModule returns the Caddy module information.
func (App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "sync", New: func() caddy.Module { return new(App) }}
}

// Provision checks the configuration and takes hold of the store, without opening it:
// `caddy validate` works beside a running server.
func (a *App) Provision(ctx caddy.Context) error {
	a.ctx, a.logger = ctx, ctx.Logger()
	a.begin()
	if a.StoreRaw == nil {
		return errors.New("there is no store: write `store badger <path>` into the sync option")
	}
	loaded, err := ctx.LoadModule(a, "StoreRaw")
	if err != nil {
		return fmt.Errorf("loading the store's module: %w", err)
	}
	backend, ok := loaded.(Backend)
	if !ok {
		return fmt.Errorf("module %T is no store", loaded)
	}
	a.backend = backend
	if err := a.checkDatabases(); err != nil {
		return err
	}
	if err := a.checkListed(); err != nil {
		return err
	}
	if err := a.provisionPolicies(); err != nil {
		return err
	}
	a.rests = make(map[string]rest.Policy, len(a.Databases))
	for name := range a.Databases {
		a.rests[name] = a.restPolicyOf(name)
	}
	if err := a.provisionAuth(); err != nil {
		return err
	}
	if err := a.subscribe(); err != nil {
		return err
	}
	return a.holdStore()
}

// begin makes what requests wait for and are ended by.
func (a *App) begin() {
	a.streams, a.ready, a.gone = newStreams(), make(chan struct{}), make(chan struct{})
	a.endWaiting = sync.OnceFunc(func() { close(a.gone) })
}

func (a *App) provisionAuth() error {
	config := auth.Config{Logger: a.logger.Named("auth"), Audit: a.auditLogger(), Access: a.accessOf}
	var err error
	if config.Providers, err = a.providers(); err != nil {
		return err
	}
	for _, name := range sortedKeys(a.Databases) {
		config.Databases = append(config.Databases, a.Databases[name].policy(name))
	}
	service, err := auth.New(config)
	if err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	a.auth = service
	return nil
}

// providers are those of both kinds, as auth takes them.
func (a *App) providers() ([]auth.Provider, error) {
	repl := caddy.NewReplacer()
	var list []auth.Provider
	for _, name := range sortedKeys(a.OIDC) {
		if a.OIDC[name] == nil {
			return nil, fmt.Errorf("oidc %s: there is nothing in it", name)
		}
		provider, err := a.OIDC[name].config(name, repl)
		if err != nil {
			return nil, err
		}
		if err := checkIssuer(name, provider.Issuer); err != nil {
			return nil, err
		}
		list = append(list, provider)
	}
	for _, name := range sortedKeys(a.JWT) {
		if a.JWT[name] == nil {
			return nil, fmt.Errorf("jwt %s: there is nothing in it", name)
		}
		provider, err := a.JWT[name].config(name, repl)
		if err != nil {
			return nil, err
		}
		list = append(list, provider)
	}
	return list, nil
}

// subscribe asks for the event that Caddy is stopping: open feeds would hold the exit up
// for ever.
func (a *App) subscribe() error {
	loaded, err := a.ctx.App("events")
	if err != nil {
		return fmt.Errorf("loading the events app: %w", err)
	}
	events, ok := loaded.(*caddyevents.App)
	if !ok {
		return fmt.Errorf("the events app is a %T", loaded)
	}
	for _, name := range []string{eventStarted, eventStopping} {
		if err := events.On(name, a); err != nil {
			return fmt.Errorf("subscribing to the event %s: %w", name, err)
		}
	}
	return nil
}

// Caddy's events that the app follows.
const (
	eventStarted  = "started"
	eventStopping = "stopping"
)

// Handle lets requests in when every app of the configuration has started, and ends all
// feeds when the process exits: before any app stops, since the HTTP app waits for its
// requests.
func (a *App) Handle(_ context.Context, event caddy.Event) error {
	if event.Origin() != nil {
		return nil // a module's own, of the same name: not all apps need have started
	}
	switch event.Name() {
	case eventStarted:
		a.enter()
	case eventStopping:
		if caddy.Exiting() {
			a.drain()
		}
	}
	return nil
}

// drain ends what Caddy waits for without a limit when the process exits, what came by earlier configurations too.
func (a *App) drain() {
	a.streams.draining.Store(true)
	a.streams.endNow()
	a.handle.endStreams()
	a.handle.replications.Close() // requests wait for some
	// For a client that reads a byte a second it would wait for hours.
	a.cut = time.AfterFunc(a.cutAfter(), a.handle.requests.cancel)
}

// cutAfter is how long requests have when the process exits: as long as Caddy still takes new ones
// (shutdown_delay), and after that its grace_period or, without one, drainLimit.
func (a *App) cutAfter() time.Duration {
	app := a.httpApp()
	if app == nil {
		return drainLimit
	}
	return time.Duration(app.ShutdownDelay) + cmp.Or(time.Duration(app.GracePeriod), drainLimit)
}

func (a *App) holdStore() error {
	loaded, _, err := stores.LoadOrNew(a.backend.Key(), func() (caddy.Destructor, error) {
		return newStoreHandle(a.backend.Key()), nil
	})
	if err != nil {
		return fmt.Errorf("taking hold of the store: %w", err)
	}
	a.handle, a.held = loaded.(*storeHandle), true
	if err := a.handle.accepts(a.backend, a.settings()); err != nil {
		return err
	}
	return a.handle.metrics.register(a.ctx.GetMetricsRegistry())
}

// Validate refuses configurations that would not do what they seem to.
func (a *App) Validate() error {
	if a.StreamCloseDelay != nil {
		if err := atLeast("stream_close_delay", time.Millisecond, *a.StreamCloseDelay); err != nil {
			return err
		}
	}
	return a.Limits.check()
}

// Start opens the store, and refuses to go on if databases are missing that could not be made. They are made when all
// apps have started: of a configuration that fails nothing may stay.
func (a *App) Start() error {
	opened, err := a.handle.open(a)
	if err != nil {
		return err
	}
	if len(opened.missing(sortedKeys(a.Databases))) > 0 {
		if err := opened.tryWrite(context.Background()); err != nil {
			return fmt.Errorf("databases are to be made: %w", err)
		}
	}
	var rules []*auth.AdminRule
	for _, site := range a.sites {
		if err := site.start(opened); err != nil {
			return err
		}
		if site.site.Admin != nil {
			rules = append(rules, site.site.Admin)
		}
	}
	a.auth.AdmitBy(rules)
	a.warn()
	a.warnScopes()
	a.warnReplications()
	return nil
}

// enter makes this configuration the one by which sign-ins and writes are judged, and lets
// its requests in. Not in Start: another app of this configuration may still fail to start,
// and then the running one must go on as if nothing had been. By now there is no way back: what
// fails, because the disk is full for instance, is tried until it works or another configuration comes.
func (a *App) enter() {
	ctx, cancel := context.WithCancel(context.WithoutCancel(a.ctx))
	err := a.enterOnce(ctx)
	if err == nil {
		cancel()
		return
	}
	a.logger.Error("no request can be answered; it is tried again", zap.Error(err))
	ended := make(chan struct{})
	a.endEntering = func() {
		cancel()
		<-ended
	}
	go func() {
		defer close(ended)
		again(ctx, func() bool {
			err := a.enterOnce(ctx)
			switch {
			case err == nil:
				a.logger.Info("requests are answered now")
				return true
			case errors.Is(err, ErrClosed):
				return true
			case errors.Is(err, errReplaced):
				return false // until Stop, since the last step of that reload may fail
			}
			a.logger.Error("no request can be answered; it is tried again", zap.Error(err))
			return false
		})
	}()
}

func (a *App) enterOnce(ctx context.Context) error {
	if err := a.handle.enter(ctx, a); err != nil {
		return err
	}
	close(a.ready)
	a.watchPolicies()
	return nil
}

// Stop ends the configuration's feeds: at once if Caddy exits, otherwise spread over
// stream_close_delay.
func (a *App) Stop() error {
	a.leave()
	return nil
}

// leave undoes enter, once.
func (a *App) leave() {
	delay := defaultStreamCloseDelay
	if a.StreamCloseDelay != nil {
		delay = time.Duration(*a.StreamCloseDelay)
	}
	if caddy.Exiting() {
		delay = 0
	}
	if a.endEntering != nil {
		a.endEntering()
	}
	a.endWaiting()
	a.handle.leave(a, delay)
	a.policies.each((*collectionPolicy).end)
}

// Cleanup lets go of the store. Requests of this configuration may still be in progress.
func (a *App) Cleanup() error {
	if !a.held {
		return nil
	}
	a.leave()
	if a.cut != nil {
		a.cut.Stop()
	}
	a.held = false
	if _, err := stores.Delete(a.backend.Key()); err != nil {
		return fmt.Errorf("closing the store: %w", err)
	}
	return nil
}

// createDatabase makes a database for an administrator.
func (a *App) createDatabase(ctx context.Context, name string) error {
	return a.handle.createDatabase(ctx, name)
}

// database returns the policy of a database.
func (a *App) database(name string) (*Database, bool) {
	if d, ok := a.Databases[name]; ok {
		return d, true
	}
	d, ok := a.Databases[anyDatabase]
	return d, ok
}

// unknownDatabase is the error of a name that the configuration does not have.
func (a *App) unknownDatabase(name string) error {
	there := slices.DeleteFunc(sortedKeys(a.Databases), func(name string) bool { return name == anyDatabase })
	return unknownDatabase(name, there)
}

func unknownDatabase(name string, there []string) error {
	if len(there) == 0 {
		return fmt.Errorf("database %s: %w: add `database %s { … }`", name, ErrUnknownDatabase, name)
	}
	return fmt.Errorf("database %s: %w: there are: %s", name, ErrUnknownDatabase, strings.Join(there, ", "))
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
