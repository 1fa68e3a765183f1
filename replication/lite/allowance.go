package lite

import (
	"sync"

	"github.com/caddysync/caddy-sync/syncstore"
)

// allowance says which attachments the client may ask for: those of revisions that it was sent
// and has not answered (reference/blip.md 3.12). Nothing else says that its user may read them.
type allowance struct {
	mu   sync.Mutex
	held map[allowedName]allowedContent
}

// allowedName is how a client asks for an attachment.
type allowedName struct {
	ks *keyspace
	// id is the document's; clients of version 2 do not name it.
	id, digest string
}

type allowedContent struct {
	content   syncstore.Content
	revisions int // that name it
}

func nameAllowed(ks *keyspace, id, digest string) allowedName {
	if ks.r.version < protocol3 {
		id = ""
	}
	return allowedName{ks, id, digest}
}

// add allows the attachments of a revision.
func (a *allowance) add(ks *keyspace, id string, attachments []syncstore.Attachment) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.held == nil && len(attachments) > 0 {
		a.held = make(map[allowedName]allowedContent)
	}
	for i := range attachments {
		name := nameAllowed(ks, id, attachments[i].Content.SHA1Digest())
		a.held[name] = allowedContent{attachments[i].Content, a.held[name].revisions + 1}
	}
}

// remove takes back what add allowed.
func (a *allowance) remove(ks *keyspace, id string, attachments []syncstore.Attachment) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range attachments {
		name := nameAllowed(ks, id, attachments[i].Content.SHA1Digest())
		held := a.held[name]
		if held.revisions--; held.revisions > 0 {
			a.held[name] = held
		} else {
			delete(a.held, name)
		}
	}
	if len(a.held) == 0 {
		a.held = nil
	}
}

// find returns what the client may have.
func (a *allowance) find(ks *keyspace, id, digest string) (syncstore.Content, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	held, ok := a.held[nameAllowed(ks, id, digest)]
	return held.content, ok
}
