package caddysync

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/engine"
	"github.com/caddysync/caddy-sync/syncstore/engine/badger"
	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
)

// errFoundDamage is why a check ends with status 1.
var errFoundDamage = errors.New("the store is damaged")

func restoreCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "restore <backup>... --to <folder> [--min-free <size>]",
		Short: "Makes a new store of a backup and those that go on from it",
		Long: `
Makes a store in a new folder from a whole backup, and the backups that go on from it in
their order. The folder appears when everything is there, and has been checked.

The databases go on as new ones: their sequences are 2^32 higher and their versions have
another source, so that clients which saw more than the backup has skip nothing.`,
		RunE: runCommand(politely(runRestore)),
	}
	cmd.Flags().String("to", "", "The folder for the store, which must be new or empty (required)")
	cmd.Flags().String("min-free", "", "How much must stay free on the disk, as min_free in the Caddyfile (default 512MiB)")
	addKeyFlag(cmd)
	return cmd
}

func runRestore(ctx context.Context, fl caddycmd.Flags, t *terminal) error {
	to := fl.String("to")
	if fl.NArg() == 0 || to == "" {
		return usage("sync restore <backup>... --to <folder>")
	}
	o, err := engineOptions(fl)
	if err != nil {
		return err
	}
	if o.MinFree, err = minFree(fl); err != nil {
		return err
	}
	to, err = filepath.Abs(to)
	if err != nil {
		return fmt.Errorf("finding the folder: %w", err)
	}
	if err := checkNew(to); err != nil {
		return err
	}
	var damage error
	err = makeFolder(to, func(making string) (err error) {
		damage, err = restoreInto(ctx, making, fl.Args(), o, t)
		return err
	})
	if errors.Is(err, engine.ErrNoSpace) {
		return fmt.Errorf("%w: make room, or write --min-free <size> for less", err)
	}
	if err != nil {
		return err
	}
	t.say("Restored into %s. To use it: stop the server, put this folder in the place of the one that `store badger`\n"+
		"names (keep the old one until you are sure), give it to the server's user, and start the server.", to)
	return damage
}

// minFree is the size that the flag names, 0 for the default.
func minFree(fl caddycmd.Flags) (int64, error) {
	text := fl.String("min-free")
	if text == "" {
		return 0, nil
	}
	bytes, err := humanize.ParseBytes(text)
	if err != nil || bytes == 0 || bytes > math.MaxInt64 {
		return 0, fmt.Errorf("--min-free: %q is not a size like 64MiB", text)
	}
	return int64(bytes), nil
}

// makeFolder makes a new folder, or replaces an empty one, when it has been filled under another name
// beside it. If it cannot be put into its place then, because a disk is mounted there for one, it stays
// where it is: to fill it may have taken hours.
func makeFolder(to string, fill func(making string) error) error {
	to, err := linkedTo(to)
	if err != nil {
		return err
	}
	making, err := os.MkdirTemp(filepath.Dir(to), "."+filepath.Base(to)+"-restoring-")
	if err != nil {
		return fmt.Errorf("making a folder: %w", err)
	}
	if err := fill(making); err != nil {
		return errors.Join(err, os.RemoveAll(making))
	}
	err = os.Remove(to)
	if err == nil || errors.Is(err, os.ErrNotExist) {
		err = os.Rename(making, to)
	}
	if err != nil {
		return fmt.Errorf("putting what was restored into its place: %w; it is whole, in %s", err, making)
	}
	return syncFolder(filepath.Dir(to))
}

// linkedTo is the folder that a path leads to by links. They stay, since they may lead to the disk that is for the store.
func linkedTo(path string) (string, error) {
	if _, err := os.Lstat(path); errors.Is(err, os.ErrNotExist) {
		return path, nil
	}
	place, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", fmt.Errorf("following the link: %w", err)
	}
	return place, nil
}

// checkNew refuses a folder that has something in it.
func checkNew(path string) error {
	files, err := os.ReadDir(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("looking at the folder: %w", err)
	case len(files) > 0:
		return fmt.Errorf("%s is %w: restore into a new folder, and swap the two", path, syncstore.ErrNotEmpty)
	}
	return nil
}

// restoreInto fills a folder and checks what is in it. damage is what the check found: what was
// backed up was damaged already.
func restoreInto(ctx context.Context, folder string, names []string, o badger.Options, t *terminal) (damage, err error) {
	var sources []syncstore.BackupSource
	for _, name := range names {
		file, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("opening a backup: %w", err)
		}
		defer func() { _ = file.Close() }()
		sources = append(sources, syncstore.BackupSource{Name: name, Reader: file})
	}
	opened, err := badger.Open(folder, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	restored, err := syncstore.Restore(ctx, opened, sources, syncstore.RestoreOptions{
		Progress: func(keys uint64) { t.tell("%d keys restored", keys) },
	})
	if err != nil {
		return nil, err
	}
	report, err := syncstore.Check(ctx, opened, syncstore.CheckOptions{
		Progress: func(keys uint64) { t.tell("%d keys of %d checked", keys, restored.Keys) },
	})
	if err != nil {
		return nil, fmt.Errorf("checking what was restored: %w", err)
	}
	t.say("As of %s:", restored.Backups[len(restored.Backups)-1].Created.Format("2006-01-02 15:04:05 MST"))
	tellReport(t, report)
	if report.Found > 0 {
		return fmt.Errorf("%w, and was when it was backed up", errFoundDamage), nil
	}
	return nil, nil
}

// tellReport says what a check found.
func tellReport(t *terminal, report syncstore.CheckReport) {
	for _, f := range report.Findings {
		t.say("damaged: %s", f)
	}
	if more := report.Found - uint64(len(report.Findings)); more > 0 {
		t.say("damaged: %d things more", more)
	}
	for _, db := range report.Databases {
		t.say("database %s: %d documents, %d tombstones, %d attachments of %d bytes", db.Name, db.Docs, db.Tombstones, db.Contents, db.ContentBytes)
		if db.Damaged > 0 {
			t.say("database %s: %d documents are damaged; the others can be saved", db.Name, db.Damaged)
		}
	}
}
