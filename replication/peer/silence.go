package peer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// silence ends a request of which nothing came or went for too long: a connection that is
// dead without anybody having closed it.
type silence struct {
	ctx      context.Context //nolint:containedctx // it belongs to one request
	cancel   context.CancelCauseFunc
	timer    *time.Timer
	patience time.Duration
}

func watchSilence(parent context.Context, patience time.Duration) (context.Context, *silence) {
	ctx, cancel := context.WithCancelCause(parent)
	s := &silence{ctx: ctx, cancel: cancel, patience: patience}
	s.timer = time.AfterFunc(patience, func() { cancel(errSilent) })
	return ctx, s
}

// heard says that something came or went.
func (s *silence) heard() { s.timer.Reset(s.patience) }

// cause is err, or why the request was ended.
func (s *silence) cause(err error) error {
	if err != nil && errors.Is(context.Cause(s.ctx), errSilent) {
		return fmt.Errorf("%w after %s", errSilent, s.patience)
	}
	return err
}

func (s *silence) end() {
	s.timer.Stop()
	s.cancel(nil)
}

// watchedReader tells the watch of each piece.
type watchedReader struct {
	io.Reader
	watch *silence
}

func (b watchedReader) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if n > 0 {
		b.watch.heard()
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = b.watch.cause(err)
	}
	return n, err
}

// watchedStream is the body of a request that has to be closed.
type watchedStream struct {
	watchedReader
	io.Closer
}

// watchedBody is the body of an answer, the last of a request: closing it ends the watch.
type watchedBody struct {
	watchedReader
	body io.Closer
}

// Close implements io.Closer.
func (b watchedBody) Close() error {
	err := b.body.Close()
	b.watch.end()
	return err
}
