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

// localDocuments takes over what is no checkpoint of the local documents. What is here stays.
func (m *move) localDocuments(ctx context.Context, p *pair) error {
	from, to := m.source.At(p.from), m.target.At(p.to)
	taken := 0
	for start := ""; ; {
		query := url.Values{"include_docs": {"true"}, "limit": {strconv.Itoa(localPage)}}
		if start != "" {
			query.Set("startkey", quoted(start))
		}
		var page struct {
			Rows []struct {
				ID  string                     `json:"id"`
				Doc map[string]json.RawMessage `json:"doc"`
			} `json:"rows"`
		}
		switch err := from.JSON(ctx, http.MethodGet, "_local_docs", query, nil, &page); status(err) {
		case http.StatusNotFound, http.StatusForbidden, http.StatusUnauthorized, http.StatusBadRequest, http.StatusMethodNotAllowed:
			return nil // PouchDB Server has no list of them
		default:
			if err != nil {
				return err
			}
		}
		for _, row := range page.Rows {
			if row.ID == start {
				continue
			}
			name, ok := strings.CutPrefix(row.ID, "_local/")
			if !ok || isCheckpoint(name, row.Doc) {
				continue
			}
			delete(row.Doc, "_rev")
			err := to.JSON(ctx, http.MethodPut, "_local/"+url.PathEscape(name), nil, row.Doc, nil)
			switch {
			case status(err) == http.StatusConflict: // there already
			case err != nil:
				m.failed = true
				m.Teller.Say("%s: the local document %q is not taken: %s", last(p.to), name, err)
			default:
				taken++
			}
		}
		if len(page.Rows) < localPage {
			break
		}
		start = page.Rows[len(page.Rows)-1].ID
	}
	if taken > 0 {
		m.Teller.Say("%s: %d local documents that are no checkpoints are taken over; administrators see them.", last(p.to), taken)
	}
	return nil
}

// isCheckpoint reports whether a local document says how far a replication, an index or a purge is.
func isCheckpoint(name string, doc map[string]json.RawMessage) bool {
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
