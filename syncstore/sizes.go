package syncstore

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"github.com/caddysync/caddy-sync/syncstore/engine"
	"go.uber.org/zap"
)

const (
	// sizesEach is how long measuring may take to be done each time: PouchDB asks for a database with
	// every hundred documents that it pulls.
	sizesEach = 2 * time.Millisecond
	// sizesQuick is how long measuring may take to be waited for.
	sizesQuick = 20 * time.Millisecond
	// sizesRest is for how many times as long as it took other sizes are good: to measure is to scan
	// all keys.
	sizesRest = 50
	// sizesPage is how many keys are measured in one snapshot.
	sizesPage = 20_000
)

// Sizes are how much a database has, in bytes, about.
type Sizes struct {
	// Active is all that is stored for it: documents with their history, feeds, attachments,
	// users, indexes. The engine's files take less, where they are compressed, or more, where
	// they have what was replaced.
	Active int64
	// External is its content alone: the bodies of revisions that are kept, and attachments.
	External int64
	// Measured is when the measuring began.
	Measured time.Time
}

// sizing is what is known of a database's size, and the measuring of it.
type sizing struct {
	mu      sync.Mutex
	known   Sizes
	took    time.Duration // to measure it
	running chan struct{} // is closed when the measuring ends that is running; nil if none is
}

// Sizes returns how much the database has, as it was lately: how lately depends on how long it takes to
// measure. If that is to be done first it waits until that is done or ctx ends, and the measuring goes on in the
// background. False: it is not known yet.
func (d *Database) Sizes(ctx context.Context) (Sizes, bool) {
	s := &d.sizing
	s.mu.Lock()
	known, slow := s.known, s.took > sizesQuick
	fresh := s.took > sizesEach && time.Since(known.Measured) < sizesRest*s.took
	if !fresh && s.running == nil && d.live.Load() {
		s.running = make(chan struct{})
		d.store.start(d.measure)
	}
	running := s.running
	s.mu.Unlock()
	if running == nil || slow {
		return known, !known.Measured.IsZero()
	}
	select {
	case <-running:
	case <-ctx.Done():
	case <-d.store.ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known, !s.known.Measured.IsZero()
}

func (d *Database) measure() {
	s := &d.sizing
	sizes, err := d.measureNow(d.store.ctx)
	if err != nil && d.store.ctx.Err() == nil && d.live.Load() {
		d.store.logger.Warn("measuring a database stopped", zap.String("database", d.name), zap.Error(err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.known, s.took = sizes, time.Since(sizes.Measured)
	}
	close(s.running)
	s.running = nil
}

func (d *Database) measureNow(ctx context.Context) (Sizes, error) {
	sizes := Sizes{Measured: time.Now()}
	for _, kind := range databaseKinds {
		n, err := d.measureKind(ctx, kind)
		if err != nil {
			return Sizes{}, fmt.Errorf("measuring a database: %w", err)
		}
		sizes.Active += n
		if bytes.IndexByte(contentKinds, kind) >= 0 {
			sizes.External += n
		}
	}
	return sizes, nil
}

// contentKinds are the kinds whose values are what clients stored: winning bodies are in heads.
var contentKinds = []byte{kindHead, kindBody, kindChunk}

// measureKind measures a page at a time, so that no snapshot is held for long.
func (d *Database) measureKind(ctx context.Context, kind byte) (sum int64, err error) {
	scan := engine.PrefixRange(binary.BigEndian.AppendUint32([]byte{kind}, d.scope.db))
	for scan.Start != nil && err == nil {
		err = d.store.engine.View(ctx, func(r engine.Reader) error {
			n, next, failed := r.Measure(scan, sizesPage)
			sum += n
			scan.Start = next
			return failed
		})
	}
	return sum, err
}
