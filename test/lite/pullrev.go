package lite

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddysync/caddy-sync/replication/blip"
)

// awaited finds the row that a rev or norev answers, and checks that it names the very
// sequence of the row (blip.md 3.0).
func (p *puller) awaited(request *blip.Request) (wantedKey, *row) {
	id, rev := request.Properties.Value("id"), request.Properties.Value("rev")
	key := wantedKey{id, rev}
	if replaced, ok := request.Properties.Get("replacedRev"); ok {
		key.rev = replaced
		if p.s.r.device.version == V28 {
			p.s.r.violate("blip.md 3.7", "%s %s: replacedRev, which was not asked for", id, rev)
		}
	}
	r := p.wanted[key]
	if r == nil {
		p.s.r.violate("blip.md 3.8", "%s of %s %s, which was not asked for, or was answered before", request.Profile(), id, key.rev)
		return key, nil
	}
	if seq := request.Properties.Value("sequence"); seq != r.seq {
		p.s.r.violate("blip.md 3.0", "%s of %s %s has the sequence %q, and in changes %s", request.Profile(), id, rev, seq, r.seq)
	}
	return key, r
}

// rev takes a revision.
func (p *puller) rev(request *blip.Request) {
	key, r := p.awaited(request)
	if r == nil {
		p.answer404(request)
		return
	}
	in, body, ok := p.readRev(request, r)
	if ok {
		if source, found := request.Properties.Get("deltaSrc"); found {
			if body, ok = p.patch(request, r, source); !ok {
				return
			}
		}
	}
	if !ok {
		if !request.NoReply {
			request.Refuse("HTTP", 400, "bad revision")
		}
		p.finished(key, r)
		return
	}
	if body["_removed"] == true {
		p.s.c.purge(in.id)
		p.accept(request, key, r)
		return
	}
	p.fetchBlobs(in, body, func(ok bool) {
		if !ok {
			p.s.r.documentError(in.id, &Error{"LiteCore", 7, "a blob is missing"})
			request.Refuse("HTTP", 404, "a blob is missing")
			p.finished(key, r)
			return
		}
		in.body = received(body)
		p.s.c.insert(in)
		p.accept(request, key, r)
		p.s.push.recheck(in.id)
	})
}

func (p *puller) answer404(request *blip.Request) {
	if !request.NoReply {
		request.Refuse("HTTP", 404, "not asked for")
	}
}

// accept answers a rev message if it wants that.
func (p *puller) accept(request *blip.Request, key wantedKey, r *row) {
	if !request.NoReply {
		request.Reply(&blip.Message{})
	}
	p.finished(key, r)
}

func (p *puller) finished(key wantedKey, r *row) {
	delete(p.wanted, key)
	r.done = true
	p.advance()
}

// readRev reads a rev message, and checks it.
func (p *puller) readRev(request *blip.Request, r *row) (in *incoming, body object, ok bool) {
	rule := "blip.md 3.7"
	id, rev := request.Properties.Value("id"), request.Properties.Value("rev")
	body, err := decodeObject(request.Body)
	if err != nil {
		p.s.r.violate(rule, "%s %s: %v", id, rev, err)
		return nil, nil, false
	}
	for _, name := range []string{"_id", "_rev", "_deleted", "_revisions"} {
		if _, found := body[name]; found {
			p.s.r.violate(rule, "%s %s: the body has %s", id, rev, name)
		}
	}
	_, delta := request.Properties.Get("deltaSrc")
	if _, with := body["_attachments"]; (with || delta) == request.NoReply {
		p.s.r.violate(rule, "%s %s: attachments %v, a delta %v, no answer wanted %v", id, rev, with, delta, request.NoReply)
	}
	if _, found := request.Properties.Get("noconflicts"); found {
		p.s.r.violate(rule, "%s %s: noconflicts", id, rev)
	}
	if err := p.checkRev(rev); err != nil {
		p.s.r.violate(rule, "%s: %v", id, err)
		return nil, nil, false
	}
	deleted := request.Properties.Value("deleted")
	in = &incoming{id: id, rev: rev, deleted: deleted == "1" || deleted == "true"}
	if in.deleted != (r.flags&rowDeleted != 0) && rev == r.rev {
		p.s.r.violate(rule, "%s %s: deleted %v, and flags %d in changes", id, rev, in.deleted, r.flags)
	}
	history := request.Properties.Value("history")
	if p.s.r.protocol == 4 {
		return in, body, p.readVector(in, history)
	}
	return in, body, p.readHistory(in, r, history)
}

// readVector reads the version vector of a revision. A revision from before there were
// vectors has the ID of one in a tree.
func (p *puller) readVector(in *incoming, history string) bool {
	if !strings.Contains(in.rev, "@") {
		in.vector = vector{cv: encodeRev(in.rev)}
		return true
	}
	var err error
	if in.vector, err = parseVector(in.rev, history); err != nil {
		p.s.r.violate("blip.md 5.4", "%s %s: %v", in.id, in.rev, err)
		return false
	}
	for _, s := range slices.Concat(in.vector.mv, in.vector.pv) {
		if err := s.checkTime(time.Now()); err != nil {
			p.s.r.violate("blip.md 5.4", "%s %s: %v", in.id, in.rev, err)
			return false
		}
	}
	return true
}

// readHistory reads the ancestors of a revision in a tree.
func (p *puller) readHistory(in *incoming, r *row, history string) bool {
	if history == "" {
		return true
	}
	in.history = strings.Split(history, ",")
	if limit := p.s.r.device.version.maxHistory(); len(in.history) > limit {
		p.s.r.violate("blip.md 3.7", "%s %s: %d ancestors where %d were wanted", in.id, in.rev, len(in.history), limit)
	}
	above := in.rev
	for i, rev := range in.history {
		rev = strings.TrimSpace(rev)
		in.history[i] = rev
		if err := checkRevID(rev); err != nil {
			p.s.r.violate("blip.md 5.1", "%s %s: %v", in.id, in.rev, err)
			return false
		}
		if generation(rev) >= generation(above) {
			p.s.r.violate("blip.md 3.7", "%s %s: %s comes after %s", in.id, in.rev, rev, above)
		}
		if slices.Contains(r.known, above) {
			p.s.r.violate("blip.md 3.7", "%s %s: the history goes on after %s, which is known", in.id, in.rev, above)
		}
		above = rev
	}
	return true
}

// fetchBlobs asks for the blobs that the device lacks, one after the other, and then goes on.
func (p *puller) fetchBlobs(in *incoming, body object, then func(ok bool)) {
	digests, missing := named(body)
	for _, digest := range missing {
		if _, ok := p.s.r.device.Blob(digest); !ok {
			p.s.r.violate("blip.md 5.3", "%s %s: the blob %s is not among the attachments", in.id, in.rev, digest)
		}
	}
	for digest, size := range digests {
		if !isDigest(digest) {
			p.s.r.violate("blip.md 5.3", "%s %s: the digest %q", in.id, in.rev, digest)
			continue
		}
		if _, ok := p.s.r.device.Blob(digest); ok {
			continue
		}
		p.fetchBlob(in, body, digest, size, func(ok bool) {
			if !ok {
				then(false)
				return
			}
			p.fetchBlobs(in, body, then)
		})
		return
	}
	then(true)
}

func (p *puller) fetchBlob(in *incoming, body object, digest string, size int64, done func(ok bool)) {
	m := p.s.message("getAttachment", "digest", digest)
	if p.s.r.protocol > 2 {
		m.Properties = append(m.Properties, blip.Property{Name: "docID", Value: in.id})
	}
	if compressible(contentTypeOf(body, digest)) {
		m.Properties = append(m.Properties, blip.Property{Name: "compress", Value: "true"})
	}
	p.s.r.call(m, func(response *blip.Response, refusal *blip.PeerError) {
		if refusal != nil {
			p.s.r.violate("blip.md 3.12", "%s: getAttachment %s was refused by %s/%d %s", in.id, digest, refusal.Domain, refusal.Code, refusal.Text)
			done(false)
			return
		}
		if int64(len(response.Body)) != size || digestOf(response.Body) != digest {
			p.s.r.violate("blip.md 3.12", "%s: the blob %s came as %d bytes with the digest %s, not %d",
				in.id, digest, len(response.Body), digestOf(response.Body), size)
			done(false)
			return
		}
		d := p.s.r.device
		d.mu.Lock()
		d.blobs[digest] = slices.Clone(response.Body)
		d.mu.Unlock()
		done(true)
	})
}

func contentTypeOf(body object, digest string) (contentType string) {
	all, _ := body["_attachments"].(object)
	for _, entry := range all {
		if e, ok := entry.(object); ok && e["digest"] == digest {
			contentType, _ = e["content_type"].(string)
		}
	}
	eachBlob(body, "", func(_ string, blob object) {
		if blob["digest"] == digest {
			contentType, _ = blob["content_type"].(string)
		}
	})
	return contentType
}

// norev notes that a revision will not come.
func (p *puller) norev(request *blip.Request) {
	if !request.NoReply {
		p.s.r.violate("blip.md 3.8", "norev wants an answer")
		request.Reply(&blip.Message{})
	}
	key, r := p.awaited(request)
	if r == nil {
		return
	}
	code, err := strconv.Atoi(request.Properties.Value("error"))
	if err != nil {
		p.s.r.violate("blip.md 3.8", "norev of %s %s without a numeric error", key.id, key.rev)
	}
	p.s.r.documentError(key.id, &Error{"HTTP", code, request.Properties.Value("reason")})
	p.finished(key, r)
}
