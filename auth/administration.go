package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.uber.org/zap"
)

const (
	// maxChannel is the longest name of a channel, and of a role that a token gives, in
	// bytes.
	maxChannel = 1024
	// maxIssuer is the longest issuer of an identity, in bytes.
	maxIssuer = 2048
)

// Administration is what an administrator does to the users, roles and sessions of one
// database. Each action is one entry of the audit log. Errors are *Error.
type Administration struct {
	s     *Service
	r     *http.Request
	actor *Principal
	db    Database
}

// Administer begins an administrator's request. actor is who Authenticate found, on an
// administrator's site; whether actor may write has been checked.
func (s *Service) Administer(r *http.Request, actor *Principal, db Database) *Administration {
	return &Administration{s: s, r: r, actor: actor, db: db}
}

func (a *Administration) state() *State { return a.s.state.Load() }

// lasting is the context of a change: an administrator who hangs up wanted it all the same.
func (a *Administration) lasting() context.Context { return context.WithoutCancel(a.r.Context()) }

func (a *Administration) note(event string, fields ...zap.Field) {
	a.s.audit.event(a.r.Context(), event, append(fields, auditActor(a.actor), auditDB(a.db))...)
}

// administrationError is the answer to a failed action.
func administrationError(doing string, err error) error {
	var refusal *Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refusal):
		return refusal
	case errors.Is(err, ErrNoUser), errors.Is(err, ErrNoRole), errors.Is(err, ErrNoSession), errors.Is(err, ErrNotLinked):
		return &Error{Status: http.StatusNotFound, Name: "not_found", Reason: "missing", Detail: err.Error()}
	case errors.Is(err, ErrUserExists), errors.Is(err, ErrRoleExists):
		return &Error{Status: http.StatusConflict, Name: "conflict", Reason: "Already exists"}
	case errors.Is(err, ErrLinked):
		return &Error{Status: http.StatusConflict, Name: "conflict", Reason: "The identity belongs to another user. Unlink it there first."}
	case errors.Is(err, ErrBadUserName):
		return errBadName()
	case errors.Is(err, errBusy):
		return errThrottled(0)
	}
	return errInternal(doing, err)
}

func errBadName() *Error {
	return badRequest("invalid name: it has 1 to 239 bytes of UTF-8 with a letter or digit, no control characters, and none of / : , `; no role is called _admin")
}

// checkChannels checks the names of channels and returns each once, sorted.
func checkChannels(channels []string) ([]string, error) {
	for _, c := range channels {
		if c == "" || len(c) > maxChannel || !utf8.ValidString(c) || strings.ContainsRune(c, ',') || strings.ContainsFunc(c, unicode.IsControl) {
			return nil, badRequest(fmt.Sprintf("Illegal channel name %q: it has 1 to %d bytes of UTF-8, no comma and no control characters", cut(c, 100), maxChannel))
		}
	}
	return sortedSet(append([]string{}, channels...)), nil
}

func checkCollections(grants CollectionGrants) error {
	for scope, collections := range grants {
		for name, channels := range collections {
			checked, err := checkChannels(channels)
			if err != nil {
				return err
			}
			grants[scope][name] = checked
		}
	}
	return nil
}

// checkRoles checks the names of roles and returns each once, sorted.
func checkRoles(roles []string) ([]string, error) {
	for _, r := range roles {
		if checkRoleName(r) != nil {
			return nil, badRequest(fmt.Sprintf("Illegal role name %q: %s", cut(r, 100), errBadName().Reason))
		}
	}
	return sortedSet(append([]string{}, roles...)), nil
}

// knownIssuer returns the issuer as the database's providers have it.
func (a *Administration) knownIssuer(issuer string) (string, error) {
	pol := a.s.policy(a.db.Name)
	if pol != nil {
		for _, pr := range pol.providers {
			switch {
			case pr.vouchesFor(issuer) && len(pr.Tenants) == 0:
				return pr.Issuer, nil // Google has two spellings
			case pr.vouchesFor(issuer):
				return issuer, nil
			}
		}
	}
	return "", badRequest(fmt.Sprintf("No provider of the database has the issuer %q: write it as the provider's `issuer`, and list the provider in the database", cut(issuer, 200)))
}
