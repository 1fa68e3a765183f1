package auth

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
)

const (
	// minPassword is the shortest password that can be set, in characters: the least of
	// NIST SP 800-63B. As there, no kind of character is asked for and none expires.
	minPassword = 8
	// maxPassword is the longest, in bytes.
	maxPassword = 1024

	// waitingPerCore is how many computations wait for each one that runs, and
	// passwordWait how long: at some 30 ms each, those at the end of the queue are just in time.
	waitingPerCore = 64
	passwordWait   = 3 * time.Second

	// failureStep is what the time of a failed check is rounded up to. The hash of an
	// imported user takes longer than the check of nobody's; rounded, both are the same.
	failureStep = 250 * time.Millisecond
)

var (
	// ErrBadPassword is for a password that cannot be set.
	ErrBadPassword = errors.New("invalid password")

	// errBusy: too many passwords are being checked. The answer is 429 with Retry-After.
	errBusy = errors.New("too many passwords are being checked")
)

// passwords hashes and checks passwords, so many at a time as there are cores
// (DECISIONS 11): each takes 19 MiB and a core for a while.
type passwords struct {
	slots      chan struct{}
	waiting    atomic.Int64
	maxWaiting int64
	step       time.Duration
	decoy      *passwordHash
	argon2     argon2Func
}

// argon2Func is argon2.IDKey.
type argon2Func func(password, salt []byte, time, memory uint32, threads uint8, keyLen uint32) []byte

func newPasswords(cores int) *passwords {
	cores = max(cores, 1)
	p := &passwords{
		slots: make(chan struct{}, cores), maxWaiting: int64(cores) * waitingPerCore, step: failureStep,
		decoy: newArgon2Hash(), argon2: argon2.IDKey,
	}
	p.decoy.sum = make([]byte, argon2Sum)
	_, _ = rand.Read(p.decoy.sum) // never fails
	return p
}

// hash returns what to store for a password, as a PHC string. Errors: errBusy, that of
// ctx.
func (p *passwords) hash(ctx context.Context, password string) (string, error) {
	if err := p.acquire(ctx); err != nil {
		return "", err
	}
	defer p.release()
	h := newArgon2Hash()
	h.sum = h.argon2id(p.argon2, password, argon2Sum)
	return h.String(), nil
}

// verify compares a password with what is stored. stored "" is that of somebody who does
// not exist or has no password: it takes the work of a real check, and fails. rehash asks
// for a new hash of the same password, as the stored one is bcrypt, PBKDF2 or weaker than ours.
// Errors: errBusy and that of ctx, after which nothing was compared; ErrBadPasswordHash
// for a stored text that is not a hash we take, with the work of a real check, so that
// strangers can be told what they are told of a wrong password.
func (p *passwords) verify(ctx context.Context, stored, password string) (ok, rehash bool, err error) {
	h, unreadable := p.decoy, error(nil)
	if stored != "" {
		if h, unreadable = parsePasswordHash(stored); unreadable != nil {
			h = p.decoy
		}
	}
	if err := p.acquire(ctx); err != nil {
		return false, false, err
	}
	began := time.Now()
	ok = h.matches(p.argon2, password) && h != p.decoy && password != "" && len(password) <= maxPassword
	p.release()
	if !ok {
		p.settle(ctx, began)
		return false, false, unreadable
	}
	return true, h.outdated(password), nil
}

// acquire waits for a core.
func (p *passwords) acquire(ctx context.Context) error {
	select {
	case p.slots <- struct{}{}:
		return nil
	default:
	}
	defer p.waiting.Add(-1)
	if p.waiting.Add(1) > p.maxWaiting {
		return errBusy
	}
	timer := time.NewTimer(passwordWait)
	defer timer.Stop()
	select {
	case p.slots <- struct{}{}:
		return nil
	case <-timer.C:
		return errBusy
	case <-ctx.Done():
		return fmt.Errorf("waiting to check a password: %w", ctx.Err())
	}
}

func (p *passwords) release() { <-p.slots }

// settle rounds the time since began up to a multiple of the step. It holds no core.
func (p *passwords) settle(ctx context.Context, began time.Time) {
	if p.step <= 0 {
		return
	}
	timer := time.NewTimer(p.step - time.Since(began)%p.step)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// checkPassword refuses passwords that should not be set: ErrBadPassword, with a text
// that says what to choose instead.
func checkPassword(password string) error {
	switch {
	case password == "":
		return fmt.Errorf("%w: it is empty; leave it out for a user without a password", ErrBadPassword)
	case !utf8.ValidString(password):
		return fmt.Errorf("%w: it is not UTF-8", ErrBadPassword)
	case utf8.RuneCountInString(password) < minPassword:
		return fmt.Errorf("%w: it has fewer than %d characters; choose a longer one", ErrBadPassword, minPassword)
	case len(password) > maxPassword:
		return fmt.Errorf("%w: it has more than %d bytes; choose a shorter one", ErrBadPassword, maxPassword)
	case strings.ContainsFunc(password, unicode.IsControl):
		// RFC 7617 section 2: it could never be sent by Basic.
		return fmt.Errorf("%w: it contains a control character", ErrBadPassword)
	}
	return nil
}
