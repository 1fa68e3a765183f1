package syncstore

import (
	"fmt"
	"strings"
)

// maxLiteID is the longest document ID, in bytes, that all versions of Couchbase Lite hold
// (DECISIONS 27).
const maxLiteID = 240

// FitsLite reports whether Couchbase Lite can hold a document of an ID.
func FitsLite(id string) bool { return len(id) <= maxLiteID }

// RevFitsLite reports whether Couchbase Lite before version 4 can hold a revision: 16 to 20
// bytes in lower-case hexadecimal digits (DECISIONS 27, reference/blip.md 5.1). Revisions that
// are made here always fit.
func RevFitsLite(rev string) bool {
	_, digest, ok := strings.Cut(rev, "-")
	if !ok || len(digest) < 32 || len(digest) > 40 || len(digest)%2 != 0 {
		return false
	}
	for i := range len(digest) {
		if c := digest[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// checkLite refuses what Couchbase Lite cannot hold, if the policy says so. Documents that are
// there already may be changed and deleted.
func (p *preparation) checkLite() error {
	if !p.collection.policy.Load().LiteIDs {
		return nil
	}
	if p.state.head == nil && !FitsLite(p.edit.ID) {
		return fmt.Errorf("%w: it is longer than %d bytes, and Couchbase Lite cannot hold it", ErrBadID, maxLiteID)
	}
	if p.edit.replicated() && !RevFitsLite(p.edit.History[0].String()) {
		return fmt.Errorf("%w: the revision is not 16 to 20 bytes in lower-case hexadecimal digits, and Couchbase Lite cannot hold it", ErrBadHistory)
	}
	return nil
}
