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
}

type revision struct {
	ID  string `json:"id"`
	Rev string `json:"rev"`
}

// Export writes all leaves of all documents, tombstones included, with their ancestry and
// attachments. A document that changes meanwhile is there once or twice.
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
		if len(page.Results) == 0 {
			return out.sum, out.close()
		}
		var wanted []revision
		for _, row := range page.Results {
			for _, leaf := range row.Changes {
				wanted = append(wanted, revision{row.ID, leaf.Rev})
			}
		}
		for len(wanted) > 0 {
			n := min(len(wanted), exportDocs)
			if err := out.fetch(ctx, d, wanted[:n]); err != nil {
				return out.sum, err
			}
			wanted = wanted[n:]
			if progress != nil {
				progress(out.sum.Revisions)
			}
		}
		since = strings.Trim(string(page.LastSeq), `"`)
	}
}

// fetch writes revisions. One that is not there any more was changed, and comes again in the feed; one
// that the server does not give for another reason would be missing.
func (d *writer) fetch(ctx context.Context, db *Database, wanted []revision) error {
	asked := map[string]any{"docs": wanted}
	return db.Ask(ctx, http.MethodPost, "/_bulk_get?revs=true&attachments=true", asked, func(r io.Reader) error {
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
					continue
				}
				if err := d.add(doc.OK); err != nil {
					return err
				}
			}
			return nil
		})
	})
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
