package devidp

import "errors"

var (
	// ErrNotLoopback says that a request did not come from this machine, or might not
	// have (DECISIONS 10).
	ErrNotLoopback = errors.New("sync_dev_idp answers clients on this machine only")

	// ErrDamagedKeys says that a key file is there but cannot be used. It is never
	// replaced silently: tokens signed by the old keys would stop verifying.
	ErrDamagedKeys = errors.New("the key file is damaged")

	// ErrReservedClaim says that a claim is set by the provider alone (DECISIONS 20).
	ErrReservedClaim = errors.New("the claim is set by the provider")

	// ErrUnknownUser says that no user of that name is listed.
	ErrUnknownUser = errors.New("no such user")

	// ErrUnknownClient says that no client of that ID is listed.
	ErrUnknownClient = errors.New("no such client")

	// ErrLoginGone says that a sign-in has expired, was completed already, or never was.
	ErrLoginGone = errors.New("this sign-in has expired or was completed already")

	errCodeGone    = errors.New("the code is unknown, expired or was used already")
	errRefreshGone = errors.New("the refresh token is unknown, expired or was used already")
	errWrongSecret = errors.New("the client secret is wrong")
	errAccessGone  = errors.New("the access token is unknown, expired or revoked")
)
