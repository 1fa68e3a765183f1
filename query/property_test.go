package query

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestSelectorsMatchAsTheNaiveEvaluationDoes(t *testing.T) {
	t.Parallel()
	model := newNaive()
	outcomes := map[bool]int{}
	rapid.Check(t, func(t *rapid.T) {
		var bodies []string
		for range 10 {
			bodies = append(bodies, drawObject(t, 3))
		}
		for range 10 {
			text := drawSelector(t, 3, true)
			s, err := Parse([]byte(text))
			require.NoError(t, err, text)
			for _, body := range bodies {
				id := rapid.SampledFrom([]string{"a", "B", "é", `q"\`}).Draw(t, "id")
				got, err := s.Match(&Document{ID: id, Body: []byte(body)})
				require.NoError(t, err)
				doc := append(object{{"_id", id}}, decode(body).(object)...)
				want := model.matches(decode(text), doc, "", false, false)
				require.Equal(t, want, got, "%s\n%s", text, body)
				outcomes[got]++
			}
		}
	})
	require.Greater(t, min(outcomes[true], outcomes[false])*10, outcomes[true]+outcomes[false], "a tenth of each")
}

func TestCollationIsTheModelsOrder(t *testing.T) {
	t.Parallel()
	model, c := newNaive(), NewCollation()
	sign := func(n int) int { return min(max(n, -1), 1) }
	rapid.Check(t, func(t *rapid.T) {
		values := []string{drawValue(t, 3), drawValue(t, 3), drawValue(t, 3)}
		for _, a := range values {
			for _, b := range values {
				want := sign(model.compare(decode(a), decode(b)))
				require.Equal(t, want, c.Compare([]byte(a), []byte(b)), "%s %s", a, b)
			}
		}
		slices.SortFunc(values, func(a, b string) int { return c.Compare([]byte(a), []byte(b)) })
		require.LessOrEqual(t, c.Compare([]byte(values[0]), []byte(values[2])), 0, "transitive")
	})
}

var (
	names   = []string{"a", "b", "c", "a.b", "$d", "_x", "é"}
	strs    = []string{"", "a", "A", "b", "ab", "aB", "Ab", "é", "e\u0301", "a\u0001", "a-b", `"`, `x\"y`, `\`, "10", "日本", "l·", "l", `"\/`, "a b", "~", "ß", "ss"}
	numbers = []string{
		"0", "-0", "1", "1.0", "10e-1", "-1", "2", "4", "-5", "5", "0.1", "0.10", "9007199254740993", "9007199254740992",
		"9007199254740993.0", "1e2", "100", "12345678901234567890123", "12345678901234567890124", "-1e300", "1E+300", "3e-7",
	}
	regexes = []string{"^a", "b$", "[aé]", "a|b", "(?i)AB", ".", "^$"}
)

func quote(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func drawValue(t *rapid.T, depth int) string {
	most := 5
	if depth == 0 {
		most = 3
	}
	switch rapid.IntRange(0, most).Draw(t, "kind") {
	case 0:
		return rapid.SampledFrom([]string{"null", "true", "false"}).Draw(t, "literal")
	case 1:
		return rapid.SampledFrom(numbers).Draw(t, "number")
	case 2, 3:
		return quote(rapid.SampledFrom(strs).Draw(t, "string"))
	case 4:
		return drawArray(t, depth)
	}
	return drawObject(t, depth)
}

func drawArray(t *rapid.T, depth int) string {
	n := rapid.IntRange(0, 3).Draw(t, "length")
	parts := make([]string, n)
	for i := range parts {
		parts[i] = drawValue(t, depth-1)
	}
	return "[" + strings.Join(parts, rapid.SampledFrom([]string{",", " ,\n"}).Draw(t, "comma")) + "]"
}

func drawObject(t *rapid.T, depth int) string {
	var parts []string
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(names), 0, 4, rapid.ID).Draw(t, "names") {
		parts = append(parts, quote(name)+rapid.SampledFrom([]string{":", " : "}).Draw(t, "colon")+drawValue(t, depth-1))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func drawField(t *rapid.T) string {
	return rapid.SampledFrom([]string{"a", "b", "c", "a.b", `a\.b`, "a.0", "b.c", `\$d`, "é", "_id", "a.a.b"}).Draw(t, "field")
}

// drawSelector draws an object of conditions; fields: all of them must begin with fields.
func drawSelector(t *rapid.T, depth int, fields bool) string {
	parts := map[string]string{}
	for range rapid.IntRange(0, 2).Draw(t, "conditions") {
		switch {
		case depth > 0 && rapid.IntRange(0, 3).Draw(t, "combine") == 0:
			name, arg := drawCombination(t, depth, fields)
			parts[quote(name)] = arg
		case !fields && rapid.Bool().Draw(t, "operator"):
			name, arg := drawOperator(t, depth)
			parts[quote(name)] = arg
		default:
			parts[quote(drawField(t))] = drawCondition(t, depth)
		}
	}
	members := make([]string, 0, len(parts))
	for name, arg := range parts {
		members = append(members, name+":"+arg)
	}
	slices.Sort(members)
	return "{" + strings.Join(members, ",") + "}"
}

func drawCombination(t *rapid.T, depth int, fields bool) (string, string) {
	name := rapid.SampledFrom([]string{"$and", "$or", "$nor", "$not"}).Draw(t, "combination")
	if name == "$not" {
		return name, drawSelector(t, depth-1, fields)
	}
	items := make([]string, rapid.IntRange(0, 3).Draw(t, "items"))
	for i := range items {
		items[i] = drawSelector(t, depth-1, fields)
	}
	return name, "[" + strings.Join(items, ",") + "]"
}

// drawCondition draws what is wanted of a field.
func drawCondition(t *rapid.T, depth int) string {
	if depth <= 0 || rapid.IntRange(0, 2).Draw(t, "implicit") == 0 {
		return drawValue(t, 0)
	}
	return drawSelector(t, depth-1, false)
}

func drawOperator(t *rapid.T, depth int) (string, string) {
	all := []string{
		"$lt", "$lte", "$eq", "$ne", "$gte", "$gt", "$in", "$nin", "$all", "$exists", "$type", "$size", "$mod", "$regex", "$beginsWith",
		"$elemMatch", "$allMatch", "$keyMapMatch",
	}
	if depth <= 0 {
		all = all[:len(all)-3]
	}
	name := rapid.SampledFrom(all).Draw(t, "name")
	switch name {
	case "$in", "$nin", "$all":
		return name, drawArray(t, 2)
	case "$exists":
		return name, rapid.SampledFrom([]string{"true", "false"}).Draw(t, "exists")
	case "$type":
		return name, quote(rapid.SampledFrom([]string{"null", "boolean", "number", "string", "array", "object"}).Draw(t, "type"))
	case "$size":
		return name, fmt.Sprint(rapid.IntRange(0, 3).Draw(t, "size"))
	case "$mod":
		return name, fmt.Sprintf("[%d,%d]", rapid.SampledFrom([]int{1, 2, -3, 7, 1 << 62}).Draw(t, "divisor"), rapid.IntRange(-3, 3).Draw(t, "rest"))
	case "$regex":
		return name, quote(rapid.SampledFrom(regexes).Draw(t, "regex"))
	case "$beginsWith":
		return name, quote(rapid.SampledFrom(strs).Draw(t, "prefix"))
	case "$elemMatch", "$allMatch", "$keyMapMatch":
		return name, drawSelector(t, depth-1, false)
	}
	return name, drawValue(t, 2)
}

func FuzzSelector(f *testing.F) {
	for selector, doc := range map[string]string{
		`{}`:                                   `{}`,
		`{"a":{"$gt":1,"$lt":3}}`:              `{"a":2}`,
		`{"a.b":{"$elemMatch":{"c":1}}}`:       `{"a":{"b":[{"c":1.0}]}}`,
		`{"$nor":[{"a":1},{"b":{"$in":[2]}}]}`: `{"a":1,"b":[2]}`,
		`{"a":{"$regex":"^x{3}"}}`:             `{"a":"xxx"}`,
		`{"a\\.b":{"$mod":[3,-1]},"_id":"x"}`:  `{"a.b":-1e30}`,
		`{"a":{"$all":[["x"]],"$size":1}}`:     `{"a":["x"]}`,
		`{"a":{"$keyMapMatch":{"$eq":"k"}}}`:   `{"a":{"k":[]}}`,
		`{"a":{"$not":{"$type":"null"}}}`:      `{"a":"\ud83d\ude00\\\"" }`,
	} {
		f.Add(selector, doc)
	}
	model := newNaive()
	f.Fuzz(func(t *testing.T, selector, body string) {
		s, err := Parse([]byte(selector))
		if err != nil {
			require.Nil(t, s)
			return
		}
		s.Fields()
		got, err := s.Match(&Document{ID: "x", Rev: "1-a", Deleted: true, Attachments: []byte(`{}`), Body: []byte(body)})
		doc, bad := jsondoc.Parse([]byte(body))
		if err != nil || bad != nil || len(doc.Meta) > 0 || !small([]byte(selector+body)) || strings.Contains(selector, `\`) {
			return // no comparison, but no panic either
		}
		all := append(object{{"_id", "x"}, {"_rev", "1-a"}, {"_deleted", true}, {"_attachments", object{}}}, decode(body).(object)...)
		require.Equal(t, model.matches(decode(selector), all, "", false, false), got)
	})
}
