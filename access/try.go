package access

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

// Attempt is a write that is only tried, as POST /{keyspace}/_sync takes it.
type Attempt struct {
	// Doc is the document, with _id, _rev, _deleted, _exp and _attachments if it likes.
	Doc json.RawMessage `json:"doc"`
	// OldDoc is the revision before it; absent or null if there is none.
	OldDoc json.RawMessage `json:"oldDoc,omitempty"`
	// User is who writes; nil is an administrator.
	User *AttemptUser `json:"userCtx,omitempty"`
}

// AttemptUser is the writer of an Attempt, with what it has.
type AttemptUser struct {
	// Name is "" for a guest.
	Name     string   `json:"name"`
	Roles    []string `json:"roles"`
	Channels []string `json:"channels"`
}

// Trial is what a policy makes of an Attempt.
type Trial struct {
	Channels []string `json:"channels"`
	// Access and Roles are what users, and roles with their prefix "role:", are given.
	Access map[string][]string `json:"access"`
	Roles  map[string][]string `json:"roles"`
	// Expiry is when the document expires, nil if the policy says nothing of it.
	Expiry *time.Time `json:"expiry,omitempty"`
	// Status is what a client would be answered instead of 201: 401, 403 or 500; 0 if
	// the write would pass. Exception says why, with the details that clients do not
	// see.
	Status    int    `json:"status,omitempty"`
	Exception string `json:"exception,omitempty"`
	// Explanation says what the writer lacks, where Exception is one of the fixed texts of
	// requireUser, requireRole, requireAccess and requireAdmin, which do not.
	Explanation string `json:"explanation,omitempty"`
	// Log is what the function gave to console.log, then the warnings.
	Log []string `json:"log"`
}

// Try shows what a policy makes of a write, which is not done. A nil evaluator is
// "access shared". The error is one of jsondoc's or syncstore.ErrBadRevision if the
// attempt is not understood, or the context's.
func Try(ctx context.Context, evaluator syncstore.Evaluator, attempt Attempt) (Trial, error) {
	write, err := attempt.evaluation()
	if err != nil {
		return Trial{}, err
	}
	trial := Trial{Channels: []string{}, Access: map[string][]string{}, Roles: map[string][]string{}, Log: []string{}}
	var outcome syncstore.Outcome
	var required requirement
	switch evaluator := evaluator.(type) {
	case nil:
	case *SyncFunction:
		var c *call
		c, err = evaluator.run(ctx, write)
		outcome, required = c.outcome, c.required
		trial.Log = append(trial.Log, c.log...)
	default:
		outcome, err = evaluator.Evaluate(ctx, write)
	}
	if err != nil {
		err = trial.refuse(err)
		if trial.Exception != "" && trial.Exception == required.reason {
			trial.Explanation = required.lacking(attempt.User)
		}
		return trial, err
	}
	trial.take(outcome)
	return trial, nil
}

// explained is how many names an explanation has.
const explained = 5

// lacking says in words what the writer of an attempt lacks.
func (r requirement) lacking(user *AttemptUser) string {
	who := "a guest"
	if user != nil && user.Name != "" {
		who = shorten(user.Name)
	}
	var names []string
	for _, name := range r.names {
		if r.function == "requireRole" {
			name = strings.TrimPrefix(name, rolePrefix)
		}
		names = append(names, shorten(name))
	}
	if len(names) > explained {
		names = append(names[:explained], "…")
	}
	list := strings.Join(names, ", ")
	switch {
	case r.function == "requireAdmin":
		return "only an administrator may write this, and not " + who
	case len(names) == 0:
		return r.function + " was called without a name, so that only an administrator may write this"
	case r.function == "requireUser":
		return fmt.Sprintf("%s has to write this, and not %s", strings.Join(names, " or "), who)
	case r.function == "requireRole" && len(names) == 1:
		return fmt.Sprintf("%s has no role %s", who, list)
	case r.function == "requireRole":
		return fmt.Sprintf("%s has none of the roles %s", who, list)
	case len(names) == 1:
		return fmt.Sprintf("%s has no access to channel %s", who, list)
	default:
		return fmt.Sprintf("%s has access to none of the channels %s", who, list)
	}
}

// refuse notes why the write would be refused. It returns the error that ended the trial
// itself.
func (t *Trial) refuse(err error) error {
	rejection, ok := errors.AsType[*RejectionError](err)
	details := ""
	if !ok {
		var cause error
		if rejection, cause = reject(err); rejection == nil {
			return cause
		}
		details = detailsOf(cause)
	}
	t.Status, t.Exception = rejection.Status, rejection.Reason+details
	return nil
}

func detailsOf(cause error) string {
	if cause == nil {
		return ""
	}
	return ": " + cause.Error()
}

func (t *Trial) take(outcome syncstore.Outcome) {
	t.Channels = append(t.Channels, outcome.Channels...)
	slices.Sort(t.Channels)
	t.Channels = slices.Compact(t.Channels)
	for _, grant := range outcome.Grants {
		given := t.Access
		if strings.HasPrefix(grant.Channel, rolePrefix) {
			given = t.Roles
		}
		given[grant.Principal] = append(given[grant.Principal], grant.Channel)
	}
	if !outcome.Expires.IsZero() {
		at := outcome.Expires.UTC()
		t.Expiry = &at
	}
}

func (a *Attempt) evaluation() (syncstore.Evaluation, error) {
	var write syncstore.Evaluation
	var err error
	if write.New, err = parseDocument(a.Doc); err != nil {
		return write, fmt.Errorf("doc: %w", err)
	}
	if write.New == nil {
		return write, fmt.Errorf("doc: %w", jsondoc.ErrNotObject)
	}
	write.Expires = write.New.Expires
	if write.Old, err = parseDocument(a.OldDoc); err != nil {
		return write, fmt.Errorf("oldDoc: %w", err)
	}
	if a.User != nil {
		write.Writer = attemptWriter{a.User}
	}
	return write, nil
}

// parseDocument makes a revision of a document as a client writes it; nil of null.
func parseDocument(text json.RawMessage) (*syncstore.Document, error) {
	if len(text) == 0 || string(text) == "null" {
		return nil, nil
	}
	parsed, err := jsondoc.Parse(text)
	if err != nil {
		return nil, err
	}
	doc := &syncstore.Document{Body: parsed.Body}
	for _, member := range parsed.Meta {
		var err error
		switch member.Name {
		case "_id":
			doc.ID, err = jsondoc.String(member.Value)
		case "_rev":
			var rev string
			if rev, err = jsondoc.String(member.Value); err == nil {
				doc.Rev, err = syncstore.ParseRev(rev)
			}
		case "_deleted":
			doc.Deleted = string(member.Value) == "true"
		case "_attachments":
			doc.Attachments, err = parseAttachments(member.Value)
		case "_exp":
			doc.Expires, err = readExpiry(member.Value, time.Now())
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", member.Name, err)
		}
	}
	return doc, nil
}

func parseAttachments(text []byte) (attachments []syncstore.Attachment, err error) {
	err = jsondoc.Members(text, func(name string, value []byte) error {
		var known struct {
			ContentType string `json:"content_type"`
			Digest      string `json:"digest"`
			Length      int64  `json:"length"`
			RevPos      uint64 `json:"revpos"`
		}
		if err := json.Unmarshal(value, &known); err != nil {
			return fmt.Errorf("%s: %w", name, jsondoc.Explain(err))
		}
		attachments = append(attachments, syncstore.Attachment{
			Name: name, ContentType: known.ContentType, Digest: known.Digest,
			Content: syncstore.Content{Length: known.Length}, RevPos: known.RevPos,
		})
		return nil
	})
	return attachments, err
}

type attemptWriter struct{ user *AttemptUser }

func (w attemptWriter) Name() string { return w.user.Name }

func (w attemptWriter) Roles() []string {
	roles := make([]string, len(w.user.Roles))
	for i, role := range w.user.Roles {
		roles[i] = strings.TrimPrefix(role, rolePrefix)
	}
	return roles
}

func (w attemptWriter) HasRole(role string) bool {
	return slices.Contains(w.user.Roles, role) || slices.Contains(w.user.Roles, rolePrefix+role)
}

func (w attemptWriter) HasChannel(channel string) bool {
	return channel == syncstore.PublicChannel || slices.Contains(w.user.Channels, channel) ||
		slices.Contains(w.user.Channels, syncstore.AllChannel)
}
