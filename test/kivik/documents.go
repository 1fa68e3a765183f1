package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	kivik "github.com/go-kivik/kivik/v4"
)

// item is a document of the shop.
type item struct {
	ID      string `json:"_id,omitempty"`
	Rev     string `json:"_rev,omitempty"`
	Deleted bool   `json:"_deleted,omitempty"`
	N       int    `json:"n"`
	Text    string `json:"text,omitempty"`
}

var errDiffers = errors.New("not as expected")

// expect is an error about what is not so.
func expect(ok bool, format string, args ...any) error {
	if ok {
		return nil
	}

	return fmt.Errorf("%w: %s", errDiffers, fmt.Sprintf(format, args...))
}

func documents(ctx context.Context, stock *kivik.DB) error {
	first, err := stock.Put(ctx, "rabbit", item{N: 1})
	if err != nil {
		return fmt.Errorf("put: %w", err)
	}

	if _, err := stock.Put(ctx, "rabbit", item{N: 2}); kivik.HTTPStatus(err) != 409 {
		return fmt.Errorf("a second put without a revision: %w", err)
	}

	second, err := stock.Put(ctx, "rabbit", item{N: 2}, kivik.Rev(first))
	if err != nil {
		return fmt.Errorf("put of the second revision: %w", err)
	}

	var got item
	if err := stock.Get(ctx, "rabbit").ScanDoc(&got); err != nil || got.N != 2 || got.Rev != second {
		return fmt.Errorf("get: %+v, %w", got, err)
	}

	if err := stock.Get(ctx, "rabbit", kivik.Rev(first)).ScanDoc(&got); err != nil || got.N != 1 {
		return fmt.Errorf("get of the first revision: %+v, %w", got, err)
	}

	copied, err := stock.Copy(ctx, "hare", "rabbit")
	if err != nil || !strings.HasPrefix(copied, "1-") {
		return fmt.Errorf("copy: %q, %w", copied, err)
	}

	id, rev, err := stock.CreateDoc(ctx, item{N: 3})
	if err != nil {
		return fmt.Errorf("create: %w", err)
	}

	if _, err := stock.Delete(ctx, id, rev); err != nil {
		return fmt.Errorf("delete: %w", err)
	}

	if err := stock.Get(ctx, id).Err(); kivik.HTTPStatus(err) != 404 {
		return fmt.Errorf("get after the deletion: %w", err)
	}

	const odd = "a/b c+d&e?f#ü😀"
	if _, err := stock.Put(ctx, odd, item{N: 4}); err != nil {
		return fmt.Errorf("put of an odd ID: %w", err)
	}

	return stock.Get(ctx, odd).ScanDoc(&got)
}

// conflicts are made as a replicator makes them, and read by each of the ways.
func conflicts(ctx context.Context, stock *kivik.DB) error {
	replicated := kivik.Param("new_edits", false)
	for _, rev := range []string{"1-aaaa", "1-bbbb"} {
		if _, err := stock.Put(ctx, "twice", item{Rev: rev, Text: rev}, replicated); err != nil {
			return fmt.Errorf("put of %s: %w", rev, err)
		}
	}

	leaves := stock.OpenRevs(ctx, "twice", []string{"1-aaaa", "1-bbbb"})
	defer leaves.Close()

	texts := map[string]bool{}

	for leaves.Next() {
		var leaf item
		if err := leaves.ScanDoc(&leaf); err != nil {
			return fmt.Errorf("a leaf: %w", err)
		}

		texts[leaf.Text] = true
	}

	if err := errors.Join(leaves.Err(), expect(len(texts) == 2, "open_revs: %v", texts)); err != nil {
		return err
	}

	diff := stock.RevsDiff(ctx, map[string][]string{"twice": {"1-aaaa", "1-cccc"}})
	defer diff.Close()

	var missing struct {
		Missing []string `json:"missing"`
	}

	if !diff.Next() {
		return fmt.Errorf("_revs_diff is empty: %w", diff.Err())
	}

	if err := diff.ScanValue(&missing); err != nil {
		return fmt.Errorf("_revs_diff: %w", err)
	}

	if err := expect(len(missing.Missing) == 1 && missing.Missing[0] == "1-cccc", "missing: %v", missing); err != nil {
		return err
	}

	got := stock.BulkGet(ctx, []kivik.BulkGetReference{{ID: "twice", Rev: "1-aaaa"}, {ID: "nothing"}})
	defer got.Close()

	var one item
	if !got.Next() {
		return fmt.Errorf("_bulk_get is empty: %w", got.Err())
	}

	if err := got.ScanDoc(&one); err != nil {
		return fmt.Errorf("_bulk_get: %w", err)
	}

	return expect(one.Text == "1-aaaa", "_bulk_get: %+v", one)
}

func bulk(ctx context.Context, stock *kivik.DB) error {
	const many = 1500

	docs := make([]any, many)
	for n := range docs {
		docs[n] = item{ID: fmt.Sprintf("item-%04d", n), N: n, Text: strings.Repeat("x", 100)}
	}

	results, err := stock.BulkDocs(ctx, docs)
	if err != nil {
		return fmt.Errorf("_bulk_docs: %w", err)
	}

	for _, r := range results {
		if r.Error != nil {
			return fmt.Errorf("_bulk_docs of %s: %w", r.ID, r.Error)
		}
	}

	rows := stock.AllDocs(ctx, kivik.Params(map[string]any{
		"startkey": "item-", "endkey": "item-" + kivik.EndKeySuffix, "include_docs": true,
	}))
	defer rows.Close()

	count := 0

	for rows.Next() {
		var doc item
		if err := rows.ScanDoc(&doc); err != nil {
			return fmt.Errorf("a row: %w", err)
		}

		if err := expect(doc.N == count, "row %d has %+v", count, doc); err != nil {
			return err
		}

		count++
	}

	return errors.Join(rows.Err(), expect(count == many && len(results) == many, "%d rows", count))
}

func attachments(ctx context.Context, stock *kivik.DB) error {
	content := bytes.Repeat([]byte{0, 1, 2, 254, 255}, 50_000)

	rev, err := stock.PutAttachment(ctx, "photo", &kivik.Attachment{
		Filename: "full size.jpg", ContentType: "image/jpeg", Content: io.NopCloser(bytes.NewReader(content)),
	})
	if err != nil {
		return fmt.Errorf("put: %w", err)
	}

	meta, err := stock.GetAttachmentMeta(ctx, "photo", "full size.jpg")
	if err != nil || meta.ContentType != "image/jpeg" || meta.Size != int64(len(content)) {
		return fmt.Errorf("head: %+v, %w", meta, err)
	}

	whole, err := stock.GetAttachment(ctx, "photo", "full size.jpg")
	if err != nil {
		return fmt.Errorf("get: %w", err)
	}
	defer whole.Content.Close()

	got, err := io.ReadAll(whole.Content)
	if err != nil || !bytes.Equal(got, content) {
		return fmt.Errorf("get: %d bytes, %w", len(got), err)
	}

	// A document with its attachments in one multipart request.
	_, err = stock.Put(ctx, "parcel", map[string]any{"kind": "parcel", "_attachments": &kivik.Attachments{
		"a.txt": {Filename: "a.txt", ContentType: "text/plain", Content: io.NopCloser(strings.NewReader("first")), Size: 5},
		"b.bin": {Filename: "b.bin", ContentType: "application/octet-stream", Content: io.NopCloser(bytes.NewReader(content)), Size: int64(len(content))},
	}})
	if err != nil {
		return fmt.Errorf("multipart put: %w", err)
	}

	if err := multipartGet(ctx, stock, content); err != nil {
		return err
	}

	if _, err := stock.DeleteAttachment(ctx, "photo", rev, "full size.jpg"); err != nil {
		return fmt.Errorf("delete: %w", err)
	}

	if _, err := stock.GetAttachment(ctx, "photo", "full size.jpg"); kivik.HTTPStatus(err) != 404 {
		return fmt.Errorf("get after the deletion: %w", err)
	}

	return nil
}

func multipartGet(ctx context.Context, stock *kivik.DB, content []byte) error {
	parcel := stock.Get(ctx, "parcel", kivik.Param("attachments", true))
	defer parcel.Close()

	files, err := parcel.Attachments()
	if err != nil {
		return fmt.Errorf("multipart get: %w", err)
	}
	defer files.Close()

	for range 2 {
		file, err := files.Next()
		if err != nil {
			return fmt.Errorf("multipart get: %w", err)
		}

		got, err := io.ReadAll(file.Content)
		if err != nil || (file.Filename == "b.bin") != bytes.Equal(got, content) {
			return fmt.Errorf("multipart get of %s: %d bytes, %w", file.Filename, len(got), err)
		}
	}

	return nil
}

func changes(ctx context.Context, stock *kivik.DB) error {
	feed := stock.Changes(ctx, kivik.Params(map[string]any{"feed": "continuous", "since": "now", "heartbeat": 5000}))
	defer feed.Close()

	go func() { _, _ = stock.Put(ctx, "live", item{N: 9}) }()

	if !feed.Next() {
		return fmt.Errorf("the continuous feed ended: %w", feed.Err())
	}

	if err := expect(feed.ID() == "live", "the feed told of %q", feed.ID()); err != nil {
		return err
	}

	all := stock.Changes(ctx)
	defer all.Close()

	count := 0
	for all.Next() {
		count++
	}

	meta, err := all.Metadata()

	return errors.Join(all.Err(), err, expect(count > 1500 && meta.LastSeq != "", "%d changes, %+v", count, meta))
}

func maintenance(ctx context.Context, stock *kivik.DB) error {
	stats, err := stock.Stats(ctx)
	if err != nil || stats.DocCount < 1500 || stats.DeletedCount < 1 {
		return fmt.Errorf("statistics: %+v, %w", stats, err)
	}

	if err := stock.Compact(ctx); err != nil {
		return fmt.Errorf("compact: %w", err)
	}

	if err := stock.Flush(ctx); err != nil {
		return fmt.Errorf("flush: %w", err)
	}

	if _, err := stock.Security(ctx); err != nil {
		return fmt.Errorf("security: %w", err)
	}

	rev, err := stock.Put(ctx, "waste", item{N: 1})
	if err != nil {
		return fmt.Errorf("put: %w", err)
	}

	if _, err := stock.Purge(ctx, map[string][]string{"waste": {rev}}); err != nil {
		return fmt.Errorf("purge: %w", err)
	}

	if err := stock.Get(ctx, "waste").Err(); kivik.HTTPStatus(err) != 404 {
		return fmt.Errorf("get after the purge: %w", err)
	}

	return nil
}
