package dump

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// exportRows is how many rows of the feed are read at once, exportDocs of how many
	// revisions the documents.
	exportRows = 1000
	exportDocs = 50
)

// feedPage is an answer of _changes.
type feedPage struct {
	Results []struct {
		ID      string `json:"id"`
		Changes []struct {
			Rev string `json:"rev"`
		} `json:"changes"`
	} `json:"results"`
	LastSeq json.RawMessage `json:"last_seq"`
	// Pending is how many rows follow. Not every server says it.
	Pending *uint64 `json:"pending"`
}

type revision struct {
	ID  string `json:"id"`
	Rev string `json:"rev"`
}

// Export writes all leaves of all documents, tombstones included, with their ancestry and
// attachments. A document that changes meanwhile is there once or twice. It ends at the end of the feed,
// also while others write. ErrRefused if the database does not give what its feed lists, and does not
// have a later revision of it either.
func Export(ctx context.Context, d *Database, w io.Writer, progress func(revisions uint64)) (Summary, error) {
	out, err := newWriter(w, Header{Format: format, Database: d.name(), Created: time.Now().UTC().Truncate(time.Second)})
	if err != nil {
		return Summary{}, err
	}
	e := &exporter{db: d, out: out, progress: progress, unread: make(map[string][]string)}
	if err := e.feed(ctx); err != nil {
		return out.sum, err
	}
	if err := e.readAgain(ctx); err != nil {
		return out.sum, err
	}
	return out.sum, out.close()
}

type exporter struct {
	db       *Database
	out      *writer
	progress func(uint64)
	// unread are revisions by document that the feed listed and the database did not give.
	unread map[string][]string
}

// feed writes what the feed lists. Where others write all the time there is no empty page: it ends where nothing is
// pending.
func (e *exporter) feed(ctx context.Context) error {
	for since := "0"; ; {
		var page feedPage
		query := "/_changes?style=all_docs&limit=" + strconv.Itoa(exportRows) + "&since=" + url.QueryEscape(since)
		if err := e.db.Ask(ctx, http.MethodGet, query, nil, Into(&page)); err != nil {
			return err
		}
		if err := e.page(ctx, &page); err != nil {
			return err
		}
		if len(page.Results) == 0 || page.Pending != nil && *page.Pending == 0 {
			return nil
		}
		next := strings.Trim(string(page.LastSeq), `"`)
		if next == since || next == "" {
			return fmt.Errorf("%w: its feed does not go on after %q", ErrRefused, since)
		}
		since = next
	}
}

func (e *exporter) page(ctx context.Context, page *feedPage) error {
	var wanted []revision
	for _, row := range page.Results {
		for _, leaf := range row.Changes {
			wanted = append(wanted, revision{row.ID, leaf.Rev})
		}
	}
	for part := range slices.Chunk(wanted, exportDocs) {
		if err := e.fetch(ctx, part); err != nil {
			return err
		}
		if e.progress != nil {
			e.progress(e.out.sum.Revisions)
		}
	}
	return nil
}

// fetch writes revisions, and notes those that are not there: they were replaced mostly.
func (e *exporter) fetch(ctx context.Context, wanted []revision) error {
	left := make(map[revision]bool)
	for _, one := range wanted {
		left[one] = true
	}
	asked := map[string]any{"docs": wanted}
	err := e.db.Ask(ctx, http.MethodPost, "/_bulk_get?revs=true&attachments=true", asked, func(r io.Reader) error {
		return eachElement(r, "results", func(element *json.Decoder) error {
			var result struct {
				ID   string   `json:"id"`
				Docs []answer `json:"docs"`
			}
			if err := element.Decode(&result); err != nil {
				return err
			}
			for _, doc := range result.Docs {
				rev, _, err := e.take(result.ID, &doc)
				if err != nil {
					return err
				}
				delete(left, revision{result.ID, rev})
			}
			return nil
		})
	})
	for one := range left {
		e.unread[one.ID] = append(e.unread[one.ID], one.Rev)
	}
	return err
}

// answer is what there is of a revision that was asked for.
type answer struct {
	OK    json.RawMessage `json:"ok"`
	Error struct {
		Error  string `json:"error"`
		Reason string `json:"reason"`
	} `json:"error"`
}

// take writes a revision, and returns its name with those that it goes on from. Both are empty if it is not there.
func (e *exporter) take(id string, doc *answer) (rev string, history []string, err error) {
	if doc.OK == nil {
		if name := doc.Error.Error; name != "" && name != "not_found" {
			return "", nil, fmt.Errorf("%w: document %q: %s: %s", ErrRefused, id, name, doc.Error.Reason)
		}
		return "", nil, nil
	}
	var named struct {
		Rev       string `json:"_rev"`
		Revisions struct {
			Start int      `json:"start"`
			IDs   []string `json:"ids"`
		} `json:"_revisions"`
	}
	if err := json.Unmarshal(doc.OK, &named); err != nil {
		return "", nil, fmt.Errorf("reading document %q: %w", id, err)
	}
	history = []string{named.Rev}
	for n, digest := range named.Revisions.IDs {
		history = append(history, strconv.Itoa(named.Revisions.Start-n)+"-"+digest)
	}
	return named.Rev, history, e.out.add(doc.OK)
}

// readAgain writes all leaves of the documents of which revisions were not given. A revision that is in the history of
// none of them was not replaced: then the database has lost it, or somebody purged it just now.
func (e *exporter) readAgain(ctx context.Context) error {
	for _, id := range slices.Sorted(maps.Keys(e.unread)) {
		var leaves []answer
		err := e.db.Ask(ctx, http.MethodGet, "/"+pathOf(id)+"?open_revs=all&revs=true&attachments=true", nil, Into(&leaves))
		if err != nil {
			return fmt.Errorf("reading document %q again: %w", id, err)
		}
		known := make(map[string]bool)
		for _, leaf := range leaves {
			_, history, err := e.take(id, &leaf)
			if err != nil {
				return err
			}
			for _, rev := range history {
				known[rev] = true
			}
		}
		for _, rev := range e.unread[id] {
			if !known[rev] {
				return fmt.Errorf("%w: it lists revision %s of document %q, and does not give it; if it was purged meanwhile, export again", ErrRefused, rev, id)
			}
		}
	}
	return nil
}

// pathOf is a document's ID in a path.
func pathOf(id string) string {
	const design = "_design/"
	if name, ok := strings.CutPrefix(id, design); ok {
		return design + url.PathEscape(name)
	}
	return url.PathEscape(id)
}

// eachElement reads an object that has an array, an element at a time.
func eachElement(r io.Reader, array string, element func(*json.Decoder) error) error {
	in := json.NewDecoder(r)
	for _, want := range []json.Token{json.Delim('{'), array, json.Delim('[')} {
		got, err := in.Token()
		if err != nil {
			return err
		}
		if got != want {
			return fmt.Errorf("%w: %v stands where %v must", ErrRefused, got, want)
		}
	}
	for in.More() {
		if err := element(in); err != nil {
			return err
		}
	}
	_, err := in.Token()
	return err
}
