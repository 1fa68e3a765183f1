package caddysync

import (
	"github.com/caddysync/caddy-sync/auth"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// auditMetrics count the events of the audit log: sign-ins and refused ones, sessions that
// begin and end, what administrators do. The names are the server's own, so they are few.
type auditMetrics struct {
	events *prometheus.CounterVec
}

func newAuditMetrics() *auditMetrics {
	return &auditMetrics{events: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "caddy_sync_audit_events_total", Help: "Events of the audit log, by their names.",
	}, []string{"event"})}
}

// auditLogger is the logger of audit events, which are counted whether they are logged or not.
func (a *App) auditLogger() *zap.Logger {
	return a.logger.Named("audit").WithOptions(zap.WrapCore(func(core zapcore.Core) zapcore.Core {
		return zapcore.NewTee(core, &auditCore{app: a})
	}))
}

// auditCore counts entries.
type auditCore struct{ app *App }

// Enabled implements zapcore.Core.
func (*auditCore) Enabled(level zapcore.Level) bool { return level >= zapcore.InfoLevel }

// With implements zapcore.Core.
func (c *auditCore) With([]zapcore.Field) zapcore.Core { return c }

// Check implements zapcore.Core.
func (c *auditCore) Check(entry zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(entry.Level) {
		return checked.AddCore(entry, c)
	}
	return checked
}

// Write implements zapcore.Core.
func (c *auditCore) Write(entry zapcore.Entry, _ []zapcore.Field) error {
	handle := c.app.handle
	if handle == nil {
		return nil
	}
	handle.metrics.audit.events.WithLabelValues(entry.Message).Inc()
	if entry.Message == auth.SignInRefused {
		handle.metrics.authFailures.Add(1)
	}
	return nil
}

// Sync implements zapcore.Core.
func (*auditCore) Sync() error { return nil }
