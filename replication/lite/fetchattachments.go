package lite

import (
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/caddysync/caddy-sync/replication/blip"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

// What a document keeps, a client of version 4 is to prove again, since that is what Sync
// Gateway asks of it (blip-traces/lite-4.0.3-attach.txt). Nothing depends on it here, so it has
// bounds: an edit of a title must not have both sides read a large video, nor wait for the
// proofs of a hundred photos.
const (
	proveAgain     = 1 << 20 // bytes of content
	mostProvedKept = 4
)

// keepAttachments makes edits of those attachments that the document has already, under the
// same name. wait says that there are others, which the client has to be asked for.
func (p *push) keepAttachments(r *replication) (wait bool, err error) {
	if p.anew {
		return true, nil
	}
	current, err := p.current(r)
	if err != nil {
		return false, err
	}
	edits := make([]syncstore.AttachmentEdit, 0, len(p.attachments))
	for i := range p.attachments {
		known := p.attachments[i].in(current)
		if known == nil || p.attachments[i].provedAgain(r.version, known) {
			return true, nil
		}
		edits = append(edits, p.attachments[i].keep(known))
	}
	p.edit.Attachments = edits
	return false, nil
}

// current returns the attachments of the document's current revision, as far as the writer
// may read it: only those may a revision keep (DECISIONS 22).
func (p *push) current(r *replication) ([]syncstore.Attachment, error) {
	doc, err := p.ks.coll.Get(r.ctx, p.id, syncstore.GetOptions{Viewer: r.peer.Viewer})
	switch {
	case errors.Is(err, syncstore.ErrNotFound), errors.Is(err, syncstore.ErrDeleted):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return doc.Attachments, nil
}

// in returns the attachment of a revision that a is, by its name and digest.
func (a *attachment) in(current []syncstore.Attachment) *syncstore.Attachment {
	for i := range current {
		if a.data == nil && current[i].Name == a.name && (current[i].Digest == a.digest || current[i].Content.HasDigest(a.digest)) {
			return &current[i]
		}
	}
	return nil
}

// provedAgain reports whether a client is asked to prove what the document keeps.
func (a *attachment) provedAgain(version protocol, known *syncstore.Attachment) bool {
	return version == protocol4 && !a.hasRevPos && known.Content.Length <= proveAgain
}

// keep makes an edit of an attachment that stays. What is new about it is its type at most.
func (a *attachment) keep(known *syncstore.Attachment) syncstore.AttachmentEdit {
	if a.contentType != "" && a.contentType != known.ContentType {
		return a.edit(known.Content)
	}
	return syncstore.AttachmentEdit{Name: a.name, ContentType: known.ContentType, Digest: a.digest, Stub: true}
}

func (a *attachment) edit(content syncstore.Content) syncstore.AttachmentEdit {
	digest := a.digest
	if digest == "" {
		digest = content.SHA1Digest()
	}
	return syncstore.AttachmentEdit{Name: a.name, ContentType: a.contentType, Digest: digest, Content: content}
}

// fetchAttachments makes edits of all attachments, and asks the client for what is not there.
// What one revision names twice is asked for once; what another document has says nothing: by
// a digest alone a user could get at what is somebody else's (DECISIONS 22).
func (p *push) fetchAttachments(r *replication) error {
	var current []syncstore.Attachment
	if !p.anew {
		var err error
		if current, err = p.current(r); err != nil {
			return err
		}
	}
	edits := make([]syncstore.AttachmentEdit, 0, len(p.attachments))
	obtained := make(map[string]syncstore.Content)
	proved := 0
	for i := range p.attachments {
		a := &p.attachments[i]
		known := a.in(current)
		if known != nil && (!a.provedAgain(r.version, known) || proved == mostProvedKept) {
			edits = append(edits, a.keep(known))
			continue
		}
		content, ok := obtained[a.digest]
		if !ok || a.data != nil {
			var err error
			if content, err = p.obtain(r, a); err != nil {
				return err
			}
			if a.digest != "" {
				obtained[a.digest] = content
			}
		}
		if known != nil {
			proved++
			edits = append(edits, a.keep(known))
		} else {
			edits = append(edits, a.edit(content))
		}
	}
	p.edit.Attachments = edits
	return nil
}

// obtain gets one attachment's content: from the body, by a proof that the client has what the
// document has, or from the client.
func (p *push) obtain(r *replication, a *attachment) (syncstore.Content, error) {
	if a.data != nil {
		return p.decode(r, a)
	}
	if !p.anew {
		content, err := p.ks.coll.FindContent(r.ctx, p.id, a.digest, r.peer.Viewer)
		switch {
		case err == nil:
			proved, err := p.prove(r, a, content)
			if err != nil || proved {
				return content, err
			}
		case !errors.Is(err, syncstore.ErrNotFound):
			return syncstore.Content{}, err
		}
	}
	return p.download(r, a)
}

// decode stores content that came in base64 in the body.
func (p *push) decode(r *replication, a *attachment) (syncstore.Content, error) {
	text, err := jsondoc.String(a.data)
	if err != nil {
		return syncstore.Content{}, err
	}
	source := base64.NewDecoder(base64.StdEncoding, strings.NewReader(text))
	return p.upload(r, a, func(w io.Writer) error {
		_, err := io.Copy(w, source)
		if _, corrupt := errors.AsType[base64.CorruptInputError](err); corrupt || errors.Is(err, io.ErrUnexpectedEOF) {
			return a.refuse(http.StatusBadRequest, "is not base64")
		}
		return err
	})
}

// download asks the client for content, and stores it as it comes: the client is slowed down
// to what the disk takes.
func (p *push) download(r *replication, a *attachment) (syncstore.Content, error) {
	m := &blip.Message{Properties: p.ks.properties("getAttachment", blip.Property{Name: "digest", Value: a.digest})}
	if r.version >= protocol3 {
		m.Properties = append(m.Properties, blip.Property{Name: "docID", Value: p.id})
	}
	m.Properties = append(m.Properties, blip.Property{Name: "compress", Value: "true"})
	return p.upload(r, a, func(w io.Writer) error {
		_, err := r.conn.CallTo(r.ctx, m, w)
		refused, ok := errors.AsType[*blip.PeerError](err)
		switch {
		case !ok:
			return err
		case refused.Domain == "LiteCore" && refused.Code == 7, refused.Code == http.StatusNotFound:
			return a.refuse(http.StatusNotFound, "is missing")
		}
		return a.refuse(http.StatusBadRequest, "was not sent")
	})
}

// upload stores what send writes, and checks that it is what the attachment says.
func (p *push) upload(r *replication, a *attachment, send func(io.Writer) error) (syncstore.Content, error) {
	if a.length > r.peer.MaxAttachment {
		return syncstore.Content{}, a.refuse(http.StatusRequestEntityTooLarge, "is too large")
	}
	upload := r.peer.Database.NewUpload(r.ctx)
	defer upload.Abort()
	w := &boundedWriter{w: upload, left: r.peer.MaxAttachment, over: a.refuse(http.StatusRequestEntityTooLarge, "is too large")}
	if a.length >= 0 {
		w.left, w.over = a.length, a.refuse(http.StatusBadRequest, "is longer than its length")
	}
	if err := send(w); err != nil {
		return syncstore.Content{}, err
	}
	if a.length >= 0 && w.left > 0 {
		return syncstore.Content{}, a.refuse(http.StatusBadRequest, "is shorter than its length")
	}
	content, err := upload.Commit(r.ctx)
	if err == nil && a.digest != "" && !content.HasDigest(a.digest) {
		err = a.refuse(http.StatusBadRequest, "is not what its digest says")
	}
	return content, err
}

func (a *attachment) refuse(code int, what string) *refusal {
	return refuse(code, "The attachment "+strconv.Quote(a.name)+" "+what+".")
}

// boundedWriter fails with over when more is written than is left.
type boundedWriter struct {
	w    io.Writer
	left int64
	over error
}

func (b *boundedWriter) Write(p []byte) (int, error) {
	if int64(len(p)) > b.left {
		return 0, b.over
	}
	n, err := b.w.Write(p)
	b.left -= int64(n)
	return n, err
}
