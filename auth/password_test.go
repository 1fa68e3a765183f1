package auth

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// quickPasswords does not wait after failures.
func quickPasswords() *passwords {
	p := newPasswords(2)
	p.step = 0
	return p
}

func bcrypted(tb testing.TB, password string, cost int) string {
	tb.Helper()
	h, err := bcrypt.GenerateFromPassword([]byte(password), cost)
	require.NoError(tb, err)
	return string(h)
}

func TestPasswordIsHashedWithASaltAndVerified(t *testing.T) {
	t.Parallel()
	p := quickPasswords()
	const password = "correct horse, naïve staple"
	stored, err := p.hash(t.Context(), password)
	require.NoError(t, err)
	require.Regexp(t, `^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$`, stored)
	again, err := p.hash(t.Context(), password)
	require.NoError(t, err)
	require.NotEqual(t, stored, again, "the salt is random")
	for _, c := range []struct {
		password string
		ok       bool
	}{
		{password, true},
		{password + " ", false},
		{strings.ToUpper(password), false},
		{"", false},
		{stored, false},
	} {
		ok, rehash, err := p.verify(t.Context(), stored, c.password)
		require.NoError(t, err)
		require.Equal(t, c.ok, ok, c.password)
		require.False(t, rehash)
	}
}

// A vector of the reference implementation's tests.
func TestArgon2idOfAnotherLibraryIsVerified(t *testing.T) {
	t.Parallel()
	sum, err := hex.DecodeString("09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7")
	require.NoError(t, err)
	stored := "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$" + base64.RawStdEncoding.EncodeToString(sum)
	ok, rehash, err := quickPasswords().verify(t.Context(), stored, "password")
	require.NoError(t, err)
	require.True(t, ok)
	require.True(t, rehash, "its salt is shorter than ours")
}

// The first block of a vector of RFC 6070 section 2, and a user as CouchDB 3.5 keeps them: the salt is used as it is
// written, in hex digits.
func TestPBKDF2OfCouchDBIsVerified(t *testing.T) {
	t.Parallel()
	b64 := base64.RawStdEncoding
	sum, err := hex.DecodeString("3d2eec4fe41c849b80c8d83662c0e44a8b291a96")
	require.NoError(t, err)
	stored := "$pbkdf2-sha1$i=4096$" + b64.EncodeToString([]byte("saltSALTsaltSALTsaltSALTsaltSALTsalt")) + "$" + b64.EncodeToString(sum)
	p := quickPasswords()
	ok, rehash, err := p.verify(t.Context(), stored, "passwordPASSWORDpassword")
	require.NoError(t, err)
	require.True(t, ok)
	require.True(t, rehash, "argon2id takes its place")
	ok, _, err = p.verify(t.Context(), stored, "passwordPASSWORDpasswore")
	require.NoError(t, err)
	require.False(t, ok)
}

// F88: a stored hash that is weaker than ours is to be replaced when its owner signs in,
// never by a wrong password.
func TestF88_OutdatedHashesAreRehashed(t *testing.T) {
	t.Parallel()
	p := quickPasswords()
	salt, sum := strings.Repeat("s", 16), 32
	argon := func(m, t uint32, salt string, n int) string {
		h := &passwordHash{memory: m, passes: t, threads: 1, salt: []byte(salt)}
		h.sum = h.argon2id(argon2.IDKey, "password", n)
		return h.String()
	}
	for _, c := range []struct {
		name, stored string
		rehash       bool
	}{
		{"ours", argon(19456, 2, salt, sum), false},
		{"stronger", argon(19456, 3, salt, sum), false},
		{"more memory, one pass", argon(47104, 1, salt, sum), false},
		{"less memory", argon(1024, 2, salt, sum), true},
		{"fewer passes", argon(19456, 1, salt, sum), true},
		{"short salt", argon(19456, 2, "12345678", sum), true},
		{"short sum", argon(19456, 2, salt, 16), true},
		{"bcrypt 2a", bcrypted(t, "password", 4), true},
		{"bcrypt 2b", strings.Replace(bcrypted(t, "password", 5), "$2a$", "$2b$", 1), true},
		{"bcrypt 2y", strings.Replace(bcrypted(t, "password", 5), "$2a$", "$2y$", 1), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ok, rehash, err := p.verify(t.Context(), c.stored, "password")
			require.NoError(t, err)
			require.True(t, ok)
			require.Equal(t, c.rehash, rehash)
			ok, rehash, err = p.verify(t.Context(), c.stored, "passwort")
			require.NoError(t, err)
			require.False(t, ok)
			require.False(t, rehash)
		})
	}
}

// bcrypt looks at 72 bytes and repeats short passwords with a NUL between.
func TestBcryptLimits(t *testing.T) {
	t.Parallel()
	p := quickPasswords()
	long := strings.Repeat("x", 72)
	stored := bcrypted(t, long, 4)
	for _, c := range []struct {
		name, stored, password string
		ok, rehash             bool
	}{
		{"72 bytes", stored, long, true, true},
		{"71 bytes", stored, long[:71], false, false},
		{"more than 72 bytes, as other libraries cut them", stored, long + "tail", true, false},
		{"repeated with NUL", bcrypted(t, "abc", 4), "abc\x00abc", false, false},
		{"NUL at the end", bcrypted(t, "abc", 4), "abc\x00", false, false},
		{"longer than any password", stored, strings.Repeat("x", maxPassword+1), false, false},
		{"empty", bcrypted(t, "", 4), "", false, false},
	} {
		ok, rehash, err := p.verify(t.Context(), c.stored, c.password)
		require.NoError(t, err, c.name)
		require.Equal(t, c.ok, ok, c.name)
		require.Equal(t, c.rehash, rehash, c.name)
	}
}

// Whether a name exists must not be told by time: the check of nobody's password, of a
// user's who has none, and of an unreadable record do the very work of a wrong password.
func TestTimingOfUnknownUsers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPasswords(1)
		type work struct {
			password       string
			salt           int
			passes, memory uint32
			threads        uint8
			length         uint32
		}
		var done []work
		p.argon2 = func(password, salt []byte, passes, memory uint32, threads uint8, length uint32) []byte {
			done = append(done, work{string(password), len(salt), passes, memory, threads, length})
			time.Sleep(30 * time.Millisecond)
			return make([]byte, length)
		}
		stored := newArgon2Hash()
		stored.sum = make([]byte, argon2Sum)
		stored.sum[0] = 1
		imported := bcrypted(t, "another", 4)
		for name, text := range map[string]string{
			"wrong password": stored.String(), "unknown user": "", "unreadable": "secret", "bcrypt": imported,
		} {
			done = nil
			began := time.Now()
			ok, _, err := p.verify(t.Context(), text, "password")
			require.False(t, ok)
			require.Equal(t, failureStep, time.Since(began), name)
			require.Equal(t, name == "unreadable", err != nil)
			if name != "bcrypt" {
				require.Equal(t, []work{{"password", argon2Salt, argon2Passes, argon2Memory, argon2Threads, argon2Sum}}, done, name)
			}
		}
	})
}

// The decoy's sum must be of nobody's password, or who found it could sign in as anybody.
func TestTheDecoyNeverMatches(t *testing.T) {
	t.Parallel()
	p := quickPasswords()
	p.argon2 = func(_, _ []byte, _, _ uint32, _ uint8, _ uint32) []byte { return p.decoy.sum }
	for _, stored := range []string{"", "unreadable"} {
		ok, _, _ := p.verify(t.Context(), stored, "password")
		require.False(t, ok)
	}
}

func TestAStoredTextThatIsNoHashIsAnError(t *testing.T) {
	t.Parallel()
	p := quickPasswords()
	for _, stored := range []string{"plain text", "$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHQ$c29tZXNhbHQ", "$2a$31$" + strings.Repeat("a", 53)} {
		ok, rehash, err := p.verify(t.Context(), stored, stored)
		require.ErrorIs(t, err, ErrBadPasswordHash)
		require.NotContains(t, err.Error(), stored)
		require.False(t, ok || rehash)
	}
}

// At most one computation a core; the rest wait, so many and so long.
func TestDecision11_PasswordChecksAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const cores = 3
		p := newPasswords(cores)
		var running, most, computed atomic.Int64
		p.argon2 = func(_, _ []byte, _, _ uint32, _ uint8, length uint32) []byte {
			n := running.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			time.Sleep(30 * time.Millisecond)
			running.Add(-1)
			computed.Add(1)
			return make([]byte, length)
		}
		var busy, failed atomic.Int64
		var wg sync.WaitGroup
		const requests = 1000
		for range requests {
			wg.Go(func() {
				ok, _, err := p.verify(t.Context(), "", "password")
				switch {
				case err != nil:
					require.ErrorIs(t, err, errBusy)
					busy.Add(1)
				case !ok:
					failed.Add(1)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, cores, most.Load())
		require.EqualValues(t, cores+cores*waitingPerCore, failed.Load())
		require.EqualValues(t, requests, busy.Load()+failed.Load())
		require.Equal(t, failed.Load(), computed.Load(), "what is refused costs nothing")
		require.Zero(t, p.waiting.Load())
		require.Empty(t, p.slots)
	})
}

func TestDecision11_PasswordChecksWaitForABoundedTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPasswords(0)
		require.NoError(t, p.acquire(t.Context()))
		began := time.Now()
		_, _, err := p.verify(t.Context(), "", "password")
		require.ErrorIs(t, err, errBusy)
		require.Equal(t, passwordWait, time.Since(began))
		_, err = p.hash(t.Context(), "password")
		require.ErrorIs(t, err, errBusy)

		// Who hangs up leaves the queue.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, _, err = p.verify(ctx, "", "password")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Zero(t, p.waiting.Load())
		p.release()
		_, err = p.hash(t.Context(), "password")
		require.NoError(t, err)
	})
}

// F87: Sync Gateway's minimum is 3 bytes, ours 8 characters.
func TestF87_PasswordsThatCanBeSet(t *testing.T) {
	t.Parallel()
	for _, good := range []string{
		"12345678", "correct horse battery staple", "ünïcödé!", "日本語日本語日本", "        ", strings.Repeat("x", 1024),
	} {
		require.NoError(t, checkPassword(good), good)
	}
	for _, bad := range []string{
		"", "1234567", "日本語", "pass\x00word", "password\n", "pass\u0085word", "\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8", strings.Repeat("x", 1025),
	} {
		err := checkPassword(bad)
		require.ErrorIs(t, err, ErrBadPassword, bad)
		if bad != "" {
			require.NotContains(t, err.Error(), bad)
		}
	}
}
