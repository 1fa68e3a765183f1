package peer

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

// received is a revision as the other server sent it.
type received struct {
	id      string
	rev     syncstore.Rev
	deleted bool
	// removed: the other server's user sees it no more, and was sent no body.
	removed     bool
	history     []syncstore.Rev // newest first
	expiry      []byte          // of _exp, as it came; nil: never
	attachments []receivedAttachment
	body        []byte
}

// receivedAttachment is a member of _attachments.
type receivedAttachment struct {
	name, contentType string
	digest            string // "" if there is none that is understood
	gzipped           bool   // the digest is that of the compressed content
	length            int64  // -1 if it is not said
	encodedLength     int64  // of the compressed content; -1
	revPos            uint64
	data              []byte // a JSON string of base64; nil if the content did not come along
}

// parseReceived reads a document with _revisions. It holds on to text.
func parseReceived(text []byte) (*received, error) {
	doc, err := jsondoc.Parse(text)
	if err != nil {
		return nil, err
	}
	d := &received{body: doc.Body}
	for _, member := range doc.Meta {
		if err := d.member(member.Name, member.Value); err != nil {
			return nil, fmt.Errorf("%s: %w", member.Name, err)
		}
	}
	if err := checkID(d.id); err != nil {
		return nil, err
	}
	if d.rev.IsZero() {
		return nil, fmt.Errorf("_rev: %w", syncstore.ErrBadRevision)
	}
	if len(d.history) == 0 {
		d.history = []syncstore.Rev{d.rev}
	}
	if d.history[0] != d.rev {
		return nil, fmt.Errorf("%w: it does not begin with _rev", syncstore.ErrBadHistory)
	}
	return d, nil
}

func (d *received) member(name string, value []byte) (err error) {
	switch name {
	case "_id":
		d.id, err = jsondoc.String(value)
	case "_rev":
		var text string
		if text, err = jsondoc.String(value); err == nil {
			d.rev, err = syncstore.ParseRev(text)
		}
	case "_deleted":
		d.deleted = string(value) == "true"
	case "_removed":
		d.removed = string(value) == "true"
	case "_revisions":
		d.history, err = syncstore.ParseHistory(value)
	case "_exp":
		d.expiry = value
	case "_attachments":
		d.attachments, err = parseAttachments(value)
	}
	return err // other members say how the document is there, not what it is
}

// checkID refuses IDs that no document of CouchDB has.
func checkID(id string) error {
	if strings.HasPrefix(id, "_") && (!strings.HasPrefix(id, "_design/") || id == "_design/") {
		return fmt.Errorf("%w: it begins with an underscore", syncstore.ErrBadID)
	}
	return syncstore.CheckID(id)
}

func parseAttachments(text []byte) (list []receivedAttachment, err error) {
	err = jsondoc.Members(text, func(name string, value []byte) error {
		if name == "" || len(name) > 1024 {
			return fmt.Errorf("%w: the name of an attachment", jsondoc.ErrSyntax)
		}
		a := receivedAttachment{name: name, length: -1, encodedLength: -1}
		err := jsondoc.Members(value, a.member)
		if !syncstore.FitsHeader(a.contentType) {
			a.contentType = ""
		}
		list = append(list, a)
		return err
	})
	return list, err
}

func (a *receivedAttachment) member(name string, value []byte) (err error) {
	var text string
	switch name {
	case "content_type":
		a.contentType, err = jsondoc.String(value)
	case "digest":
		if text, err = jsondoc.String(value); err == nil && validDigest(text) {
			a.digest = text
		}
	case "encoding":
		text, err = jsondoc.String(value)
		a.gzipped = text == "gzip"
	case "revpos":
		a.revPos, err = strconv.ParseUint(string(value), 10, 32)
	case "length":
		a.length, err = strconv.ParseInt(string(value), 10, 64)
	case "encoded_length":
		a.encodedLength, err = strconv.ParseInt(string(value), 10, 64)
	case "data":
		if len(value) < 2 || value[0] != '"' {
			return jsondoc.ErrNotString
		}
		a.data = value
	}
	return err
}

// validDigest reports whether text names content in a form that the store knows.
func validDigest(text string) bool {
	kind, encoded, _ := strings.Cut(text, "-")
	sum, err := base64.StdEncoding.Strict().DecodeString(encoded)
	return err == nil && (kind == "md5" && len(sum) == 16 || kind == "sha1" && len(sum) == 20)
}

// edit is the write that takes the revision over, without attachments.
func (d *received) edit() syncstore.Edit {
	return syncstore.Edit{ID: d.id, Body: d.body, Deleted: d.deleted, History: d.history}
}
