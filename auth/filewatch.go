package auth

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
	// watchInterval is how often a named file is looked at (DECISIONS 17).
	watchInterval = 5 * time.Second
	// watchLimit is the largest file that is read, in bytes.
	watchLimit = 1 << 20
)

// fileWatch is a named file that is read again when it changes (DECISIONS 17). What is
// bad in it is logged once, and what was read before stays. Contents are compared, not
// times: these files are small, and a restored one may bear any time.
type fileWatch struct {
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

// newFileWatch reads the file for the first time; it must be good.
func newFileWatch(path string, take func([]byte) error) (*fileWatch, error) {
	w := &fileWatch{path: path, take: take, read: readSmallFile, logger: zap.NewNop(), changed: func() {}}
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

func readSmallFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	content, err := io.ReadAll(io.LimitReader(f, watchLimit+1))
	if err != nil {
		return nil, err
	}
	if len(content) > watchLimit {
		return nil, fmt.Errorf("%s is over %d bytes", path, watchLimit)
	}
	return content, nil
}

// start looks at the file now and every watchInterval until end. changed is called when
// new contents were taken up.
func (w *fileWatch) start(logger *zap.Logger, changed func()) {
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

func (w *fileWatch) run(ctx context.Context, done chan<- struct{}) {
	defer close(done)
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for {
		w.check(0)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// end ends what start began.
func (w *fileWatch) end() {
	w.mu.Lock()
	stop, done := w.stop, w.done
	w.stop = nil
	w.mu.Unlock()
	if stop != nil {
		stop()
		<-done
	}
}

// check looks at the file now, unless that was done less than age ago: then it reports
// false.
func (w *fileWatch) check(age time.Duration) bool {
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
func (w *fileWatch) look() bool {
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
