package peer

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

// attachment is one of a revision's. Content that another revision of the document has here
// is not fetched again.
func (w *taking) attachment(ctx context.Context, doc *received, a *receivedAttachment) (syncstore.AttachmentEdit, error) {
	edit := syncstore.AttachmentEdit{Name: a.name, ContentType: a.contentType, Digest: a.digest, RevPos: a.revPos}
	if a.data != nil {
		return edit, w.storeInline(ctx, a, &edit)
	}
	if w.known[doc.id] && a.digest != "" {
		stub, err := w.stub(ctx, doc, a)
		if err != nil {
			return edit, err
		}
		if stub {
			edit.Stub = true
			return edit, nil
		}
	}
	request := ask{
		method: http.MethodGet, path: attachmentPath(doc.id, a.name), accept: "*/*", query: url.Values{"rev": {doc.rev.String()}},
	}
	answer, err := w.to.do(ctx, request)
	if err != nil {
		return edit, err
	}
	defer answer.Body.Close()
	defer drain(answer.Body)
	content, err := w.store(ctx, answer.Body)
	if err != nil {
		return edit, err
	}
	if a.length >= 0 && content.Length != a.length || a.digest != "" && !a.gzipped && !content.HasDigest(a.digest) {
		return edit, errContent
	}
	edit.Content = content
	return edit, nil
}

// stub reports whether the document has the attachment here, under the same name.
func (w *taking) stub(ctx context.Context, doc *received, a *receivedAttachment) (bool, error) {
	// What is not written yet may have it: another leaf of the same document.
	if err := w.flush(ctx); err != nil {
		return false, err
	}
	for _, rev := range [][]syncstore.Rev{nil, doc.history[:min(len(doc.history), revsAtOnce)]} {
		found := false
		err := w.local.eachRevision(ctx, doc.id, rev, syncstore.GetOptions{Viewer: w.o.Viewer}, func(here *syncstore.Document) error {
			found = found || slices.ContainsFunc(here.Attachments, func(have syncstore.Attachment) bool {
				return have.Name == a.name && (have.Digest == a.digest || have.Content.HasDigest(a.digest))
			})
			return nil
		})
		if errors.Is(err, syncstore.ErrNotFound) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("looking for an attachment: %w", err)
		}
		if found {
			return true, nil
		}
	}
	return false, nil
}

// storeInline stores content that came inside the document.
func (w *taking) storeInline(ctx context.Context, a *receivedAttachment, edit *syncstore.AttachmentEdit) error {
	text, err := jsondoc.String(a.data)
	if err != nil {
		return err
	}
	source := base64.NewDecoder(base64.StdEncoding, bytes.NewReader([]byte(text)))
	if edit.Content, err = w.store(ctx, source); err != nil {
		return err
	}
	if !edit.Content.HasDigest(a.digest) {
		edit.Digest = ""
	}
	return nil
}

// errContent: content that is not what the document says of it.
var errContent = fmt.Errorf("%w gave other content of an attachment than the document names", ErrRemote)

// store streams content into the store.
func (w *taking) store(ctx context.Context, source io.Reader) (syncstore.Content, error) {
	upload := w.local.Database.NewUpload(ctx)
	defer upload.Abort() // does nothing after Commit
	n, err := io.Copy(upload, io.LimitReader(source, w.o.MaxAttachment+1))
	if err != nil {
		return syncstore.Content{}, contentError(err)
	}
	if n > w.o.MaxAttachment {
		return syncstore.Content{}, fmt.Errorf("an attachment is %w", syncstore.ErrTooLarge)
	}
	return upload.Commit(ctx)
}

// contentError tells a connection that broke from what the store cannot do.
func contentError(err error) error {
	for _, own := range []error{
		syncstore.ErrInsufficientStorage, syncstore.ErrUnavailable, syncstore.ErrNoDatabase, syncstore.ErrUploadExpired, ErrRemote,
	} {
		if errors.Is(err, own) {
			return err
		}
	}
	if _, bad := errors.AsType[base64.CorruptInputError](err); bad {
		return err
	}
	return fmt.Errorf("%w broke off an attachment: %w", ErrRemote, err)
}
