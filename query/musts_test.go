package query

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// What is said of every document that a selector matches is true of those that it matches, and
// its normal form means the same.
func TestMustsHoldForWhatASelectorMatches(t *testing.T) {
	t.Parallel()
	model := newNaive()
	var matched, musts int
	rapid.Check(t, func(t *rapid.T) {
		text := drawSelector(t, 2, true)
		if rapid.Bool().Draw(t, "simple") {
			text = simpleSelector(t, 2)
		}
		s, err := Parse([]byte(text))
		require.NoError(t, err, text)
		normal, err := Parse(s.Normalized())
		require.NoError(t, err, "%s: %s", text, s.Normalized())
		require.Equal(t, string(s.Normalized()), string(normal.Normalized()), text)
		for range 30 {
			body := drawObject(t, 2)
			if rapid.Bool().Draw(t, "small") {
				body = `{"a":` + simpleValue(t) + `,"b":` + simpleValue(t) + `}`
			}
			doc := &Document{ID: rapid.SampledFrom([]string{"a", "B", "é"}).Draw(t, "id"), Body: []byte(body)}
			ok, err := s.Match(doc)
			require.NoError(t, err)
			same, err := normal.Match(doc)
			require.NoError(t, err)
			require.Equal(t, ok, same, "%s and %s\n%s", text, s.Normalized(), body)
			if !ok {
				continue
			}
			matched++
			for _, m := range s.Musts() {
				musts++
				require.True(t, s.Requires(m.Path), text)
				checkMust(t, model, m, doc, text)
			}
		}
	})
	require.Greater(t, matched, 200)
	require.Greater(t, musts, 100)
}

func checkMust(t *rapid.T, model *naive, m Must, doc *Document, text string) {
	values := NewFields([][]string{m.Path}).Values(doc)
	require.NotNil(t, values[0], "%s: %v is not in %s", text, m.Path, doc.Body)
	if m.Operator == "" || m.Operator == "$exists" {
		return
	}
	one, err := Parse([]byte(`{` + quote(JoinPath(m.Path)) + `:{` + quote(m.Operator) + `:` + string(m.Argument) + `}}`))
	require.NoError(t, err)
	ok, err := one.Match(doc)
	require.NoError(t, err)
	require.True(t, ok, "%s: %v %s %s in %s", text, m.Path, m.Operator, m.Argument, doc.Body)
	if len(m.Path) > 1 || m.Path[0] != "_id" {
		value := decode(string(values[0]))
		if m.Operator == "$eq" {
			require.Zero(t, model.compare(value, decode(string(m.Argument))))
		}
	}
}

func TestRequiresSeesThroughEitherOr(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		`{}`: false, `{"a":1}`: true, `{"b":1}`: false, `{"a":{"$exists":false}}`: false, `{"a":{"$exists":true}}`: true,
		`{"a":{"$not":{"$exists":false}}}`: true, `{"$or":[{"a":1},{"a":2,"b":1}]}`: true, `{"$or":[{"a":1},{"b":1}]}`: false,
		`{"$or":[]}`: false, `{"$nor":[{"a":1},{"b":1}]}`: true, `{"$and":[{"b":1},{"$or":[{"a":{"$gt":1}}]}]}`: true,
		`{"a.b":1}`: false, `{"$not":{"a":1}}`: true, `{"b":{"$elemMatch":{"a":1}}}`: false,
	} {
		s, err := Parse([]byte(text))
		require.NoError(t, err)
		require.Equal(t, want, s.Requires([]string{"a"}), text)
	}
}

func TestNormalizedIsCouchDBsForm(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{}`:        `{}`,
		`{"a": 1}`:  `{"a":{"$eq":1}}`,
		`{"a": {}}`: `{"a":{"$eq":{}}}`,
		`{"a": {"b": [1, 2]}, "c": {"$gt": 1, "$lt": 2}}`:            `{"$and":[{"a.b":{"$eq":[1, 2]}},{"$and":[{"c":{"$gt":1}},{"c":{"$lt":2}}]}]}`,
		`{"$not": {"a": 1}}`:                                         `{"a":{"$ne":1}}`,
		`{"$or": [{"a": 1}, {"b\\.c": {"$in": []}}]}`:                `{"$or":[{"a":{"$eq":1}},{"b\\.c":{"$in":[]}}]}`,
		`{"a": {"$exists": true}, "b": {"$not": {"$exists": true}}}`: `{"$and":[{"a":{"$exists":true}},{"b":{"$exists":false}}]}`,
		`{"a": {"$not": {"$regex": "x"}}}`:                           `{"a":{"$not":{"$regex":"x"}}}`,
		`{"a": {"$elemMatch": {"b": 1}}}`:                            `{"a":{"$elemMatch":{"b": 1}}}`,
		`{"\\$a": 1}`:                                                `{"\\$a":{"$eq":1}}`,
	} {
		s, err := Parse([]byte(text))
		require.NoError(t, err)
		require.True(t, json.Valid(s.Normalized()))
		require.Equal(t, want, string(s.Normalized()), text)
	}
}

func simpleValue(t *rapid.T) string {
	return rapid.SampledFrom([]string{"1", "2", `"a"`, `"ab"`, "null", "[1]"}).Draw(t, "value")
}

// simpleSelector draws one that matches now and then.
func simpleSelector(t *rapid.T, depth int) string {
	if depth > 0 && rapid.Bool().Draw(t, "combined") {
		operator := rapid.SampledFrom([]string{"$and", "$or", "$nor"}).Draw(t, "combination")
		return `{"` + operator + `":[` + simpleSelector(t, depth-1) + `,` + simpleSelector(t, depth-1) + `]}`
	}
	field := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "field")
	operator := rapid.SampledFrom([]string{"$eq", "$ne", "$lt", "$lte", "$gt", "$gte", "$in", "$nin", "$beginsWith", "$exists"}).Draw(t, "operator")
	arg := simpleValue(t)
	switch operator {
	case "$in", "$nin":
		arg = "[" + arg + "," + simpleValue(t) + "]"
	case "$beginsWith":
		arg = `"a"`
	case "$exists":
		arg = "true"
	}
	condition := `{"` + operator + `":` + arg + `}`
	if rapid.IntRange(0, 3).Draw(t, "not") == 0 {
		condition = `{"$not":` + condition + `}`
	}
	return `{"` + field + `":` + condition + `}`
}
