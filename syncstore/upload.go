package syncstore

import (
	"context"
	"crypto/md5" //nolint:gosec // names that clients use, not protections (DECISIONS 22)
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // likewise
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"time"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

const (
	// chunkSize is over the engine's threshold for its value log (DECISIONS 37).
	chunkSize = 256 << 10
	// unusedContent is how long content is kept that no document names: the time that a
	// write has between its upload, or its check of a stub, and its commit (DECISIONS 30).
	unusedContent = time.Hour
	// renewUpload is how often an upload that goes on says that it lives.
	renewUpload = 10 * time.Minute
)

var errUploadOver = errors.New("upload is over")

// Upload stores attachment content. Each chunk is on stable storage before the next is
// taken, so that a sender is slowed down to what the disk takes. For one goroutine.
type Upload struct {
	ctx    context.Context //nolint:containedctx // an upload belongs to one request
	db     *Database
	blob   blobID
	buffer []byte
	chunks uint32
	length int64
	// due is when the sweeper will take the upload for abandoned, 0 if nothing is stored.
	due    int64
	hashes [3]hash.Hash // SHA-256, MD5, SHA-1
	over   bool
}

// NewUpload begins to store content. Write to it, then Commit or Abort it. What is
// neither is cleared after an hour.
func (d *Database) NewUpload(ctx context.Context) *Upload {
	u := &Upload{ctx: ctx, db: d}
	u.hashes = [3]hash.Hash{sha256.New(), md5.New(), sha1.New()} //nolint:gosec // see imports
	_, _ = rand.Read(u.blob[:])
	return u
}

// Write stores p. ErrInsufficientStorage, ErrUnavailable, ErrNoDatabase; ErrUploadExpired
// if nothing came for so long that the upload was taken for abandoned.
func (u *Upload) Write(p []byte) (int, error) {
	if u.over {
		return 0, errUploadOver
	}
	for _, h := range u.hashes {
		_, _ = h.Write(p) // a hash never fails
	}
	written := 0
	for len(p) > 0 {
		n := min(len(p), chunkSize-len(u.buffer))
		u.buffer = append(u.buffer, p[:n]...)
		p = p[n:]
		if len(u.buffer) == chunkSize {
			if err := u.flush(); err != nil {
				return written, err
			}
		}
		written += n
		u.length += int64(n)
	}
	return written, nil
}

// flush commits the buffered chunk, and sees to it that the upload is swept if it is
// never finished.
func (u *Upload) flush() error {
	if err := u.ctx.Err(); err != nil {
		return err
	}
	set := &changeSet{db: u.db, apply: u.checkNotSwept(u.due)}
	set.put(u.db.scope.chunk(u.blob, u.chunks), u.buffer)
	now := u.db.store.options.Now()
	if u.due < now.Add(unusedContent-renewUpload).Unix() {
		if u.due != 0 {
			set.delete(u.dueKey())
		}
		u.due = now.Add(unusedContent).Unix()
		set.put(u.dueKey(), nil)
	}
	u.db.store.committer.commit(set)
	if set.err != nil {
		return fmt.Errorf("storing an attachment: %w", set.err)
	}
	u.chunks++
	u.buffer = u.buffer[:0] // the engine keeps nothing of it
	return nil
}

// checkNotSwept makes sure that the sweeper has not taken the upload for abandoned.
func (u *Upload) checkNotSwept(due int64) func(*overlay) error {
	if due == 0 {
		return nil
	}
	key := u.db.scope.due(due, u.db.scope.blob(u.blob))
	return func(tx *overlay) error {
		if _, err := tx.get(key); errors.Is(err, engine.ErrNotFound) {
			return ErrUploadExpired
		} else if err != nil {
			return fmt.Errorf("looking for an upload: %w", err)
		}
		return nil
	}
}

func (u *Upload) dueKey() []byte { return u.db.scope.due(u.due, u.db.scope.blob(u.blob)) }

// Commit finishes the upload and returns what the content is called. It may be put into
// documents for an hour; content that none names by then is collected.
func (u *Upload) Commit(ctx context.Context) (Content, error) {
	if u.over {
		return Content{}, errUploadOver
	}
	if err := ctx.Err(); err != nil {
		return Content{}, err
	}
	if len(u.buffer) > 0 {
		if err := u.flush(); err != nil {
			return Content{}, err
		}
	}
	u.over = true
	content := u.content()
	now := u.db.store.options.Now()
	u.db.store.touched.touch(u.db, content.SHA256)
	check := u.checkNotSwept(u.due)
	set := &changeSet{db: u.db, apply: func(tx *overlay) error {
		if check != nil {
			if err := check(tx); err != nil {
				return err
			}
		}
		key := u.db.scope.content(content.SHA256)
		switch _, err := tx.get(key); {
		case err == nil:
			// It is stored already; the sweeper clears this copy.
			if u.due != 0 {
				tx.delete(u.dueKey())
				tx.put(u.db.scope.due(0, u.db.scope.blob(u.blob)), nil)
			}
			return nil
		case !errors.Is(err, engine.ErrNotFound):
			return fmt.Errorf("looking for content: %w", err)
		}
		stored := storedContent{content: content, blob: u.blob, chunk: chunkSize, uploaded: now}
		tx.put(key, stored.encode())
		tx.put(u.db.scope.due(now.Add(unusedContent).Unix(), key), nil)
		if u.due != 0 {
			tx.delete(u.dueKey())
		}
		return nil
	}}
	u.db.store.committer.commit(set)
	if set.err != nil {
		return Content{}, fmt.Errorf("storing an attachment: %w", set.err)
	}
	return content, nil
}

func (u *Upload) content() Content {
	c := Content{Length: u.length}
	copy(c.SHA256[:], u.hashes[0].Sum(nil))
	copy(c.MD5[:], u.hashes[1].Sum(nil))
	copy(c.SHA1[:], u.hashes[2].Sum(nil))
	return c
}

// Abort gives the upload up. What it stored is cleared in the background. After Commit
// it does nothing.
func (u *Upload) Abort() {
	if u.over {
		return
	}
	u.over = true
	u.buffer = nil
	if u.due == 0 {
		return
	}
	set := &changeSet{db: u.db}
	set.delete(u.dueKey())
	set.put(u.db.scope.due(0, u.db.scope.blob(u.blob)), nil)
	u.db.store.committer.commitBackground(set)
	u.db.store.sweepSoon()
}
