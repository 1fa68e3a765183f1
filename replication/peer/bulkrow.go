package peer

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
)

// answerRow is what _bulk_docs answers of a document.
type answerRow struct {
	ID     string          `json:"id"`
	Rev    string          `json:"rev"`
	Error  any             `json:"error"`
	Name   string          `json:"name"`
	Reason json.RawMessage `json:"reason"`
	Status int             `json:"status"`
}

// refusal is the name of the error, "" if the document was taken. PouchDB's server has true in its place, and the
// name beside it.
func (r *answerRow) refusal() string {
	if r.Error == true {
		return cmp.Or(r.Name, "error")
	}
	name, _ := r.Error.(string)
	return name
}

// revs are the revisions that a row refuses: Sync Gateway and PouchDB's server do not say which. In a row for each
// document it is the one in the same place, else any of the document.
func (r *answerRow) revs(docs []given, each bool, place int) (revs []string) {
	switch {
	case r.Rev != "":
		return []string{r.Rev}
	case each && docs[place].id == r.ID:
		return []string{docs[place].rev}
	}
	for _, doc := range docs {
		if doc.id == r.ID {
			revs = append(revs, doc.rev)
		}
	}
	if revs == nil {
		return []string{""} // of none that was sent
	}
	return revs
}

// judged says what becomes of documents that were sent together. All are judged before one of them ends the session:
// each session costs a wait.
func (g *giving) judged(docs []given, rows []answerRow) (failed error) {
	written := len(docs)
	refused := make(map[revRef]bool)
	for i := range rows {
		row, name := &rows[i], rows[i].refusal()
		if name == "" {
			continue // servers that answer for each
		}
		written--
		reason := fmt.Errorf("%w refused it: %s %s", g.who, short(name), short(string(row.Reason)))
		for _, rev := range row.revs(docs, len(rows) == len(docs), i) {
			refused[revRef{row.ID, rev}] = true
			switch {
			case passing(row.Status, name):
				failed = reason
			case row.Status >= http.StatusInternalServerError || name == "internal_server_error":
				if err := g.refused(row.ID, rev, reason); err != nil && failed == nil {
					failed = err
				}
			default:
				g.failed(row.ID, rev, reason)
			}
		}
	}
	for _, doc := range docs {
		if !refused[revRef{doc.id, doc.rev}] {
			g.taken(doc.id, doc.rev)
		}
	}
	g.wrote(max(written, 0))
	return failed
}
