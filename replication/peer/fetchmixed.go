package peer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
)

// fetchMixed asks for all with one request whose answer has a part for each revision.
func (s *session) fetchMixed(ctx context.Context, want []wanted, w taker) error {
	a, err := askBulk(want, "multipart/mixed")
	if err != nil {
		return err
	}
	answer, err := s.to.do(ctx, a)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	defer drain(answer.Body)
	kind, parameters, _ := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	if kind != "multipart/mixed" || parameters["boundary"] == "" {
		return &StatusError{What: a.what(), Status: http.StatusNotAcceptable, Reason: "the answer is not in parts"}
	}
	parts := multipart.NewReader(answer.Body, parameters["boundary"])
	for {
		part, err := parts.NextRawPart()
		if err == io.EOF { //nolint:errorlint // wrapped, it means that the last boundary is missing
			return nil
		}
		if err != nil {
			return answerError(a.what(), err)
		}
		text, refusal, err := s.readPart(part.Header.Get("Content-Type"), part)
		if err != nil {
			return answerError(a.what(), err)
		}
		id, one := partRevision(text, refusal)
		if err := s.receive(ctx, id, one, w); err != nil {
			return handled{err}
		}
	}
}

// readPart reads the JSON of a revision: the part, or where attachments came along, its first. refusal
// says that it is why there is none.
func (s *session) readPart(contentType string, part io.Reader) (text []byte, refusal bool, err error) {
	kind, parameters, _ := mime.ParseMediaType(contentType)
	if strings.HasPrefix(kind, "multipart/") {
		first, err := multipart.NewReader(part, parameters["boundary"]).NextRawPart()
		if err != nil {
			return nil, false, fmt.Errorf("a part in parts: %w", err)
		}
		part = first
	}
	text, err = io.ReadAll(&cappedReader{source: part, left: s.maxText()})
	return text, parameters["error"] == "true", err
}

// partRevision is what a part says, and of which document.
func partRevision(text []byte, refusal bool) (id string, one revision) {
	var head struct {
		ID     string `json:"_id"`
		Refers string `json:"id"`
	}
	err := json.Unmarshal(text, &head)
	if refusal || err != nil && !isType(err) {
		return head.Refers, revision{Error: text}
	}
	return head.ID, revision{OK: text}
}

// isType reports whether JSON is well-formed, and has another type somewhere: a document may have a
// member "id" of any.
func isType(err error) bool {
	_, ok := errors.AsType[*json.UnmarshalTypeError](err)
	return ok
}
