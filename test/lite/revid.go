package lite

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// newRevID names a revision as Couchbase Lite does (blip.md 5.1).
func newRevID(parent string, deleted bool, body []byte) string {
	h := sha1.New()
	h.Write([]byte{byte(len(parent))})
	h.Write([]byte(parent))
	if deleted {
		h.Write([]byte{1})
	} else {
		h.Write([]byte{0})
	}
	h.Write(body)
	return strconv.Itoa(generation(parent)+1) + "-" + hex.EncodeToString(h.Sum(nil))
}

// generation is the number in front of a revision's ID, 0 for none.
func generation(rev string) int {
	before, _, _ := strings.Cut(rev, "-")
	n, _ := strconv.Atoi(before)
	return n
}

// checkRevID says why LiteCore could not decode the ID of a revision (blip.md 5.1).
func checkRevID(rev string) error {
	before, digest, ok := strings.Cut(rev, "-")
	if !ok {
		return fmt.Errorf("%q is no revision", rev)
	}
	if n, err := strconv.ParseUint(before, 10, 31); err != nil || n == 0 || before[0] == '0' {
		return fmt.Errorf("%q has no generation", rev)
	}
	if strings.ToLower(digest) != digest {
		return fmt.Errorf("%q: the digest is not in lower case", rev)
	}
	raw, err := hex.DecodeString(digest)
	if err != nil || len(raw) < 16 || len(raw) > 20 {
		return fmt.Errorf("%q: the digest is not 16 to 20 bytes of hex", rev)
	}
	return nil
}

// checkDocID says why LiteCore would not take a document's ID (blip.md 3.5).
func checkDocID(id string) error {
	if id == "" || len(id) > 255 {
		return fmt.Errorf("a document ID of %d bytes", len(id))
	}
	if strings.HasPrefix(id, "_") {
		return fmt.Errorf("the document ID %q", id)
	}
	return nil
}
