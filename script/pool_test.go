package script

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFunctionsOfAPoolShareRuntimesAndNothingElse(t *testing.T) {
	t.Parallel()
	pool := NewPool(Options{Functions: []string{"tell"}, Runtimes: 1})
	first, err := pool.Compile("a.js", `function (doc) { x = doc.n; tell(x) }`)
	require.NoError(t, err)
	second, err := pool.Compile("b.js", `function () { tell(typeof x) }`)
	require.NoError(t, err)
	for range 3 {
		told, err := callTell(t, first, `{"n":7}`)
		require.NoError(t, err)
		require.Equal(t, []string{"tell 7"}, told)
		told, err = callTell(t, second)
		require.NoError(t, err)
		require.Equal(t, []string{"tell undefined"}, told)
	}
	require.Len(t, pool.idle, 1)
}

func TestWhatAFunctionReturnsIsJSON(t *testing.T) {
	t.Parallel()
	pool := NewPool(Options{Returns: true, CouchDB: true, Functions: []string{"tell"}})
	for source, want := range map[string]string{
		`() => ({a: [1, null, "x"], b: undefined})`: `{"a":[1,null,"x"]}`,
		`() => undefined`:      "",
		`() => function () {}`: "",
		`() => NaN`:            "null",
		`() => new Date(0)`:    `"1970-01-01T00:00:00.000Z"`,
		`doc => doc`:           `{"n":1.50}`,
		`doc => [isArray([]), isArray(doc), toJSON(doc)]`: `[true,false,"{\"n\":1.5}"]`,
		`() => sum([1, 2, 3.5])`:                          "6.5",
		`() => sum(["a", "b"])`:                           `"0ab"`,
		`() => ({toJSON: () => 5})`:                       "5",
	} {
		f, err := pool.Compile("f.js", source)
		require.NoError(t, err)
		result, err := f.Call(t.Context(), &recorder{}, `{"n":1.50}`)
		require.NoError(t, err, source)
		require.Equal(t, strings.Replace(want, "1.50", "1.5", 1), result.JSON, source)
	}
	f, err := pool.Compile("f.js", `() => ({toJSON () { throw ({forbidden: "no"}) }})`)
	require.NoError(t, err)
	_, err = f.Call(t.Context(), &recorder{})
	require.ErrorContains(t, err, "no")
	f, err = pool.Compile("f.js", `() => { log("a", {b: 1}) }`)
	require.NoError(t, err)
	result, err := f.Call(t.Context(), &recorder{})
	require.NoError(t, err)
	require.Equal(t, []string{`a {"b":1}`}, result.Log)
}

func TestHelpersOfCouchDBAreForThoseWhoWantThem(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"tell undefined undefined undefined undefined"},
		tell(t, `tell(typeof sum, typeof isArray, typeof toJSON, typeof log)`))
}
