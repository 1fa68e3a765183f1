package caddysync

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// readyLimit is how long a request waits for the store to be open.
const readyLimit = 10 * time.Second

// appOf returns the app of the configuration that is being loaded.
func appOf(ctx caddy.Context) (*App, error) {
	loaded, err := ctx.AppIfConfigured("sync")
	if errors.Is(err, caddy.ErrNotConfigured) {
		return nil, errors.New("the global option sync is missing: it says where documents are kept and who signs in")
	}
	if err != nil {
		return nil, fmt.Errorf("loading the app sync: %w", err)
	}
	app, ok := loaded.(*App)
	if !ok {
		return nil, fmt.Errorf("the app sync is a %T", loaded)
	}
	return app, nil
}

// waitReady waits for the store, at most readyLimit. A configuration that another app of it made fail never gets
// it: Caddy may have let requests in by then, from the sockets that it shares with the running one.
func (a *App) waitReady(ctx context.Context) error {
	select {
	case <-a.ready:
		return nil
	default:
	}
	timer := time.NewTimer(readyLimit)
	defer timer.Stop()
	select {
	case <-a.ready:
		return nil
	case <-a.gone:
		return ErrNotReady
	case <-timer.C:
		return ErrNotReady
	case <-ctx.Done():
		return fmt.Errorf("waiting for the store: %w", context.Cause(ctx))
	}
}
