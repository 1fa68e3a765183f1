package syncstore

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

const (
	// MaxGeneration is the highest generation of a revision that is accepted. It
	// leaves room for 2^32 further edits in everything that holds a generation.
	MaxGeneration = 1<<31 - 1
	// maxDigestSize is the longest digest text of a revision in bytes (DECISIONS 27).
	maxDigestSize = 64
)

// Rev names a revision of a document: "generation-digest". The zero Rev names
// none.
type Rev struct {
	Gen    uint64
	Digest string
}

// ParseRev parses "generation-digest" as CouchDB writes it. The digest is up to 64
// bytes of any printable ASCII without quotes; a peer's may be empty ("1-"). The error wraps
// ErrBadRevision.
func ParseRev(text string) (Rev, error) {
	gen, digest, ok := strings.Cut(text, "-")
	if !ok {
		return Rev{}, fmt.Errorf("%w: no generation", ErrBadRevision)
	}
	n, err := strconv.ParseUint(gen, 10, 64)
	if err != nil || n == 0 || n > MaxGeneration || gen[0] == '+' || gen[0] == '0' {
		return Rev{}, fmt.Errorf("%w: generation out of range", ErrBadRevision)
	}
	rev := Rev{Gen: n, Digest: digest}
	if err := rev.checkDigest(); err != nil {
		return Rev{}, err
	}
	return rev, nil
}

// check refuses what ParseRev does not return.
func (r Rev) check() error {
	if r.Gen == 0 || r.Gen > MaxGeneration {
		return fmt.Errorf("%w: generation out of range", ErrBadRevision)
	}
	return r.checkDigest()
}

func (r Rev) checkDigest() error {
	if len(r.Digest) > maxDigestSize {
		return fmt.Errorf("%w: digest must have at most %d bytes", ErrBadRevision, maxDigestSize)
	}
	for i := range len(r.Digest) {
		if c := r.Digest[i]; c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == ',' || c == ';' || c == '@' {
			return fmt.Errorf("%w: digest has a character that is not allowed", ErrBadRevision)
		}
	}
	return nil
}

// String returns "generation-digest", or "" for the zero Rev.
func (r Rev) String() string {
	if r.IsZero() {
		return ""
	}
	return strconv.FormatUint(r.Gen, 10) + "-" + r.Digest
}

// Append appends r's text to b.
func (r Rev) Append(b []byte) []byte {
	b = strconv.AppendUint(b, r.Gen, 10)
	b = append(b, '-')
	return append(b, r.Digest...)
}

// IsZero reports whether r names no revision.
func (r Rev) IsZero() bool { return r.Gen == 0 && r.Digest == "" }

// Compare orders revisions as CouchDB does to choose a winner: by generation, then
// by digest text.
func (r Rev) Compare(other Rev) int {
	switch {
	case r.Gen != other.Gen && r.Gen < other.Gen:
		return -1
	case r.Gen != other.Gen:
		return 1
	default:
		return strings.Compare(r.Digest, other.Digest)
	}
}

// packDigest shortens a digest for storage: even-length lower-case hex becomes
// bytes. The first result byte tells the forms apart.
func packDigest(digest string) []byte {
	var packed [1 + maxDigestSize]byte
	return append([]byte(nil), appendDigest(packed[:0], digest)...)
}

// appendDigest appends what packDigest returns.
func appendDigest(b []byte, digest string) []byte {
	if !isLowerHex(digest) {
		return append(append(b, 0), digest...)
	}
	b = append(b, 1)
	for i := 0; i < len(digest); i += 2 {
		b = append(b, fromHex(digest[i])<<4|fromHex(digest[i+1]))
	}
	return b
}

func isLowerHex(text string) bool {
	for i := range len(text) {
		if c := text[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return len(text)%2 == 0
}

// fromHex is the value of a lower-case digit.
func fromHex(c byte) byte {
	if c >= 'a' {
		return c - 'a' + 10
	}
	return c - '0'
}

func unpackDigest(packed []byte) (string, error) {
	if len(packed) == 0 {
		return "", fmt.Errorf("%w: empty digest", ErrDamaged)
	}
	if packed[0] == 1 {
		return hex.EncodeToString(packed[1:]), nil
	}
	return string(packed[1:]), nil
}
