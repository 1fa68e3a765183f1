package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"strconv"

	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

// params are the options of a request that takes them from its query or from a JSON
// body; the query has precedence.
type params struct {
	query url.Values
	body  map[string]json.RawMessage
}

// newParams reads the options of a JSON body, which may be empty.
func newParams(query url.Values, body []byte) (params, error) {
	p := params{query: query}
	if len(bytes.TrimSpace(body)) == 0 {
		return p, nil
	}
	p.body = map[string]json.RawMessage{}
	err := jsondoc.Members(body, func(name string, value []byte) error {
		if len(p.body) == maxOptions {
			return badRequest("The request body has more than " + strconv.Itoa(maxOptions) + " members.")
		}
		p.body[name] = bytes.Clone(value)
		return nil
	})
	if errors.Is(err, jsondoc.ErrNotObject) {
		return params{}, badRequest("The request body must be a JSON object.")
	}
	if err != nil {
		return params{}, fmt.Errorf("reading the options: %w", err)
	}
	return p, nil
}

// raw returns the value of an option as JSON text; in the query it is written so.
// Absent, empty and null are nil.
func (p params) raw(names ...string) []byte {
	for _, name := range names {
		if value := p.query.Get(name); value != "" {
			return bytes.TrimSpace([]byte(value))
		}
	}
	for _, name := range names {
		if value := p.body[name]; len(value) > 0 && string(value) != "null" {
			return value
		}
	}
	return nil
}

// rawKey is raw for keys of documents, of which null is one too.
func (p params) rawKey(names ...string) []byte {
	if raw := p.raw(names...); raw != nil {
		return raw
	}
	for _, name := range names {
		if value, given := p.body[name]; given {
			return value
		}
	}
	return nil
}

// text returns the value of an option without the quotes it may have. Absent, empty
// and null are "".
func (p params) text(name string) (string, error) {
	raw := p.raw(name)
	if len(raw) == 0 || raw[0] != '"' {
		return string(raw), nil
	}
	var value string
	if err := json.Unmarshal(raw, &value); err != nil {
		return "", badRequest("The option " + name + " is not valid JSON.")
	}
	return value, nil
}

// flag reads an option that is true or false; absent is false.
func (p params) flag(name string) (bool, error) {
	return p.flagOr(name, false)
}

func (p params) flagOr(name string, absent bool) (bool, error) {
	text, err := p.text(name)
	if err != nil {
		return false, err
	}
	switch text {
	case "":
		return absent, nil
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, badRequest("The option " + name + " must be true or false.")
}

// flags reads several options that are true or false.
func (p params) flags(into map[string]*bool) error {
	for name, target := range into {
		value, err := p.flag(name)
		if err != nil {
			return err
		}
		*target = value
	}
	return nil
}

// count reads an option that is a whole number from 0 up. What is larger than an int
// is as good as no bound, and is cut to that.
func (p params) count(name string) (n int, given bool, err error) {
	text, err := p.text(name)
	if err != nil || text == "" {
		return 0, false, err
	}
	if !decimal(text) {
		return 0, false, badRequest("The option " + name + " must be a whole number that is not negative.")
	}
	n, err = strconv.Atoi(text)
	if err != nil {
		n = math.MaxInt
	}
	return n, true, nil
}

// strings reads an option that is an array of JSON strings.
func (p params) strings(name string) (values []string, given bool, err error) {
	raw := p.raw(name)
	if raw == nil {
		return nil, false, nil
	}
	err = jsondoc.Elements(raw, func(value []byte) error {
		if len(values) == maxNamed {
			return tooManyNamed()
		}
		text, err := jsondoc.String(value)
		values = append(values, text)
		return err
	})
	if refused, ok := errors.AsType[*answerError](err); ok {
		return nil, false, refused
	}
	if err != nil {
		return nil, false, badRequest("The option " + name + " must be a JSON array of strings.")
	}
	return values, true, nil
}

// decimal reports whether text is digits and nothing else.
func decimal(text string) bool {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return text != ""
}
