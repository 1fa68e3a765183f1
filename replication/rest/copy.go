package rest

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/caddysync/caddy-sync/syncstore"
)

// methodCopy is WebDAV's method (RFC 4918 section 9.8), which CouchDB has for documents.
const methodCopy = "COPY"

// copyDocument answers COPY /{db}/{doc}: the document, or the revision that rev names, is
// written under the ID in the Destination header ("id", or "id?rev=…" over an existing
// document) with its attachments. When it would expire is not copied.
func (h *Handler) copyDocument(rq *request) error {
	id, parent, err := rq.destination()
	if err != nil {
		return err
	}
	o := syncstore.GetOptions{}
	if text := rq.query.Get("rev"); text != "" {
		if o.Rev, err = parseRev(text); err != nil {
			return err
		}
	}
	doc, err := h.read(rq, o)
	if err != nil {
		return err
	}
	if doc.Removed {
		return h.unreadable(rq, syncstore.ErrNotFound)
	}
	edit := syncstore.Edit{ID: id, Parent: parent, Body: doc.Body, Deleted: doc.Deleted}
	for i := range doc.Attachments {
		a := &doc.Attachments[i]
		edit.Attachments = append(edit.Attachments, syncstore.AttachmentEdit{
			Name: a.Name, ContentType: a.ContentType, Digest: a.Digest, Content: a.Content,
		})
	}
	rq.set("Location", h.PathPrefix+"/"+url.PathEscape(rq.keyspace)+"/"+url.PathEscape(id))
	return h.store(rq, edit, http.StatusCreated)
}

// destination reads the Destination header: an ID, escaped as in a path, perhaps with the
// revision that it overwrites.
func (rq *request) destination() (id string, parent syncstore.Rev, err error) {
	text := strings.TrimSpace(rq.r.Header.Get("Destination"))
	switch {
	case text == "":
		return "", parent, badRequest("The Destination header names the document to be written, as in: Destination: other-id?rev=1-abc")
	case strings.HasPrefix(text, "http://"), strings.HasPrefix(text, "https://"):
		return "", parent, badRequest("The Destination header must be the ID of a document of the same database, not a URL.")
	}
	escaped, query, _ := strings.Cut(text, "?")
	if id, err = unescape(escaped); err != nil {
		return "", parent, badRequest("The Destination header has a malformed percent escape.")
	}
	if err := checkID(id); err != nil {
		return "", parent, err
	}
	if strings.HasPrefix(id, localPrefix) {
		return "", parent, badRequest("A document cannot be copied to a _local document.")
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return "", parent, badRequest("The query of the Destination header is malformed.")
	}
	if text := values.Get("rev"); text != "" {
		parent, err = parseRev(text)
	}
	return id, parent, err
}
