package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	// backupBar is by how much the p99 of reads may rise while a backup is made.
	backupBar = 2.0
	// backupSlice is how long reads without a backup are measured at once.
	backupSlice = 10 * time.Second
	// attachedDocs and attachedSize are the attachments that are added for the backup to have.
	attachedDocs = 100
	attachedSize = 1 << 20
)

// backupRows back the store up while documents are read at half load, restore the backup, check
// it, and compare what a server on it serves with what the first one served.
func (b *bench) backupRows(ctx context.Context) error {
	if err := b.attach(); err != nil {
		return err
	}
	file := filepath.Join(b.server.Dir, "bench.backup")
	if err := b.backupBesideReads(ctx, file); err != nil {
		return err
	}
	restored := filepath.Join(b.server.Dir, "restored")
	took := map[string]time.Duration{}
	for _, step := range []struct {
		name string
		args []string
	}{
		{"restored", []string{"sync", "restore", file, "--to", restored}},
		{"checked", []string{"sync", "check", restored}},
	} {
		began := time.Now()
		if _, err := b.server.Command(ctx, step.args...); err != nil {
			return err
		}
		took[step.name] = time.Since(began)
	}
	served, err := b.contentHash(ctx)
	if err != nil {
		return err
	}
	again, err := b.hashOf(ctx, restored)
	if err != nil {
		return err
	}
	r := row{
		work: "a store that was restored from the backup, and checked", bar: "serves the same bytes", measured: "the same", pass: served == again,
		notes: []string{fmt.Sprintf("restored in %s, checked in %s", took["restored"].Round(time.Second), took["checked"].Round(time.Second))},
	}
	if !r.pass {
		r.measured = "others"
	}
	b.add(r)
	return errors.Join(os.RemoveAll(restored), os.Remove(file))
}

// attach writes documents with attachments.
func (b *bench) attach() error {
	c, err := dial(b.address())
	if err != nil {
		return err
	}
	defer c.close()
	for i := range attachedDocs {
		content, err := io.ReadAll(io.LimitReader(newNoise(int64(attachedSize+i)), int64(attachedSize+i)))
		if err != nil {
			return fmt.Errorf("making an attachment: %w", err)
		}
		request := append(head(nil, http.MethodPut, fmt.Sprintf("/notes/attached%03d/noise", i)),
			fmt.Sprintf("Content-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n", len(content))...)
		if err := c.do(append(request, content...)); err != nil {
			return err
		}
		if c.status != http.StatusCreated && c.status != http.StatusConflict { // of an earlier run on this store
			return c.unexpected()
		}
	}
	return nil
}

// backupBesideReads makes a backup in each round, and compares the latency of reads at half load
// with that of the same reads right before.
func (b *bench) backupBesideReads(ctx context.Context, file string) error {
	rate, err := b.halfLoad(ctx)
	if err != nil {
		return err
	}
	var before, beside, median50, took []time.Duration
	for range b.rounds {
		quiet, err := paced(ctx, b.address(), backupSlice, rate, b.getters(b.docs, byEither))
		if err != nil {
			return err
		}
		reading, stop := context.WithCancel(ctx)
		made := make(chan error, 1)
		began := time.Now()
		go func() {
			defer stop()
			made <- b.backup(ctx, file)
		}()
		// Until the backup is there.
		busy, err := paced(reading, b.address(), time.Hour, rate, b.getters(b.docs, byEither))
		if err = errors.Join(<-made, err); err != nil {
			return err
		}
		took = append(took, time.Since(began))
		before, beside, median50 = append(before, quiet.p99), append(beside, busy.p99), append(median50, busy.p50)
	}
	info, err := os.Stat(file)
	if err != nil {
		return fmt.Errorf("looking for the backup: %w", err)
	}
	ratio := float64(median(beside)) / float64(median(before))
	b.add(row{
		work: fmt.Sprintf("p99 of GET at half load (%s requests/s) while %s documents are backed up", thousands(rate), thousands(float64(b.docs))),
		bar:  "at most doubled", ratio: ratio, pass: ratio <= backupBar,
		measured: fmt.Sprintf("%s against %s", median(beside).Round(10*time.Microsecond), median(before).Round(10*time.Microsecond)),
		notes: []string{fmt.Sprintf("medians of %d backups; p50 %s beside it; a backup of %s took %s", b.rounds,
			median(median50).Round(10*time.Microsecond), mebibytes(info.Size()), median(took).Round(100*time.Millisecond))},
	})
	return nil
}

// halfLoad is half of how many reads a second are answered: of two measurements the lower, so that
// one taken in a quick moment of a noisy machine does not make it a full load for the rest.
func (b *bench) halfLoad(ctx context.Context) (float64, error) {
	var least float64
	for range 2 {
		full, err := drive(ctx, b.address(), b.round, b.getters(b.docs, byEither))
		if err != nil {
			return 0, err
		}
		if rate := full.perSecond() / 2; least == 0 || rate < least {
			least = rate
		}
	}
	return least, nil
}

func (b *bench) backup(ctx context.Context, file string) error {
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("removing the last backup: %w", err)
	}
	_, err := b.server.Command(ctx, "sync", "backup", file, "--address", strings.TrimPrefix(b.server.ControlURL, "http://"))
	return err
}

// hashOf is the contentHash of another store, on which the server is started meanwhile.
func (b *bench) hashOf(ctx context.Context, store string) (hash string, err error) {
	own := b.server.Store + ".own"
	if err := errors.Join(b.server.Stop(), os.Rename(b.server.Store, own), os.Rename(store, b.server.Store)); err != nil {
		return "", fmt.Errorf("putting the restored store in the place of the first: %w", err)
	}
	if err := b.server.Restart(ctx); err != nil {
		return "", err
	}
	if hash, err = b.contentHash(ctx); err != nil {
		return "", err
	}
	if err := errors.Join(b.server.Stop(), os.Rename(b.server.Store, store), os.Rename(own, b.server.Store)); err != nil {
		return "", fmt.Errorf("putting the first store back: %w", err)
	}
	return hash, b.server.Restart(ctx)
}

// contentHash is the SHA-256 of all documents, with their revisions and attachments, as the
// server sends them.
func (b *bench) contentHash(ctx context.Context) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+b.address()+"/notes/_all_docs?include_docs=true&attachments=true&conflicts=true", nil)
	if err != nil {
		return "", fmt.Errorf("reading all documents: %w", err)
	}
	request.Host = "localhost"
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", fmt.Errorf("reading all documents: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	hash := sha256.New()
	n, err := io.Copy(hash, answer.Body)
	switch {
	case err != nil:
		return "", fmt.Errorf("reading all documents: %w", err)
	case answer.StatusCode != http.StatusOK || n < int64(b.docs)*bodySize:
		return "", fmt.Errorf("reading all documents: %w: %s with %d bytes", errAnswer, answer.Status, n)
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}
