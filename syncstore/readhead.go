package syncstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// readHead reads a document that is there: ErrNotFound.
func (c *Collection) readHead(ctx context.Context, key []byte) (*head, error) {
	var h *head
	err := c.store.engine.View(ctx, func(r engine.Reader) (err error) {
		h, err = storedHead(r, key)
		return err
	})
	return h, err
}

// storedHead is headIn of a document that is there: ErrNotFound.
func storedHead(r engine.Reader, key []byte) (*head, error) {
	h, err := headIn(r, key)
	if err == nil && h == nil {
		err = ErrNotFound
	}
	return h, err
}

// headIn reads a document, nil if there is none.
func headIn(r engine.Reader, key []byte) (*head, error) {
	record, err := r.Get(key)
	if errors.Is(err, engine.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading a document: %w", err)
	}
	return decodeHead(record)
}
