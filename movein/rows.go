package movein

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/caddysync/caddy-sync/replication/peer"
)

// row is one of a list of documents, as _all_docs.
type row[D any] struct {
	ID  string `json:"id"`
	Doc D      `json:"doc"`
}

// rowsBehind reads a page of a list, from behind a row on, or from the beginning. The source may give fewer rows than it is
// asked for: only an empty page is the last one.
func rowsBehind[D any](ctx context.Context, from *peer.Client, list string, query url.Values, start string) ([]row[D], error) {
	if start != "" {
		query.Set("startkey", quoted(start))
	}
	var page struct {
		Rows []row[D] `json:"rows"`
	}
	if err := from.JSON(ctx, http.MethodGet, list, query, nil, &page); err != nil {
		return nil, err
	}
	rows := page.Rows
	if len(rows) > 0 && rows[0].ID == start {
		rows = rows[1:]
	}
	if len(rows) > 0 && rows[len(rows)-1].ID == start {
		return nil, fmt.Errorf("%w gives the same rows of %s again and again", ErrBadSource, list)
	}
	return rows, nil
}
