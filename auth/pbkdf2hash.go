package auth

import (
	"crypto/pbkdf2"
	"crypto/sha1" //nolint:gosec // what CouchDB before 3.4 has; a hash is replaced when its owner signs in
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"hash"
	"strconv"
	"strings"
)

// Bounds of PBKDF2 hashes, which come from elsewhere always: CouchDB had 10 passes at first, and has 600 000 since
// 3.4, which take a quarter of a second. Two million take about one.
const (
	maxPBKDF2Passes = 2_000_000
	minPBKDF2Sum    = 16 // bytes
)

// pbkdf2Function is the hash function of a name, nil if it is not taken.
func pbkdf2Function(name string) func() hash.Hash {
	switch name {
	case "sha1":
		return sha1.New
	case "sha224":
		return sha256.New224
	case "sha256":
		return sha256.New
	case "sha384":
		return sha512.New384
	case "sha512":
		return sha512.New
	}
	return nil
}

// parsePBKDF2 reads $pbkdf2-sha256$i=…$salt$sum: the PHC string of what CouchDB keeps of a user, with sha1, sha224,
// sha256, sha384 or sha512, salt and sum in base64 without =.
func parsePBKDF2(text string) (*passwordHash, error) {
	parts := strings.Split(text, "$")
	if len(parts) != 5 || !strings.HasPrefix(parts[2], "i=") {
		return nil, badHash("PBKDF2 must have the form $pbkdf2-sha256$i=600000$<salt>$<hash>")
	}
	h := &passwordHash{prf: strings.TrimPrefix(parts[1], "pbkdf2-")}
	function := pbkdf2Function(h.prf)
	if function == nil {
		return nil, badHash("PBKDF2 must be of sha1, sha224, sha256, sha384 or sha512")
	}
	passes, ok := decimal(parts[2][len("i="):])
	if !ok || passes < 1 || passes > maxPBKDF2Passes {
		return nil, badHash(fmt.Sprintf("the passes of PBKDF2 must be i=1 to i=%d", maxPBKDF2Passes))
	}
	h.passes = uint32(passes)
	if h.salt, ok = rawBase64(parts[3]); !ok || len(h.salt) < minArgon2Bytes || len(h.salt) > maxArgon2Bytes {
		return nil, badHash(fmt.Sprintf("the salt of PBKDF2 must be %d to %d bytes of base64 without =", minArgon2Bytes, maxArgon2Bytes))
	}
	// More than the function gives at once would take as many times as long.
	if h.sum, ok = rawBase64(parts[4]); !ok || len(h.sum) < minPBKDF2Sum || len(h.sum) > function().Size() {
		return nil, badHash(fmt.Sprintf("the hash of PBKDF2 must be %d bytes of base64 without =, up to as many as its function gives", minPBKDF2Sum))
	}
	return h, nil
}

func (h *passwordHash) pbkdf2(password string) ([]byte, error) {
	return pbkdf2.Key(pbkdf2Function(h.prf), password, h.salt, int(h.passes), len(h.sum))
}

func (h *passwordHash) pbkdf2String() string {
	b64 := base64.RawStdEncoding
	return "$pbkdf2-" + h.prf + "$i=" + strconv.FormatUint(uint64(h.passes), 10) + "$" + b64.EncodeToString(h.salt) + "$" + b64.EncodeToString(h.sum)
}
