package caddysync

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/engine/badger"
	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
)

func backupCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backup <file> [--since <backup>] [--store <folder>] [--address <interface>] [--offline <folder>]",
		Short: "Writes a store into a file while it is used",
		Long: `
Asks the running server for a backup and writes it into a file, which appears when it
is complete and proved to be. With --since, an earlier backup of the same store, it has
only what was written after that one; both are needed to restore it.

With --offline the store in a folder is backed up that no server has open.

The file has everything, password hashes included, and is not encrypted, even if the
store is.`,
		RunE: runCommand(politely(runBackup)),
	}
	addAdminFlags(cmd)
	addKeyFlag(cmd)
	cmd.Flags().String("since", "", "An earlier backup to go on from")
	cmd.Flags().String("offline", "", "The folder of a store that no server has open")
	return cmd
}

func runBackup(ctx context.Context, fl caddycmd.Flags, t *terminal) error {
	if fl.NArg() != 1 {
		return usage("sync backup <file>")
	}
	since := ""
	if before := fl.String("since"); before != "" {
		header, _, err := verifyFile(ctx, before)
		if err != nil {
			return fmt.Errorf("%s: %w", before, err)
		}
		if since = header.Next; since == "" {
			return fmt.Errorf("%s: %w", before, syncstore.ErrUnknownBackup)
		}
	}
	write := func(w io.Writer) error { return onlineBackup(ctx, fl, since, w) }
	if folder := fl.String("offline"); folder != "" {
		write = func(w io.Writer) error { return offlineBackup(ctx, fl, folder, since, w) }
	}
	begun := time.Now()
	var size int64
	verify := func(path string) error {
		header, end, err := verifyFile(ctx, path)
		if err != nil {
			return err
		}
		if header.Since != since {
			return errors.New("the server did not go on from that backup")
		}
		t.say("%s: %s, %d keys, %d with values, in %s", fl.Arg(0), humanize.IBytes(uint64(size)), end.Keys, end.Values,
			time.Since(begun).Round(time.Millisecond))
		if header.Next == "" {
			t.say("No backup can go on from it: the store takes no writes. The next one must be whole.")
		}
		return nil
	}
	return writeWhole(fl.Arg(0), func(w io.Writer) error {
		return write(writerFunc(func(p []byte) (int, error) {
			n, err := w.Write(p)
			size += int64(n)
			t.tell("%s", humanize.IBytes(uint64(size)))
			return n, err
		}))
	}, verify)
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// onlineBackup has the running server make a backup.
func onlineBackup(ctx context.Context, fl caddycmd.Flags, since string, w io.Writer) error {
	address, err := adminAddress(fl)
	if err != nil {
		return fmt.Errorf("finding the admin API: %w", err)
	}
	query := url.Values{}
	if since != "" {
		query.Set("since", since)
	}
	if store := fl.String("store"); store != "" {
		query.Set("store", store)
	}
	res, err := askAdmin(ctx, address, http.MethodGet, "/sync/backup?"+query.Encode())
	if err != nil {
		return fmt.Errorf("asking the server for a backup: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	defer context.AfterFunc(ctx, func() { _ = res.Body.Close() })()
	if _, err := io.Copy(w, res.Body); err != nil {
		return fmt.Errorf("the backup broke off (the server's log may say why): %w", errors.Join(ctx.Err(), err))
	}
	return nil
}

// offlineBackup makes a backup of a store that is not open.
func offlineBackup(ctx context.Context, fl caddycmd.Flags, folder, since string, w io.Writer) (err error) {
	if err := existingFolder(folder); err != nil {
		return err
	}
	o, err := engineOptions(fl)
	if err != nil {
		return err
	}
	opened, err := badger.Open(folder, o)
	if err != nil {
		return notRunning(err, "leave --offline out")
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	_, err = syncstore.BackupEngine(ctx, opened, w, syncstore.BackupOptions{Since: since})
	return err
}

func verifyFile(ctx context.Context, path string) (header syncstore.BackupHeader, end syncstore.BackupEnd, err error) {
	file, err := os.Open(path)
	if err != nil {
		return header, end, err
	}
	defer func() { _ = file.Close() }()
	return syncstore.VerifyBackup(untilEnded{ctx, file})
}

// writeWhole makes a new file that is there only when it is complete, on disk and verified.
func writeWhole(path string, write func(io.Writer) error, verify func(path string) error) (err error) {
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		return thereAlready(path)
	}
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.part") // for its owner only
	if err != nil {
		return fmt.Errorf("making the file: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, file.Close(), os.Remove(file.Name()))
		}
	}()
	if err := write(file); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return fmt.Errorf("writing the file: %w", err)
	}
	if err := verify(file.Name()); err != nil {
		return fmt.Errorf("what was written: %w", err)
	}
	if err := nameNew(file.Name(), path, os.Link); err != nil {
		return err
	}
	return errors.Join(syncFolder(filepath.Dir(path)), file.Close())
}

func thereAlready(path string) error { return fmt.Errorf("%s is there already", path) }

// nameNew gives a file its name, which no other one may have: os.Rename would write over what somebody else, a second
// backup for one, has put there meanwhile.
func nameNew(from, to string, link func(from, to string) error) error {
	switch err := link(from, to); {
	case errors.Is(err, os.ErrExist):
		return thereAlready(to)
	case err != nil: // no hard links there, as on FAT
		return nameClaimed(from, to)
	}
	if err := os.Remove(from); err != nil {
		return fmt.Errorf("removing the file's first name: %w", err)
	}
	return nil
}

// nameClaimed gives a file the name of an empty one that only one can have made.
func nameClaimed(from, to string) error {
	claim, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, os.ErrExist) {
		return thereAlready(to)
	}
	if err != nil {
		return fmt.Errorf("naming the file: %w", err)
	}
	if err = errors.Join(claim.Close(), os.Rename(from, to)); err != nil {
		return fmt.Errorf("naming the file: %w", errors.Join(err, os.Remove(to)))
	}
	return nil
}

// syncFolder has a file's name on disk, not only the file.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("opening the folder: %w", err)
	}
	return errors.Join(folder.Sync(), folder.Close())
}
