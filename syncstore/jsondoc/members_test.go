package jsondoc

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMembersAreGivenInOrderWithTheirText(t *testing.T) {
	t.Parallel()
	var got []string
	err := Members([]byte(` { "a" : [ 1 ] , "\u0062":"x" , "_c":{}} `), func(name string, value []byte) error {
		got = append(got, name, string(value))
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, []string{"a", "[ 1 ]", "b", `"x"`, "_c", "{}"}, got)
}

func TestMembersFails(t *testing.T) {
	t.Parallel()
	ignore := func(string, []byte) error { return nil }
	require.ErrorIs(t, Members([]byte(`[]`), ignore), ErrNotObject)
	require.ErrorIs(t, Members([]byte(`{"a":1,"a":2}`), ignore), ErrDuplicate)
	require.ErrorIs(t, Members([]byte(`{"a":[1}`), ignore), ErrSyntax)
	require.ErrorIs(t, Members([]byte(`{} {}`), ignore), ErrSyntax)
	own := errors.New("own")
	require.ErrorIs(t, Members([]byte(`{"a":1}`), func(string, []byte) error { return own }), own)
}

func TestMembersChecksAValueBeforeGivingIt(t *testing.T) {
	t.Parallel()
	err := Members([]byte(`{"a":{"b":1,"b":1}}`), func(string, []byte) error {
		require.Fail(t, "called with a bad value")
		return nil
	})
	require.ErrorIs(t, err, ErrDuplicate)
}

func TestElementsAreGivenInOrderWithTheirText(t *testing.T) {
	t.Parallel()
	var got []string
	err := Elements([]byte(` [ 1, {"a" : 2} ,"x"] `), func(value []byte) error {
		got = append(got, string(value))
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, []string{"1", `{"a" : 2}`, `"x"`}, got)
	require.NoError(t, Elements([]byte(`[]`), func([]byte) error { return errors.New("called") }))
}

func TestElementsFails(t *testing.T) {
	t.Parallel()
	ignore := func([]byte) error { return nil }
	require.ErrorIs(t, Elements([]byte(`{}`), ignore), ErrNotArray)
	require.ErrorIs(t, Elements([]byte(`[1,]`), ignore), ErrSyntax)
	require.ErrorIs(t, Elements([]byte(`[1`), ignore), ErrSyntax)
	require.ErrorIs(t, Elements([]byte(`[1]]`), ignore), ErrSyntax)
	own := errors.New("own")
	require.ErrorIs(t, Elements([]byte(`[1]`), func([]byte) error { return own }), own)
}

func TestStringReadsEscapes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`""`: "", ` "a" `: "a", `"\"\\\/\b\f\n\r\t"`: "\"\\/\b\f\n\r\t", `"\u00e9\ud83d\ude00é"`: "é😀é", `"\u0000"`: "\x00",
	} {
		got, err := String([]byte(text))
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
}

func TestStringFails(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]error{
		`1`: ErrNotString, `null`: ErrNotString, ``: ErrSyntax, `"a`: ErrSyntax, `"a" "b"`: ErrSyntax, `"\ud800"`: ErrUTF8,
	} {
		_, err := String([]byte(text))
		require.ErrorIs(t, err, want, text)
	}
}
