package lite

import (
	"bytes"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/caddysync/caddy-sync/replication/blip"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

// proposeAtOnce is how many proposals are looked up in one snapshot. Clients send 200.
const proposeAtOnce = 500

const (
	// proposeUsual is how many proposals there is room for at first.
	proposeUsual = 200
	// minProposal is what the least of them takes in JSON, about.
	minProposal = 16
)

// maxProposals is how many rows a list may have: each takes much more memory than its text.
const maxProposals = 10_000

// proposal is a row of proposeChanges.
type proposal struct {
	syncstore.Proposal
	status int
	// rev is our current revision, in the form that the row's own has. "" if there is none
	// that the peer may see.
	rev string
	// asked: the store is to say what the row's status is.
	asked bool
}

// proposeChanges says which revisions of a client are wanted (reference/blip.md 3.9). What is
// wrong with one row is no reason to refuse the others: a client stops at a refused list.
func (r *replication) proposeChanges(ks *keyspace, q *blip.Request) error {
	if q.NoReply {
		return nil // "caught up": an empty list that wants no answer
	}
	rows, err := r.proposals(q.Body)
	if err != nil {
		return err
	}
	for some := range slices.Chunk(rows, proposeAtOnce) {
		if err := r.forecast(ks, some); err != nil {
			return err
		}
	}
	answer := &blip.Message{Body: appendStatuses(nil, rows, flag(q.Properties, "conflictIncludesRev")), Compressed: true}
	if !r.peer.NoDeltas {
		answer.Properties = blip.Properties{{Name: "deltas", Value: "true"}}
	}
	q.Reply(answer)
	return nil
}

var errManyProposals = refuse(http.StatusRequestEntityTooLarge, "proposeChanges has more than "+strconv.Itoa(maxProposals)+" rows.")

// proposals reads the list of proposeChanges.
func (r *replication) proposals(body []byte) ([]proposal, error) {
	if body = bytes.TrimSpace(body); len(body) == 0 || string(body) == "null" {
		return nil, nil
	}
	rows := make([]proposal, 0, min(proposeUsual, len(body)/minProposal))
	err := jsondoc.Elements(body, func(row []byte) error {
		if len(rows) == maxProposals {
			return errManyProposals
		}
		rows = append(rows, r.proposal(row))
		return nil
	})
	if errors.Is(err, errManyProposals) {
		return nil, err
	}
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "proposeChanges needs a JSON list of [document ID, revision, parent, size].")
	}
	return rows, nil
}

// proposal reads [document ID, revision], and maybe the parent and a size, which tells
// nothing here.
func (r *replication) proposal(row []byte) (p proposal) {
	var texts [3]string
	n := 0
	err := jsondoc.Elements(row, func(value []byte) (err error) {
		if n < len(texts) && (n < 2 || string(value) != "null") {
			texts[n], err = jsondoc.String(value)
		}
		n++
		return err
	})
	p.ID = texts[0]
	switch {
	case err != nil || p.ID == "" || texts[1] == "" || reservedID(p.ID):
		p.status = http.StatusBadRequest
	case r.peer.ReadOnly:
		// Row by row: by a refusal of the whole message the client would stop pulling, too.
		p.status = http.StatusForbidden
	case r.ignores(p.ID):
	default:
		p.status = p.parse(r.version, texts[1], texts[2])
		p.asked = p.status == 0
	}
	return p
}

// parse reads the revision and its parent, each a tree ID or a version; a version may come
// with its whole vector. It returns what is wrong with them, 0 if nothing is.
func (p *proposal) parse(version protocol, rev, parent string) (status int) {
	var err error
	switch {
	case namesTree(rev):
		p.Rev, err = syncstore.ParseRev(rev)
	case version == protocol4:
		p.Vector, p.Legacy, err = syncstore.ParseVector(rev)
	default:
		return http.StatusBadRequest
	}
	if err == nil && parent != "" {
		switch {
		case namesTree(parent):
			p.Parent, err = syncstore.ParseRev(parent)
		case version == protocol4:
			p.ParentVersion, err = syncstore.ParseVersion(currentOf(parent))
		default:
			return http.StatusBadRequest
		}
	}
	if err != nil {
		return asRefusal(err).code
	}
	return 0
}

// namesTree reports whether text is a revision's tree ID, or tries to be one, rather than a
// version: digits and then a hyphen (reference/blip.md 5.6).
func namesTree(text string) bool {
	digits, _, ok := strings.Cut(text, "-")
	if !ok || digits == "" {
		return false
	}
	return strings.Trim(digits, "0123456789") == ""
}

// currentOf cuts the current version out of a vector's text.
func currentOf(vector string) string {
	if end := strings.IndexAny(vector, ",;"); end >= 0 {
		vector = vector[:end]
	}
	return strings.Trim(vector, " ")
}

// reservedID reports whether no document may have an ID. Couchbase Lite makes none that begins
// with "_"; here it would be a document that REST cannot name, and at which PouchDB stops.
func reservedID(id string) bool {
	name, design := strings.CutPrefix(id, "_design/")
	return strings.HasPrefix(id, "_") && (!design || name == "")
}

// ignores reports whether revisions of a document are taken and thrown away: design documents
// of somebody who is no administrator (reference/blip.md 3.9).
func (r *replication) ignores(id string) bool {
	return r.peer.Viewer != nil && strings.HasPrefix(id, "_design/")
}

// forecast asks the store about the rows that it is to say something of.
func (r *replication) forecast(ks *keyspace, rows []proposal) error {
	list := make([]syncstore.Proposal, 0, len(rows))
	for i := range rows {
		if rows[i].asked {
			list = append(list, rows[i].Proposal)
		}
	}
	if len(list) == 0 {
		return nil
	}
	answers, err := ks.coll.Propose(r.ctx, r.peer.Viewer, list)
	if err != nil {
		return err
	}
	for i := range rows {
		if rows[i].asked {
			rows[i].answer(answers[0])
			if r.version == protocol2 {
				rows[i].answerBefore3(answers[0])
			}
			answers = answers[1:]
			if r.version == protocol4 && !rows[i].Rev.IsZero() && rows[i].answerUpdated() == http.StatusConflict {
				ks.await(rows[i].ID)
			}
		}
	}
	return nil
}

// answer takes over what the store says. A client that proposed a tree ID can do nothing with a version, and none with a
// tree ID that it cannot hold. One that was updated to version 4 knows what it had before by tree IDs: named such a
// parent, it is told our tree ID, by which it finds whether it goes on from there. Where it meets the server by another
// address than before it names no parent, and finds nothing in any answer (seen with 4.0.3): what it sends comes with its
// history, and is judged by that.
func (p *proposal) answer(a syncstore.ProposalAnswer) {
	p.status = int(a.Status)
	versioned := p.Rev.IsZero()
	if p.status == http.StatusConflict && versioned && p.Parent.IsZero() && p.ParentVersion.IsZero() && !a.Rev.IsZero() {
		p.status = 0
		return
	}
	tree := a.Rev.String()
	switch fits := syncstore.RevFitsLite(tree); {
	case fits && (!versioned || p.ParentVersion.IsZero()):
		p.rev = tree
	case versioned && !a.Version.IsZero():
		p.rev = a.Version.String()
	}
}

// answerBefore3 corrects the answer to a client with version 2, which cannot be told what revision is here. If the answer
// to a push was lost, or it meets the server by another address than before, it does not know that it goes on from that:
// it names no parent, or an older one. Told of a conflict it would propose the same for ever where it does not pull, and
// without a parent where it pulls, too: a row of changes about what it has is no news to it (seen with 2.8.6). What it
// sends comes with its history, and is judged by that.
func (p *proposal) answerBefore3(a syncstore.ProposalAnswer) {
	if p.status == http.StatusConflict && !a.Rev.IsZero() && a.Rev.Gen < p.Rev.Gen {
		p.status = 0
	}
}

// answerUpdated corrects the answer to a tree ID that was proposed by a device with version 4, which has it of before its
// update, and returns the status. Where it names no parent, it meets the server by another address than before. Told that
// its revision is here it would store half of the old form of the document, half of the new, and could not read the next
// list of changes with it (4.0.3, 4.1): it would pull nothing any more. So it is told of a conflict without a revision,
// and sent the one that is here, which it finds to be its own.
func (p *proposal) answerUpdated() (status int) {
	if p.status == http.StatusNotModified && p.Parent.IsZero() && p.ParentVersion.IsZero() {
		p.status, p.rev = http.StatusConflict, ""
	}
	return p.status
}

// appendStatuses appends the answer. Zeros at the end are left out.
func appendStatuses(b []byte, rows []proposal, withRev bool) []byte {
	for len(rows) > 0 && rows[len(rows)-1].status == 0 {
		rows = rows[:len(rows)-1]
	}
	b = append(b, '[')
	for i := range rows {
		if i > 0 {
			b = append(b, ',')
		}
		if withRev && rows[i].status == http.StatusConflict && rows[i].rev != "" {
			b = append(b, `{"status":409,"rev":"`...)
			b = append(b, rows[i].rev...) // without quotes and backslashes, as the store takes them
			b = append(b, `"}`...)
			continue
		}
		b = strconv.AppendInt(b, int64(rows[i].status), 10)
	}
	return append(b, ']')
}

// offeredChanges refuses a client's changes: where there are no conflicts, a client proposes
// (reference/blip.md 3.6). Couchbase Lite 2 does so after this answer.
func (r *replication) offeredChanges(_ *keyspace, q *blip.Request) error {
	body := bytes.TrimSpace(q.Body)
	switch string(body) {
	case "", "null", "[]":
		q.Reply(&blip.Message{})
		return nil
	}
	return refuse(http.StatusConflict, "Use 'proposeChanges' instead")
}
