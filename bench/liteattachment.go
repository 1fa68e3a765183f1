package main

import (
	"context"
	"crypto/sha1" // the digest that Couchbase Lite names blobs by
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/caddysync/caddy-sync/test/harness"

	"github.com/caddysync/caddy-sync/replication/blip"
)

const (
	// liteBlob is the attachment's bytes, liteSmallBlob those of one that goes before it: so many that the
	// garbage collector runs meanwhile, also where other rows have left a large heap.
	liteBlob      = 1 << 30
	liteSmallBlob = 256 << 20
	// liteBlobMemory is what the server may take more for the one than for the other.
	liteBlobMemory = 48 << 20
	liteBlobBar    = 50 * time.Millisecond
)

// noise is content that cannot be compressed, the same each time.
type noise struct {
	random *rand.ChaCha8
	left   int64
}

func newNoise(n int64) *noise { return &noise{rand.NewChaCha8([32]byte{1}), n} }

func (n *noise) Read(p []byte) (int, error) {
	if n.left == 0 {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), n.left)]
	n.left -= int64(len(p))
	return n.random.Read(p) //nolint:wrapcheck // never fails
}

func (n *noise) Close() error { return nil }

// liteAttachmentRow pushes an attachment of 1 GB while others write single documents, and
// looks at the server's memory. Memory is constant if that takes no more of it than a quarter of it:
// what both take beyond a server at rest is garbage, which waits until the heap has doubled. The
// bar is 1/16 of the difference between the two.
func (b *bench) liteAttachmentRow(ctx context.Context) error {
	quiet, err := b.writeAlone(ctx, 3*time.Second, nil)
	if err != nil {
		return err
	}
	before, err := b.collected(ctx)
	if err != nil {
		return err
	}
	small, err := b.pushBesideWriters(ctx, liteSmallBlob)
	if err != nil {
		return err
	}
	large, err := b.pushBesideWriters(ctx, liteBlob)
	if err != nil {
		return err
	}
	growth := large.peak - small.peak
	b.add(row{
		work: "an attachment of 1 GB pushed by Couchbase Lite", bar: "constant memory (≤ 48 MiB more than one of 256 MiB)",
		measured: mebibytes(growth), pass: growth <= liteBlobMemory,
		notes: []string{
			fmt.Sprintf("in %s, %.0f MiB/s", large.took.Round(100*time.Millisecond), liteBlob/(1<<20)/large.took.Seconds()),
			fmt.Sprintf("beyond a server at rest: %s, the small one %s", mebibytes(large.peak-before.resident), mebibytes(small.peak-before.resident)),
		},
	})
	b.add(row{
		work: "p99 of other writers meanwhile", bar: "≤ 50 ms", measured: large.p99.Round(100 * time.Microsecond).String(), pass: large.p99 <= liteBlobBar,
		notes: []string{"alone " + quiet.Round(100*time.Microsecond).String()},
	})
	return nil
}

// pushed is how an attachment went: the server's memory in bytes at most, and the writers beside.
type pushed struct {
	peak      int64
	took, p99 time.Duration
}

// pushBesideWriters pushes an attachment of so many bytes.
func (b *bench) pushBesideWriters(ctx context.Context, size int64) (pushed, error) {
	sum := sha1.New()
	if _, err := io.Copy(sum, newNoise(size)); err != nil {
		return pushed{}, fmt.Errorf("making an attachment: %w", err)
	}
	digest := "sha1-" + base64.StdEncoding.EncodeToString(sum.Sum(nil))
	stop := harness.PeakAnonymous(b.server.PID())
	over := make(chan struct{})
	var failed error
	began := time.Now()
	go func() {
		defer close(over)
		failed = b.pushBlob(ctx, digest, size)
	}()
	p99, err := b.writeAlone(ctx, 5*time.Minute, over)
	<-over
	took := time.Since(began)
	return pushed{stop(), took, p99}, errors.Join(err, failed)
}

// pushBlob pushes a document with the attachment, which the server asks for.
func (b *bench) pushBlob(ctx context.Context, digest string, size int64) error {
	c, err := b.dialLite(ctx, "notes", &b.people[0], func(r *blip.Request) {
		switch r.Profile() {
		case "getAttachment":
			r.Reply(&blip.Message{Stream: newNoise(size)})
		case "proveAttachment":
			r.Refuse("LiteCore", 7, "not found")
		}
	})
	if err != nil {
		return err
	}
	defer c.close()
	id := fmt.Sprintf("blob-%d", time.Now().UnixNano())
	rev := profile("rev", blip.Property{Name: "id", Value: id}, blip.Property{Name: "rev", Value: liteRev(1)},
		blip.Property{Name: "sequence", Value: "1"}, blip.Property{Name: "noconflicts", Value: "1"})
	rev.Body = fmt.Appendf(nil, `{"file":{"@type":"blob","digest":%q,"length":%d},"_attachments":{"blob_/file":{"stub":true,"digest":%q,"length":%d,"revpos":1}}}`,
		digest, size, digest, size)
	if _, err := c.Call(ctx, rev); err != nil {
		return fmt.Errorf("pushing an attachment: %w", err)
	}
	return nil
}

// writeAlone lets four writers write until over, or for d, a document every 20 ms each, and
// returns the p99 of how long that took.
func (b *bench) writeAlone(ctx context.Context, d time.Duration, over <-chan struct{}) (time.Duration, error) {
	end := time.After(d)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		select {
		case <-over:
		case <-end:
		case <-ctx.Done():
		}
	}()
	var (
		mu    sync.Mutex
		times []time.Duration
		errs  []error
		all   sync.WaitGroup
	)
	for range 4 {
		all.Go(func() {
			tick := time.NewTicker(20 * time.Millisecond)
			defer tick.Stop()
			for {
				began := time.Now()
				err := b.putNew()
				mu.Lock()
				times, errs = append(times, time.Since(began)), append(errs, err)
				mu.Unlock()
				select {
				case <-tick.C:
				case <-stopped:
					return
				}
			}
		})
	}
	all.Wait()
	slices.Sort(times)
	return times[len(times)*99/100], errors.Join(errs...)
}
