package peer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"

	"github.com/caddysync/caddy-sync/syncstore"
)

// revsAtOnce is how many revisions of a document one GET names: they stand in its URL.
const revsAtOnce = 20

// fetch gets revisions without the content of their attachments and hands them to w. A document of which the
// answers do not say anything is not taken for one that is done.
func (s *session) fetch(ctx context.Context, want []wanted, w taker) error {
	s.asked, s.answered = want, make(map[string]bool, len(want))
	if err := s.fetchAll(ctx, want, w); err != nil {
		return err
	}
	for _, one := range want {
		if s.answered[one.id] {
			continue
		}
		if err := s.refused(one.id, one.rev.String(), errUnanswered); err != nil {
			return err
		}
	}
	return nil
}

// errUnanswered: an answer has neither a revision that was asked for nor why it has not.
var errUnanswered = fmt.Errorf("%w did not answer for it", ErrRemote)

func (s *session) fetchAll(ctx context.Context, want []wanted, w taker) error {
	if !s.oneByOne {
		err := s.fetchTogether(ctx, want, w)
		if own, ok := errors.AsType[handled](err); ok {
			return own.error
		}
		if !isStatus(err, http.StatusNotAcceptable, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusBadRequest,
			http.StatusNotImplemented, http.StatusUnsupportedMediaType) && !errors.Is(err, errTooLong) {
			return err
		}
		// CouchDB 1 has none. One answer that is too long may have one document that is.
		s.oneByOne = !errors.Is(err, errTooLong)
	}
	for i := 0; i < len(want); {
		n := i + 1
		for n < len(want) && n-i < revsAtOnce && want[n].id == want[i].id {
			n++
		}
		if err := s.fetchApart(ctx, want[i:n], w); err != nil {
			return err
		}
		i = n
	}
	return nil
}

// fetchTogether asks for all at once: in JSON, or where the other server answers in parts only, as
// Sync Gateway does, so.
func (s *session) fetchTogether(ctx context.Context, want []wanted, w taker) error {
	if !s.inParts {
		err := s.fetchBulk(ctx, want, w)
		if !isStatus(err, http.StatusNotAcceptable) {
			return err
		}
		s.inParts = true
	}
	return s.fetchMixed(ctx, want, w)
}

// fetchApart asks for revisions of one document. Where the answer brings the content of
// attachments along, and is too long for that, each revision is asked for without.
func (s *session) fetchApart(ctx context.Context, want []wanted, w taker) error {
	err := s.fetchDocument(ctx, want, w)
	if errors.Is(err, errTooLong) {
		for _, one := range want {
			if err = s.fetchRevision(ctx, one, w); errors.Is(err, errTooLong) {
				s.answered[one.id] = true
				s.failed(one.id, one.rev.String(), err)
				err = nil
			}
			if err != nil {
				break
			}
		}
	}
	if own, ok := errors.AsType[handled](err); ok {
		return own.error
	}
	return err
}

// fetchRevision asks for a revision as a document.
func (s *session) fetchRevision(ctx context.Context, want wanted, w taker) error {
	query := readOptions()
	query.Set("rev", want.rev.String())
	query.Del("latest")
	var text json.RawMessage
	err := s.to.get(ctx, ask{method: http.MethodGet, path: segment(want.id), query: query}, s.maxText(), &text)
	switch {
	case isStatus(err, http.StatusNotFound, http.StatusForbidden):
		s.answered[want.id] = true
		return s.notGiven(ctx, []wanted{want}, err)
	case err != nil:
		return err
	}
	if err := s.receive(ctx, want.id, revision{OK: text}, w); err != nil {
		return handled{err}
	}
	return nil
}

// revision is a revision, or why there is none, in an answer.
type revision struct {
	OK      json.RawMessage `json:"ok"`
	Error   json.RawMessage `json:"error"`
	Missing string          `json:"missing"`
}

// options are those of every read: the ancestry, and how attachments are compressed. A
// revision that was replaced meanwhile is answered by what came after it.
func readOptions() url.Values {
	return url.Values{"revs": {"true"}, "latest": {"true"}, "attachments": {"false"}, "att_encoding_info": {"true"}, "show_exp": {"true"}}
}

// askBulk is the request for all of them.
func askBulk(want []wanted, accept string) (ask, error) {
	type named struct {
		ID  string `json:"id"`
		Rev string `json:"rev"`
	}
	var body struct {
		Docs []named `json:"docs"`
	}
	for _, one := range want {
		body.Docs = append(body.Docs, named{one.id, one.rev.String()})
	}
	text, err := json.Marshal(body)
	if err != nil {
		return ask{}, fmt.Errorf("asking for revisions: %w", err)
	}
	return ask{method: http.MethodPost, path: "_bulk_get", query: readOptions(), json: text, accept: accept}, nil
}

// fetchBulk asks for all with one request. The answer is read piece by piece.
func (s *session) fetchBulk(ctx context.Context, want []wanted, w taker) error {
	a, err := askBulk(want, "application/json")
	if err != nil {
		return err
	}
	answer, err := s.to.do(ctx, a)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	defer drain(answer.Body)
	if kind, _, _ := mime.ParseMediaType(answer.Header.Get("Content-Type")); kind != "application/json" {
		return &StatusError{What: a.what(), Status: http.StatusNotAcceptable, Reason: "the answer is no JSON"}
	}
	type result struct {
		ID   string     `json:"id"`
		Docs []revision `json:"docs"`
	}
	return readList(answer.Body, a.what(), "results", s.maxText(), func(decoder *json.Decoder) error {
		var one result
		if err := decoder.Decode(&one); err != nil {
			return err
		}
		for _, doc := range one.Docs {
			if err := s.receive(ctx, one.ID, doc, w); err != nil {
				return handled{err}
			}
		}
		return nil
	})
}

// fetchDocument asks for revisions of one document.
func (s *session) fetchDocument(ctx context.Context, want []wanted, w taker) error {
	revs := make([]string, len(want))
	for i, one := range want {
		revs[i] = one.rev.String()
	}
	text, err := json.Marshal(revs)
	if err != nil {
		return fmt.Errorf("asking for revisions: %w", err)
	}
	query := readOptions()
	query.Set("open_revs", string(text))
	a := ask{method: http.MethodGet, path: segment(want[0].id), query: query}
	answer, err := s.to.do(ctx, a)
	if isStatus(err, http.StatusNotFound, http.StatusForbidden, http.StatusBadRequest, http.StatusInternalServerError) {
		s.answered[want[0].id] = true
		return s.notGiven(ctx, want, err)
	}
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	defer drain(answer.Body)
	return readList(answer.Body, a.what(), "", s.maxText(), func(decoder *json.Decoder) error {
		var one revision
		if err := decoder.Decode(&one); err != nil {
			return err
		}
		if err := s.receive(ctx, want[0].id, one, w); err != nil {
			return handled{err}
		}
		return nil
	})
}

// notGiven says what becomes of revisions of a document that an answer refuses together.
func (s *session) notGiven(ctx context.Context, want []wanted, answer error) (err error) {
	first := want[0]
	if s.retakes && isStatus(answer, http.StatusNotFound) && ofDatabase(answer) {
		return nil // there is nothing to be had any more
	}
	if isStatus(answer, http.StatusNotFound, http.StatusForbidden) {
		err = s.declined(ctx, first.id, first.rev.String(), answer) // gone, or taken away, since the changes were read
	} else {
		err = s.refused(first.id, first.rev.String(), answer)
	}
	if err != nil {
		return err
	}
	for _, other := range want[1:] {
		s.failed(other.id, other.rev.String(), answer)
	}
	return nil
}

// maxText is how long the JSON of one document may be, with an ancestry of its own.
func (s *session) maxText() int64 { return s.o.MaxDocument + 4<<20 }

// receive takes one revision of an answer, or says that there is none.
func (s *session) receive(ctx context.Context, id string, one revision, w taker) error {
	s.answered[id] = true
	if len(one.OK) > 0 {
		doc, err := parseReceived(one.OK)
		if err != nil {
			s.failed(id, "", err)
			return nil
		}
		s.answered[doc.id] = true
		return w.add(ctx, doc)
	}
	var why struct {
		Rev    string `json:"rev"`
		Error  string `json:"error"`
		Reason string `json:"reason"`
		Status int    `json:"status"`
	}
	if one.Missing != "" {
		why.Rev, why.Error = one.Missing, "not_found"
	} else if json.Unmarshal(one.Error, &why) != nil {
		why.Error = "unknown"
	}
	reason := fmt.Errorf("%w did not give it: %s", ErrRemote, short(why.Error+" "+why.Reason))
	switch {
	case passing(why.Status, why.Error):
		return reason
	case s.retakes && why.Error == "not_found":
		return nil // there is nothing to be had any more
	}
	for _, rev := range s.askedOf(id, why.Rev) {
		if why.Status < http.StatusInternalServerError && why.Error != "internal_server_error" {
			s.failed(id, rev, reason)
		} else if err := s.refused(id, rev, reason); err != nil {
			return err
		}
	}
	return nil
}

// askedOf are the revisions that an answer refuses: rev, or where that is none, all of the document that were asked for.
func (s *session) askedOf(id, rev string) (revs []string) {
	if _, err := syncstore.ParseRev(rev); err == nil {
		return []string{rev}
	}
	for _, one := range s.asked {
		if one.id == id {
			revs = append(revs, one.rev.String())
		}
	}
	if revs == nil {
		return []string{rev}
	}
	return revs
}

// handled is an error of what was done with an element, not of reading it.
type handled struct{ error }

// readList calls each with a decoder that stands before each element of an array: the answer,
// or a member of it. An element may be limit bytes long.
func readList(source io.Reader, what, member string, limit int64, each func(*json.Decoder) error) error {
	capped := &cappedReader{source: source, left: limit}
	decoder := json.NewDecoder(capped)
	err := openList(decoder, member)
	for err == nil && decoder.More() {
		err = each(decoder)
		capped.left = limit
	}
	if err == nil {
		_, err = decoder.Token() // the end, or why there is none
	}
	if _, own := errors.AsType[handled](err); err != nil && !own {
		return answerError(what, err)
	}
	return err
}

func openList(decoder *json.Decoder, member string) error {
	if member != "" {
		if err := expect(decoder, json.Delim('{')); err != nil {
			return err
		}
		for {
			name, err := decoder.Token()
			if err != nil {
				return err
			}
			if name == member {
				break
			}
			var other json.RawMessage
			if err := decoder.Decode(&other); err != nil {
				return err
			}
		}
	}
	return expect(decoder, json.Delim('['))
}

func expect(decoder *json.Decoder, want json.Delim) error {
	token, err := decoder.Token()
	if err == nil && token != want {
		err = fmt.Errorf("%v where %v should be", token, want)
	}
	return err
}

// ids of documents whose attachments are fetched are escaped segment by segment.
func attachmentPath(id, name string) string { return segment(id) + "/" + url.PathEscape(name) }

// attachments finds or fetches the content of a revision's attachments.
func (w *taking) attachments(ctx context.Context, doc *received) ([]syncstore.AttachmentEdit, error) {
	var edits []syncstore.AttachmentEdit
	for i := range doc.attachments {
		edit, err := w.attachment(ctx, doc, &doc.attachments[i])
		if err != nil {
			return nil, err
		}
		edits = append(edits, edit)
	}
	return edits, nil
}
