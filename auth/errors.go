package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
)

// Errors of the administrator's methods.
var (
	// ErrNoUser: the database has no user of that name.
	ErrNoUser = errors.New("no such user")
	// ErrUserExists: the database already has a user of that name.
	ErrUserExists = errors.New("user exists")
	// ErrNoSession: there is no session of that handle.
	ErrNoSession = errors.New("no such session")
	// ErrBadUserName: not a user name (1-239 bytes of UTF-8 without / : , `).
	ErrBadUserName = errors.New("invalid user name")
	// ErrLinked: the identity belongs to another user of the database.
	ErrLinked = errors.New("identity belongs to another user")
	// ErrNotLinked: the identity is not the user's.
	ErrNotLinked = errors.New("identity is not linked to the user")
)

// Error is an answer that refuses: the REST layer writes it as {"error","reason"}.
type Error struct {
	Status     int
	Name       string // "unauthorized", "forbidden", …
	Reason     string
	Challenges []string // WWW-Authenticate
	RetryAfter time.Duration
	// Detail is for the log, never for the client. It holds no token and no cookie.
	Detail string

	audit bool // worth a line in the log at its normal level
	// user is the name that was given with a password, for the audit log.
	user string
	// nobody: no credentials came, or they were good and another user's than was asked for, so
	// that nobody was refused.
	nobody  bool
	foreign bool // the reason holds somebody else's words
}

// Error returns the reason that the client is told.
func (e *Error) Error() string { return e.Reason }

// errLoginRequired answers a request without credentials (RFC 6750 section 3: a bare
// challenge).
func errLoginRequired() *Error {
	return &Error{
		Status: http.StatusUnauthorized, Name: "unauthorized", Reason: "Login required",
		Challenges: []string{challengeBare}, nobody: true,
	}
}

// errPasswordsOff answers a user name and password. It reads like a wrong password.
func errPasswordsOff() *Error {
	return &Error{
		Status: http.StatusUnauthorized, Name: "unauthorized", Reason: "Invalid login",
		Challenges: []string{challengeBare}, Detail: "password sign-in is off",
	}
}

// errBadLogin answers a user name and password that are refused, for whatever reason.
func errBadLogin(detail string) *Error {
	return &Error{
		Status: http.StatusUnauthorized, Name: "unauthorized", Reason: "Invalid login",
		Challenges: []string{challengeBare, challengeBasic}, Detail: detail, audit: true,
	}
}

// errThrottled answers too many attempts (RFC 6585 section 4).
func errThrottled(after time.Duration) *Error {
	return &Error{
		Status: http.StatusTooManyRequests, Name: "too_many_requests", Reason: "too many sign-in attempts, try again later",
		RetryAfter: max(after, time.Second), audit: true,
	}
}

// errInvalidSession answers cookies of which none names a session good here.
func errInvalidSession(detail string) *Error {
	return &Error{
		Status: http.StatusUnauthorized, Name: "unauthorized", Reason: "Session Invalid",
		Challenges: []string{challengeBare}, Detail: detail,
	}
}

// errInvalidToken answers a bearer that is refused. description goes to the client,
// in the body and in the challenge (RFC 6750 section 3.1).
func errInvalidToken(description string) *Error {
	return &Error{
		Status: http.StatusUnauthorized, Name: "unauthorized", Reason: "Invalid login: " + description,
		Challenges: []string{challenge("invalid_token", description)},
	}
}

// errForbidden answers somebody who is known and may not.
func errForbidden(reason, detail string) *Error {
	return &Error{Status: http.StatusForbidden, Name: "forbidden", Reason: reason, Detail: detail}
}

// errTryLater answers a token that cannot be judged now. Never 401: Couchbase Lite
// stops for good on that (DECISIONS 7).
func errTryLater(reason string, after time.Duration, detail string) *Error {
	return &Error{
		Status: http.StatusServiceUnavailable, Name: "service_unavailable", Reason: reason,
		RetryAfter: max(after, time.Second), Detail: detail,
	}
}

// errInternal hides a failure of our own from the client, except that the store takes
// no writes now: that is no fault of the request.
func errInternal(doing string, err error) *Error {
	detail := fmt.Sprintf("%s: %v", doing, err)
	switch {
	case errors.Is(err, syncstore.ErrInsufficientStorage):
		return &Error{
			Status: http.StatusInsufficientStorage, Name: "insufficient_storage",
			Reason: "the server's disk is full", Detail: detail,
		}
	case errors.Is(err, syncstore.ErrUnavailable), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return errTryLater("the store is not available, try again", time.Second, detail)
	}
	return &Error{
		Status: http.StatusInternalServerError, Name: "internal_server_error",
		Reason: "internal error", Detail: detail,
	}
}
