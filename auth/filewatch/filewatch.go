// Package filewatch reads files that a configuration names, and reads them again when they
// change (DECISIONS 17).
package filewatch

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"go.uber.org/zap"
)

const (
	// Interval is how often a named file is looked at (DECISIONS 17).
	Interval = 5 * time.Second
	// Limit is the largest file that is read, in bytes.
	Limit = 1 << 20
)

// Watch is a named file that is read again when it changes (DECISIONS 17). What is
// bad in it is logged once, and what was read before stays. Contents are compared, not
// times: these files are small, and a restored one may bear any time.
type Watch struct {
	path string
	take func(content []byte) error // takes new contents up, or says what is wrong with them
	read func(path string) ([]byte, error)

	mu         sync.Mutex
	logger     *zap.Logger
	changed    func()            // called after new contents were taken up
	seen       [sha256.Size]byte // of the contents last judged
	unreadable string            // why it could not be read when last looked at
	checked    time.Time
	stop       context.CancelFunc // nil unless started
	done       chan struct{}
}

// New reads the file for the first time; it must be good.
func New(path string, take func([]byte) error) (*Watch, error) {
	w := &Watch{path: path, take: take, read: Read, logger: zap.NewNop(), changed: func() {}}
	content, err := w.read(path)
	if err != nil {
		return nil, err
	}
	if err := take(content); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	w.seen = sha256.Sum256(content)
	return w, nil
}

// Read reads a file of at most Limit bytes.
func Read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	content, err := io.ReadAll(io.LimitReader(f, Limit+1))
	if err != nil {
		return nil, err
	}
	if len(content) > Limit {
		return nil, fmt.Errorf("%s is over %d bytes", path, Limit)
	}
	return content, nil
}

// LogTo makes a logger hear of what is bad in the file. Default: nobody hears of it before
// Start.
func (w *Watch) LogTo(logger *zap.Logger) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.logger = logger
}

// ReadBy makes read, for tests, read the file in place of Read.
func (w *Watch) ReadBy(read func(path string) ([]byte, error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.read = read
}

// Start looks at the file now and every Interval until End. changed is called when
// new contents were taken up.
func (w *Watch) Start(logger *zap.Logger, changed func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stop != nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	w.logger, w.changed = logger, changed
	w.stop, w.done = cancel, make(chan struct{})
	go w.run(ctx, w.done)
}

func (w *Watch) run(ctx context.Context, done chan<- struct{}) {
	defer close(done)
	tick := time.NewTicker(Interval)
	defer tick.Stop()
	for {
		w.Check(0)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// End ends what Start began.
func (w *Watch) End() {
	w.mu.Lock()
	stop, done := w.stop, w.done
	w.stop = nil
	w.mu.Unlock()
	if stop != nil {
		stop()
		<-done
	}
}

// Check looks at the file now, unless that was done less than age ago: then it reports
// false.
func (w *Watch) Check(age time.Duration) bool {
	w.mu.Lock()
	if age > 0 && time.Since(w.checked) < age {
		w.mu.Unlock()
		return false
	}
	w.checked = time.Now()
	taken := w.look()
	changed := w.changed
	w.mu.Unlock()
	if taken {
		changed()
	}
	return true
}

// look reports whether new contents were taken up. mu is held.
func (w *Watch) look() bool {
	content, err := w.read(w.path)
	if err != nil {
		if err.Error() != w.unreadable {
			w.logger.Error("a named file cannot be read; what was read before stays", zap.Error(err))
		}
		w.unreadable = err.Error()
		return false
	}
	w.unreadable = ""
	sum := sha256.Sum256(content)
	if sum == w.seen {
		return false
	}
	w.seen = sum
	if err := w.take(content); err != nil {
		w.logger.Error("a named file has changed for the worse; what was read before stays",
			zap.String("file", w.path), zap.Error(err))
		return false
	}
	w.logger.Info("a named file was read again", zap.String("file", w.path))
	return true
}
