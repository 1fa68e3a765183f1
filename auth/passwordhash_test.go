package auth

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	goodArgon2 = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$c29tZXNhbHRzb21lc2FsdHNvbWVzYWx0c29tZXNhbHQ"
	goodPBKDF2 = "$pbkdf2-sha256$i=600000$c29tZXNhbHRzb21lc2FsdA$c29tZXNhbHRzb21lc2FsdHNvbWVzYWx0c29tZXNhbHQ"
	goodBcrypt = "$2b$10$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuvwxyz01234"
)

func TestPasswordHashesThatCanBeImported(t *testing.T) {
	t.Parallel()
	for _, good := range []string{
		goodArgon2,
		strings.Replace(goodArgon2, "m=19456,t=2,p=1", "m=65536,t=3,p=4", 1), // RFC 9106, second recommendation
		strings.Replace(goodArgon2, "m=19456,t=2,p=1", "m=9216,t=4,p=1", 1),
		strings.Replace(goodArgon2, "m=19456,t=2,p=1", "m=32,t=1,p=4", 1),
		goodPBKDF2,
		strings.Replace(goodPBKDF2, "sha256$i=600000", "sha512$i=2000000", 1),
		"$pbkdf2-sha1$i=10$c29tZXNhbHRzb21lc2FsdA$c29tZXNhbHRzb21lc2FsdHNvbWU",
		goodBcrypt,
		strings.Replace(goodBcrypt, "$2b$10$", "$2a$04$", 1),
		strings.Replace(goodBcrypt, "$2b$10$", "$2y$14$", 1),
	} {
		require.NoError(t, checkPasswordHash(good), good)
	}
}

// A record with absurd parameters must not take the machine.
func TestPasswordHashesThatAreRefused(t *testing.T) {
	t.Parallel()
	parameters := func(s string) string { return strings.Replace(goodArgon2, "m=19456,t=2,p=1", s, 1) }
	for _, bad := range []string{
		"", "password", "$", "$argon2id$", "$2b$", "$2b$10$", "$5$salt$hash", "$1$x$y", "{SHA}abc=", "-pbkdf2-abc,def,10",
		parameters("m=65537,t=1,p=1"), parameters("m=4194304,t=1,p=1"), parameters("m=4294967296,t=2,p=1"),
		parameters("m=99999999999999999999,t=2,p=1"), parameters("m=65536,t=5,p=1"), parameters("m=19456,t=11,p=1"),
		parameters("m=19456,t=4294967295,p=1"), parameters("m=19456,t=0,p=1"), parameters("m=19456,t=2,p=0"),
		parameters("m=19456,t=2,p=5"), parameters("m=19456,t=2,p=256"), parameters("m=19456,t=2,p=257"), parameters("m=0,t=2,p=1"),
		parameters("m=31,t=2,p=4"), parameters("m=-1,t=2,p=1"), parameters("m=+19456,t=2,p=1"), parameters("m=019456,t=2,p=1"),
		parameters("m=0x4C00,t=2,p=1"), parameters("m=19_456,t=2,p=1"), parameters("m=19456,t=2"), parameters("t=2,m=19456,p=1"),
		parameters("m=19456,t=2,p=1,data=x"), parameters("m=19456,t=2,p=1,"), parameters(""), parameters("m=,t=,p="),
		strings.Replace(goodArgon2, "argon2id", "argon2i", 1), strings.Replace(goodArgon2, "argon2id", "argon2d", 1),
		strings.Replace(goodArgon2, "v=19", "v=16", 1), strings.Replace(goodArgon2, "v=19$", "", 1),
		strings.Replace(goodArgon2, "c29tZXNhbHRzb21lc2FsdA", "", 1), strings.Replace(goodArgon2, "c29tZXNhbHRzb21lc2FsdA", "c2hvcnQ", 1),
		strings.Replace(goodArgon2, "c29tZXNhbHRzb21lc2FsdA", strings.Repeat("QUFB", 22), 1),
		goodArgon2 + "=", goodArgon2 + "\n", goodArgon2 + "$", goodArgon2 + "$x", " " + goodArgon2,
		strings.Replace(goodArgon2, "c2FsdA$", "c2FsdB$", 1), // bits after the end
		goodArgon2 + strings.Repeat("QUFB", 60),
		strings.Replace(goodPBKDF2, "i=600000", "i=0", 1), strings.Replace(goodPBKDF2, "i=600000", "i=2000001", 1), strings.Replace(goodPBKDF2, "i=", "i=0", 1),
		strings.Replace(goodPBKDF2, "i=600000", "i=600000,l=32", 1), strings.Replace(goodPBKDF2, "i=600000$", "", 1), strings.Replace(goodPBKDF2, "sha256", "sha1", 1),
		strings.Replace(goodPBKDF2, "sha256", "md5", 1), strings.Replace(goodPBKDF2, "pbkdf2-sha256", "pbkdf2", 1), goodPBKDF2 + "=", goodPBKDF2 + "$",
		"$pbkdf2-sha1$i=10$c29tZXNhbHRzb21lc2FsdA$c2hvcnQ",
		strings.Replace(goodBcrypt, "$10$", "$03$", 1), strings.Replace(goodBcrypt, "$10$", "$15$", 1), strings.Replace(goodBcrypt, "$10$", "$31$", 1),
		strings.Replace(goodBcrypt, "$10$", "$+9$", 1), strings.Replace(goodBcrypt, "$10$", "$1x$", 1), strings.Replace(goodBcrypt, "$2b$", "$2x$", 1),
		strings.Replace(goodBcrypt, "$2b$", "$2$", 1), goodBcrypt + "x", goodBcrypt[:59], goodBcrypt[:59] + "=", goodBcrypt[:59] + "\x00",
		strings.Replace(goodBcrypt, "$10$", "$10.", 1), goodBcrypt[:30] + "$" + goodBcrypt[31:],
	} {
		err := checkPasswordHash(bad)
		require.ErrorIs(t, err, ErrBadPasswordHash, bad)
		if len(bad) > 16 {
			require.NotContains(t, err.Error(), bad)
		}
	}
}

func FuzzPasswordHash(f *testing.F) {
	for _, s := range []string{"", goodArgon2, goodBcrypt, "$argon2id$v=19$m=8,t=1,p=1$$", "$2a$31$", goodPBKDF2} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		h, err := parsePasswordHash(text)
		if err != nil {
			require.ErrorIs(t, err, ErrBadPasswordHash)
			return
		}
		if h.bcrypt != "" {
			require.Equal(t, text, h.bcrypt)
			return
		}
		require.Equal(t, text, h.String(), "there is one way to write a hash")
		if h.prf != "" {
			require.LessOrEqual(t, h.passes, uint32(maxPBKDF2Passes))
			return
		}
		require.LessOrEqual(t, uint64(h.memory)*uint64(h.passes), uint64(maxArgon2Work))
		require.LessOrEqual(t, int(h.threads), maxArgon2Threads)
		require.GreaterOrEqual(t, h.memory, 8*uint32(h.threads))
	})
}
