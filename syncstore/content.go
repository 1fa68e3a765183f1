package syncstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// blobID names the chunks of one upload.
type blobID [16]byte

const contentFormat = 1

// storedContent is what is kept about attachment content, under its SHA-256.
type storedContent struct {
	content  Content
	blob     blobID
	chunk    int64 // bytes in each chunk but the last
	uploaded time.Time
}

func (s *storedContent) encode() []byte {
	e := encoder{}
	e.byte(contentFormat)
	e.content(s.content)
	e.raw(s.blob[:])
	e.uvarint(uint64(s.chunk))
	e.fixed64(uint64(s.uploaded.Unix()))
	return e.b
}

func decodeContent(record []byte) (*storedContent, error) {
	d := decoder{b: record}
	if format := d.byte(); format != contentFormat && d.err == nil {
		return nil, fmt.Errorf("%w: content format %d", ErrDamaged, format)
	}
	s := &storedContent{content: d.content()}
	copy(s.blob[:], d.raw(len(s.blob)))
	s.chunk = int64(d.uvarint())
	s.uploaded = time.Unix(int64(d.fixed64()), 0)
	if err := d.end(); err != nil {
		return nil, fmt.Errorf("reading content: %w", err)
	}
	if s.chunk <= 0 {
		return nil, fmt.Errorf("%w: content without chunks", ErrDamaged)
	}
	return s, nil
}

// referenced reports whether a document of any collection names content, which belongs to
// the database as a whole.
func (d *Database) referenced(tx *overlay, sha256 [32]byte) (bool, error) {
	collections, err := readCollections(tx.get, d.scope)
	if err != nil {
		return false, err
	}
	for number := range uint32(len(collections) + 1) { // they are numbered without gaps
		in := scope{db: d.scope.db, collection: number}
		if found, err := hasKey(tx.tx, engine.PrefixRange(in.reference(sha256, ""))); err != nil || found {
			return found, err
		}
	}
	return false, nil
}

// ContentReader reads stored content, a chunk at a time.
type ContentReader interface {
	io.ReadSeekCloser
	io.WriterTo
}

// OpenContent opens content by its SHA-256. ErrNotFound. The reader reads until ctx
// ends.
func (d *Database) OpenContent(ctx context.Context, content Content) (ContentReader, error) {
	var stored *storedContent
	err := d.store.engine.View(ctx, func(r engine.Reader) error {
		record, err := r.Get(d.scope.content(content.SHA256))
		if errors.Is(err, engine.ErrNotFound) {
			return ErrNotFound
		}
		if err != nil {
			return fmt.Errorf("reading content: %w", err)
		}
		stored, err = decodeContent(record)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &contentReader{ctx: ctx, db: d, stored: stored, held: -1}, nil
}

type contentReader struct {
	ctx    context.Context //nolint:containedctx // a reader belongs to one request
	db     *Database
	stored *storedContent
	at     int64
	held   int64 // the number of the chunk in buffer, -1: none
	buffer []byte
}

func (r *contentReader) Read(p []byte) (int, error) {
	chunk, err := r.rest()
	if err != nil {
		return 0, err
	}
	n := copy(p, chunk)
	r.at += int64(n)
	return n, nil
}

func (r *contentReader) WriteTo(w io.Writer) (written int64, err error) {
	for {
		chunk, err := r.rest()
		if errors.Is(err, io.EOF) {
			return written, nil
		}
		if err != nil {
			return written, err
		}
		n, err := w.Write(chunk)
		written += int64(n)
		r.at += int64(n)
		if err != nil {
			return written, err
		}
	}
}

// rest returns what the present chunk has from the present position on, or io.EOF.
func (r *contentReader) rest() ([]byte, error) {
	if r.at >= r.stored.content.Length {
		return nil, io.EOF
	}
	number, offset := r.at/r.stored.chunk, r.at%r.stored.chunk
	if number != r.held {
		if err := r.load(number); err != nil {
			return nil, err
		}
	}
	if offset >= int64(len(r.buffer)) {
		return nil, fmt.Errorf("%w: a chunk of an attachment is cut short", ErrDamaged)
	}
	return r.buffer[offset:], nil
}

func (r *contentReader) load(number int64) error {
	err := r.db.store.engine.View(r.ctx, func(reader engine.Reader) (err error) {
		r.buffer, err = reader.Get(r.db.scope.chunk(r.stored.blob, uint32(number)))
		return err
	})
	if err != nil {
		r.held = -1
		return fmt.Errorf("reading a chunk of an attachment: %w", err)
	}
	r.held = number
	return nil
}

func (r *contentReader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.at
	case io.SeekEnd:
		offset += r.stored.content.Length
	}
	if offset < 0 {
		return 0, errors.New("seeking before the start of an attachment")
	}
	r.at = offset
	return offset, nil
}

func (r *contentReader) Close() error {
	r.buffer = nil
	return nil
}
