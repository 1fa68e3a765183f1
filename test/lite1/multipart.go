package lite1

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

var errMultipart = errors.New("the parts are not as Couchbase Lite 1 reads them")

// part is a part of a multipart body.
type part struct {
	header map[string]string // by its name as it was written
	body   []byte
}

// splitParts takes a multipart body apart as the editions do: by the bytes of the boundary,
// with header names in their usual case.
func splitParts(contentType string, body []byte) ([]part, error) {
	var boundary string
	for i, param := range strings.Split(contentType, ";") {
		param = strings.TrimSpace(param)
		if i == 0 && !strings.HasPrefix(param, "multipart/") {
			return nil, fmt.Errorf("%w: type %q", errMultipart, contentType)
		}
		if value, ok := strings.CutPrefix(param, "boundary="); ok {
			boundary = strings.Trim(value, `"`)
		}
	}
	if boundary == "" {
		return nil, fmt.Errorf("%w: no boundary in %q", errMultipart, contentType)
	}
	pieces := bytes.Split(append([]byte("\r\n"), body...), []byte("\r\n--"+boundary))
	last := pieces[len(pieces)-1]
	if len(pieces) < 2 || !bytes.HasPrefix(last, []byte("--")) {
		return nil, fmt.Errorf("%w: no end", errMultipart)
	}
	var parts []part
	for _, piece := range pieces[1 : len(pieces)-1] {
		head, content, ok := bytes.Cut(piece, []byte("\r\n\r\n"))
		if !ok {
			return nil, fmt.Errorf("%w: headers without an end", errMultipart)
		}
		p := part{header: map[string]string{}, body: content}
		for line := range strings.SplitSeq(strings.TrimSpace(string(head)), "\r\n") {
			name, value, ok := strings.Cut(line, ":")
			if !ok {
				return nil, fmt.Errorf("%w: header line %q", errMultipart, line)
			}
			p.header[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
		parts = append(parts, p)
	}
	return parts, nil
}

// received is a revision as it came: its JSON, and the content of its attachments by digest
// and by name.
type received struct {
	text   []byte
	byName map[string][]byte
	all    [][]byte
	gzip   map[string]bool // by name: the part says that it is compressed
}

// readDocument reads a document of a part or of an answer: JSON, or multipart/related.
func readDocument(header func(string) string, body []byte) (*received, error) {
	contentType := header("Content-Type")
	if !strings.HasPrefix(contentType, "multipart/") {
		if contentType != "" && !strings.HasPrefix(contentType, "application/json") && !strings.HasPrefix(contentType, "text/plain") {
			return nil, fmt.Errorf("%w: a document of type %q", errMultipart, contentType)
		}
		text, err := partText(header("Content-Encoding"), body)
		return &received{text: text}, err
	}
	parts, err := splitParts(contentType, body)
	if err != nil {
		return nil, err
	}
	if len(parts) == 0 {
		return nil, fmt.Errorf("%w: no document", errMultipart)
	}
	text, err := partText(parts[0].header["Content-Encoding"], parts[0].body)
	if err != nil {
		return nil, err
	}
	doc := &received{text: text, byName: map[string][]byte{}, gzip: map[string]bool{}}
	for _, p := range parts[1:] {
		doc.all = append(doc.all, p.body)
		name, ok := strings.CutPrefix(p.header["Content-Disposition"], "attachment; filename=")
		if !ok {
			continue
		}
		name = strings.ReplaceAll(name, `"`, "")
		doc.byName[name] = p.body
		switch p.header["Content-Encoding"] {
		case "":
		case "gzip":
			doc.gzip[name] = true
		default:
			return nil, fmt.Errorf("%w: encoding %q", errMultipart, p.header["Content-Encoding"])
		}
	}
	return doc, nil
}

func partText(encoding string, body []byte) ([]byte, error) {
	if strings.Contains(encoding, "gzip") {
		return unpacked(body)
	}
	return body, nil
}

// attachmentEntry is a member of _attachments.
type attachmentEntry struct {
	ContentType   string  `json:"content_type,omitempty"`
	Digest        string  `json:"digest,omitempty"`
	Length        int     `json:"length,omitempty"`
	EncodedLength int     `json:"encoded_length,omitempty"`
	Encoding      string  `json:"encoding,omitempty"`
	RevPos        int     `json:"revpos,omitempty"`
	Stub          bool    `json:"stub,omitempty"`
	Follows       bool    `json:"follows,omitempty"`
	Data          *[]byte `json:"data,omitempty"`
}

// content finds the content of an attachment that follows, and holds it to what its entry says.
func (r *received) content(name string, e *attachmentEntry) ([]byte, error) {
	content, ok := r.byName[name]
	if !ok {
		// By its MD5, if that is what the entry names.
		for _, one := range r.all {
			if md5Digest(one) == e.Digest {
				content, ok = one, true
			}
		}
	}
	length := e.Length
	if e.EncodedLength > 0 {
		length = e.EncodedLength
	}
	switch {
	case !ok:
		return nil, fmt.Errorf("%w: attachment %q does not appear", errMultipart, name)
	case e.Digest != "" && e.Digest != md5Digest(content) && e.Digest != sha1Digest(content):
		return nil, fmt.Errorf("%w: attachment %q has the digest %s, and is %s", errMultipart, name, e.Digest, sha1Digest(content))
	case len(content) != length:
		return nil, fmt.Errorf("%w: attachment %q has the length %d, and is %d", errMultipart, name, length, len(content))
	case r.gzip[name] && e.Encoding != "gzip":
		return nil, fmt.Errorf("%w: attachment %q is compressed, its entry is not", errMultipart, name)
	}
	return content, nil
}

// members are the members of a JSON object.
func members(text []byte) (map[string]json.RawMessage, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, fmt.Errorf("%w: %w: %.200q", errMultipart, err, text)
	}
	return all, nil
}
