package rest

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

// wanted is one entry of a _bulk_get body.
type wanted struct {
	id        string
	rev       syncstore.Rev // zero: all leaves
	revText   string
	attsSince knownRevs
	ancestry
	err *answerError // the entry is malformed; the others are answered
}

// bulkGet answers POST /{db}/_bulk_get, in JSON or, if Accept asks for it, in parts.
func (h *Handler) bulkGet(rq *request) error {
	o, err := parseReadOptions(rq)
	if err != nil {
		return err
	}
	accept := rq.r.Header["Accept"]
	multi := prefersMultipart(accept, "multipart/mixed") || prefersMultipart(accept, "multipart/related")
	if !multi && !acceptsJSON(accept) {
		return notAcceptable("The answer is application/json or multipart/mixed.")
	}
	p := h.policy(rq)
	// As with _revs_diff: the revisions that entries say are known take many times as much memory.
	read, err := h.readBody(rq, min(maxOptionsBody, p.Limits.Request))
	if err != nil {
		return err
	}
	defer read.free()
	list, err := parseBulkGet(read.text, p.Limits.BulkDocs)
	if err != nil {
		return err
	}
	g := &bulkGetter{h: h, rq: rq, o: o}
	if multi {
		return g.mixed(list)
	}
	return g.json(list)
}

func parseBulkGet(text []byte, limit int) ([]wanted, error) {
	var list []wanted
	found := false
	left := maxNamed // of the revisions that all entries say are known
	err := jsondoc.Members(text, func(name string, value []byte) error {
		if name != "docs" {
			return jsondoc.Check(value)
		}
		found = true
		if value[0] != '[' {
			return badRequest("docs must be an array.")
		}
		return jsondoc.Elements(value, func(value []byte) error {
			if len(list) == limit {
				return tooLarge(LimitBulkDocs, "too_large", "There are more than "+strconv.Itoa(limit)+" entries in the body.")
			}
			entry, err := parseWanted(value, "docs["+strconv.Itoa(len(list))+"]", left)
			left -= len(entry.attsSince) + len(entry.known)
			list = append(list, entry)
			return err
		})
	})
	if err == nil && !found {
		err = badRequest("docs is missing.")
	}
	return list, err
}

// parseWanted reads an entry, each list of which may name so many revisions; name is what errors call it.
func parseWanted(text []byte, name string, most int) (wanted, error) {
	var entry wanted
	hasID := false
	err := jsondoc.Members(text, func(member string, value []byte) (err error) {
		switch member {
		case "id":
			hasID = true
			entry.id, err = jsondoc.String(value)
			err = typeOf(name+".id", err)
		case "rev":
			if string(value) == "null" {
				return nil
			}
			if entry.revText, err = jsondoc.String(value); err != nil {
				return typeOf(name+".rev", err)
			}
			if entry.rev, err = syncstore.ParseRev(entry.revText); err != nil {
				entry.err = errBadRev
			}
			return nil
		case "atts_since":
			if string(value) == "null" {
				return nil
			}
			entry.attsSince, err = parseKnownRevs(string(value), member, most)
			if errors.Is(err, errBadRev) {
				entry.err, err = errBadRev, nil
			}
		case "revs_limit", "revs_from":
			if err = entry.parseMember(member, value, most); errors.Is(err, errBadRev) {
				entry.err, err = errBadRev, nil
			}
		default:
			err = jsondoc.Check(value)
		}
		return err
	})
	if err == nil && !hasID {
		entry.err = badRequest("The entry has no id.")
	}
	return entry, typeOf(name, err)
}

// bulkGetter answers a _bulk_get.
type bulkGetter struct {
	h  *Handler
	rq *request
	o  readOptions
}

// read returns the revisions that an entry wants, or why there are none.
func (g *bulkGetter) read(entry *wanted) ([]syncstore.RevResult, *answerError, error) {
	if entry.err != nil {
		return nil, entry.err, nil
	}
	var revs []syncstore.Rev
	if !entry.rev.IsZero() {
		revs = []syncstore.Rev{entry.rev}
	}
	results, err := g.rq.coll.GetRevs(g.rq.r.Context(), entry.id, revs, syncstore.GetOptions{
		Latest: g.o.latest, History: g.needsHistory(entry), Most: revsAtOnce, Viewer: g.rq.viewer(),
	})
	if err == nil {
		return results, nil, nil
	}
	answer := asAnswer(g.h.unreadable(g.rq, err))
	if answer.status < http.StatusInternalServerError || g.h.passesOver(g.rq, err) {
		return nil, answer, nil
	}
	return nil, nil, fmt.Errorf("reading a document: %w", err)
}

// readLeft reads a revision for which there was no room beside the others, or says why there is none.
func (g *bulkGetter) readLeft(entry *wanted, result *syncstore.RevResult) (*answerError, error) {
	err := g.rq.readLeft(entry.id, result, g.needsHistory(entry))
	switch {
	case err != nil && g.h.passesOver(g.rq, err):
		return asAnswer(err), nil
	case err != nil:
		return nil, err
	case result.Doc == nil:
		return g.missing(), nil
	}
	return nil, nil
}

func (g *bulkGetter) needsHistory(entry *wanted) bool { return g.o.revs || entry.attsSince != nil }

// missing is the answer for a revision that is not there, or not to be read.
func (g *bulkGetter) missing() *answerError {
	return asAnswer(g.h.unreadable(g.rq, syncstore.ErrNotFound))
}

func (g *bulkGetter) shapeFor(entry *wanted, doc *syncstore.Document) shape {
	s := g.o.shape
	s.conflicts, s.deletedConflicts = false, false
	s.ancestry = entry.or(s.ancestry)
	if entry.attsSince != nil {
		s.attachments = true
		s.since = entry.attsSince.newestOf(doc.History)
	}
	return s
}

func (g *bulkGetter) json(list []wanted) error {
	out := g.h.newStream(g.rq, http.StatusOK, jsonType)
	defer out.close()
	out.guard = g.h.guard(g.rq)
	defer out.guard.stop()
	*out.buf = append(*out.buf, `{"results":[`...)
	for i := range list {
		if i > 0 {
			*out.buf = append(*out.buf, ',')
		}
		if err := g.jsonEntry(out, &list[i]); err != nil {
			return err
		}
	}
	*out.buf = append(*out.buf, "]}\n"...)
	return out.finish()
}

func (g *bulkGetter) jsonEntry(out *stream, entry *wanted) error {
	results, refused, err := g.read(entry)
	if err != nil {
		return err
	}
	b := append(*out.buf, `{"id":`...)
	b = jsondoc.AppendString(b, entry.id)
	*out.buf = append(b, `,"docs":[`...)
	if refused != nil {
		*out.buf = appendGetError(*out.buf, entry, entry.revText, refused)
	}
	for i, result := range results {
		if i > 0 {
			*out.buf = append(*out.buf, ',')
		}
		refused, err := g.readLeft(entry, &result)
		if err != nil {
			return err
		}
		if refused != nil {
			*out.buf = appendGetError(*out.buf, entry, result.Rev.String(), refused)
			continue
		}
		*out.buf = append(*out.buf, `{"ok":`...)
		if err := g.h.writeDocument(g.rq, out, result.Doc, g.shapeFor(entry, result.Doc)); err != nil {
			return err
		}
		*out.buf = append(*out.buf, '}')
	}
	*out.buf = append(*out.buf, "]}"...)
	return out.drain()
}

func appendGetError(b []byte, entry *wanted, rev string, answer *answerError) []byte {
	b = append(b, `{"error":`...)
	b = appendGetFailure(b, entry, rev, answer)
	return append(b, '}')
}

func appendGetFailure(b []byte, entry *wanted, rev string, answer *answerError) []byte {
	if rev == "" {
		rev = "undefined" // as CouchDB says when no revision was named
	}
	b = append(b, `{"id":`...)
	b = jsondoc.AppendString(b, entry.id)
	b = append(b, `,"rev":`...)
	b = jsondoc.AppendString(b, rev)
	b = append(b, ',')
	b = appendErrorMembers(b, answer)
	return append(b, '}')
}

func (g *bulkGetter) mixed(list []wanted) error {
	parts := newBoundary()
	out := g.h.newStream(g.rq, http.StatusOK, parts.contentType("multipart/mixed"))
	defer out.close()
	out.guard = g.h.guard(g.rq)
	defer out.guard.stop()
	for i := range list {
		if err := g.mixedEntry(out, parts, &list[i]); err != nil {
			return err
		}
	}
	*out.buf = parts.appendEnd(*out.buf)
	return out.finish()
}

func (g *bulkGetter) mixedEntry(out *stream, parts boundary, entry *wanted) error {
	results, refused, err := g.read(entry)
	if err != nil {
		return err
	}
	fail := func(rev string, answer *answerError) {
		b := parts.appendBoundary(*out.buf)
		b = append(b, "Content-Type: application/json; error=\"true\"\r\n\r\n"...)
		b = appendGetFailure(b, entry, rev, answer)
		*out.buf = append(appendStatus(b[:len(b)-1], answer), '}')
	}
	if refused != nil {
		fail(entry.revText, refused)
	}
	for _, result := range results {
		refused, err := g.readLeft(entry, &result)
		if err != nil {
			return err
		}
		if refused != nil {
			fail(result.Rev.String(), refused)
			continue
		}
		s := g.shapeFor(entry, result.Doc)
		s.follows = true
		header := partHeader(result.Doc)
		if err := g.h.writeDocumentPart(g.rq, out, parts, result.Doc, s, header); err != nil {
			return err
		}
	}
	return out.drain()
}

// partHeader names the document in the headers of its part, where it can be said there.
func partHeader(doc *syncstore.Document) []byte {
	if !syncstore.FitsHeader(doc.ID) {
		return nil
	}
	return []byte("X-Doc-Id: " + doc.ID + "\r\nX-Rev-Id: " + doc.Rev.String() + "\r\n")
}
