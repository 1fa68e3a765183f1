package lite

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddysync/caddy-sync/replication/blip"
)

// Flags of rows of changes (blip.md 3.5).
const (
	rowDeleted = 1
	rowRevoked = 2
	rowRemoved = 4
)

const pullBatch = 200

// row is one row of changes.
type row struct {
	seq     string // as JSON
	id, rev string
	flags   int
	known   []string // what the device said that it has
	done    bool
	refused bool // a delta was
}

type wantedKey struct{ id, rev string }

// puller takes what the server has.
type puller struct {
	s         *side
	started   bool
	caughtUp  bool
	announced bool // deltas
	rows      []*row
	wanted    map[wantedKey]*row // asked for, and not here yet
	last      string             // sequence of the last row
	sinceSave int
}

func (p *puller) begin() {
	p.started, p.s.checkpoint.started = true, true
	config, version := p.s.r.config, p.s.r.device.version
	m := p.s.message("subChanges", "batch", strconv.Itoa(pullBatch))
	set := func(name, value string) { m.Properties = append(m.Properties, blip.Property{Name: name, Value: value}) }
	if since := p.s.checkpoint.now.remote; since != "" {
		set("since", since)
		p.last = since
	}
	if config.Continuous {
		set("continuous", "true")
	}
	if version > V28 {
		set("sendReplacementRevs", "1")
		set("versioning", map[bool]string{false: "rev-trees", true: "version-vectors"}[version.vectors()])
		set("revocations", "true")
	}
	if p.s.checkpoint.now.remote == "" && len(p.s.c.All()) == 0 {
		set("activeOnly", "true")
	}
	if config.Filter != "" {
		set("filter", config.Filter)
	}
	if len(config.Channels) > 0 {
		set("filter", "sync_gateway/bychannel")
		set("channels", strings.Join(config.Channels, ","))
	}
	if len(config.DocIDs) > 0 {
		m.Body = encode(map[string]any{"docIDs": config.DocIDs})
	}
	p.s.r.call(m, func(response *blip.Response, refusal *blip.PeerError) {
		if refusal != nil {
			p.s.r.fatal(refusal)
			p.caughtUp = true // nothing will come
			return
		}
		if len(response.Body) > 0 || len(response.Properties) > 0 {
			p.s.r.violate("blip.md 3.4", "subChanges was answered by %v %s", response.Properties, response.Body)
		}
	})
}

// changes answers which of the server's revisions are wanted.
func (p *puller) changes(request *blip.Request) {
	var rows []json.RawMessage
	if err := json.Unmarshal(request.Body, &rows); err != nil {
		p.s.r.violate("blip.md 3.5", "changes: %v: %s", err, request.Body)
		return
	}
	if !p.started {
		p.s.r.violate("blip.md 3.4", "changes without subChanges")
	}
	if len(rows) == 0 {
		if p.caughtUp || !request.NoReply {
			p.s.r.violate("blip.md 3.5", "an empty changes that wants an answer %v, or is not the first %v", !request.NoReply, p.caughtUp)
		}
		p.caughtUp = true
		return
	}
	if request.NoReply || len(rows) > pullBatch {
		p.s.r.violate("blip.md 3.5", "%d changes, no answer wanted: %v", len(rows), request.NoReply)
	}
	if p.caughtUp && !p.s.r.config.Continuous {
		p.s.r.violate("blip.md 3.5", "changes after a one-shot replication has caught up")
	}
	answers := make([]any, 0, len(rows))
	for _, text := range rows {
		r, ok := p.parse(text)
		if !ok {
			p.s.r.fail(&Error{"WebSocket", 1002, "invalid changes"})
			return
		}
		p.rows = append(p.rows, r)
		answers = append(answers, p.answer(r))
	}
	for len(answers) > 0 && answers[len(answers)-1] == 0 {
		answers = answers[:len(answers)-1]
	}
	if p.s.r.config.Meanwhile != nil {
		p.s.r.config.Meanwhile()
	}
	request.Reply(p.reply(answers))
	p.advance()
	for _, text := range rows {
		var parts [3]any
		_ = json.Unmarshal(text, &parts)
		id, _ := parts[1].(string)
		p.s.push.recheck(id)
	}
}

func (p *puller) reply(answers []any) *blip.Message {
	m := &blip.Message{Body: encode(answers), Compressed: true}
	set := func(name, value string) { m.Properties = append(m.Properties, blip.Property{Name: name, Value: value}) }
	if !p.s.r.device.version.vectors() {
		set("maxHistory", strconv.Itoa(p.s.r.device.version.maxHistory()))
	}
	set("blobs", "true")
	if !p.announced && !p.s.r.config.NoDeltas {
		p.announced = true
		set("deltas", "true")
	}
	if p.s.r.device.version.vectors() {
		set("sendReplacementRevs", "1")
	}
	return m
}

// parse reads one row, and is as strict about it as LiteCore.
func (p *puller) parse(text json.RawMessage) (*row, bool) {
	bad := func(err any) (*row, bool) {
		p.s.r.violate("blip.md 3.5", "changes: the row %s: %v", text, err)
		return nil, false
	}
	var parts []json.RawMessage
	if err := json.Unmarshal(text, &parts); err != nil || len(parts) < 3 || len(parts) > 5 {
		return bad("not three to five entries")
	}
	r := &row{seq: string(parts[0])}
	if json.Unmarshal(parts[1], &r.id) != nil || json.Unmarshal(parts[2], &r.rev) != nil {
		return bad("the ID or the revision is no string")
	}
	if err := checkDocID(r.id); err != nil {
		return bad(err)
	}
	if err := p.checkRev(r.rev); err != nil {
		return bad(err)
	}
	if len(parts) > 3 {
		if err := p.parseFlags(r, parts[3]); err != nil {
			return bad(err)
		}
	}
	if err := p.checkSeq(r); err != nil {
		return bad(err)
	}
	if ids := p.s.r.config.DocIDs; len(ids) > 0 && !slices.Contains(ids, r.id) {
		p.s.r.violate("blip.md 3.4", "a document that was not asked for: %s", text)
	}
	return r, true
}

func (p *puller) checkRev(rev string) error {
	if p.s.r.protocol < 4 || !strings.Contains(rev, "@") {
		return checkRevID(rev)
	}
	s, err := parseStamp(rev)
	if err != nil {
		return err
	}
	return s.checkTime(time.Now())
}

func (p *puller) parseFlags(r *row, text json.RawMessage) error {
	if p.s.r.protocol == 2 {
		var deleted bool
		err := json.Unmarshal(text, &deleted)
		if deleted {
			r.flags = rowDeleted
		}
		return err
	}
	if err := json.Unmarshal(text, &r.flags); err != nil {
		return err
	}
	if r.flags < 0 || r.flags > rowDeleted|rowRevoked|rowRemoved {
		return strconv.ErrRange
	}
	return nil
}

// checkSeq sees that the rows are in order.
func (p *puller) checkSeq(r *row) error {
	event, seq, err := parseSeq(r.seq)
	if err != nil {
		return err
	}
	if p.last != "" {
		lastEvent, lastSeq, _ := parseSeq(p.last)
		if compareSeq(event, seq, lastEvent, lastSeq) <= 0 {
			p.s.r.violate("blip.md 3.5", "the sequence %s after %s", r.seq, p.last)
		}
	}
	p.last = r.seq
	return nil
}

// answer decides about one row, and returns what the server is told.
func (p *puller) answer(r *row) any {
	switch r.flags {
	case 0, rowDeleted, rowDeleted | rowRemoved:
	default: // the user may not have it any more
		p.s.c.purge(r.id)
		r.done = true
		return 0
	}
	known, have := p.s.c.known(r)
	if have {
		r.done = true
		return 0
	}
	key := wantedKey{r.id, r.rev}
	if p.wanted[key] != nil {
		p.s.r.violate("blip.md 3.5", "%s %s is offered while it is awaited", r.id, r.rev)
	}
	r.known = known
	p.wanted[key] = r
	return append([]string{}, known...)
}

// known are the revisions of a document that the device has the bodies of, and whether it
// has the one of the row.
func (c *Collection) known(r *row) (known []string, have bool) {
	c.device.mu.Lock()
	defer c.device.mu.Unlock()
	doc := c.docs[r.id]
	if doc == nil {
		return nil, false
	}
	if c.device.version.vectors() {
		s, err := parseStamp(r.rev)
		if err != nil {
			s = encodeRev(r.rev)
		}
		have = doc.vector.covers(s)
	} else {
		_, have = doc.parents[r.rev]
	}
	if have {
		if doc.remote != r.rev {
			doc.remote = r.rev
			doc.kept = append([]string{r.rev}, doc.kept...)
		}
		return nil, true
	}
	candidates := append([]string{doc.rev, doc.remote}, doc.kept...)
	if c.device.version.vectors() {
		candidates = append(append([]string{doc.rev}, doc.kept...), doc.remote)
	}
	for _, rev := range candidates {
		older := c.device.version.vectors() || generation(rev) < generation(r.rev)
		_, readable := doc.bodies[rev]
		if rev != "" && readable && older && !slices.Contains(known, rev) && len(known) < 10 {
			known = append(known, rev)
		}
	}
	return known, false
}

// advance moves the checkpoint on behind the rows that are done, in their order.
func (p *puller) advance() {
	for len(p.rows) > 0 && p.rows[0].done {
		p.s.checkpoint.now.remote = p.rows[0].seq
		p.rows = p.rows[1:]
		p.sinceSave++
	}
	if p.sinceSave > 20 {
		p.sinceSave = 0
		p.s.checkpoint.save()
	}
}

func (p *puller) resting() bool { return p.started && p.caughtUp && len(p.wanted) == 0 }

// missing are some of the revisions that have not come.
func (p *puller) missing() (list []string) {
	for key := range p.wanted {
		if len(list) < 5 {
			list = append(list, key.id+" "+key.rev)
		}
	}
	return list
}
