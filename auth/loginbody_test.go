package auth

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

const formType = "application/x-www-form-urlencoded"

func readLoginOf(kind, body string) (login, *Error) {
	r := httptest.NewRequest(http.MethodPost, "/notes/_session", strings.NewReader(body))
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	return readLogin(httptest.NewRecorder(), r)
}

func TestLoginBodies(t *testing.T) {
	t.Parallel()
	alice := login{name: "alice", password: "pass word", given: true}
	for _, c := range []struct {
		kind, body string
		want       login
	}{
		{"application/json", `{"name":"alice","password":"pass word"}`, alice},
		{"", `{"password":"pass word","name":"alice"}`, alice},
		{formType, `{"name":"alice","password":"pass word"}`, alice}, // curl -d
		{"text/plain", " \r\n\t{\"name\" : \"\\u0061lice\" ,\n\"password\":\"pass word\"}\n", alice},
		{formType, "name=alice&password=pass%20word", alice},
		{formType + "; charset=UTF-8", "password=pass+word&name=%61lice\r\n", alice},
		{"", `{"name":"日本語","password":"🔑\"\\"}`, login{"日本語", `🔑"\`, true}},
		{"", `{"name":"foo#bar"}`, login{"foo#bar", "", true}},
		{"", `{"password":"x"}`, login{"", "x", true}},
		{formType, "name=alice", login{"alice", "", true}},
		{formType, "password=a%3Db%26c", login{"", "a=b&c", true}},
	} {
		got, refusal := readLoginOf(c.kind, c.body)
		require.Nil(t, refusal, c.body)
		require.Equal(t, c.want, got, c.body)
	}
}

func TestLoginBodiesThatNameNobody(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"", " \n", "{}", "{ }", `{"name":""}`, `{"name":"","password":""}`} {
		for _, kind := range []string{"", "application/json", formType} {
			got, refusal := readLoginOf(kind, body)
			require.Nil(t, refusal, body)
			require.Equal(t, login{}, got)
		}
	}
	got, refusal := readLoginOf(formType, "name=&password=")
	require.Nil(t, refusal)
	require.Equal(t, login{}, got)
	got, refusal = readLogin(httptest.NewRecorder(), &http.Request{Method: http.MethodPost})
	require.Nil(t, refusal)
	require.Equal(t, login{}, got)
}

func TestLoginBodiesThatAreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ kind, body, reason string }{
		{"", "{", "the body must be a JSON object"},
		{"", "[]", "the body must be a JSON object"},
		{"", "null", "the body must be a JSON object"},
		{"", `"alice"`, "the body must be a JSON object"},
		{"", "name=alice&password=x", "the body must be a JSON object"},
		{"", `{"name":"alice"`, "the body must be a JSON object"},
		{"", `{"name":"alice",}`, "the body must be a JSON object"},
		{"", `{"name"}`, "the body must be a JSON object"},
		{"", `{"name":"alice"}{"name":"eve"}`, "the body must be a JSON object"},
		{"", `{"name":"alice"} x`, "the body must be a JSON object"},
		{"", `{"name":"al` + "\n" + `ice"}`, "the body must be a JSON object"},
		{"", "\ufeff{}", "the body must be a JSON object"},
		{"", `{name:"alice"}`, "the body must be a JSON object"},
		{"", `{"name":null}`, `"name" and "password" must be strings`},
		{"", `{"name":true,"password":"x"}`, `"name" and "password" must be strings`},
		{"", `{"name":"alice","password":12345678}`, `"name" and "password" must be strings`},
		{"", `{"name":["alice"],"password":"x"}`, `"name" and "password" must be strings`},
		{"", `{"name":{"$gt":""},"password":"x"}`, `"name" and "password" must be strings`},
		{"", `{"name":"alice","password":"x","ttl":1}`, `the body has other members than "name" and "password"`},
		{"", `{"Name":"alice","password":"x"}`, `the body has other members than "name" and "password"`},
		{"", `{"name":"alice","name":"eve","password":"x"}`, "the body has a member twice"},
		{"", `{"name":"alice","n\u0061me":"eve","password":"x"}`, "the body has a member twice"},
		{"", "{\"name\":\"\xff\"}", "the body must be UTF-8"},
		{"", `{"name":"alice\r\nX-Admin: 1","password":"x"}`, "name and password must be UTF-8 without control characters"},
		{"", `{"name":"alice","password":"x\u0000"}`, "name and password must be UTF-8 without control characters"},
		{"", `{"name":"alice\u0085","password":"x"}`, "name and password must be UTF-8 without control characters"},
		{formType, "name=alice&name=eve&password=x", "the form has a field twice"},
		{formType, "name=alice&password=x&next=/", "the form has other fields than name and password"},
		{formType, "NAME=alice&password=x", "the form has other fields than name and password"},
		{formType, "name=alice;password=x", "the form could not be read: write name=…&password=…"},
		{formType, "name=%zz", "the form could not be read: write name=…&password=…"},
		{formType, "name=%ff&password=x", "name and password must be UTF-8 without control characters"},
		{formType, "name=alice%0d%0aX:1&password=x", "name and password must be UTF-8 without control characters"},
	} {
		got, refusal := readLoginOf(c.kind, c.body)
		require.NotNil(t, refusal, c.body)
		require.Equal(t, 400, refusal.Status)
		require.Equal(t, c.reason, refusal.Reason, c.body)
		require.Equal(t, login{}, got)
	}
}

func TestLoginBodyIsBounded(t *testing.T) {
	t.Parallel()
	l, refusal := readLoginOf("", `{"name":"`+strings.Repeat("a", maxLoginBody-11)+`"}`)
	require.Nil(t, refusal)
	require.Len(t, l.name, maxLoginBody-11)
	_, refusal = readLoginOf("", `{"name":"`+strings.Repeat("a", maxLoginBody)+`"}`)
	require.Equal(t, 413, refusal.Status)

	r := httptest.NewRequest(http.MethodPost, "/", io.MultiReader(strings.NewReader("{"), brokenReader{}))
	_, refusal = readLogin(httptest.NewRecorder(), r)
	require.Equal(t, 400, refusal.Status)
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("reset by peer") }

func FuzzLoginBody(f *testing.F) {
	for _, s := range []string{"", "{}", `{"name":"a","password":"b"}`, "name=a&password=b", `{"name":"a","name":"b"}`, "name=%00", `{"a":{"b":[1]}}`, "\xff"} {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, body string, form bool) {
		kind := ""
		if form {
			kind = formType
		}
		l, refusal := readLoginOf(kind, body)
		if refusal != nil {
			require.Equal(t, login{}, l)
			require.GreaterOrEqual(t, refusal.Status, 400)
			require.Less(t, refusal.Status, 500)
			return
		}
		require.Equal(t, l.given, l.name != "" || l.password != "")
		require.True(t, utf8.ValidString(l.name+l.password))
		require.NotContains(t, l.name+l.password, "\x00")
	})
}
