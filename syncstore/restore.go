package syncstore

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

const (
	// restoreBytes and restoreKeys bound what is restored in one transaction.
	restoreBytes = 1 << 20
	restoreKeys  = 1000
	// restoreGap is what a restore adds to sequences (DECISIONS 35).
	restoreGap = 1 << 32
	// restoreNumbers are numbers of databases that a restore leaves out: the store may have made as many
	// after the backup, and who was in one of them has a position of it.
	restoreNumbers = 1 << 14
)

// BackupSource is a backup to be restored.
type BackupSource struct {
	Name string // for messages
	io.Reader
}

// RestoreOptions say how backups are restored.
type RestoreOptions struct {
	// Progress, if set, is called now and then with how many keys were read.
	Progress func(keys uint64)
}

// Restored tells what was restored.
type Restored struct {
	Backups   []BackupHeader
	Keys      uint64
	Databases []RestoredDatabase
}

// RestoredDatabase is a database with its sequence as the backup has it, and as it is now.
type RestoredDatabase struct {
	Name      string
	Docs      int64
	Seq, From uint64
}

// Restore puts into an empty engine the store of a backup, and then of those that go on from it,
// in their order. What the engine has when Restore fails is of no use.
//
// The databases begin new lives: their sequences are 2^32 higher and their versions have a new
// source (DECISIONS 35). Whoever saw what the store wrote after the backup has a position that
// the restored one would come to again, and a version that it would give to something else.
//
// ErrNotEmpty, ErrBadBackup, ErrBackupChain, ErrNewerFormat.
func Restore(ctx context.Context, eng engine.Engine, sources []BackupSource, o RestoreOptions) (Restored, error) {
	report, err := loadBackups(ctx, eng, sources, o)
	if err != nil {
		return report, err
	}
	report.Databases, err = beginAnew(ctx, eng)
	return report, err
}

// loadBackups makes the engine what the last backup is of.
func loadBackups(ctx context.Context, eng engine.Engine, sources []BackupSource, o RestoreOptions) (report Restored, err error) {
	err = eng.View(ctx, func(r engine.Reader) error {
		used, err := hasKey(r, engine.Range{})
		if err == nil && used {
			err = ErrNotEmpty
		}
		return err
	})
	if err != nil {
		return report, fmt.Errorf("restoring: %w", err)
	}
	next := ""
	for i, source := range sources {
		l := loader{ctx: ctx, engine: eng, progress: o.Progress, report: &report, whole: i == 0}
		if err := l.open(source, next); err != nil {
			return report, fmt.Errorf("%s: %w", source.Name, err)
		}
		if err := l.load(); err != nil {
			return report, fmt.Errorf("%s: %w", source.Name, err)
		}
		next = l.file.header.Next
		report.Backups = append(report.Backups, l.file.header)
	}
	return report, nil
}

// loader loads one backup.
type loader struct {
	ctx      context.Context //nolint:containedctx // of one call of loadBackups
	engine   engine.Engine
	file     *backupReader
	progress func(uint64)
	report   *Restored
	whole    bool

	from   []byte // what the backup says nothing of yet
	writes []backupPair
	size   int
}

// open reads the header, and refuses a backup that does not go on from the one before.
func (l *loader) open(source BackupSource, next string) (err error) {
	if l.file, err = newBackupReader(source); err != nil {
		return err
	}
	switch since := l.file.header.Since; {
	case l.whole && since != "":
		return fmt.Errorf("%w: the first one must be whole, and this one has only what was written since another", ErrBackupChain)
	case !l.whole && since == "":
		return fmt.Errorf("%w: this one is whole, so it is the first", ErrBackupChain)
	case since != next:
		return fmt.Errorf("%w: this one goes on from another one than the one before it", ErrBackupChain)
	}
	return nil
}

func (l *loader) load() error {
	for {
		pairs, err := l.file.next()
		if err != nil {
			return err
		}
		if pairs == nil {
			break
		}
		if l.whole {
			err = l.add(pairs)
		} else {
			err = l.merge(pairs)
		}
		if err != nil {
			return err
		}
		l.report.Keys += uint64(len(pairs))
		if l.progress != nil {
			l.progress(l.report.Keys)
		}
	}
	if !l.whole {
		if err := l.deleteBefore(nil, nil); err != nil {
			return err
		}
	}
	return l.flush()
}

func (l *loader) add(pairs []backupPair) error {
	for _, p := range pairs {
		if p.value == nil {
			return badBackup("it is whole, and has a key without a value")
		}
		if err := l.write(p); err != nil {
			return err
		}
	}
	return nil
}

// merge brings a part of the store to what a later backup says: keys that it does not have were
// deleted, and those that it has without a value must be there.
func (l *loader) merge(pairs []backupPair) error {
	end := append(bytes.Clone(pairs[len(pairs)-1].key), 0)
	if err := l.deleteBefore(pairs, end); err != nil {
		return err
	}
	l.from = end
	for _, p := range pairs {
		if p.value == nil {
			continue
		}
		if err := l.write(p); err != nil {
			return err
		}
	}
	return nil
}

// deleteBefore deletes what is there from l.from up to end, but not in pairs: some keys at a time, since
// between two that a backup has there may have been a database.
func (l *loader) deleteBefore(pairs []backupPair, end []byte) error {
	for from := l.from; ; {
		gone, rest, err := l.goneFrom(from, end, pairs)
		if err != nil {
			return err
		}
		for _, key := range gone {
			if err := l.write(backupPair{key: key}); err != nil {
				return err
			}
		}
		if len(gone) < restoreKeys {
			return nil
		}
		from, pairs = append(bytes.Clone(gone[len(gone)-1]), 0), rest
	}
}

// goneFrom returns the next keys that are there but not in pairs, and those of pairs that come after them.
func (l *loader) goneFrom(from, end []byte, pairs []backupPair) (gone [][]byte, rest []backupPair, err error) {
	missing := fmt.Errorf("%w: a key is missing in the one before it", ErrBackupChain)
	err = l.engine.View(l.ctx, func(r engine.Reader) error {
		found, failed := r.Scan(engine.Range{Start: from, End: end, KeysOnly: true})
		for key := range found {
			for ; len(pairs) > 0 && bytes.Compare(pairs[0].key, key) < 0; pairs = pairs[1:] {
				if pairs[0].value == nil {
					return missing
				}
			}
			if len(pairs) > 0 && bytes.Equal(pairs[0].key, key) {
				pairs = pairs[1:]
				continue
			}
			if gone = append(gone, bytes.Clone(key)); len(gone) == restoreKeys {
				return nil
			}
		}
		if err := failed(); err != nil {
			return err
		}
		for ; len(pairs) > 0; pairs = pairs[1:] {
			if pairs[0].value == nil {
				return missing
			}
		}
		return nil
	})
	return gone, pairs, err
}

// write writes a pair, or deletes a key that has no value.
func (l *loader) write(p backupPair) error {
	if len(l.writes) > 0 && (len(l.writes) >= restoreKeys || l.size+len(p.value) > restoreBytes) {
		if err := l.flush(); err != nil {
			return err
		}
	}
	l.writes = append(l.writes, p)
	l.size += len(p.key) + len(p.value)
	return nil
}

func (l *loader) flush() error {
	if len(l.writes) == 0 {
		return nil
	}
	err := l.engine.Update(l.ctx, func(tx engine.Txn) error {
		for _, p := range l.writes {
			var err error
			if p.value == nil {
				err = tx.Delete(p.key)
			} else {
				err = tx.Put(p.key, p.value)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("writing what was restored: %w", err)
	}
	l.writes, l.size = nil, 0
	return nil
}

// beginAnew makes a restored store one that is not what was backed up.
func beginAnew(ctx context.Context, eng engine.Engine) (databases []RestoredDatabase, err error) {
	err = eng.Update(ctx, func(tx engine.Txn) error {
		databases = nil
		empty, err := readFormat(tx)
		if err != nil {
			return err
		}
		if empty { // a store says from the beginning which format it has
			return fmt.Errorf("%w: there is no store in it", ErrBadBackup)
		}
		directory, err := readDirectory(tx)
		if err != nil {
			return err
		}
		var highest uint64
		for _, found := range directory {
			if found.entry.deleting {
				continue
			}
			counts := found.counts
			was := counts.Seq
			counts.Seq += restoreGap
			counts.Clock = Version{Source: newSourceID()}
			if err := tx.Put(scope{db: found.entry.id}.counters(), counts.encode()); err != nil {
				return fmt.Errorf("renumbering a database: %w", err)
			}
			highest = max(highest, counts.Seq>>32)
			databases = append(databases, RestoredDatabase{Name: found.entry.name, Docs: counts.Docs, From: was, Seq: counts.Seq})
		}
		if err := raiseDatabases(tx, highest); err != nil {
			return err
		}
		// Nothing can go on from a backup of the other store.
		pairs, failed := tx.Scan(engine.PrefixRange(storeKey(backupKeys)))
		var notes [][]byte
		for key := range pairs {
			notes = append(notes, bytes.Clone(key))
		}
		for _, key := range notes {
			if err := tx.Delete(key); err != nil {
				return fmt.Errorf("forgetting backups: %w", err)
			}
		}
		return failed()
	})
	return databases, err
}

// raiseDatabases has the next database begin after all sequences that there are, and restoreNumbers
// later: it begins at its number times 2^32 (DECISIONS 35).
func raiseDatabases(tx engine.Txn, least uint64) error {
	key := storeKey(counterDatabase)
	value, err := tx.Get(key)
	switch {
	case err == nil && len(value) == 8:
		least = max(least, binary.BigEndian.Uint64(value))
	case err != nil && !errors.Is(err, engine.ErrNotFound):
		return fmt.Errorf("reading the number of databases: %w", err)
	}
	if err := tx.Put(key, binary.BigEndian.AppendUint64(nil, least+restoreNumbers)); err != nil {
		return fmt.Errorf("numbering databases: %w", err)
	}
	return nil
}
