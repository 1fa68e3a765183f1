package caddysync

import (
	"sync/atomic"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// liveLogger writes to the logger of the configuration that runs. The store outlives
// configurations, and the log files of an old one are closed.
type liveLogger struct {
	current atomic.Pointer[zap.Logger]
}

// set makes logger the one to write to.
func (l *liveLogger) set(logger *zap.Logger) { l.current.Store(logger) }

// logger returns a logger that follows l.
func (l *liveLogger) logger() *zap.Logger { return zap.New(&liveCore{live: l}) }

// liveCore sends entries to whatever logger is current.
type liveCore struct {
	live   *liveLogger
	fields []zapcore.Field
}

func (c *liveCore) core() zapcore.Core {
	if logger := c.live.current.Load(); logger != nil {
		return logger.Core()
	}
	return zapcore.NewNopCore()
}

// Enabled implements zapcore.Core.
func (c *liveCore) Enabled(level zapcore.Level) bool { return c.core().Enabled(level) }

// With implements zapcore.Core.
func (c *liveCore) With(fields []zapcore.Field) zapcore.Core {
	all := make([]zapcore.Field, 0, len(c.fields)+len(fields))
	return &liveCore{live: c.live, fields: append(append(all, c.fields...), fields...)}
}

// Check implements zapcore.Core.
func (c *liveCore) Check(entry zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(entry.Level) {
		return checked.AddCore(entry, c)
	}
	return checked
}

// Write implements zapcore.Core. The current core is asked by its own Check, because
// Caddy's filter entries by logger name there.
func (c *liveCore) Write(entry zapcore.Entry, fields []zapcore.Field) error {
	logger := c.live.current.Load()
	if logger == nil {
		return nil
	}
	if entry.LoggerName == "" {
		entry.LoggerName = logger.Name()
	} else if name := logger.Name(); name != "" {
		entry.LoggerName = name + "." + entry.LoggerName
	}
	if checked := logger.Core().Check(entry, nil); checked != nil {
		all := make([]zapcore.Field, 0, len(c.fields)+len(fields))
		checked.Write(append(append(all, c.fields...), fields...)...)
	}
	return nil
}

// Sync implements zapcore.Core.
func (c *liveCore) Sync() error { return c.core().Sync() }
