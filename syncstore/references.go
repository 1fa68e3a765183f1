package syncstore

// sums are the SHA-256 of attachments' content.
type sums map[[32]byte]struct{}

// note adds what a revision has attached.
func (s sums) note(l *leaf) {
	for i := range l.Attachments {
		s[l.Attachments[i].Content.SHA256] = struct{}{}
	}
}

// forget takes out what a revision has attached.
func (s sums) forget(l *leaf) {
	for i := range l.Attachments {
		delete(s, l.Attachments[i].Content.SHA256)
	}
}

// without takes out others.
func (s sums) without(others sums) sums {
	for sha256 := range others {
		delete(s, sha256)
	}
	return s
}

// removeReferences has a set remove the references of a document to content that it names no more.
func (s sums) removeReferences(c *Collection, id string, set *changeSet) {
	at := c.store.options.Now().Add(unusedContent).Unix()
	for sha256 := range s {
		set.delete(c.scope.reference(sha256, id))
		set.put(c.db.scope.due(at, c.db.scope.content(sha256)), nil)
	}
}
