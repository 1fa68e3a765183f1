package apidoc

import (
	"bytes"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"slices"
	"sync"
)

// Answer is what a test was answered.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
	// Partial: the body was not kept whole, and is not looked at.
	Partial bool
}

// Record is what operations answered in the tests of a package. It may be used by many at once.
type Record struct {
	// Package is the word for it in x-answered-by.
	Package string

	mu       sync.Mutex
	api      *API
	got      map[*Operation]map[int]bool
	problems map[string]bool
	strange  map[*Response]bool // whose content was complained of once
}

// NewRecord begins a record of what a package answers.
func NewRecord(a *API, of string) *Record {
	return &Record{Package: of, api: a, got: map[*Operation]map[int]bool{}, problems: map[string]bool{}, strange: map[*Response]bool{}}
}

// Problem notes something that is wrong.
func (r *Record) Problem(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.problems[fmt.Sprintf(format, args...)] = true
}

// Add notes an answer of an operation, and holds its body against the description.
func (r *Record) Add(o *Operation, a *Answer) {
	r.mu.Lock()
	if r.got[o] == nil {
		r.got[o] = map[int]bool{}
	}
	r.got[o][a.Status] = true
	r.mu.Unlock()
	described := o.Responses[a.Status]
	if described == nil && slices.Contains(o.Otherwise, a.Status) {
		described = r.api.otherwise()
	}
	if described == nil {
		r.Problem("%s answered %d, which is not described: %s", o, a.Status, cut(a.Body))
		return
	}
	if a.Partial {
		return
	}
	if err := r.api.checkContent(described, a); err != nil && r.first(described) {
		r.Problem("%s: the answer %d is not as described: %s: %s", o, a.Status, err, cut(a.Body))
	}
}

// first reports whether nothing was said of a response yet: one strange answer is enough.
func (r *Record) first(response *Response) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	first := !r.strange[response]
	r.strange[response] = true
	return first
}

func cut(text []byte) []byte {
	if len(text) > 300 {
		return text[:300]
	}
	return bytes.TrimSpace(text)
}

// otherwise is the response of the statuses that default stands for.
func (a *API) otherwise() *Response {
	return &Response{Content: map[string]any{"application/json": map[string]any{"$ref": "#/components/schemas/Error"}}}
}

// checkContent holds a body and its type against a response. An answer in lines fits if each
// of them does.
func (a *API) checkContent(r *Response, answer *Answer) error {
	if len(answer.Body) == 0 {
		return nil // HEAD, or cut off
	}
	given := answer.Header.Get("Content-Type")
	media, _, err := mime.ParseMediaType(given)
	if err != nil {
		media = given
	}
	schema, ok := r.Content[media]
	if !ok {
		schema, ok = r.Content["*/*"]
		media = ""
	}
	if !ok {
		return fmt.Errorf("its type is %q", given)
	}
	if media != "application/json" {
		return nil
	}
	err = a.Check(schema, answer.Body)
	if err == nil {
		return nil
	}
	for line := range bytes.SplitSeq(answer.Body, []byte{'\n'}) {
		if len(bytes.TrimSpace(line)) > 0 && a.Check(schema, line) != nil {
			return err
		}
	}
	return nil
}

// Verdict lists what was answered and is not described, and what is described and was never
// answered, sorted.
func (r *Record) Verdict() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := maps.Clone(r.problems)
	for _, o := range r.api.Operations {
		for status, response := range o.Responses {
			switch {
			case response.AnsweredBy != r.Package || r.got[o][status]:
			case !response.Ambient:
				all[fmt.Sprintf("%s: no test was answered %d", o, status)] = true
			case !r.anywhere(status):
				all[fmt.Sprintf("no test was answered %d by any operation", status)] = true
			}
		}
		for _, status := range o.Otherwise {
			if r.Package == "rest" && !r.anywhere(status) {
				all[fmt.Sprintf("no test was answered %d by any operation", status)] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(all))
}

func (r *Record) anywhere(status int) bool {
	for _, statuses := range r.got {
		if statuses[status] {
			return true
		}
	}
	return false
}
