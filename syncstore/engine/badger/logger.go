package badger

import (
	"fmt"
	"strings"
	"sync/atomic"

	badgerdb "github.com/dgraph-io/badger/v4"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// syncFailure begins the line by which alone Badger 4.9 says that a sync of its value
// log failed; the commit returns nil (value.go, write).
const syncFailure = "Error while curlf sync"

// flushFailure and compactFailure begin the lines that say that a table was not written: then it may
// be lost (losttables.go).
const (
	flushFailure   = "error flushing memtable to disk"
	compactFailure = "[Compactor: %d] LOG Compact FAILED"
)

// logger hands on what Badger logs: its many lines on compactions and caches for those
// who debug, and no keys, which hold the names of other people's documents.
type logger struct {
	log        *zap.Logger
	syncFailed atomic.Bool
	// tableFailed, if set, is called when a table was not written. It must return at once.
	tableFailed func()
	// rewriting, if set, is called when a file of the value log is going to be rewritten.
	rewriting atomic.Pointer[func(fid uint32)]
	// guard, if set, sees what compactions say.
	guard *manifestGuard
}

var _ badgerdb.Logger = (*logger)(nil)

// Errorf implements badgerdb.Logger.
func (l *logger) Errorf(format string, args ...any) {
	if strings.HasPrefix(format, syncFailure) {
		l.syncFailed.Store(true)
	}
	l.noteTable(format)
	l.write(zapcore.ErrorLevel, format, args)
}

// Warningf implements badgerdb.Logger.
func (l *logger) Warningf(format string, args ...any) {
	if strings.HasPrefix(format, "%s might be too small") || strings.HasPrefix(format, "Cache life expectancy") {
		l.write(zapcore.DebugLevel, format, args) // every minute, and nothing to be done
		return
	}
	l.noteTable(format)
	if l.guard != nil {
		l.guard.logged(format, args)
	}
	l.write(zapcore.WarnLevel, format, args)
}

func (l *logger) noteTable(format string) {
	if l.tableFailed != nil && (strings.HasPrefix(format, flushFailure) || strings.HasPrefix(format, compactFailure)) {
		l.tableFailed()
	}
}

// Infof implements badgerdb.Logger.
func (l *logger) Infof(format string, args ...any) {
	l.rewrites(format, args)
	l.write(zapcore.DebugLevel, format, args)
}

// Debugf implements badgerdb.Logger. Badger has four such lines a commit: dropped, but for what the
// guard has to see.
func (l *logger) Debugf(format string, args ...any) {
	if l.guard != nil {
		l.guard.logged(format, args)
	}
}

func (l *logger) write(level zapcore.Level, format string, args []any) {
	entry := l.log.Check(level, "")
	if entry == nil {
		return
	}
	for i, arg := range args {
		if b, ok := arg.([]byte); ok {
			args[i] = fmt.Sprintf("[%d bytes]", len(b))
		}
	}
	entry.Message = "badger: " + strings.TrimSpace(fmt.Sprintf(format, args...))
	entry.Write()
}
