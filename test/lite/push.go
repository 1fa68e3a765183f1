package lite

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/caddysync/caddy-sync/replication/blip"
)

const (
	proposeBatch = 200
	maxSending   = 10
)

// outgoing is a revision that is offered to the server.
type outgoing struct {
	id, rev, parent string
	offer           string // rev as proposeChanges has it
	remote          string // the server's revision as far as was known
	vector          vector
	seq             uint64
	history         string
	deleted         bool
	body            []byte
	base            []byte // the body of the parent, nil if there can be no delta from it
	digests         map[string]int64
	reproposed      bool // with the parent that the server named
	retried         bool // after a 403
	sent            bool
}

// pusher sends what the server does not have.
type pusher struct {
	s       *side
	started bool
	from    uint64               // what comes before was pushed by earlier replications
	seq     uint64               // up to here all was looked at
	handled map[string]uint64    // sequences of documents that are done with
	pending map[string]*outgoing // by document
	ready   []*outgoing          // wanted by the server
	sending int
	deltas  bool        // the server takes them
	again   []*outgoing // refused, to be offered once more
	blocked uint64      // the checkpoint must not pass this sequence
	// conflicts are pending ones that wait for the pull to bring the server's revision.
	conflicts map[string]*outgoing
}

func (p *pusher) begin() {
	p.started, p.s.checkpoint.started = true, true
	p.from = p.s.checkpoint.now.local
	if p.gather() == 0 || p.s.r.config.Continuous {
		p.nothing()
	}
}

// nothing tells the server that there is nothing to push.
func (p *pusher) nothing() {
	m := p.s.message("proposeChanges", "conflictIncludesRev", "true")
	if p.s.r.device.version == V28 {
		m = p.s.message("proposeChanges")
	}
	m.Body, m.Urgent, m.NoReply = []byte("[]"), true, true
	_ = p.s.r.conn.Send(p.s.r.ctx, m)
}

// gather offers the documents that the server does not have, and returns how many.
func (p *pusher) gather() int {
	c := p.s.c
	c.device.mu.Lock()
	p.seq = c.seq
	var found []*outgoing
	for _, doc := range c.docs {
		if doc.seq > p.from && doc.dirty() && p.pending[doc.id] == nil && p.handled[doc.id] < doc.seq {
			found = append(found, p.offer(doc))
		}
	}
	c.device.mu.Unlock()
	slices.SortFunc(found, func(a, b *outgoing) int { return cmp.Compare(a.seq, b.seq) })
	for _, out := range found {
		p.pending[out.id] = out
	}
	for chunk := range slices.Chunk(found, proposeBatch) {
		p.propose(chunk)
	}
	return len(found)
}

// offer is what a document's current revision is offered as.
func (p *pusher) offer(doc *document) *outgoing {
	out := &outgoing{id: doc.id, rev: doc.rev, offer: doc.rev, remote: doc.remote, seq: doc.seq, deleted: doc.deleted, digests: make(map[string]int64)}
	if p.s.r.device.version.vectors() {
		out.parent, out.vector, out.history = doc.remote, doc.vector, doc.vector.history()
		if p.s.r.device.version == V40 { // 4.1 offers the current version alone
			out.offer = doc.vector.text()
		}
	} else {
		if doc.descends(doc.rev, doc.remote) {
			out.parent = doc.remote
		}
		limit := p.s.r.device.version.maxHistory()
		list := doc.ancestors(doc.rev, limit, out.parent)
		if out.parent != "" && len(list) == limit { // the tree keeps no more, but the server's revision
			list[limit-1] = out.parent
		}
		out.history = strings.Join(list, ",")
	}
	out.body = p.s.c.pushed(doc)
	out.base = p.s.c.base(doc, out.parent)
	for _, entry := range doc.attachments(0) {
		digest, _ := entry.(object)["digest"].(string)
		out.digests[digest] = length(entry.(object))
	}
	return out
}

func (out *outgoing) row(v Version) []any {
	if out.deleted && v.vectors() {
		if out.parent == "" {
			return []any{out.id, out.offer}
		}
		return []any{out.id, out.offer, out.parent}
	}
	return []any{out.id, out.offer, out.parent, len(out.body)}
}

func (p *pusher) propose(batch []*outgoing) {
	rows := make([][]any, len(batch))
	for i, out := range batch {
		rows[i] = out.row(p.s.r.device.version)
	}
	m := p.s.message("proposeChanges")
	if p.s.r.device.version > V28 {
		m.Properties = append(m.Properties, blip.Property{Name: "conflictIncludesRev", Value: "true"})
	}
	m.Body, m.Urgent, m.Compressed = encode(rows), true, true
	p.s.r.call(m, func(response *blip.Response, refusal *blip.PeerError) {
		if refusal != nil {
			for _, out := range batch {
				p.done(out)
			}
			p.s.r.fatal(refusal)
			return
		}
		p.answered(batch, response)
	})
}

// verdict is what the server says to one row of a proposal.
type verdict struct {
	status int
	rev    string
}

func (v *verdict) UnmarshalJSON(text []byte) error {
	if text[0] != '{' {
		return json.Unmarshal(text, &v.status)
	}
	var o struct {
		Status int
		Rev    string
	}
	err := json.Unmarshal(text, &o)
	v.status, v.rev = o.Status, o.Rev
	return err
}

func (p *pusher) answered(batch []*outgoing, response *blip.Response) {
	var verdicts []verdict
	if err := json.Unmarshal(response.Body, &verdicts); err != nil || len(verdicts) > len(batch) {
		p.s.r.violate("blip.md 3.9", "a proposal of %d rows was answered by %s", len(batch), response.Body)
		return
	}
	if response.Properties.Value("blobs") != "" {
		p.s.r.violate("blip.md 3.9", "the answer to proposeChanges says blobs")
	}
	if response.Properties.Value("deltas") == "true" {
		p.deltas = true
	}
	for i, out := range batch {
		var v verdict
		if i < len(verdicts) {
			v = verdicts[i]
		}
		p.judge(out, v)
	}
	p.pump()
}

func (p *pusher) judge(out *outgoing, v verdict) {
	switch v.status {
	case 0:
		p.ready = append(p.ready, out)
	case 304:
		p.s.c.synced(out.id, out.rev, out.remote, true)
		p.done(out)
	case http.StatusConflict:
		if v.rev == "" && p.s.r.device.version > V28 {
			p.s.r.violate("blip.md 3.9", "%s: a conflict without the server's revision", out.id)
		}
		if !p.s.r.device.version.vectors() && v.rev != "" {
			if err := checkRevID(v.rev); err != nil {
				p.s.r.violate("blip.md 3.9", "%s: a conflict with %v", out.id, err)
			}
		}
		if v.rev != "" && !out.reproposed && p.isAncestor(out, v.rev) {
			out.reproposed, out.parent, out.base = true, v.rev, nil
			p.trim(out)
			p.propose([]*outgoing{out})
			return
		}
		p.conflict(out)
	default:
		p.s.r.documentError(out.id, &Error{"HTTP", v.status, "rejected by the server"})
		p.done(out)
	}
}

// isAncestor reports whether what is offered comes from a revision of the server.
func (p *pusher) isAncestor(out *outgoing, rev string) bool {
	if p.s.r.device.version.vectors() {
		s, err := parseStamp(rev)
		return err == nil && out.vector.covers(s)
	}
	return slices.Contains(strings.Split(out.history, ","), rev)
}

// trim ends the history at the parent.
func (p *pusher) trim(out *outgoing) {
	if p.s.r.device.version.vectors() {
		return
	}
	list := strings.Split(out.history, ",")
	if i := slices.Index(list, out.parent); i >= 0 {
		out.history = strings.Join(list[:i+1], ",")
	}
}

// pump sends what is wanted, a few at a time.
func (p *pusher) pump() {
	if p.s.r.config.PushLast && p.s.r.config.Pull && !p.s.pull.resting() {
		return
	}
	for len(p.ready) > 0 && p.sending < maxSending {
		out := p.ready[0]
		p.ready = p.ready[1:]
		p.sending++
		out.sent = true
		p.send(out)
	}
	if len(p.ready) == 0 && p.sending == 0 && len(p.again) > 0 {
		again := p.again
		p.again = nil
		p.propose(again)
	}
}

func (p *pusher) send(out *outgoing) {
	m := p.s.message("rev", "id", out.id, "rev", out.rev, "sequence", strconv.FormatUint(out.seq, 10), "noconflicts", "1")
	if out.deleted {
		m.Properties = append(m.Properties, blip.Property{Name: "deleted", Value: "1"})
	}
	if out.history != "" {
		m.Properties = append(m.Properties, blip.Property{Name: "history", Value: out.history})
	}
	m.Body, m.Compressed = out.body, true
	p.shrink(out, m)
	p.s.r.call(m, func(_ *blip.Response, refusal *blip.PeerError) {
		p.sending--
		out.sent = false
		if refusal == nil {
			p.s.c.synced(out.id, out.rev, out.remote, false)
			p.done(out)
		} else {
			p.refused(out, refusal)
		}
		p.pump()
	})
}

// refused does what LiteCore does when a revision was not taken (blip.md 3.10).
func (p *pusher) refused(out *outgoing, refusal *blip.PeerError) {
	e := &Error{refusal.Domain, refusal.Code, refusal.Text}
	switch {
	case refusal.Domain == "HTTP" && refusal.Code == http.StatusUnprocessableEntity && out.base != nil:
		out.base = nil // in full, at once
		p.ready = append(p.ready, out)
		return
	case refusal.Domain != "HTTP":
		p.s.r.violate("blip.md 2.8", "a rev was refused by %s/%d", refusal.Domain, refusal.Code)
	case refusal.Code == http.StatusForbidden && !out.retried:
		out.retried = true
		p.again = append(p.again, out)
		return
	case refusal.Code == http.StatusConflict:
		p.conflict(out)
		return
	case e.Transient(p.s.r.device.version) && (p.blocked == 0 || out.seq < p.blocked):
		p.blocked = out.seq
	}
	p.s.r.documentError(out.id, e)
	p.done(out)
}

// done ends what was to be done about a document's revision.
func (p *pusher) done(out *outgoing) {
	delete(p.pending, out.id)
	p.handled[out.id] = out.seq
	if p.s.r.config.Continuous {
		p.gather()
	}
	p.advance()
}

// advance moves the checkpoint to before the first sequence that is not done.
func (p *pusher) advance() {
	at := p.seq
	for _, out := range p.pending {
		at = min(at, out.seq-1)
	}
	if p.blocked > 0 {
		at = min(at, p.blocked-1)
	}
	p.s.checkpoint.now.local = max(at, p.from)
}

func (p *pusher) resting() bool {
	if len(p.ready) > 0 && p.sending == 0 {
		p.pump()
	}
	if !p.started || len(p.pending) > len(p.conflicts) || len(p.conflicts) > 0 && !p.s.pull.resting() {
		return false
	}
	if !p.s.r.config.Continuous {
		for _, out := range p.conflicts {
			p.giveUp(out)
		}
		clear(p.conflicts)
	}
	p.advance()
	return true
}
