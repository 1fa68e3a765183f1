package lite

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

// receivedBody is the body of a revision, taken apart.
type receivedBody struct {
	// body is the document without its "_" members, extra an object of those that mean nothing
	// here (DECISIONS 26), nil if there are none.
	body, extra []byte
	attachments []attachment
	expires     time.Time
}

// readReceived takes the body of a revision apart. Members by which Sync Gateway says things of
// its own are refused, as there: one who wrote them has mixed something up
// (reference/blip.md 8.1 row 42).
func readReceived(text []byte, now time.Time) (receivedBody, error) {
	doc, err := jsondoc.Parse(text)
	if err != nil {
		return receivedBody{}, err
	}
	body := receivedBody{body: doc.Body}
	for _, m := range doc.Meta {
		switch {
		case m.Name == "_attachments":
			body.attachments, err = readAttachments(m.Value)
		case m.Name == "_exp":
			body.expires, err = readExpiry(m.Value, now)
		case reserved(m.Name):
			err = refuse(http.StatusBadRequest, "The document has the reserved member "+m.Name+".")
		case m.Name == "_removed":
			// Whoever has only the stub of a document must not put it in the document's place.
			err = refuse(http.StatusNotFound, "Document revision is not accessible")
		default:
			body.extra = appendMember(body.extra, m)
		}
		if err != nil {
			return receivedBody{}, err
		}
	}
	if body.extra != nil {
		body.extra = append(body.extra, '}')
	}
	return body, nil
}

func reserved(name string) bool {
	switch name {
	case "_id", "_rev", "_deleted", "_revisions", "_sync", "_purged":
		return true
	}
	return strings.HasPrefix(name, "_sync_")
}

// appendMember appends a member to an object that is not closed yet, and opens it with the
// first.
func appendMember(object []byte, m jsondoc.Member) []byte {
	if object == nil {
		object = []byte{'{'}
	} else {
		object = append(object, ',')
	}
	object = jsondoc.AppendString(object, m.Name)
	object = append(object, ':')
	return append(object, m.Value...)
}

const (
	// relativeExpiry is up to when a number is how long a document lives, in seconds; above,
	// it is a Unix time.
	relativeExpiry = 30 * 24 * 60 * 60
	// lastExpiry is the last moment of the year 9999.
	lastExpiry = 253_402_300_799
)

var errBadExpiry = refuse(http.StatusBadRequest, "_exp must be a number of seconds, a Unix time in seconds, or a time such as 2027-01-31T12:00:00Z.")

// readExpiry reads _exp: a number or its text, a time, or null for none.
func readExpiry(value []byte, now time.Time) (time.Time, error) {
	text := string(value)
	switch {
	case text == "null":
		return time.Time{}, nil
	case value[0] == '"':
		var err error
		if text, err = jsondoc.String(value); err != nil {
			return time.Time{}, err
		}
		if at, err := time.Parse(time.RFC3339, text); err == nil {
			return at, nil
		}
	}
	seconds, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil || !(seconds >= 0 && seconds <= lastExpiry): // NaN is no number of seconds either
		return time.Time{}, errBadExpiry
	case seconds == 0:
		return time.Time{}, nil
	case seconds <= relativeExpiry:
		return now.Add(time.Duration(seconds * float64(time.Second))), nil
	}
	return time.Unix(int64(seconds), 0), nil
}

// attachment is a member of _attachments, as a client sends it.
type attachment struct {
	name, contentType string
	// digest is the text as it was written, "sha1-…".
	digest string
	// length is -1 if there is none.
	length int64
	// hasRevPos: clients with revision trees say what generation attached it. They say the
	// present one too often for it to be of use (reference/blip.md 5.3).
	hasRevPos bool
	// data is the content in base64, between quotes; nil if the client has to be asked.
	data []byte
}

// readAttachments reads the value of _attachments.
func readAttachments(text []byte) ([]attachment, error) {
	var list []attachment
	err := jsondoc.Members(text, func(name string, value []byte) error {
		a, err := readAttachment(name, value)
		list = append(list, a)
		return err
	})
	if errors.Is(err, jsondoc.ErrNotObject) {
		return nil, refuse(http.StatusBadRequest, "_attachments must be an object of objects.")
	}
	return list, err
}

// maxDigest bounds the text of a digest, in bytes: one of SHA-1 has 33.
const maxDigest = 200

func readAttachment(name string, text []byte) (attachment, error) {
	a := attachment{name: name, length: -1}
	err := jsondoc.Members(text, func(member string, value []byte) (err error) {
		switch member {
		case "content_type":
			a.contentType, err = jsondoc.String(value)
		case "digest":
			a.digest, err = jsondoc.String(value)
		case "length":
			a.length, err = strconv.ParseInt(string(value), 10, 64)
		case "revpos":
			a.hasRevPos = true
		case "data":
			if a.data = value; value[0] != '"' {
				err = jsondoc.ErrNotString
			}
		}
		return err
	})
	switch {
	case errors.Is(err, jsondoc.ErrNotObject):
		return a, err
	case err != nil:
		return a, refuse(http.StatusBadRequest, "The attachment "+strconv.Quote(name)+" has a member of the wrong type.")
	case name == "":
		return a, refuse(http.StatusBadRequest, "An attachment has no name.")
	case name[0] == '_':
		// CouchDB and PouchDB take none of the document's revisions then.
		return a, refuse(http.StatusBadRequest, "An attachment's name must not start with underscore.")
	case a.digest == "" && a.data == nil:
		return a, refuse(http.StatusBadRequest, "The attachment "+strconv.Quote(name)+" has neither a digest nor data.")
	case len(a.digest) > maxDigest || strings.IndexByte(a.digest, 0) >= 0:
		// No message could ask for it.
		return a, refuse(http.StatusBadRequest, "The attachment "+strconv.Quote(name)+" has a digest that cannot be.")
	}
	if !syncstore.FitsHeader(a.contentType) {
		// What an app wrote there is no reason to refuse its document.
		a.contentType = ""
	}
	return a, nil
}
