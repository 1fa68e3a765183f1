package syncstore

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"
)

// FunctionJSON is a revision as functions in JavaScript see it: its body, with _id, _rev,
// _deleted and _attachments as stubs, _conflicts and _deleted_conflicts; "null" if there
// is none. The body is copied as it is.
func (doc *Document) FunctionJSON() string {
	if doc == nil {
		return "null"
	}
	text := make([]byte, 0, len(doc.Body)+len(doc.ID)+128+128*len(doc.Attachments))
	text = append(text, `{"_id":`...)
	text = appendText(text, doc.ID)
	if !doc.Rev.IsZero() {
		text = append(text, `,"_rev":"`...)
		text = doc.Rev.Append(text)
		text = append(text, '"')
	}
	if doc.Deleted {
		text = append(text, `,"_deleted":true`...)
	}
	if len(doc.Attachments) > 0 {
		text = append(text, `,"_attachments":`...)
		text = appendAttachments(text, doc.Attachments)
	}
	text = appendRevisions(text, `,"_conflicts":[`, doc.Conflicts)
	text = appendRevisions(text, `,"_deleted_conflicts":[`, doc.DeletedConflicts)
	members := bytes.TrimLeft(doc.Body[min(1, len(doc.Body)):], " \t\r\n")
	if len(members) <= 1 { // nothing but the closing bracket
		text = append(text, '}')
	} else {
		text = append(text, ',')
		text = append(text, members...)
	}
	return string(text)
}

// appendAttachments writes what is known of attachments, without their content.
func appendAttachments(text []byte, attachments []Attachment) []byte {
	text = append(text, '{')
	for i := range attachments {
		a := &attachments[i]
		if i > 0 {
			text = append(text, ',')
		}
		text = appendText(text, a.Name)
		text = append(text, `:{"stub":true,"content_type":`...)
		text = appendText(text, a.ContentType)
		text = append(text, `,"digest":`...)
		text = appendText(text, a.Digest)
		text = append(text, `,"length":`...)
		text = strconv.AppendInt(text, a.Content.Length, 10)
		text = append(text, `,"revpos":`...)
		text = strconv.AppendUint(text, a.RevPos, 10)
		text = append(text, '}')
	}
	return append(text, '}')
}

func appendRevisions(text []byte, member string, revs []Rev) []byte {
	if len(revs) == 0 {
		return text
	}
	text = append(text, member...)
	for i, rev := range revs {
		if i > 0 {
			text = append(text, ',')
		}
		text = append(rev.Append(append(text, '"')), '"') // a revision has nothing that JSON escapes
	}
	return append(text, ']')
}

// appendText writes a string as JSON. A content type may come from a header that is no
// UTF-8.
func appendText(text []byte, s string) []byte {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' {
			quoted, err := json.Marshal(s)
			if err != nil { // a string has always JSON
				return append(text, `""`...)
			}
			return append(text, quoted...)
		}
	}
	text = append(text, '"')
	text = append(text, s...)
	return append(text, '"')
}
