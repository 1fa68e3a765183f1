package access

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"

	"github.com/caddysync/caddy-sync/script"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
	"go.uber.org/zap"
)

// Validation runs the validate_doc_update functions of design documents, by CouchDB's rules
// (https://docs.couchdb.org/en/stable/ddocs/ddocs.html#validate-document-update-functions). It
// is a syncstore.Validator.
//
// A function is given the new revision, the one that it replaces, who writes, and the
// database's security object. It refuses by throw({forbidden: "words"}) or
// throw({unauthorized: "words"}); what else it throws is its own failure, and refuses too.
// Unlike a sync function it has no words about channels, and is asked about administrators,
// who have the role "_admin". The functions of all design documents must agree.
//
// oldDoc is as for a sync function (DECISIONS 25), but null where somebody writes a document
// anew that was deleted, as in CouchDB.
type Validation struct {
	*Validations
	database string
	logger   *zap.Logger
	prepared atomic.Pointer[validations]
}

// Validations make the validators of collections, which share their runtimes.
type Validations struct {
	check func(*syncstore.Document) error
	pool  *script.Pool
}

// NewValidations returns what makes validators. check is asked first about a design document
// that is written, nil: nothing is. The options' Time, Memory and Runtimes bound all functions
// together.
func NewValidations(check func(*syncstore.Document) error, options Options) *Validations {
	return &Validations{check: check, pool: script.NewPool(script.Options{
		CouchDB: true, Time: options.Time, Memory: options.Memory, Runtimes: options.Runtimes,
	})}
}

// For returns the validator of a collection. database is what its functions are told as
// userCtx.db. A nil logger drops what they say.
func (v *Validations) For(database string, logger *zap.Logger) *Validation {
	if logger == nil {
		logger = zap.NewNop()
	}
	return &Validation{Validations: v, database: database, logger: logger}
}

// validations are the functions of some design documents.
type validations struct {
	of  []*syncstore.Document
	all []validation
}

type validation struct {
	id       string
	function *script.Function // nil: err
	err      error
}

// CheckDesign refuses a design document whose function is none.
func (v *Validation) CheckDesign(doc *syncstore.Document) error {
	if v.check != nil {
		if err := v.check(doc); err != nil {
			return err
		}
	}
	_, err := v.prepare(doc)
	return err
}

// Validate asks the functions of the design documents, in the documents' order. The error is a
// *RejectionError, or the context's.
func (v *Validation) Validate(ctx context.Context, write syncstore.Evaluation, designs []*syncstore.Document) error {
	all := v.functions(designs)
	if len(all) == 0 {
		return nil
	}
	old := write.Old
	if old != nil && old.Deleted && !write.Replicated {
		old = nil
	}
	user, err := v.userContext(write.Writer)
	if err != nil {
		return err
	}
	newText, oldText := writtenJSON(write), old.FunctionJSON()
	for i := range all {
		if err := v.run(ctx, &all[i], write.New.ID, newText, oldText, user); err != nil {
			return err
		}
	}
	return nil
}

// SecurityObject is a database's: who may come in is said elsewhere.
const SecurityObject = `{"admins":{"names":[],"roles":["_admin"]},"members":{"names":[],"roles":[]}}`

func (v *Validation) run(ctx context.Context, f *validation, id, newText, oldText, user string) error {
	if f.err != nil {
		if refused, ok := errors.AsType[*RejectionError](f.err); ok {
			return &RejectionError{Status: http.StatusInternalServerError, Name: refused.Name, Reason: refused.Reason}
		}
		return f.err
	}
	result, err := f.function.Call(ctx, nothing{}, newText, oldText, user, SecurityObject)
	for _, line := range result.Log {
		v.logger.Debug("validate_doc_update says", zap.String("text", line), zap.String("design", f.id), zap.String("document", id))
	}
	if err == nil {
		return nil
	}
	rejection, cause := rejectValidation(f.id, err)
	if rejection == nil {
		return err
	}
	if cause != nil {
		v.logger.Warn("validate_doc_update failed", zap.String("design", f.id), zap.String("document", id), zap.Error(cause))
	}
	return rejection
}

func rejectValidation(id string, err error) (rejection *RejectionError, cause error) {
	rejection, cause = reject(err)
	if cause == nil || rejection == nil {
		return rejection, cause
	}
	what := "Exception in validate_doc_update of "
	if errors.Is(err, script.ErrTimeout) {
		what = "Time is up for validate_doc_update of "
	}
	return failed(what + id), cause
}

// userContext is who writes.
func (v *Validation) userContext(w syncstore.Writer) (string, error) {
	user := UserContext{Database: v.database, Roles: []string{AdminRole}}
	if w != nil {
		user.Roles = append([]string{}, w.Roles()...)
		if name := w.Name(); name != "" {
			user.Name = &name
		}
	}
	text, err := json.Marshal(user)
	if err != nil {
		return "", fmt.Errorf("writing who writes: %w", err)
	}
	return string(text), nil
}

// functions are the validate_doc_update functions of design documents, prepared once.
func (v *Validation) functions(designs []*syncstore.Document) []validation {
	if known := v.prepared.Load(); known != nil && sameDesigns(known.of, designs) {
		return known.all
	}
	found := &validations{of: designs}
	for _, doc := range designs {
		if f, err := v.prepare(doc); f != nil || err != nil {
			found.all = append(found.all, validation{doc.ID, f, err})
		}
	}
	v.prepared.Store(found)
	return found.all
}

// sameDesigns reports whether two lists are one: the store makes a new one for each change.
func sameDesigns(a, b []*syncstore.Document) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// prepare compiles the function of a design document, nil if it has none.
func (v *Validation) prepare(doc *syncstore.Document) (*script.Function, error) {
	var source, language string
	err := jsondoc.Members(doc.Body, func(name string, value []byte) (err error) {
		switch {
		case len(value) == 0 || value[0] != '"':
		case name == "validate_doc_update":
			source, err = jsondoc.String(value)
		case name == "language":
			language, err = jsondoc.String(value)
		}
		return err
	})
	if err != nil || source == "" {
		return nil, err
	}
	if language != "" && language != "javascript" {
		return nil, &RejectionError{
			Status: http.StatusBadRequest, Name: "compilation_error",
			Reason: doc.ID + ": validate_doc_update is in the language " + language + "; here is only javascript",
		}
	}
	f, err := v.pool.Compile(doc.ID+"/validate_doc_update", source)
	if err != nil {
		return nil, &RejectionError{Status: http.StatusBadRequest, Name: "compilation_error", Reason: "Compilation of the validate_doc_update function failed: " + err.Error()}
	}
	return f, nil
}

// AdminRole is CouchDB's name for what administrators have.
const AdminRole = "_admin"

// UserContext is who asks, as functions of design documents are told.
type UserContext struct {
	Database string   `json:"db"`
	Name     *string  `json:"name"` // nil for a guest and for an administrator
	Roles    []string `json:"roles"`
}

// nothing is a host without functions.
type nothing struct{}

func (nothing) Begin()                              {}
func (nothing) Invoke(string, []script.Value) error { return nil }
