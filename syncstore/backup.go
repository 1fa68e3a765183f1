package syncstore

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/caddysync/caddy-sync/syncstore/engine"
	"go.uber.org/zap"
)

// keptBackups is how many backups a store knows, so that another one can go on from them.
const keptBackups = 100

// BackupOptions say what is backed up.
type BackupOptions struct {
	// Since is the Next of an earlier backup of the same store: only what was written after it is
	// written out. "": everything.
	Since string
	// Admit, if set, is asked before anything is written whether who gets the backup may have all
	// databases that are in it: those too that are deleted and not cleared yet. Its error ends it.
	Admit func(databases []string) error
	// Begin, if set, is called with the header before anything is written.
	Begin func(BackupHeader)
	// Interrupt, if set, is called when the backup must end though it may be waiting for the
	// writer: it has to make that return.
	Interrupt func()
}

// backupKey is where the store keeps that a backup was made.
func backupKey(id [16]byte) []byte { return append(storeKey(backupKeys), id[:]...) }

// backupKeys begins the names of backups among what is kept of the store.
const backupKeys = "backup/"

// Backup writes a consistent state of the store while it is used: it waits for no writer, and
// none waits for it. It ends with ErrBackupInterrupted when the store is closed or must be
// recovered. ErrUnknownBackup: the store knows no backup of the name since.
func (s *Store) Backup(ctx context.Context, w io.Writer, o BackupOptions) (BackupEnd, error) {
	ctx, done := s.backups.begin(ctx, s.ctx, o.Interrupt)
	defer done()
	b := backup{
		engine: s.engine, now: s.options.Now, asked: s.asked,
		update: func(_ context.Context, apply func(*overlay) error) error {
			set := &changeSet{apply: apply}
			s.committer.commit(set)
			return set.err
		},
		warn: func(err error) {
			s.logger.Warn("a later backup cannot go on from this one, which could not be noted", zap.Error(err))
		},
	}
	end, err := b.write(ctx, w, o)
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, ErrBackupInterrupted) {
		err = cause
	}
	return end, err
}

// BackupEngine does the same with an engine that no Store is open on.
func BackupEngine(ctx context.Context, eng engine.Engine, w io.Writer, o BackupOptions) (BackupEnd, error) {
	b := backup{
		engine: eng, now: time.Now, asked: askedOf(eng),
		update: func(ctx context.Context, apply func(*overlay) error) error {
			return eng.Update(ctx, func(tx engine.Txn) error {
				o := newOverlay(tx)
				if err := apply(o); err != nil {
					return err
				}
				return o.flush()
			})
		},
		warn: func(error) {},
	}
	return b.write(ctx, w, o)
}

// backup is one that is being made.
type backup struct {
	engine engine.Engine
	now    func() time.Time
	asked  func() uint64 // how often others have asked for something
	update func(ctx context.Context, apply func(*overlay) error) error
	warn   func(error)
}

// asked counts how often the store was asked for something. Who reads what is in the cache does not
// ask the engine, and is to wait for a backup as little.
func (s *Store) asked() uint64 { return askedOf(s.engine)() + s.cache.asked() }

// askedOf returns what counts how often an engine was asked.
func askedOf(eng engine.Engine) func() uint64 {
	if counted, ok := eng.(engine.Counted); ok {
		return counted.Asked
	}
	return func() uint64 { return 0 }
}

// write makes the backup. It first notes in the store that there is one: what is written after
// the note has a higher version, and a restart keeps it so, because the note is there. The state
// that is written out has the note in it, and perhaps more, which the next backup has again.
func (b *backup) write(ctx context.Context, w io.Writer, o BackupOptions) (end BackupEnd, err error) {
	header := BackupHeader{Format: backupFormat, StoreFormat: storeFormat, Created: b.now().UTC().Truncate(time.Second), Since: o.Since}
	var since uint64
	err = b.engine.View(ctx, func(r engine.Reader) (err error) {
		if err := o.admitted(r); err != nil {
			return err
		}
		since, err = b.since(r, o.Since)
		return err
	})
	if err != nil {
		return end, err
	}
	header.Next = b.note(ctx)
	err = b.engine.View(ctx, func(r engine.Reader) error {
		if err := o.admitted(r); err != nil { // a database may have come meanwhile
			return err
		}
		if o.Begin != nil {
			o.Begin(header)
		}
		out := bufio.NewWriterSize(w, 64<<10)
		file, err := newBackupWriter(out, header)
		if err != nil {
			return err
		}
		if err := b.writePairs(ctx, r, since, file); err != nil {
			return err
		}
		if err := file.close(); err != nil {
			return err
		}
		end = file.end
		if err := out.Flush(); err != nil {
			return fmt.Errorf("writing the backup: %w", err)
		}
		return nil
	})
	return end, err
}

// admitted asks whether all databases that r has may be in the backup.
func (o *BackupOptions) admitted(r engine.Reader) error {
	if o.Admit == nil {
		return nil
	}
	directory, err := readDirectory(r)
	if err != nil {
		return err
	}
	names := make([]string, len(directory))
	for i := range directory {
		names[i] = directory[i].entry.name
	}
	return o.Admit(names)
}

// since returns the version of the note of an earlier backup, 0 if none is named.
func (b *backup) since(r engine.Reader, name string) (uint64, error) {
	empty, err := readFormat(r)
	switch {
	case err != nil:
		return 0, err
	case empty:
		return 0, fmt.Errorf("%w: there is no store", ErrNotFound)
	case name == "":
		return 0, nil
	}
	id, err := hex.DecodeString(name)
	versions, ok := r.(engine.VersionedReader)
	if err != nil || len(id) != 16 || !ok {
		return 0, ErrUnknownBackup
	}
	version, err := versions.Version(backupKey([16]byte(id)))
	if errors.Is(err, engine.ErrNotFound) {
		return 0, ErrUnknownBackup
	}
	return version, err
}

func (b *backup) writePairs(ctx context.Context, r engine.Reader, since uint64, file *backupWriter) error {
	pairs, failed := r.Scan(engine.Range{})
	if since > 0 {
		versions, _ := r.(engine.VersionedReader) // since has seen it
		pairs, failed = versions.ScanSince(since)
	}
	pace := newBackupPace(b.asked)
	for key, value := range pairs {
		if err := file.add(key, value); err != nil {
			return err
		}
		if pace.did(ctx, len(key)+len(value)); ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return failed()
}

// note notes in the store that a backup is made, and returns its name. A store that takes no
// writes, because the disk is full, can be backed up all the same: then there is no name.
func (b *backup) note(ctx context.Context) string {
	var id [16]byte
	_, _ = rand.Read(id[:])
	known := false
	err := b.update(ctx, func(tx *overlay) error {
		if _, known = tx.tx.(engine.VersionedReader); !known {
			return nil
		}
		if err := forgetBackups(tx); err != nil {
			return err
		}
		tx.put(backupKey(id), binary.BigEndian.AppendUint64(nil, uint64(b.now().UnixNano())))
		return nil
	})
	if err != nil {
		b.warn(err)
		return ""
	}
	if !known {
		return ""
	}
	return hex.EncodeToString(id[:])
}

// forgetBackups makes room for another one.
func forgetBackups(tx *overlay) error {
	var n int
	var oldest []byte
	var oldestTime uint64
	pairs, failed := tx.tx.Scan(engine.PrefixRange(storeKey(backupKeys)))
	for key, value := range pairs {
		if len(value) != 8 {
			return fmt.Errorf("%w: note of a backup", ErrDamaged)
		}
		n++
		if at := binary.BigEndian.Uint64(value); oldest == nil || at < oldestTime {
			oldest, oldestTime = append(oldest[:0], key...), at
		}
	}
	if n >= keptBackups {
		tx.delete(oldest)
	}
	return failed()
}

// backups are those that run now.
type backups struct {
	mu      sync.Mutex
	running map[*runningBackup]struct{}
	refused error // why none may begin; nil: it may
}

type runningBackup struct{ end context.CancelCauseFunc }

// begin returns the context of a backup, which ends with the store's too, and what has to be
// called at its end.
func (b *backups) begin(ctx, store context.Context, interrupt func()) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	run := &runningBackup{end: cancel}
	b.mu.Lock()
	if b.running == nil {
		b.running = make(map[*runningBackup]struct{})
	}
	b.running[run] = struct{}{}
	if b.refused != nil {
		cancel(b.refused)
	}
	b.mu.Unlock()
	release := context.AfterFunc(store, func() { cancel(fmt.Errorf("%w: the store is closed", ErrBackupInterrupted)) })
	stopInterrupt := func() bool { return true }
	if interrupt != nil {
		stopInterrupt = context.AfterFunc(ctx, interrupt)
	}
	return ctx, func() {
		release()
		stopInterrupt()
		b.mu.Lock()
		delete(b.running, run)
		b.mu.Unlock()
		cancel(nil)
	}
}

// interrupt ends all, and has none begin before resume: a recovery waits for those who read, and others
// wait for it.
func (b *backups) interrupt(why string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refused = fmt.Errorf("%w: %s", ErrBackupInterrupted, why)
	for run := range b.running {
		run.end(b.refused)
	}
}

func (b *backups) resume() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refused = nil
}
