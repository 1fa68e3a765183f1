package dump

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

const (
	// importDocs and importBytes bound what is written at once.
	importDocs  = 100
	importBytes = 2 << 20
)

// Import writes the revisions of a dump into a database, as a replication would: what is there
// stays, and importing again changes nothing. It asks afterwards whether all are there. The dump is
// taken as it comes: Verify it before.
func Import(ctx context.Context, d *Database, r io.Reader, progress func(revisions uint64)) (Summary, error) {
	i := &importer{ctx: ctx, db: d, progress: progress}
	_, sum, err := read(r, i.add)
	if err != nil {
		return sum, err
	}
	return sum, i.flush()
}

type importer struct {
	ctx      context.Context //nolint:containedctx // of one call of Import
	db       *Database
	progress func(uint64)
	docs     []json.RawMessage
	revs     map[string][]string
	size     int
	done     uint64
}

func (i *importer) add(line []byte) error {
	var doc struct {
		ID  string `json:"_id"`
		Rev string `json:"_rev"`
	}
	if err := json.Unmarshal(line, &doc); err != nil || doc.ID == "" || doc.Rev == "" {
		return fmt.Errorf("%w: line %d is no revision", ErrBadDump, i.done+uint64(len(i.docs))+2)
	}
	if len(i.docs) > 0 && (len(i.docs) >= importDocs || i.size+len(line) > importBytes) {
		if err := i.flush(); err != nil {
			return err
		}
	}
	if i.revs == nil {
		i.revs = make(map[string][]string)
	}
	i.docs = append(i.docs, line)
	i.revs[doc.ID] = append(i.revs[doc.ID], doc.Rev)
	i.size += len(line)
	return nil
}

// flush writes what is gathered, and asks whether it is there: an answer to new_edits=false need
// not say so.
func (i *importer) flush() error {
	if len(i.docs) == 0 {
		return nil
	}
	var answers []struct {
		ID     string `json:"id"`
		Error  string `json:"error"`
		Reason string `json:"reason"`
	}
	asked := map[string]any{"new_edits": false, "docs": i.docs}
	if err := i.db.Ask(i.ctx, http.MethodPost, "/_bulk_docs", asked, Into(&answers)); err != nil {
		return err
	}
	for _, answer := range answers {
		if answer.Error != "" {
			return fmt.Errorf("%w: document %q: %s: %s", ErrRefused, answer.ID, answer.Error, answer.Reason)
		}
	}
	var missing map[string]json.RawMessage
	if err := i.db.Ask(i.ctx, http.MethodPost, "/_revs_diff", i.revs, Into(&missing)); err != nil {
		return err
	}
	for id := range missing {
		return fmt.Errorf("%w: document %q was not stored", ErrRefused, id)
	}
	i.done += uint64(len(i.docs))
	i.docs, i.revs, i.size = nil, nil, 0
	if i.progress != nil {
		i.progress(i.done)
	}
	return nil
}
