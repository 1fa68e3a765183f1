package auth

import (
	"encoding/hex"
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// MarshalJSON makes the JSON that users and administrators are shown of a session.
func (i SessionInfo) MarshalJSON() ([]byte, error) { return json.Marshal(i.describe(nil)) }

// Sessions lists a user's sessions, the one last used first.
func (a *Administration) Sessions(name string) ([]SessionInfo, error) {
	list, err := a.state().Sessions(a.r.Context(), a.db.ID, name)
	if err != nil {
		return nil, administrationError("listing sessions", err)
	}
	a.note(auditSessionsListed, auditUser(name))
	return list, nil
}

// EndSessions ends all sessions of a user and refuses the tokens issued to the user's
// identities so far (DECISIONS 4).
func (a *Administration) EndSessions(name string) error {
	if err := a.state().EndAllSessions(a.lasting(), a.db.ID, name); err != nil {
		return administrationError("ending sessions", err)
	}
	a.note(auditSessionsEnded, auditUser(name))
	return nil
}

// EndSession ends one session of a user, by its ID or its handle, and refuses the token
// that it was made from. Another user's session is not found.
func (a *Administration) EndSession(name, session string) error {
	handle := session
	if key, ok := hashSessionID(session); ok {
		handle = hex.EncodeToString(key[:handleLength])
	}
	if err := a.state().EndSession(a.lasting(), a.db.ID, name, handle); err != nil {
		return administrationError("ending a session", err)
	}
	a.note(auditSessionEnded, auditUser(name), auditHandle(handle))
	return nil
}

// Link binds an identity of one of the database's providers to a user: from then on it
// signs in as the user, whatever name its tokens give. Linked already is no error.
func (a *Administration) Link(name string, id Identity) error {
	switch {
	case id.Issuer == "" || len(id.Issuer) > maxIssuer || !utf8.ValidString(id.Issuer) || strings.ContainsAny(id.Issuer, "\r\n"):
		return badRequest("issuer is missing: write the provider's issuer, as its tokens have it in iss")
	case id.Subject == "" || len(id.Subject) > maxSubject || !utf8.ValidString(id.Subject):
		return badRequest("subject is missing: write what the provider's tokens have in sub")
	}
	var err error
	if id.Issuer, err = a.knownIssuer(id.Issuer); err != nil {
		return err
	}
	if err := a.state().Link(a.lasting(), a.db.ID, name, id); err != nil {
		return administrationError("linking an identity", err)
	}
	a.note(auditIdentityLinked, auditIdentity(id), auditUser(name))
	return nil
}

// Unlink takes an identity from a user and refuses what was issued to it so far.
func (a *Administration) Unlink(name string, id Identity) error {
	if err := a.state().Unlink(a.lasting(), a.db.ID, name, id); err != nil {
		return administrationError("unlinking an identity", err)
	}
	a.note(auditIdentityUnlinked, auditIdentity(id), auditUser(name))
	return nil
}
