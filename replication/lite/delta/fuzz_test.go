package delta

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

func FuzzApply(f *testing.F) {
	const old = `{"a":1,"s":"h\u00e9llo\n","l":[1,{"x":"y"},3],"o":{"x":{"y":[]}}}`
	for _, delta := range []string{
		`{}`, `{"a":2}`, `{"a":[]}`, `{"a":[[1]]}`, `{"a":[1,2]}`, `{"a":[1,0,0]}`, `{"s":["1=2-3+abc|3=1-",0,2]}`, `{"s":["2=1-4=",0,2]}`,
		`{"l":{"1":{"x":1},"2-":[4,5]}}`, `{"l":{"3-":[4]}}`, `{"o":{"x":{"y":{"0-":[1]}}},"n":[{}]}`, `[{"b":1}]`, `{"z":{}}`, `{"a":1,"\u0061":2}`,
	} {
		f.Add([]byte(old), []byte(delta))
	}
	f.Fuzz(func(t *testing.T, old, delta []byte) {
		before, by := bytes.Clone(old), bytes.Clone(delta)
		got, err := Apply(old, delta)
		require.Equal(t, before, old)
		require.Equal(t, by, delta)
		if _, bad := jsondoc.Parse(old); bad != nil {
			require.Error(t, err)
			require.NotErrorIs(t, err, ErrBadDelta)
			return
		}
		want, fits := any(nil), false
		if jsondoc.Check(delta) == nil {
			want, fits = model(decode(t, old), decode(t, delta))
		}
		if _, object := want.(map[string]any); !fits || !object {
			require.ErrorIs(t, err, ErrBadDelta, "%q by %q gives %q", old, delta, got)
			return
		}
		require.NoError(t, err, "%q by %q", old, delta)
		require.NoError(t, jsondoc.Check(got), "%q by %q", old, delta)
		require.LessOrEqual(t, len(got), len(old)+len(delta), "%q by %q", old, delta)
		require.Equal(t, want, decode(t, got), "%q by %q", old, delta)
	})
}

func FuzzDiff(f *testing.F) {
	for _, s := range [][2]string{
		{`{"a":1}`, `{"a":2}`},
		{`{"a":[1,2,3],"b":{"c":"x"}}`, `{"b":{"c":"y"},"a":[1,3]}`},
		{`{"a":"\u00e9","b":1}`, ` { "b" : 1 , "a" : "é" } `},
		{`{"a":{"x":1,"y":"yyyyyyyyyyyyyyyyyyyyyy"}}`, `{"a":{"x":[],"y":"yyyyyyyyyyyyyyyyyyyyyy","z":{}}}`},
	} {
		f.Add([]byte(s[0]), []byte(s[1]))
	}
	f.Fuzz(func(t *testing.T, old, target []byte) {
		before, after := bytes.Clone(old), bytes.Clone(target)
		delta, ok := Diff(old, target)
		require.Equal(t, before, old)
		require.Equal(t, after, target)
		if !ok {
			return
		}
		require.Less(t, len(delta), len(target))
		got, err := Apply(old, delta)
		require.NoError(t, err, "%q to %q by %q", old, target, delta)
		requireSame(t, string(target), string(got))
		again, err := Apply(got, []byte(`{}`))
		require.NoError(t, err)
		require.Equal(t, string(got), string(again))
	})
}
