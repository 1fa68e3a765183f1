package access

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/caddysync/caddy-sync/script"
	"github.com/caddysync/caddy-sync/syncstore"
	"go.uber.org/zap"
)

// Options are what a sync function may use. The zero value is usable.
type Options struct {
	// Logger gets exceptions and warnings, and what the function gives to console.log
	// (debug); nil drops them.
	Logger *zap.Logger
	// Time, Memory and Runtimes are script.Options'.
	Time     time.Duration
	Memory   int64
	Runtimes int
}

// SyncFunction is a policy in JavaScript. It is a syncstore.Evaluator.
type SyncFunction struct {
	name     string
	version  string
	function *script.Function
	logger   *zap.Logger
}

// NewSyncFunction prepares a sync function. The name is that of its file. A text that
// is not a function is a *script.SyntaxError, which names file, line and column.
func NewSyncFunction(name, source string, options Options) (*SyncFunction, error) {
	function, err := script.Compile(name, source, script.Options{
		Functions: []string{
			"channel", "access", "role", "expiry", "requireUser", "requireRole", "requireAccess", "requireAdmin",
		},
		Time: options.Time, Memory: options.Memory, Runtimes: options.Runtimes,
	})
	if err != nil {
		return nil, err
	}
	logger := options.Logger
	if logger == nil {
		logger = zap.NewNop()
	}
	sum := sha256.Sum256([]byte(source))
	return &SyncFunction{
		name: name, version: "sync_function " + hex.EncodeToString(sum[:16]), function: function, logger: logger,
	}, nil
}

// Version names the function's text: documents that were written under another text may
// be in other channels than it would put them.
func (f *SyncFunction) Version() string { return f.version }

// Evaluate runs the function on a write. The error is a *RejectionError, or the context's.
func (f *SyncFunction) Evaluate(ctx context.Context, write syncstore.Evaluation) (syncstore.Outcome, error) {
	call, err := f.run(ctx, write)
	f.report(call, write.New.ID)
	if err != nil {
		rejection, cause := reject(err)
		if rejection == nil {
			return syncstore.Outcome{}, err
		}
		if cause != nil {
			rejection.cause = cause
			f.logger.Warn("the sync function failed", zap.String("file", f.name), zap.String("document", write.New.ID), zap.Error(cause))
		}
		return syncstore.Outcome{}, rejection
	}
	return call.outcome, nil
}

// run calls the function. Its error is what the function did, not yet what is answered.
func (f *SyncFunction) run(ctx context.Context, write syncstore.Evaluation) (*call, error) {
	c := &call{writer: write.Writer, now: time.Now}
	result, err := f.function.Call(ctx, c, writtenJSON(write), write.Old.FunctionJSON(), `{"xattrs":{}}`)
	c.log = append(result.Log, c.warnings...)
	if err == nil && c.mistake != nil {
		// The function caught the exception, but does not get around what it did.
		err = c.mistake
	}
	return c, err
}

// report writes what the function said into the log.
func (f *SyncFunction) report(c *call, id string) {
	warnings := len(c.warnings)
	for i, line := range c.log {
		level := zap.DebugLevel
		if i >= len(c.log)-warnings {
			level = zap.WarnLevel
		}
		// The text is a field, so that a logger can bound how often it is told.
		f.logger.Log(level, "the sync function says", zap.String("text", line), zap.String("file", f.name), zap.String("document", id))
	}
}

// reject makes a rejection of what went wrong in a function, with the cause if it was
// not the function's wish. It is nil if the function did not run at all.
func reject(err error) (rejection *RejectionError, cause error) {
	if thrown, ok := errors.AsType[*script.ThrownError](err); ok {
		if reason, ok := thrown.Members["forbidden"]; ok {
			return forbidden(orElse(reason, "forbidden")), nil
		}
		if reason, ok := thrown.Members["unauthorized"]; ok {
			return &RejectionError{Status: 401, Reason: orElse(reason, "unauthorized")}, nil
		}
		return failed(reasonException), err
	}
	switch {
	case errors.Is(err, script.ErrTimeout):
		return failed(reasonTimeout), err
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return nil, err
	}
	return failed(reasonException), err
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

// mistakeError is a call that no sync function may make, such as channel("").
type mistakeError struct {
	function string
	err      error
}

func (m *mistakeError) Error() string { return fmt.Sprintf("%s: %v", m.function, m.err) }
func (m *mistakeError) Unwrap() error { return m.err }
