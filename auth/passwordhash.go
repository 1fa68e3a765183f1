package auth

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// Parameters of our own hashes: the least that OWASP's Password Storage Cheat Sheet
// recommends for argon2id.
const (
	argon2Memory  = 19456 // KiB
	argon2Passes  = 2
	argon2Threads = 1
	argon2Salt    = 16 // bytes
	argon2Sum     = 32 // bytes
)

// Bounds of hashes that come from elsewhere: one record must not take the machine, however
// it got there. RFC 9106's second recommendation (64 MiB, 3 passes, 4 lanes) is within.
const (
	maxArgon2Memory  = 65536       // KiB
	maxArgon2Passes  = 10          //
	maxArgon2Work    = 65536 * 4   // KiB times passes
	maxArgon2Threads = 4           //
	minArgon2Bytes   = 8           // of salt and sum: RFC 9106 section 3.1 asks 8 and 4
	maxArgon2Bytes   = 64          // of salt and sum
	maxBcryptCost    = 14          // each step doubles; 14 takes about a second
	maxHashText      = 256         // bytes
	bcryptLimit      = 72          // bytes of a password that bcrypt looks at
	bcryptLength     = 7 + 22 + 31 // $2b$10$, salt, sum
)

// ErrBadPasswordHash is for a text that is not a hash we take.
var ErrBadPasswordHash = errors.New("invalid password hash")

// passwordHash is a stored hash: argon2id, or bcrypt or PBKDF2 of an imported user.
type passwordHash struct {
	bcrypt string // the whole text; "" for the others
	prf    string // the hash function of PBKDF2; "" for the others

	memory, passes uint32 // memory in KiB
	threads        uint8
	salt, sum      []byte
}

// newArgon2Hash has a new salt and no sum yet.
func newArgon2Hash() *passwordHash {
	h := &passwordHash{memory: argon2Memory, passes: argon2Passes, threads: argon2Threads, salt: make([]byte, argon2Salt)}
	_, _ = rand.Read(h.salt) // never fails
	return h
}

// String is the PHC string of argon2id or PBKDF2.
func (h *passwordHash) String() string {
	if h.prf != "" {
		return h.pbkdf2String()
	}
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.memory, h.passes, h.threads,
		b64.EncodeToString(h.salt), b64.EncodeToString(h.sum))
}

func (h *passwordHash) argon2id(compute argon2Func, password string, length int) []byte {
	return compute([]byte(password), h.salt, h.passes, h.memory, h.threads, uint32(length))
}

func (h *passwordHash) matches(compute argon2Func, password string) bool {
	if h.prf != "" {
		sum, err := h.pbkdf2(password)
		return err == nil && subtle.ConstantTimeCompare(sum, h.sum) == 1
	}
	if h.bcrypt == "" {
		return subtle.ConstantTimeCompare(h.argon2id(compute, password, len(h.sum)), h.sum) == 1
	}
	err := bcrypt.CompareHashAndPassword([]byte(h.bcrypt), []byte(password))
	// bcrypt repeats a short password with a NUL between: "a" and "a\x00a" are one to it.
	return err == nil && !strings.ContainsRune(password, 0)
}

// outdated reports whether a password that matches should be hashed anew. bcrypt has not
// seen what follows the 72nd byte: were it kept now, a slip of the finger there would
// lock out the user who types it right the next time.
func (h *passwordHash) outdated(password string) bool {
	if h.bcrypt != "" {
		return len(password) <= bcryptLimit
	}
	if h.prf != "" {
		return true
	}
	return h.memory*h.passes < argon2Memory*argon2Passes || len(h.salt) < argon2Salt || len(h.sum) < argon2Sum
}

// checkPasswordHash refuses hashes that an administrator may not import:
// ErrBadPasswordHash, with a text that says which are taken. It does not repeat the hash.
func checkPasswordHash(text string) error {
	_, err := parsePasswordHash(text)
	return err
}

func parsePasswordHash(text string) (*passwordHash, error) {
	switch {
	case len(text) > maxHashText:
	case strings.HasPrefix(text, "$2a$"), strings.HasPrefix(text, "$2b$"), strings.HasPrefix(text, "$2y$"):
		return parseBcrypt(text)
	case strings.HasPrefix(text, "$argon2id$"):
		return parseArgon2id(text)
	case strings.HasPrefix(text, "$pbkdf2-"):
		return parsePBKDF2(text)
	}
	return nil, badHash("give argon2id or PBKDF2 as a PHC string, or bcrypt ($2a$, $2b$ or $2y$)")
}

func badHash(reason string) error { return fmt.Errorf("%w: %s", ErrBadPasswordHash, reason) }

func parseBcrypt(text string) (*passwordHash, error) {
	if len(text) != bcryptLength || text[6] != '$' || strings.Trim(text[7:], bcryptAlphabet) != "" {
		return nil, badHash("not bcrypt: it has $2b$, two digits of cost, $, and 53 characters of ./A-Za-z0-9")
	}
	cost, err := strconv.ParseUint(text[4:6], 10, 8)
	if err != nil || cost < uint64(bcrypt.MinCost) || cost > maxBcryptCost {
		return nil, badHash(fmt.Sprintf("the cost of bcrypt must be %02d to %d", bcrypt.MinCost, maxBcryptCost))
	}
	return &passwordHash{bcrypt: text}, nil
}

const bcryptAlphabet = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// parseArgon2id reads $argon2id$v=19$m=…,t=…,p=…$salt$sum, in this order, as all
// libraries write it.
func parseArgon2id(text string) (*passwordHash, error) {
	parts := strings.Split(text, "$")
	if len(parts) != 6 || parts[2] != "v="+strconv.Itoa(argon2.Version) {
		return nil, badHash("argon2id must have the form $argon2id$v=19$m=19456,t=2,p=1$<salt>$<hash>")
	}
	var values [3]uint64
	settings := strings.Split(parts[3], ",")
	for i, name := range []string{"m=", "t=", "p="} {
		if len(settings) != len(values) || !strings.HasPrefix(settings[i], name) {
			return nil, badHash("the parameters of argon2id must have the form m=19456,t=2,p=1")
		}
		var ok bool
		if values[i], ok = decimal(settings[i][len(name):]); !ok {
			return nil, badHash("the parameters of argon2id must be numbers: m=19456,t=2,p=1")
		}
	}
	m, t, p := values[0], values[1], values[2]
	if t < 1 || t > maxArgon2Passes || p < 1 || p > maxArgon2Threads || m < 8*p || m > maxArgon2Memory || m*t > maxArgon2Work {
		return nil, badHash(fmt.Sprintf("the parameters of argon2id must be within m=%d (KiB), t=%d, p=%d, and m times t within %d",
			maxArgon2Memory, maxArgon2Passes, maxArgon2Threads, maxArgon2Work))
	}
	h := &passwordHash{memory: uint32(m), passes: uint32(t), threads: uint8(p)}
	for i, into := range []*[]byte{&h.salt, &h.sum} {
		bytes, ok := rawBase64(parts[4+i])
		if !ok || len(bytes) < minArgon2Bytes || len(bytes) > maxArgon2Bytes {
			return nil, badHash(fmt.Sprintf("salt and hash of argon2id must be %d to %d bytes of base64 without =", minArgon2Bytes, maxArgon2Bytes))
		}
		*into = bytes
	}
	return h, nil
}

// decimal reads a number that is written without sign and leading zero.
func decimal(s string) (uint64, bool) {
	n, err := strconv.ParseUint(s, 10, 32)
	return n, err == nil && strconv.FormatUint(n, 10) == s
}

// rawBase64 decodes what has one way of being written only.
func rawBase64(s string) ([]byte, bool) {
	b, err := base64.RawStdEncoding.Strict().DecodeString(s)
	return b, err == nil && !strings.ContainsAny(s, "\r\n") // which the decoder skips
}
