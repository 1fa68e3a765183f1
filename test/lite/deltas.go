package lite

import (
	"bytes"
	"net/http"
	"strings"

	"github.com/caddysync/caddy-sync/replication/blip"
	"github.com/caddysync/caddy-sync/replication/lite/delta"
)

// base is the body of an earlier revision as a delta is made from it, nil if it is not there. What mirrors its blobs
// is added only where the document, which is sent, has attachments (seen with 3.2.4: the last blob goes, and the delta
// says nothing of its mirror).
func (c *Collection) base(doc *document, rev string) []byte {
	body, ok := doc.bodies[rev]
	switch {
	case !ok:
		return nil
	case len(doc.attachments(0)) == 0 && !doc.unblobbed:
		return encode(body)
	}
	return c.pushed(&document{id: doc.id, rev: rev, body: body})
}

// shrink sends a delta in place of a body, where the server takes it and it is worth it
// (blip.md 6).
func (p *pusher) shrink(out *outgoing, m *blip.Message) {
	if !p.deltas || p.s.r.config.NoDeltas || out.base == nil || out.deleted || len(out.body) <= 200 {
		return
	}
	d, ok := delta.Diff(out.base, out.body)
	if !ok || len(d)*5 > len(out.body)*6 {
		out.base = nil
		return
	}
	m.Properties = append(m.Properties, blip.Property{Name: "deltaSrc", Value: out.parent})
	m.Body = d
}

// patch makes a body of a delta of the server. It answers the request if it cannot.
func (p *puller) patch(request *blip.Request, r *row, source string) (object, bool) {
	rule := "blip.md 6"
	id, rev := request.Properties.Value("id"), request.Properties.Value("rev")
	switch {
	case request.Properties.Value("deleted") != "":
		p.s.r.violate(rule, "%s %s: a delta to a tombstone", id, rev)
	case p.s.r.config.NoDeltas:
		p.s.r.violate(rule, "%s %s: a delta, which was not asked for", id, rev)
	case len(r.known) == 0 || source != r.known[0]:
		p.s.r.violate(rule, "%s %s: a delta from %s, where %v was offered", id, rev, source, r.known)
	}
	c := p.s.c
	c.device.mu.Lock()
	var old []byte
	doc := c.docs[id]
	if doc != nil && doc.bodies[source] != nil {
		old = encode(doc.bodies[source])
		if bytes.Contains(request.Body, []byte(`"_attachments"`)) { // else what mirrors blobs is not there
			body := decoded(old)
			if all := (&document{body: doc.bodies[source]}).attachments(1); len(all) > 0 {
				body["_attachments"] = all
			}
			old = encode(body)
		}
	}
	c.device.mu.Unlock()
	if old == nil { // it was edited, or resolved, meanwhile
		request.Refuse("HTTP", http.StatusUnprocessableEntity, "the revision is gone")
		return nil, false
	}
	if p.s.r.config.RefuseDeltas && !r.refused {
		r.refused = true
		request.Refuse("HTTP", http.StatusUnprocessableEntity, "no deltas here")
		return nil, false
	}
	text, err := delta.Apply(old, request.Body)
	if err != nil {
		p.s.r.violate(rule, "%s %s: the delta %s of %s: %v", id, rev, request.Body, old, err)
		request.Refuse("HTTP", http.StatusUnprocessableEntity, err.Error())
		return nil, false
	}
	body, err := decodeObject(text)
	if err != nil {
		p.s.r.violate(rule, "%s %s: %v", id, rev, err)
		return nil, false
	}
	if strings.Contains(string(text), `"_removed"`) {
		p.s.r.violate(rule, "%s %s: a delta to a removed revision", id, rev)
	}
	return body, true
}

func decoded(text []byte) object {
	o, _ := decodeObject(text)
	return o
}
