package movein

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// localPage is how many local documents are read at once.
const localPage = 100

// localDocument is one, by its members.
type localDocument = map[string]json.RawMessage

// localDocuments takes over what is no checkpoint of the local documents. What is here stays.
func (m *move) localDocuments(ctx context.Context, p *pair) error {
	from, taken := m.source.At(p.from), 0
	for start := ""; ; {
		query := url.Values{"include_docs": {"true"}, "limit": {strconv.Itoa(localPage)}}
		rows, err := rowsBehind[localDocument](ctx, from, "_local_docs", query, start)
		if start == "" && m.noLocalsThere(p, err) {
			return nil
		}
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			break
		}
		for _, row := range rows {
			if m.takeLocal(ctx, p, row) {
				taken++
			}
		}
		start = rows[len(rows)-1].ID
	}
	if taken > 0 {
		m.Teller.Say("%s: %d local documents that are no checkpoints are taken over; administrators see them.", last(p.to), taken)
	}
	return nil
}

// noLocalsThere reports whether an answer means that the source does not list local documents, and says so.
func (m *move) noLocalsThere(p *pair, err error) bool {
	switch status(err) {
	case http.StatusNotFound, http.StatusBadRequest, http.StatusMethodNotAllowed:
		m.Teller.Say("%s: local documents are not taken: the source has no list of them.", last(p.to)) // as PouchDB Server
		return true
	case http.StatusUnauthorized, http.StatusForbidden:
		m.Teller.Say("%s: local documents are NOT taken: the source does not let you list them (%s).", last(p.to), err)
		return true
	}
	return false
}

// takeLocal takes a local document over, and reports whether it did.
func (m *move) takeLocal(ctx context.Context, p *pair, from row[localDocument]) bool {
	name, ok := strings.CutPrefix(from.ID, "_local/")
	if !ok || isCheckpoint(name, from.Doc) {
		return false
	}
	delete(from.Doc, "_rev")
	err := m.target.At(p.to).JSON(ctx, http.MethodPut, "_local/"+url.PathEscape(name), nil, from.Doc, nil)
	if err != nil && status(err) != http.StatusConflict { // that one is there already
		m.failed = true
		m.Teller.Say("%s: the local document %q is not taken: %s", last(p.to), name, err)
	}
	return err == nil
}

// isCheckpoint reports whether a local document says how far a replication, an index or a purge is.
func isCheckpoint(name string, doc localDocument) bool {
	for _, prefix := range []string{"purge-", "shard-sync-", "checkpoint/"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	for _, member := range []string{"session_id", "last_seq", "source_last_seq", "lastSequence"} {
		if doc[member] != nil {
			return true
		}
	}
	return false
}
