package lite

import (
	"bytes"
	"strconv"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

// removedBody says to a client that the document is not its user's any more: it purges it.
const removedBody = `{"_removed":true}`

// revBody is the body of a revision as Couchbase Lite gets it: with the "_" members that other
// clients sent, and its attachments by their names. Where there are none of these it is the
// document's own, which must not be changed.
func revBody(doc *syncstore.Document) []byte {
	switch {
	case doc.Removed && doc.Deleted:
		return []byte("{}")
	case doc.Removed:
		return []byte(removedBody)
	case len(doc.Attachments) == 0 && len(doc.Extra) <= len("{}"):
		return doc.Body
	}
	b := append(make([]byte, 0, len(doc.Body)+len(doc.Extra)+200*len(doc.Attachments)+20), '{')
	if len(doc.Attachments) > 0 {
		b = append(appendAttachments(append(b, `"_attachments":`...), doc.Attachments), ',')
	}
	for _, object := range [...][]byte{doc.Extra, doc.Body} {
		if members := membersOf(object); len(members) > 0 {
			b = append(append(b, members...), ',')
		}
	}
	b[len(b)-1] = '}'
	return b
}

// membersOf is what is between the brackets of an object, which may be nothing: its text is
// as somebody wrote it, with white space.
func membersOf(object []byte) []byte {
	if len(object) < len("{}") {
		return nil
	}
	return bytes.TrimSpace(object[1 : len(object)-1])
}

// appendAttachments appends the value of "_attachments". Couchbase Lite knows no digest but
// SHA-1 (DECISIONS 22).
func appendAttachments(b []byte, attachments []syncstore.Attachment) []byte {
	for i := range attachments {
		a := &attachments[i]
		if i == 0 {
			b = append(b, '{')
		} else {
			b = append(b, ',')
		}
		b = append(jsondoc.AppendString(b, a.Name), ":{"...)
		if a.ContentType != "" {
			b = append(jsondoc.AppendString(append(b, `"content_type":`...), a.ContentType), ',')
		}
		b = append(append(append(b, `"digest":"`...), a.Content.SHA1Digest()...), `","length":`...)
		b = strconv.AppendInt(b, a.Content.Length, 10)
		b = strconv.AppendUint(append(b, `,"revpos":`...), a.RevPos, 10)
		b = append(b, `,"stub":true}`...)
	}
	return append(b, '}')
}
