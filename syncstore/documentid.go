package syncstore

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// maxDocumentID is the longest document ID in bytes. It was 1024 (DECISIONS 27) until PouchDB's
// own suite came with IDs of up to 1600.
const maxDocumentID = 2048

// CheckID returns an error that wraps ErrBadID if id cannot name a document: IDs are
// valid UTF-8 of 1 to 2048 bytes without control characters (DECISIONS 27).
func CheckID(id string) error {
	switch {
	case id == "":
		return fmt.Errorf("%w: it is empty", ErrBadID)
	case len(id) > maxDocumentID:
		return fmt.Errorf("%w: it is longer than %d bytes", ErrBadID, maxDocumentID)
	case !utf8.ValidString(id):
		return fmt.Errorf("%w: it is not UTF-8", ErrBadID)
	}
	for _, r := range id {
		if unicode.IsControl(r) {
			return fmt.Errorf("%w: it has a control character", ErrBadID)
		}
	}
	return nil
}
