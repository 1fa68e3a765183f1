package query

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// matches matches a selector with a document of the body given.
func matches(t *testing.T, selector, body string) bool {
	t.Helper()
	s, err := Parse([]byte(selector))
	require.NoError(t, err, selector)
	ok, err := s.Match(&Document{ID: "the-id", Rev: "3-abc", Body: []byte(body)})
	require.NoError(t, err, selector)
	return ok
}

// What CouchDB 3.5 answers, by its documentation and the code of its mango application.
func TestOperatorsMatchAsInCouchDB(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		selector string
		yes, no  []string
	}{
		{`{}`, []string{`{}`, `{"a":1}`}, nil},
		{`{"a":1}`, []string{`{"a":1}`, `{"a":1.0}`, `{"b":0,"a":10e-1}`}, []string{`{}`, `{"a":2}`, `{"a":"1"}`, `{"a":[1]}`}},
		{`{"a":null}`, []string{`{"a":null}`}, []string{`{}`, `{"a":false}`}},
		{`{"a":1,"b":2}`, []string{`{"a":1,"b":2}`}, []string{`{"a":1}`, `{"b":2}`}},
		{`{"a":{"b":1}}`, []string{`{"a":{"b":1,"c":2}}`}, []string{`{"a":1}`, `{"b":1}`}},
		{`{"a.b":1}`, []string{`{"a":{"b":1}}`}, []string{`{"a.b":1}`}},
		{`{"a\\.b":1}`, []string{`{"a.b":1}`}, []string{`{"a":{"b":1}}`}},
		{`{"\\$a":1}`, []string{`{"$a":1}`}, []string{`{"a":1}`}},
		{`{"a\\\\b":1}`, []string{`{"a\\b":1}`}, []string{`{"ab":1}`}},
		{`{"a.1.b":1}`, []string{`{"a":[0,{"b":1}]}`, `{"a":{"1":{"b":1}}}`}, []string{`{"a":[{"b":1}]}`, `{"a":"xy"}`}},
		{`{"a":{}}`, []string{`{"a":{}}`}, []string{`{"a":{"b":1}}`, `{"a":[]}`}},
		// CouchDB 3.5 fails on an object of several members here.
		{`{"a":{"$eq":{"b":1,"c":[2]}}}`, []string{`{"a":{"b":1,"c":[2]}}`, `{"a": { "b" : 1.0 , "c":[ 2 ] } }`},
			[]string{`{"a":{"b":1}}`, `{"a":{"b":1,"c":[2],"d":3}}`, `{"a":{"c":[2],"b":1}}`}},
		{`{"a":[1,"x"]}`, []string{`{"a":[1,"x"]}`}, []string{`{"a":["x",1]}`, `{"a":[1]}`}},
		{`{"a":{"$ne":1}}`, []string{`{"a":2}`, `{"a":null}`}, []string{`{}`, `{"a":1}`}},
		{`{"a":{"$gt":1}}`, []string{`{"a":1.5}`, `{"a":""}`, `{"a":[]}`, `{"a":{}}`}, []string{`{}`, `{"a":1}`, `{"a":true}`, `{"a":null}`}},
		{`{"a":{"$gt":null}}`, []string{`{"a":false}`, `{"a":{}}`}, []string{`{}`, `{"a":null}`}},
		{`{"a":{"$gte":"B","$lt":"c"}}`, []string{`{"a":"B"}`, `{"a":"ba"}`, `{"a":"bZ"}`}, []string{`{"a":"b"}`, `{"a":"c"}`, `{"a":"A"}`}},
		{`{"a":{"$lte":9007199254740992}}`, []string{`{"a":9007199254740992}`}, []string{`{"a":9007199254740993}`}},
		{`{"a":{"$in":[1,"x",[2]]}}`, []string{`{"a":1}`, `{"a":"x"}`, `{"a":[0,1]}`, `{"a":[[2]]}`}, []string{`{"a":2}`, `{"a":[2]}`, `{"a":[]}`, `{}`}},
		{`{"a":{"$nin":[1,"x"]}}`, []string{`{"a":2}`, `{"a":[2]}`, `{"a":[]}`}, []string{`{"a":1}`, `{"a":[2,1]}`, `{}`}},
		{`{"a":{"$in":[]}}`, nil, []string{`{"a":1}`, `{"a":[]}`}},
		{`{"a":{"$nin":[]}}`, []string{`{"a":1}`}, []string{`{}`}},
		{`{"a":{"$exists":true}}`, []string{`{"a":null}`}, []string{`{}`}},
		{`{"a":{"$exists":false}}`, []string{`{}`, `{"b":1}`}, []string{`{"a":null}`}},
		{`{"a.b":{"$exists":false}}`, []string{`{}`, `{"a":{}}`}, []string{`{"a":{"b":0}}`, `{"a":5}`}},
		{`{"a":{"$type":"number"}}`, []string{`{"a":-1e3}`}, []string{`{"a":"1"}`, `{}`}},
		{`{"a":{"$type":"boolean"}}`, []string{`{"a":true}`, `{"a":false}`}, []string{`{"a":null}`}},
		{`{"a":{"$type":"object"}}`, []string{`{"a":{}}`}, []string{`{"a":[]}`}},
		{`{"a":{"$size":2}}`, []string{`{"a":[1,[2,3]]}`}, []string{`{"a":[1]}`, `{"a":[1,2,3]}`, `{"a":"ab"}`, `{"a":{"b":1,"c":2}}`}},
		{`{"a":{"$size":0}}`, []string{`{"a":[ ]}`}, []string{`{"a":[0]}`}},
		{`{"a":{"$mod":[5,2]}}`, []string{`{"a":7}`, `{"a":2}`, `{"a":1.2e1}`}, []string{`{"a":-3}`, `{"a":7.5}`, `{"a":"7"}`, `{"a":5}`}},
		{`{"a":{"$mod":[-5,-2]}}`, []string{`{"a":-7}`}, []string{`{"a":7}`, `{"a":3}`}},
		{`{"a":{"$regex":"^b.d$"}}`, []string{`{"a":"bad"}`, `{"a":"bäd"}`}, []string{`{"a":"bid "}`, `{"a":["bad"]}`, `{}`}},
		{`{"a":{"$regex":"\\d+"}}`, []string{`{"a":"x\u0031"}`}, []string{`{"a":1}`}},
		{`{"a":{"$beginsWith":"Tä"}}`, []string{`{"a":"T\u00e4g"}`}, []string{`{"a":"tä"}`, `{"a":"T"}`, `{"a":["Tä"]}`}},
		{`{"a":{"$all":[1,2]}}`, []string{`{"a":[2,3,1]}`}, []string{`{"a":[1]}`, `{"a":1}`, `{"a":[[1,2]]}`}},
		{`{"a":{"$all":[[1,2]]}}`, []string{`{"a":[1,2]}`, `{"a":[[1,2],3]}`}, []string{`{"a":[2,1]}`}},
		{`{"a":{"$all":[]}}`, nil, []string{`{"a":[]}`, `{"a":[1]}`}},
		{`{"a":{"$elemMatch":{"$gt":1,"$lt":3}}}`, []string{`{"a":[0,2]}`}, []string{`{"a":[0,4]}`, `{"a":2}`, `{"a":[]}`}},
		{`{"a":{"$elemMatch":{"b":1,"c.d":2}}}`, []string{`{"a":[{"b":1},{"b":1,"c":{"d":2}}]}`}, []string{`{"a":[{"b":1},{"c":{"d":2}}]}`}},
		{`{"a":{"$elemMatch":{"$or":[1,{"b":1}]}}}`, []string{`{"a":[1]}`, `{"a":[{"b":1}]}`}, []string{`{"a":[2]}`}},
		{`{"a":{"$allMatch":{"$gt":1}}}`, []string{`{"a":[2,3]}`}, []string{`{"a":[1,2]}`, `{"a":[]}`, `{"a":2}`}},
		{`{"a":{"$allMatch":{"b":{"$exists":false}}}}`, []string{`{"a":[{},{"c":1}]}`}, []string{`{"a":[{},{"b":1}]}`}},
		{`{"a":{"$keyMapMatch":{"$beginsWith":"x"}}}`, []string{`{"a":{"b":1,"xy":2}}`}, []string{`{"a":{"b":"xy"}}`, `{"a":["xy"]}`}},
		{`{"$and":[{"a":1},{"b":2}]}`, []string{`{"a":1,"b":2}`}, []string{`{"a":1}`}},
		{`{"$or":[{"a":1},{"b":2}]}`, []string{`{"a":1}`, `{"b":2}`}, []string{`{"a":2,"b":1}`}},
		{`{"$or":[]}`, []string{`{}`}, nil},
		{`{"$nor":[{"a":1},{"b":2}]}`, []string{`{"a":2,"b":1}`}, []string{`{"a":1,"b":1}`, `{"a":2}`, `{}`}},
		// A negation goes down to the conditions, which want their fields to be there.
		{`{"$not":{"a":1}}`, []string{`{"a":2}`}, []string{`{}`, `{"a":1}`}},
		{`{"$not":{"a":1,"b":2}}`, []string{`{"a":2}`, `{"b":1}`}, []string{`{}`, `{"a":1,"b":2}`}},
		{`{"$not":{"a":{"$regex":"x"}}}`, []string{`{"a":"y"}`, `{"a":1}`}, []string{`{}`, `{"a":"x"}`}},
		{`{"$not":{"a":{"$exists":true}}}`, []string{`{}`}, []string{`{"a":1}`}},
		{`{"$not":{"$or":[{"a":1},{"b":2}]}}`, []string{`{"a":2,"b":1}`}, []string{`{"a":2}`, `{"a":1,"b":1}`, `{}`}},
		{`{"$nor":[{"$and":[{"a":1},{"b":2}]}]}`, []string{`{"a":2}`, `{"a":1,"b":1}`}, []string{`{"a":1,"b":2}`, `{}`}},
		{`{"a":"\"x\\","b":1}`, []string{`{"c":"\\\"","a":"\"x\\","b":1}`}, []string{`{"a":"x","b":1}`}},
		{`{"$not":{"$not":{"a":1}}}`, []string{`{"a":1}`}, []string{`{"a":2}`}},
		{`{"a":{"$not":{"$gt":1}}}`, []string{`{"a":1}`, `{"a":null}`}, []string{`{}`, `{"a":2}`}},
		{`{"a":{"$or":[1,{"$gt":5}]}}`, []string{`{"a":1}`, `{"a":6}`}, []string{`{"a":3}`}},
		{`{"a":{"$nor":[1,2]}}`, []string{`{"a":3}`}, []string{`{"a":1}`, `{}`}},
		// Below $elemMatch it is one of the whole.
		{`{"a":{"$elemMatch":{"$not":{"b":1}}}}`, []string{`{"a":[{}]}`, `{"a":[{"b":2}]}`}, []string{`{"a":[{"b":1}]}`}},
		{`{"a":{"$elemMatch":{"$nor":[1,2]}}}`, []string{`{"a":[1,3]}`}, []string{`{"a":[1,2]}`}},
		{`{"_id":"the-id"}`, []string{`{}`}, nil},
		{`{"_id":{"$lt":"tHe"}}`, nil, []string{`{}`}},             // by bytes; by letters it would be less
		{`{"_id":{"$gt":{"a":1},"$gte":[]}}`, []string{`{}`}, nil}, // an ID is above all that is no string, as in CouchDB
		{`{"_id":{"$lte":{}}}`, nil, []string{`{}`}},
		{`{"_id":{"$in":["The-id","the-id"]}}`, []string{`{}`}, nil},
		{`{"_rev":{"$regex":"^3-"}}`, []string{`{}`}, nil},
		{`{"_deleted":{"$exists":true}}`, nil, []string{`{}`}},
	} {
		for _, body := range test.yes {
			require.True(t, matches(t, test.selector, body), "%s %s", test.selector, body)
		}
		for _, body := range test.no {
			require.False(t, matches(t, test.selector, body), "%s %s", test.selector, body)
		}
	}
}

func TestDecision26_NumbersAreComparedExactly(t *testing.T) {
	t.Parallel()
	sorted := [][]string{ // those in a line are equal
		{"-1e400"}, {"-9007199254740993", "-9007199254740993.000"}, {"-9007199254740992", "-9.007199254740992E15"}, {"-1.5", "-15e-1"}, {"-1"},
		{"-1e-400"}, {"0", "-0", "0.0", "0e99", "-0.00E-7"}, {"1e-999999999999999999999"}, {"1e-400"}, {"0.1", "1e-1", "0.10", "0.01e1"},
		{"0.10000000000000000000000000000001"}, {"1", "1.0", "100e-2"}, {"9007199254740992"}, {"9007199254740993"}, {"12345678901234567890"},
		{"12345678901234567891", "1.2345678901234567891e19"}, {"1e400", "10e399"}, {"1e99999"}, {"1e999999999999999999999"},
	}
	c := NewCollation()
	for i, line := range sorted {
		for j, other := range sorted {
			for _, a := range line {
				for _, b := range other {
					want := min(max(i-j, -1), 1)
					require.Equal(t, want, c.Compare([]byte(a), []byte(b)), "%s %s", a, b)
				}
			}
		}
	}
}

func TestModuloTakesNumbersOfAnyLength(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		number  string
		divisor int64
		rest    int64
		whole   bool
	}{
		{"123456789012345678901234567890", 97, 52, true}, {"-7", 5, -2, true}, {"7", -5, 2, true}, {"1e18", 7, 1, true},
		{"1e1000000000000", 3, 1, true}, {"0.5e1", 3, 2, true}, {"0.5", 3, 0, false}, {"1e-1", 3, 0, false}, {"0.0", 3, 0, true},
		{"9223372036854775807", -9223372036854775808, 9223372036854775807, true}, {"-9223372036854775808", -1, 0, true},
		{"1e100000000000000000", 3, 0, false}, {"5000", 1, 0, true},
	} {
		rest, whole := remainder(value(test.number), test.divisor)
		require.Equal(t, test.whole, whole, test.number)
		require.Equal(t, test.rest, rest, test.number)
	}
}

func TestSelectorsThatMeanNothingSayWhatToWrite(t *testing.T) {
	t.Parallel()
	for selector, want := range map[string]string{
		`[]`:                              `expected a JSON object, such as {"type": "note"}`,
		`{"a":{"$foo":1}}`:                `a.$foo: there is no such operator; there are $lt, `,
		`{"a":{"$text":"x"}}`:             `a.$text: it needs an index of texts`,
		`{"$gt":1}`:                       `$gt: the operator has no field; write {"field": {"$operator": …}}`,
		`{"$and":[{"$eq":1}]}`:            `the operator has no field`,
		`{"$elemMatch":{"a":1}}`:          `the operator has no field`,
		`{"$or":[1]}`:                     `$or: it must have objects`,
		`{"$or":{"a":1}}`:                 `$or: it needs an array, such as {"$or": [{"a": 1}, {"b": 2}]}`,
		`{"a":{"$not":1}}`:                `a.$not: it needs an object, such as {"$not": {"$eq": 1}}; for a value write $ne`,
		`{"a":{"$in":1}}`:                 `a.$in: it needs an array, such as {"$in": [1, 2]}`,
		`{"a":{"$nin":{}}}`:               `{"$nin": [1, 2]}`,
		`{"a":{"$all":"x"}}`:              `{"$all": [1, 2]}`,
		`{"a":{"$exists":"true"}}`:        `a.$exists: it needs true or false without quotes`,
		`{"a":{"$type":"int"}}`:           `a.$type: it needs the name of a type as a string: null, boolean, number,`,
		`{"a":{"$type":1}}`:               `the name of a type`,
		`{"a":{"$size":-1}}`:              `a.$size: it needs a whole number that is not negative`,
		`{"a":{"$size":1.0}}`:             `whole number`,
		`{"a":{"$mod":[0,1]}}`:            `a.$mod: it needs a divisor other than 0 and a remainder`,
		`{"a":{"$mod":[2]}}`:              `a divisor`,
		`{"a":{"$mod":[2,"1"]}}`:          `a divisor`,
		`{"a":{"$mod":[1e3,1]}}`:          `a divisor`,
		`{"a":{"$regex":1}}`:              `a.$regex: it needs a string`,
		`{"a":{"$regex":"("}}`:            `a.$regex: missing closing ); the syntax is RE2's`,
		`{"a":{"$regex":"(?=x)"}}`:        `which has no look-around and no backreferences`,
		`{"a":{"$regex":"(x{100}){99}"}}`: `a.$regex:`,
		`{"a":{"$beginsWith":[]}}`:        `a.$beginsWith: it needs a string`,
		`{"a":{"$elemMatch":[1]}}`:        `a.$elemMatch: it needs an object, such as {"$elemMatch": {"$eq": 1}}`,
		`{"a":{"$keyMapMatch":"x"}}`:      `{"$keyMapMatch": {"$eq": 1}}`,
		`{"":1}`:                          `a part of the field's name is empty`,
		`{"a..b":1}`:                      `a dot that belongs to the name is written \.`,
		`{"a\\":1}`:                       `ends with a backslash`,
		strings.Repeat(`{"a":`, 60) + "1" + strings.Repeat("}", 60):                                   `nested too deep; at most 50 levels`,
		`{"$or":[` + strings.Repeat(`{"a":1},`, 1000) + `{}]}`:                                        `more than 1000 conditions`,
		`{"$and":[` + strings.TrimSuffix(strings.Repeat(`{"a":{"$regex":"x{200}"}},`, 6), ",") + `]}`: `the regular expressions are too large`,
		`{"a":"` + strings.Repeat("x", MaxSelector) + `"}`:                                            `bytes; at most 262144 are allowed`,
	} {
		_, err := Parse([]byte(selector))
		require.ErrorIs(t, err, ErrSelector, selector)
		require.ErrorContains(t, err, want, selector)
		require.Less(t, len(err.Error()), 600)
	}
	for _, text := range []string{``, `{`, `{"a":1,"a":2}`, `{"a":1}}`, "{\"\xff\":1}"} {
		_, err := Parse([]byte(text))
		require.Error(t, err)
		require.NotErrorIs(t, err, ErrSelector, "what is no JSON is jsondoc's to say")
	}
}

func TestSelectorsSayWhichFieldsTheyUse(t *testing.T) {
	t.Parallel()
	s, err := Parse([]byte(`{"a.b":1,"$or":[{"c":{"d":2,"$elemMatch":{"e":1}}},{"a":{"b":{"$gt":0}}}],"_rev":{"$exists":true}}`))
	require.NoError(t, err)
	require.Equal(t, [][]string{{"a", "b"}, {"c", "d"}, {"c"}, {"_rev"}}, s.Fields())
	for name, uses := range map[string]bool{"a": true, "b": false, "c": true, "e": false, "_rev": true, "_attachments": false} {
		require.Equal(t, uses, s.Uses(name), name)
	}
}

func TestSelectorsWithManyFieldsFindThemAll(t *testing.T) {
	t.Parallel()
	var selector, body []string
	for i := range 3 * fewTops {
		selector = append(selector, fmt.Sprintf(`"f%d":%d`, i, i))
		body = append(body, fmt.Sprintf(`"f%d":%d,"x%d":0`, i, i, i))
	}
	text := "{" + strings.Join(selector, ",") + "}"
	require.True(t, matches(t, text, "{"+strings.Join(body, ",")+"}"))
	slices.Reverse(body)
	require.True(t, matches(t, text, "{"+strings.Join(body, ",")+"}"))
	require.False(t, matches(t, text, "{"+strings.Join(body[1:], ",")+"}"))
}

func TestSelectorsKeepNothingOfTheirInput(t *testing.T) {
	t.Parallel()
	text := []byte(` {"a":{"$in":["x","y"]}} `)
	s, err := Parse(text)
	require.NoError(t, err)
	clear(text)
	ok, err := s.Match(&Document{Body: []byte(`{"a":"y"}`)})
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, `{"a":{"$in":["x","y"]}}`, s.String())
}

func TestSelectorsAreForManyGoroutines(t *testing.T) {
	t.Parallel()
	s, err := Parse([]byte(`{"a":{"$gt":"é","$lt":"ü"},"b":{"$in":["ö","ä","o"]},"c":{"$regex":"x"}}`))
	require.NoError(t, err)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for i := range 200 {
				want := i%2 == 0
				body := []byte(`{"a":"ö","b":"ä","c":"` + strconv.FormatBool(want) + `"}`)
				ok, err := s.Match(&Document{Body: body})
				if err != nil || ok {
					panic("no x in it")
				}
			}
		})
	}
	group.Wait()
}

// The comparison with a short text passes over characters that have no weight, and over escapes.
func TestTheWorkOfCharactersWithoutAWeightCounts(t *testing.T) {
	t.Parallel()
	many := func(condition string) string {
		return `{"$or":[` + strings.Repeat(condition+",", 99) + condition + `]}`
	}
	for name, c := range map[string]struct {
		text, condition string
		tooMuch         bool
	}{
		"accents":    {strings.Repeat("\u0301", 100_000), `{"a":{"$gt":"ax"}}`, true},
		"controls":   {strings.Repeat(`\u0001`, 100_000), `{"a":{"$gt":"ax"}}`, true},
		"members":    {strings.Repeat(`\u0001`, 100_000), `{"a":{"$in":["ax","ay"]}}`, true},
		"in a list":  {strings.Repeat("\u0301", 100_000), `{"a":{"$gt":["ax"]}}`, true},
		"characters": {strings.Repeat("漢", 100_000), `{"a":{"$lt":"ax"}}`, false},
		"letters":    {strings.Repeat("a", 1_000_000), `{"a":{"$gt":"ax"}}`, false},
		"lines":      {strings.Repeat(`aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n`, 10_000), `{"a":{"$gt":"ax"}}`, false},
	} {
		a := `"` + c.text + `"`
		if strings.Contains(c.condition, "[\"ax\"]") {
			a = "[" + a + "]"
		}
		s, err := Parse([]byte(many(c.condition)))
		require.NoError(t, err)
		_, err = s.Match(&Document{Body: []byte(`{"a":` + a + `}`)})
		if c.tooMuch {
			require.ErrorIs(t, err, ErrTooMuchWork, name)
		} else {
			require.NoError(t, err, name)
		}
	}
}

func TestTooMuchWorkIsAnErrorAndNotAnAnswer(t *testing.T) {
	t.Parallel()
	text, numbers := `"`+strings.Repeat("x", 2000)+`"`, `[`+strings.Repeat("1,", 1000)+`2]`
	for selector, a := range map[string]string{
		`{"a":{"$not":{"$regex":"y"}}}`:                           text,
		`{"a":{"$beginsWith":"y"}}`:                               text,
		`{"a":{"$in":["y"]}}`:                                     text,
		`{"a":{"$gt":` + text + `}}`:                              text,
		`{"a":{"$elemMatch":{"$or":[7,8,9]}}}`:                    numbers,
		`{"a":{"$allMatch":{"$gt":0}}}`:                           numbers,
		`{"a":{"$nin":[7]}}`:                                      numbers,
		`{"a":{"$all":[7,8]}}`:                                    numbers,
		`{"a":{"$size":9000}}`:                                    numbers,
		`{"a.7":1}`:                                               numbers,
		`{"a.b":1}`:                                               `{"c":` + text + `}`,
		`{"a":{"$keyMapMatch":{"$eq":"b"}}}`:                      `{"c":` + text + `}`,
		`{"a":{"$mod":[3,1]}}`:                                    strings.Repeat("9", 2000),
		`{"$or":[` + strings.Repeat(`{"a":1},`, 60) + `{"a":2}]}`: `0`,
	} {
		s, err := Parse([]byte(selector))
		require.NoError(t, err)
		body := []byte(`{"a":` + a + `}`)
		_, err = s.match(&Document{Body: body}, len(body)+1000)
		require.ErrorIs(t, err, ErrTooMuchWork, selector)
	}
	s, err := Parse([]byte(`{"a":{"$not":{"$regex":"(x?){200}y"}}}`))
	require.NoError(t, err)
	_, err = s.Match(&Document{Body: []byte(`{"a":"` + strings.Repeat("x", 1<<20) + `"}`)})
	require.ErrorIs(t, err, ErrTooMuchWork)
}

func TestOrdinarySelectorsMayCostWhatTheyNeed(t *testing.T) {
	t.Parallel()
	conditions := strings.TrimSuffix(strings.Repeat(`{"name":{"$gt":"zoë"}},`, 10), ",")
	elements := strings.Repeat(`{"id":12345,"name":"Zoé","role":"reader","since":"2026-11-26","tags":["a","b"]},`, 50_000)
	require.True(t, matches(t, `{"a":{"$elemMatch":{"$or":[`+conditions+`,{"id":1}]}}}`, `{"a":[`+elements+`{"id":1}]}`))
}

func TestBodiesThatAreNotJSONDoNoHarm(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"", "{", `{"a`, `{"a"`, `{"a":`, `{"a":[`, `{"a":"\`, `[}`, `{"a":[[[]`, `{"a":}`, "\x00", `{"a":{"b":"c\"`, `"`} {
		for _, selector := range []string{`{"a":{"$elemMatch":{"b":1}}}`, `{"a.b":{"$gt":"x"}}`, `{"a":{"$mod":[2,1]}}`, `{"a":[[1]]}`} {
			s, err := Parse([]byte(selector))
			require.NoError(t, err)
			_, err = s.Match(&Document{Body: []byte(body)})
			require.NoError(t, err)
		}
	}
}
