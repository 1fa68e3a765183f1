package peer

import (
	"cmp"
	"encoding/json"
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
