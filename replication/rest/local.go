package rest

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/caddysync/caddy-sync/auth"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

const (
	localPrefix = "_local/"
	// guestOwner owns the local documents of guests. No user has this name: a colon is
	// not allowed in one.
	guestOwner = ":guest"
	// deletedLocalRev is the revision that the deletion of a local document answers.
	deletedLocalRev = "0-0"
)

// localOwner says whose local documents a principal reads and writes. Each user has
// their own, so that nobody can read or overwrite another's checkpoints.
func localOwner(p *auth.Principal) string {
	if p.Method == auth.MethodGuest {
		return guestOwner
	}
	return p.Name // "" for an administrator
}

// getLocal answers GET /{db}/_local/{id}.
func (h *Handler) getLocal(rq *request) error {
	doc, err := rq.coll.GetLocal(rq.r.Context(), localOwner(rq.principal), rq.docID)
	if err != nil {
		return fmt.Errorf("reading a local document: %w", err)
	}
	buf := h.buffer()
	defer h.release(buf)
	b := append(appendLocal(*buf, doc), '\n')
	*buf = b
	return rq.sendJSON(http.StatusOK, b)
}

// appendLocal appends a _local document as a JSON object.
func appendLocal(b []byte, doc *syncstore.LocalDocument) []byte {
	b = append(b, `{"_id":`...)
	b = jsondoc.AppendString(b, localPrefix+doc.ID)
	b = append(b, `,"_rev":`...)
	b = jsondoc.AppendString(b, doc.Rev)
	return appendMembers(b, doc.Body)
}

// putLocal answers PUT /{db}/_local/{id}.
func (h *Handler) putLocal(rq *request) error {
	body, err := h.readBody(rq, h.policy(rq).Limits.Document)
	if err != nil {
		return fmt.Errorf("reading a local document: %w", err)
	}
	defer body.free()
	in, err := parseIncomingLocal(body.text)
	if err != nil {
		return err
	}
	if in.id != "" && in.id != localPrefix+rq.docID {
		return badRequest("The document's _id is not that of the URL.")
	}
	rev, err := rq.localRev(in.rev)
	if err != nil {
		return err
	}
	if in.deleted {
		return h.removeLocal(rq, rev)
	}
	rev, err = rq.coll.PutLocal(rq.r.Context(), localOwner(rq.principal), rq.docID, rev, in.body)
	if err != nil {
		return fmt.Errorf("writing a local document: %w", err)
	}
	return h.sendOK(rq, http.StatusCreated, localPrefix+rq.docID, rev)
}

// deleteLocal answers DELETE /{db}/_local/{id}.
func (h *Handler) deleteLocal(rq *request) error {
	rev, err := rq.localRev("")
	if err != nil {
		return err
	}
	return h.removeLocal(rq, rev)
}

func (h *Handler) removeLocal(rq *request, rev string) error {
	if err := rq.coll.DeleteLocal(rq.r.Context(), localOwner(rq.principal), rq.docID, rev); err != nil {
		return fmt.Errorf("deleting a local document: %w", err)
	}
	return h.sendOK(rq, http.StatusOK, localPrefix+rq.docID, deletedLocalRev)
}

// localRev is the revision that a write of a local document names, in the URL, in
// If-Match or in the body; if in several, they must agree.
func (rq *request) localRev(inBody string) (string, error) {
	rev := ""
	for _, given := range [...]string{
		rq.query.Get("rev"), strings.Trim(rq.r.Header.Get("If-Match"), `"`), inBody,
	} {
		switch {
		case given == "" || given == rev:
		case rev != "":
			return "", badRequest("The revisions of URL, If-Match and body differ.")
		default:
			rev = given
		}
	}
	return rev, nil
}

// incomingLocal is a local document as a client wrote it.
type incomingLocal struct {
	id      string // as written, with "_local/"; "" if it was not
	rev     string
	deleted bool
	body    []byte
}

// parseIncomingLocal reads a local document, whose revisions ("0-1") are not those of
// other documents.
func parseIncomingLocal(text []byte) (incomingLocal, error) {
	doc, err := jsondoc.Parse(text)
	if err != nil {
		return incomingLocal{}, fmt.Errorf("parsing a local document: %w", err)
	}
	in := incomingLocal{body: doc.Body}
	for _, member := range doc.Meta {
		if err := in.member(member.Name, member.Value); err != nil {
			return incomingLocal{}, err
		}
	}
	return in, nil
}

func (in *incomingLocal) member(name string, value []byte) (err error) {
	switch name {
	case "_id":
		if in.id, err = jsondoc.String(value); err != nil {
			return illegalID("A document ID must be a string.")
		}
	case "_rev":
		if in.rev, err = jsondoc.String(value); err != nil {
			return errBadRev
		}
	case "_deleted":
		if string(value) != "true" && string(value) != "false" {
			return docValidation("_deleted must be true or false.")
		}
		in.deleted = string(value) == "true"
	case "_attachments": // dropped, as CouchDB does: a _local document has none
	case "_revisions", "_revs_info", "_conflicts", "_deleted_conflicts", "_local_seq":
	default:
		return docValidation("Bad special document member: " + cut(name))
	}
	return nil
}
