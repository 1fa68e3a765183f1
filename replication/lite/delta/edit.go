package delta

import (
	"errors"
	"unicode/utf8"

	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

var (
	errEditForm  = errors.New("string edit with an unknown operation")
	errEditShort = errors.New("string edit that does not pass over the string exactly")
	errEditText  = errors.New("string edit whose text has another length than it says")
	errEditUTF8  = errors.New("string edit that leaves half a character")
)

// edit appends the string that the operations d make of o.
func (p *patch) edit(o, d value) error {
	if p.old.kind(o) != '"' || p.delta.kind(d) != '"' {
		return p.bad(d, "string edit of or by a value that is no string")
	}
	result, err := edit(p.old.str(o), p.delta.str(d))
	if err != nil {
		return p.bad(d, err.Error())
	}
	p.out = jsondoc.AppendString(p.out, result) // Apply promises how long its result is: this is the shortest
	return nil
}

// edit does what operations say: "n=" keeps n bytes, "n-" drops them, "n+text|" adds text
// of n bytes. Single operations may part the bytes of a character, their result may not.
func edit(old, operations []byte) ([]byte, error) {
	result := make([]byte, 0, len(old)+len(operations))
	for len(operations) > 0 {
		n, rest, ok := decimal(operations)
		if !ok || len(rest) == 0 {
			return nil, errEditForm
		}
		operation := rest[0]
		rest = rest[1:]
		switch operation {
		case '=', '-':
			if n > len(old) {
				return nil, errEditShort
			}
			if operation == '=' {
				result = append(result, old[:n]...)
			}
			old = old[n:]
		case '+':
			if n >= len(rest) || rest[n] != '|' {
				return nil, errEditText
			}
			result = append(result, rest[:n]...)
			rest = rest[n+1:]
		default:
			return nil, errEditForm
		}
		operations = rest
	}
	if len(old) > 0 {
		return nil, errEditShort
	}
	if !utf8.Valid(result) {
		return nil, errEditUTF8
	}
	return result, nil
}
