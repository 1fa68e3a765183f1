package lite

import "net/http"

// conflict is called when the server has a revision that the one offered does not come
// from. A replication that pulls too waits for it.
func (p *pusher) conflict(out *outgoing) {
	if !p.s.r.config.Pull {
		p.giveUp(out)
		return
	}
	p.conflicts[out.id] = out
	p.recheck(out.id)
}

// giveUp reports a conflict to the app.
func (p *pusher) giveUp(out *outgoing) {
	p.s.r.documentError(out.id, &Error{"WebSocket", http.StatusConflict, "conflicts with newer server revision"})
	p.done(out)
}

// recheck looks again at a conflict after the pull learnt of a revision of the document.
func (p *pusher) recheck(id string) {
	out := p.conflicts[id]
	if out == nil {
		return
	}
	c := p.s.c
	c.device.mu.Lock()
	doc := c.docs[id]
	gone := doc == nil || doc.rev != out.rev // it was resolved, or purged
	var again *outgoing
	if !gone && doc.remote != "" && doc.remote != out.parent && doc.comesFrom(doc.remote, c.device.version) {
		again = p.offer(doc)
	}
	c.device.mu.Unlock()
	switch {
	case gone:
		delete(p.conflicts, id)
		p.done(out)
	case again != nil:
		delete(p.conflicts, id)
		p.pending[id] = again
		p.propose([]*outgoing{again})
	}
}

// comesFrom reports whether the current revision comes from one of the server.
func (doc *document) comesFrom(rev string, v Version) bool {
	if !v.vectors() {
		return doc.descends(doc.rev, rev)
	}
	s, err := parseStamp(rev)
	return err == nil && doc.vector.covers(s)
}
