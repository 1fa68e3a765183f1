package dump

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
)

const (
	// importDocs and importBytes bound what is written at once.
	importDocs  = 100
	importBytes = 2 << 20
)

// namedRefusals is how many refused revisions the error of an import names.
const namedRefusals = 20

// Import writes the revisions of a dump into a database, as a replication would: what is there
// stays, and importing again changes nothing. It asks afterwards whether all are there. What the
// server refuses is passed over, and named by the error in the end (ErrRefused). The dump is
// taken as it comes: Verify it before.
func Import(ctx context.Context, d *Database, r io.Reader, progress func(revisions uint64)) (Summary, error) {
	i := &importer{ctx: ctx, db: d, progress: progress}
	_, sum, err := read(r, i.add)
	if err != nil {
		return sum, err
	}
	if err := i.flush(); err != nil {
		return sum, err
	}
	return sum, i.refusals()
}

type importer struct {
	ctx      context.Context //nolint:containedctx // of one call of Import
	db       *Database
	progress func(uint64)
	gathered []dumped
	size     int
	done     uint64
	refused  uint64
	named    []string // the first of what is refused, with reasons
}

// dumped is a line of a dump.
type dumped struct {
	revision
	line json.RawMessage
}

func (i *importer) add(line []byte) error {
	var doc struct {
		ID  string `json:"_id"`
		Rev string `json:"_rev"`
	}
	if err := json.Unmarshal(line, &doc); err != nil || doc.ID == "" || doc.Rev == "" {
		return fmt.Errorf("%w: line %d is no revision", ErrBadDump, i.done+uint64(len(i.gathered))+2)
	}
	if len(i.gathered) > 0 && (len(i.gathered) >= importDocs || i.size+len(line) > importBytes) {
		if err := i.flush(); err != nil {
			return err
		}
	}
	i.gathered = append(i.gathered, dumped{revision{doc.ID, doc.Rev}, line})
	i.size += len(line)
	return nil
}

// flush writes what is gathered.
func (i *importer) flush() error {
	if len(i.gathered) == 0 {
		return nil
	}
	if err := i.write(i.gathered); err != nil {
		return err
	}
	i.done += uint64(len(i.gathered))
	i.gathered, i.size = nil, 0
	if i.progress != nil {
		i.progress(i.done)
	}
	return nil
}

// write writes some revisions, in halves if the server takes them not together, and asks whether they are
// there: an answer to new_edits=false need not say so.
func (i *importer) write(revisions []dumped) error {
	docs := make([]json.RawMessage, len(revisions))
	for n, r := range revisions {
		docs[n] = r.line
	}
	var rows []bulkRow
	err := i.db.Ask(i.ctx, http.MethodPost, "/_bulk_docs", map[string]any{"new_edits": false, "docs": docs}, Into(&rows))
	if status, ok := errors.AsType[*StatusError](err); ok && ofDocuments(status.Status) {
		if half := len(revisions) / 2; half > 0 {
			return errors.Join(i.write(revisions[:half]), i.write(revisions[half:]))
		}
		i.refuse(fmt.Sprintf("document %q: %s", revisions[0].ID, status.Text))
		return nil
	}
	if err != nil {
		return err
	}
	return i.look(revisions, rows)
}

// ofDocuments reports whether a server may refuse a request for what is in its documents: they are too many or
// too large, or one is not as it takes them, such as with a member twice, which CouchDB has.
func ofDocuments(status int) bool {
	return status == http.StatusRequestEntityTooLarge || status == http.StatusBadRequest
}

// bulkRow is what became of one revision, if it was not stored. CouchDB's have no status.
type bulkRow struct {
	ID     string `json:"id"`
	Error  string `json:"error"`
	Reason string `json:"reason"`
	Status int    `json:"status"`
}

// look finds out which revisions were refused. What the server failed at ends the import: it may
// take that later.
func (i *importer) look(revisions []dumped, rows []bulkRow) error {
	reasons := make(map[string][]string)
	for _, row := range rows {
		if row.Error == "" {
			continue
		}
		reason := row.Error + ": " + row.Reason
		if row.Status >= http.StatusInternalServerError {
			return fmt.Errorf("%w: document %q: %s", ErrRefused, row.ID, reason)
		}
		reasons[row.ID] = append(reasons[row.ID], reason)
	}
	revs := make(map[string][]string)
	for _, r := range revisions {
		revs[r.ID] = append(revs[r.ID], r.Rev)
	}
	var missing map[string]struct {
		Missing []string `json:"missing"`
	}
	if err := i.db.Ask(i.ctx, http.MethodPost, "/_revs_diff", revs, Into(&missing)); err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(revs)) {
		for _, reason := range reasons[id] {
			i.refuse(fmt.Sprintf("document %q: %s", id, reason))
		}
		for range len(missing[id].Missing) - len(reasons[id]) {
			i.refuse(fmt.Sprintf("document %q was not stored", id))
		}
	}
	return nil
}

func (i *importer) refuse(said string) {
	i.refused++
	if len(i.named) < namedRefusals {
		i.named = append(i.named, said)
	}
}

// refusals is the error of an import, of which the rest is there.
func (i *importer) refusals() error {
	if i.refused == 0 {
		return nil
	}
	named := strings.Join(i.named, "\n  ")
	if more := i.refused - uint64(len(i.named)); more > 0 {
		named += fmt.Sprintf("\n  and %d more", more)
	}
	return fmt.Errorf("%w: %d revisions were not taken; all others are there:\n  %s", ErrRefused, i.refused, named)
}
