package jsondoc

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWrongTypesAreExplainedWithoutGosNames(t *testing.T) {
	t.Parallel()
	type inner struct {
		Name  string   `json:"name"`
		Roles []string `json:"roles"`
	}
	type outer struct {
		User  *inner            `json:"user"`
		Flag  bool              `json:"flag"`
		Size  int               `json:"size"`
		Share float64           `json:"share"`
		Map   map[string]string `json:"map"`
	}
	for text, want := range map[string]string{
		`{"user":{"name":5}}`:      "the member user.name has a number where a string belongs",
		`{"user":{"roles":"r"}}`:   "the member user.roles has a string where an array belongs",
		`{"user":{"roles":[{}]}}`:  "the member user.roles has an object where a string belongs",
		`{"user":[]}`:              "the member user has an array where an object belongs",
		`{"flag":"x"}`:             "the member flag has a string where a boolean belongs",
		`{"size":1.5}`:             "the member size has a number where a whole number belongs",
		`{"share":true}`:           "the member share has a boolean where a number belongs",
		`{"map":{"secret":[7]}}`:   "the member map has an array where a string belongs",
		`[]`:                       "the JSON has an array where an object belongs",
		`{"other":1}`:              `the member "other" is not known here`,
		`{"user":{"name":"x"},}`:   "invalid character '}' looking for beginning of object key string",
		`{"user":{"nam\u0065":5}}`: "the member user.name has a number where a string belongs",
	} {
		decoder := json.NewDecoder(strings.NewReader(text))
		decoder.DisallowUnknownFields()
		require.EqualError(t, Explain(decoder.Decode(&outer{})), want, text)
	}
	require.NoError(t, Explain(nil))
}
