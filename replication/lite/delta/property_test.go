package delta

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestApplyOfDiffGivesTheTarget(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		old := drawObject(t, 4)
		target := old
		for range rapid.IntRange(0, 4).Draw(t, "changes") {
			target = mutate(t, target).(map[string]any)
		}
		if rapid.IntRange(0, 9).Draw(t, "other") == 0 {
			target = drawObject(t, 4)
		}
		before, after := write(t, old), write(t, target)
		delta, ok := Diff(before, after)
		if ok {
			require.Less(t, len(delta), len(after))
			got, err := Apply(before, delta)
			require.NoError(t, err, "%s by %s", before, delta)
			requireSame(t, string(after), string(got))
		}
		// Padding makes the smallest delta worth while, so that small changes are seen too.
		before, after = padded(before), padded(after)
		delta, ok = Diff(before, after)
		require.True(t, ok)
		got, err := Apply(before, delta)
		require.NoError(t, err, "%s by %s", before, delta)
		requireSame(t, string(after), string(got))
	})
}

func padded(object []byte) []byte {
	inside := bytes.TrimSpace(object)
	inside = bytes.TrimSpace(inside[1 : len(inside)-1])
	b := append([]byte(`{"padding":"`), bytes.Repeat([]byte("0"), 500)...)
	b = append(b, '"')
	if len(inside) > 0 {
		b = append(b, ',')
	}
	return append(append(b, inside...), '}')
}

var (
	drawName   = rapid.SampledFrom([]string{"a", "b", "c", "é", "", "0", "1-", `"`, "日", "_attachments"})
	drawString = rapid.SampledFrom([]string{"", "x", "héllo wörld", "\n\"\\/\x00\x1f\x7f", "😀😀", "1=|", "a longer text, so that it is worth while"})
	drawNumber = rapid.SampledFrom([]string{"0", "-0", "1", "1.0", "1e2", "9223372036854775807", "9223372036854775808", "0.12345678901234567890123456789", "1E+400"})
)

func drawValue(t *rapid.T, depth int) any {
	kinds := 6
	if depth == 0 {
		kinds = 4
	}
	switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
	case 0:
		return json.Number(drawNumber.Draw(t, "number"))
	case 1:
		return drawString.Draw(t, "string")
	case 2:
		return rapid.Bool().Draw(t, "bool")
	case 3:
		return nil
	case 4:
		list := make([]any, rapid.IntRange(0, 5).Draw(t, "elements"))
		for i := range list {
			list[i] = drawValue(t, depth-1)
		}
		return list
	}
	return drawObject(t, depth-1)
}

func drawObject(t *rapid.T, depth int) map[string]any {
	object := map[string]any{}
	for range rapid.IntRange(0, 5).Draw(t, "members") {
		object[drawName.Draw(t, "name")] = drawValue(t, depth)
	}
	if rapid.IntRange(0, 9).Draw(t, "wide") == 0 {
		for i := range 2 * fewFields {
			object[fmt.Sprint("wide", i)] = json.Number("1")
		}
	}
	return object
}

// mutate returns a value with a change somewhere in it.
func mutate(t *rapid.T, v any) any {
	switch v := v.(type) {
	case map[string]any:
		changed := maps.Clone(v)
		name := drawName.Draw(t, "name")
		switch item, ok := v[name]; {
		case !ok || rapid.Bool().Draw(t, "replace"):
			changed[name] = drawValue(t, 2)
		case rapid.Bool().Draw(t, "delete"):
			delete(changed, name)
		default:
			changed[name] = mutate(t, item)
		}
		return changed
	case []any:
		changed := append([]any{}, v...)
		at := rapid.IntRange(0, len(v)).Draw(t, "at")
		switch {
		case at == len(v):
			return append(changed, drawValue(t, 2))
		case rapid.IntRange(0, 3).Draw(t, "delete") == 0:
			return append(changed[:at], v[at+1:]...)
		}
		changed[at] = mutate(t, v[at])
		return changed
	}
	return drawValue(t, 2)
}

// write writes a value as JSON, with white space and escapes as drawn.
func write(t *rapid.T, v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(rapid.Bool().Draw(t, "escape"))
	if rapid.Bool().Draw(t, "indent") {
		e.SetIndent(" ", "\t")
	}
	require.NoError(t, e.Encode(v))
	return b.Bytes()
}

// requireSame compares two texts by meaning, by means of encoding/json.
func requireSame(t require.TestingT, want, got string) {
	require.Equal(t, decode(t, []byte(want)), decode(t, []byte(got)))
}

func decode(t require.TestingT, text []byte) any {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	require.NoError(t, d.Decode(&v))
	return v
}
