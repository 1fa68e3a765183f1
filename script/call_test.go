package script

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// recorder is a host whose one function is tell.
type recorder struct {
	told []string
	fail error
}

func (r *recorder) Begin() { r.told = nil }

func (r *recorder) Invoke(function string, args []Value) error {
	var line strings.Builder
	line.WriteString(function)
	for _, arg := range args {
		line.WriteByte(' ')
		if elements, ok := arg.Elements(); ok {
			for _, element := range elements {
				text, _ := element.Text()
				fmt.Fprintf(&line, "[%s %s]", element.Kind(), text)
			}
			continue
		}
		text, ok := arg.Text()
		if number, is := arg.Number(); is {
			text, ok = fmt.Sprint(number), true
		}
		if !ok {
			text = arg.Kind()
		}
		line.WriteString(text)
	}
	r.told = append(r.told, line.String())
	return r.fail
}

func mustCompile(t *testing.T, source string, options Options) *Function {
	t.Helper()
	options.Functions = []string{"tell"}
	f, err := Compile("test.js", source, options)
	require.NoError(t, err)
	return f
}

// tell runs a function's body and returns what it told.
func tell(t *testing.T, body string, args ...string) []string {
	t.Helper()
	told, err := tellErr(t, body, args...)
	require.NoError(t, err)
	return told
}

func tellErr(t *testing.T, body string, args ...string) ([]string, error) {
	t.Helper()
	f := mustCompile(t, "function (doc, oldDoc, meta) {"+body+"\n}", Options{Time: time.Minute}) // on a busy machine some take more than a second
	return callTell(t, f, args...)
}

func callTell(t *testing.T, f *Function, args ...string) ([]string, error) {
	t.Helper()
	host := &recorder{}
	_, err := f.Call(context.Background(), host, args...)
	return host.told, err
}

func TestCallGivesArgumentsAndTellsTheHost(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"tell a", "tell [string b][number ][null ]", "tell 1.5 object null null boolean function symbol"},
		tell(t, `tell(doc.a); tell(doc.list); tell(1.5, {}, null, undefined, true, tell, Symbol('x'))`,
			`{"a":"a","list":["b",1,null]}`))
}
