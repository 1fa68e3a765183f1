package badger

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// Recover implements engine.Engine: after a doubtful commit it closes Badger, which
// writes what it holds into new synced tables, and opens it again. The doubtful
// transaction is then either there or not. Views begun before are waited for, views
// begun meanwhile wait; so a view must not begin another one. If ctx ends before it is
// done, or opening fails, the next Recover goes on. Without a doubtful commit it does
// nothing.
func (e *Engine) Recover(ctx context.Context) error {
	if err := e.beginWriting(ctx); err != nil {
		return err
	}
	defer e.endWriting()
	if e.doubt.Load() == nil {
		return nil
	}
	h := e.current.Load()
	if err := e.closeHandle(ctx, h); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("closing the store for recovery: %w", err)
		}
		// It was closed as far as it can be; whether it opens again decides.
		e.log.Warn("closing the store for recovery", zap.Error(err))
	}
	next, err := e.openHandle()
	if err != nil {
		e.replace(h, failedHandle(notReopened(err)))
		return err
	}
	e.doubt.Store(nil)
	e.replace(h, next)
	e.watches.tellAll() // the doubtful transaction may be there
	e.log.Info("store reopened after a commit in doubt")
	return nil
}

// notReopened is what all get while the store cannot be opened again. It may pass (no memory, no file left), and clients come
// back after ErrUnavailable; damage does not.
func notReopened(err error) error {
	if errors.Is(err, engine.ErrDamaged) {
		return fmt.Errorf("recovering: %w", err)
	}
	return fmt.Errorf("%w: recovering: %w", engine.ErrUnavailable, err)
}

// closeHandle closes Badger when nobody uses it any more, and notes the tables that could not be
// written meanwhile.
func (e *Engine) closeHandle(ctx context.Context, h *handle) error {
	if h.use() {
		h.used = usedTables(h.db)
		h.release()
	}
	h.retire()
	err := h.close(ctx)
	if err != nil && ctx.Err() != nil || h.used == nil {
		return err
	}
	if _, failed := noteLost(e.path, h.used); failed != nil {
		e.log.Error("noting lost tables", zap.Error(failed))
	}
	return err
}
