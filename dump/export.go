package dump

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
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
// also while others write.
func Export(ctx context.Context, d *Database, w io.Writer, progress func(revisions uint64)) (Summary, error) {
	out, err := newWriter(w, Header{Format: format, Database: d.name(), Created: time.Now().UTC().Truncate(time.Second)})
	if err != nil {
		return Summary{}, err
	}
	since := "0"
	for {
		var page feedPage
		query := "/_changes?style=all_docs&limit=" + strconv.Itoa(exportRows) + "&since=" + url.QueryEscape(since)
		if err := d.Ask(ctx, http.MethodGet, query, nil, Into(&page)); err != nil {
			return out.sum, err
		}
		var wanted []revision
		for _, row := range page.Results {
			for _, leaf := range row.Changes {
				wanted = append(wanted, revision{row.ID, leaf.Rev})
			}
		}
		missing := 0
		for len(wanted) > 0 {
			n := min(len(wanted), exportDocs)
			gone, err := out.fetch(ctx, d, wanted[:n])
			if err != nil {
				return out.sum, err
			}
			missing += gone
			wanted = wanted[n:]
			if progress != nil {
				progress(out.sum.Revisions)
			}
		}
		// Where others write all the time, there is no empty page.
		last := page.Pending != nil && *page.Pending == 0 && missing == 0
		if last || len(page.Results) == 0 {
			return out.sum, out.close()
		}
		since = strings.Trim(string(page.LastSeq), `"`)
	}
}

// fetch writes revisions and counts those that are not there any more: they were changed, and come again in
// the feed. One that the server does not give for another reason would be missing.
func (d *writer) fetch(ctx context.Context, db *Database, wanted []revision) (missing int, err error) {
	asked := map[string]any{"docs": wanted}
	err = db.Ask(ctx, http.MethodPost, "/_bulk_get?revs=true&attachments=true", asked, func(r io.Reader) error {
		return eachElement(r, "results", func(element *json.Decoder) error {
			var result struct {
				ID   string `json:"id"`
				Docs []struct {
					OK    json.RawMessage `json:"ok"`
					Error struct {
						Error  string `json:"error"`
						Reason string `json:"reason"`
					} `json:"error"`
				} `json:"docs"`
			}
			if err := element.Decode(&result); err != nil {
				return err
			}
			for _, doc := range result.Docs {
				if doc.OK == nil {
					if name := doc.Error.Error; name != "" && name != "not_found" {
						return fmt.Errorf("%w: document %q: %s: %s", ErrRefused, result.ID, name, doc.Error.Reason)
					}
					missing++
					continue
				}
				if err := d.add(doc.OK); err != nil {
					return err
				}
			}
			return nil
		})
	})
	return missing, err
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
