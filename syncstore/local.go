package syncstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// LocalDocument is a document that is not replicated, such as a checkpoint.
type LocalDocument struct {
	ID string // without "_local/"
	// Rev is "0-N", N counting the writes.
	Rev string
	// Body is a JSON object without "_" members.
	Body []byte
}

// GetLocal returns the local document id of owner, a user's name or "" for an
// administrator's. ErrBadID, ErrNotFound.
func (c *Collection) GetLocal(ctx context.Context, owner, id string) (*LocalDocument, error) {
	if err := CheckID(id); err != nil {
		return nil, err
	}
	var doc *LocalDocument
	err := c.store.engine.View(ctx, func(r engine.Reader) error {
		record, err := r.Get(c.scope.local(owner, id))
		if errors.Is(err, engine.ErrNotFound) {
			return ErrNotFound
		}
		if err != nil {
			return fmt.Errorf("reading a local document: %w", err)
		}
		n, body, err := decodeLocal(record)
		doc = &LocalDocument{ID: id, Rev: localRev(n), Body: body}
		return err
	})
	if err != nil {
		return nil, err
	}
	return doc, nil
}

// PutLocal stores a local document. rev must be the current one, "" if there is none:
// else ErrConflict. It returns the new revision.
func (c *Collection) PutLocal(ctx context.Context, owner, id, rev string, body []byte) (string, error) {
	if int64(len(body)) > c.store.options.MaxDocument {
		return "", fmt.Errorf("local document: %w", ErrTooLarge)
	}
	var next uint64
	err := c.writeLocal(ctx, id, len(body), func(tx *overlay) error {
		key := c.scope.local(owner, id)
		current, err := localState(tx, key)
		if err != nil {
			return err
		}
		if given, ok := parseLocalRev(rev); !ok || given != current {
			return ErrConflict
		}
		next = current + 1
		tx.put(key, c.encodeLocal(next, body))
		return nil
	})
	if err != nil {
		return "", err
	}
	return localRev(next), nil
}

// DeleteLocal removes a local document. ErrNotFound; ErrConflict if rev is not the
// current one.
func (c *Collection) DeleteLocal(ctx context.Context, owner, id, rev string) error {
	return c.writeLocal(ctx, id, 0, func(tx *overlay) error {
		key := c.scope.local(owner, id)
		current, err := localState(tx, key)
		if err != nil {
			return err
		}
		if current == 0 {
			return ErrNotFound
		}
		if given, ok := parseLocalRev(rev); !ok || given != current {
			return ErrConflict
		}
		tx.delete(key)
		return nil
	})
}

func (c *Collection) writeLocal(ctx context.Context, id string, size int, apply func(*overlay) error) error {
	if err := CheckID(id); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	set := &changeSet{db: c.db, size: size, apply: apply}
	c.store.committer.commit(set)
	return set.err
}

const localFormat = 1

// encodeLocal also keeps when the document was written, for retention.
func (c *Collection) encodeLocal(n uint64, body []byte) []byte {
	e := encoder{}
	e.byte(localFormat)
	e.uvarint(n)
	e.fixed64(uint64(c.store.options.Now().Unix()))
	e.bytes(body)
	return e.b
}

func decodeLocal(record []byte) (n uint64, body []byte, err error) {
	d := decoder{b: record}
	if format := d.byte(); format != localFormat && d.err == nil {
		return 0, nil, fmt.Errorf("%w: local document format %d", ErrDamaged, format)
	}
	n = d.uvarint()
	d.fixed64()
	body = d.bytes()
	return n, body, d.end()
}

// localWritten returns when a local document was written, in seconds since 1970.
func localWritten(record []byte) (int64, error) {
	d := decoder{b: record}
	if format := d.byte(); format != localFormat && d.err == nil {
		return 0, fmt.Errorf("%w: local document format %d", ErrDamaged, format)
	}
	d.uvarint()
	return int64(d.fixed64()), d.err
}

// localState returns how often a local document was written, 0 if it is not there.
func localState(tx *overlay, key []byte) (uint64, error) {
	record, err := tx.get(key)
	if errors.Is(err, engine.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("reading a local document: %w", err)
	}
	n, _, err := decodeLocal(record)
	return n, err
}

func localRev(n uint64) string { return "0-" + strconv.FormatUint(n, 10) }

// parseLocalRev returns N of "0-N"; 0 for "".
func parseLocalRev(rev string) (uint64, bool) {
	if rev == "" {
		return 0, true
	}
	digits, ok := strings.CutPrefix(rev, "0-")
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, err == nil
}
