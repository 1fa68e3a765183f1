package rest

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

// incoming is a document as a client wrote it: its body and what its "_" members say.
type incoming struct {
	id      string
	hasID   bool
	rev     syncstore.Rev // of _rev; zero if there is none
	revText string        // _rev as it came; that of a _local document is not a Rev
	deleted bool
	expires time.Time // of _exp; zero: never
	// history is what _revisions says, newest first.
	history     []syncstore.Rev
	attachments []incomingAttachment
	body        []byte
	long        bool // there is no body, since it is longer than it may be
}

// incomingAttachment is a member of _attachments.
type incomingAttachment struct {
	name          string
	contentType   string
	digest        string
	encoding      string
	revPos        uint64
	length        int64  // -1 if not said
	encodedLength int64  // -1 if not said
	data          []byte // base64 as a JSON string, nil if none
	stub          bool
	follows       bool
}

// parseIncoming reads a document whose body may have so many bytes. The result shares memory with text.
func parseIncoming(text []byte, most int64) (incoming, error) {
	doc, err := jsondoc.ParseWithin(text, most)
	if err != nil {
		return incoming{}, fmt.Errorf("parsing the document: %w", err)
	}
	in := incoming{body: doc.Body, long: doc.Long}
	for _, member := range doc.Meta {
		if err := in.member(member.Name, member.Value); err != nil {
			return incoming{}, err
		}
	}
	if in.revText != "" && !in.local() {
		if in.rev, err = parseRev(in.revText); err != nil {
			return incoming{}, err
		}
	}
	return in, in.agree()
}

// agree sees to it that _revisions begins with _rev.
func (in *incoming) agree() error {
	switch {
	case in.history == nil:
		return nil
	case in.rev.IsZero():
		in.rev = in.history[0]
		return nil
	case in.rev == in.history[0]:
		return nil
	}
	first := in.history[0]
	if first.Digest != in.rev.Digest || first.Gen > in.rev.Gen {
		return docValidation("_rev is not the first of _revisions.")
	}
	// PouchDB looks for a revision in its tree by the digest alone, and sends the ancestry of
	// an ancestor that has the same one. CouchDB goes by _revisions whatever _rev says.
	in.rev = first
	return nil
}

// local reports whether the ID is that of a _local document.
func (in *incoming) local() bool { return strings.HasPrefix(in.id, localPrefix) }

// maxNameText bounds the text of an ID, a revision or a digest, which may be escaped: of a longer one no copy is made.
const maxNameText = 16 << 10

// shortText reads a string that is no content.
func shortText(value []byte) (string, error) {
	if len(value) > maxNameText {
		return "", jsondoc.ErrNotString
	}
	return jsondoc.String(value)
}

func (in *incoming) member(name string, value []byte) (err error) {
	switch name {
	case "_id":
		in.hasID = true
		if len(value) > maxNameText {
			return illegalID("A document ID must have at most 1024 bytes.")
		}
		if in.id, err = jsondoc.String(value); err != nil || len(value) == 0 || value[0] != '"' {
			return illegalID("A document ID must be a string.")
		}
		return checkID(in.id)
	case "_rev":
		if in.revText, err = shortText(value); err != nil || in.revText == "" {
			return errBadRev
		}
		return nil
	case "_deleted":
		switch string(value) {
		case "true":
			in.deleted = true
		case "false":
		default:
			return docValidation("_deleted must be true or false.")
		}
		return nil
	case "_revisions":
		in.history, err = syncstore.ParseHistory(value)
		return err
	case "_attachments":
		in.attachments, err = parseAttachments(value)
		return err
	case "_exp":
		in.expires, err = parseExpiry(value, time.Now())
		return err
	case "_revs_info", "_conflicts", "_deleted_conflicts", "_local_seq":
		return nil // what a read adds; CouchDB ignores it too
	case "_removed":
		// Whoever has only the stub of a document must not put it in the document's place.
		return notFound("Document revision is not accessible")
	}
	return docValidation("Bad special document member: " + cut(name))
}

func revMember(value []byte) (syncstore.Rev, error) {
	text, err := jsondoc.String(value)
	if err != nil {
		return syncstore.Rev{}, errBadRev
	}
	return parseRev(text)
}

// parseRev parses a revision that a client named.
func parseRev(text string) (syncstore.Rev, error) {
	rev, err := syncstore.ParseRev(text)
	if err != nil {
		return syncstore.Rev{}, errBadRev
	}
	return rev, nil
}

// checkID refuses IDs that are reserved; the store checks the rest. IDs of _local
// documents keep their prefix here.
func checkID(id string) error {
	switch {
	case id == "":
		return illegalID("A document ID must not be empty.")
	case id[0] != '_':
		return nil
	case strings.HasPrefix(id, "_design/") && len(id) > len("_design/"),
		strings.HasPrefix(id, localPrefix) && len(id) > len(localPrefix):
		return nil
	}
	return errReservedID
}

// maxAttachments is how many attachments a document may have. What is kept of one while a document is written
// is many times as long as its text can be.
const maxAttachments = 50_000

// parseAttachments reads the value of _attachments.
func parseAttachments(text []byte) ([]incomingAttachment, error) {
	var list []incomingAttachment
	err := jsondoc.Members(text, func(name string, value []byte) error {
		if len(list) == maxAttachments {
			return tooLarge(LimitDocument, "document_too_large", "The document has more than "+strconv.Itoa(maxAttachments)+" attachments.")
		}
		if err := checkAttachmentName(name); err != nil {
			return err
		}
		a, err := parseAttachment(name, value)
		if err != nil {
			return err
		}
		list = append(list, a)
		return nil
	})
	if err != nil {
		return nil, attachmentsError(err)
	}
	return list, nil
}

func attachmentsError(err error) error {
	if errors.Is(err, jsondoc.ErrNotObject) {
		return docValidation("_attachments must be an object.")
	}
	return err
}

func parseAttachment(name string, text []byte) (incomingAttachment, error) {
	a := incomingAttachment{name: name, length: -1, encodedLength: -1}
	err := jsondoc.Members(text, func(member string, value []byte) (err error) {
		switch member {
		case "content_type":
			a.contentType, err = shortText(value)
		case "digest":
			a.digest, err = shortText(value)
		case "encoding":
			a.encoding, err = shortText(value)
		case "revpos":
			a.revPos, err = strconv.ParseUint(string(value), 10, 32)
		case "length":
			a.length, err = strconv.ParseInt(string(value), 10, 64)
		case "encoded_length":
			a.encodedLength, err = strconv.ParseInt(string(value), 10, 64)
		case "data":
			a.data = value
			if len(value) < 2 || value[0] != '"' {
				err = jsondoc.ErrSyntax
			}
		case "stub":
			a.stub = string(value) == "true"
		case "follows":
			a.follows = string(value) == "true"
		}
		return err
	})
	if err != nil {
		return a, docValidation("The attachment " + strconv.Quote(name) + " has a member of the wrong type.")
	}
	return a, a.check()
}

func (a *incomingAttachment) check() error {
	quoted := strconv.Quote(a.name)
	switch {
	case a.data == nil && !a.stub && !a.follows:
		return docValidation("The attachment " + quoted + " has no data, stub or follows.")
	case a.encoding != "" && a.encoding != "gzip" && a.encoding != "identity":
		return docValidation("The attachment " + quoted + " has an unknown encoding.")
	case a.digest != "" && (a.data != nil || !a.stub) && !validDigest(a.digest):
		// That of a stub names nothing if it is malformed: 412, as in CouchDB.
		return docValidation("The attachment " + quoted + " has a digest that is neither md5 nor sha1.")
	case !syncstore.FitsHeader(a.contentType):
		return docValidation("The attachment " + quoted + " has a malformed content_type.")
	case a.data != nil:
		a.stub, a.follows = false, false
	}
	return nil
}

func checkAttachmentName(name string) error {
	switch {
	case name == "":
		return badRequest("An attachment's name must not be empty.")
	case name[0] == '_':
		return badRequest("An attachment's name must not start with underscore.")
	case len(name) > 1024:
		return badRequest("An attachment's name must have at most 1024 bytes.")
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' }):
		return badRequest("An attachment's name must be UTF-8 without control characters.")
	}
	return nil
}
