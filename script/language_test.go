package script

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSyntaxErrorsNameFileLineAndColumn(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, source, want string }{
		{"in the first line", `function (doc) { doc. }`, "f.js:1:"},
		{"in a later line", "// comment\nfunction (doc) {\n  var = 1\n}", "f.js:3:7: "},
		{"by the compiler", "function (doc) {\n  break\n}", "f.js:2:3: "},
		{"not a function", `1`, "f.js:1:1: expected one function"},
		{"nothing", ``, "f.js:1:"},
		{"two statements", `function (doc) {}; var x = 1`, "helper functions belong inside it"},
		{"a call", `(function () { return function (doc) {} })()`, "expected one function"},
		{"two functions", `function (doc) {}, function () {}`, "expected one function"},
		{"closing brackets", `function (doc) {}); (`, "f.js:1:18: "},
		{"async", `async function (doc) {}`, "must not be async"},
		{"async arrow", `async doc => {}`, "must not be async"},
		{"generator", `function* (doc) {}`, "must not be async or a generator"},
		{"BigInt", "function (doc) {\n  return [1, 2n ** 3n]\n}", "f.js:2:14: BigInt is not supported"},
		{"BigInt in a default", "(doc, n = 1n) => {}", "f.js:1:11: BigInt"},
		{"regular expression", `function (doc) { return /(/ }`, "f.js:1:25: "},
		{"too long", "function (doc) {" + strings.Repeat(" ", 200_000) + "}", "f.js: the text is longer than 128 KiB"},
		{"nested deep", strings.Repeat("(", 120_000), "f.js:"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := Compile("f.js", test.source, Options{})
			var syntax *SyntaxError
			require.ErrorAs(t, err, &syntax)
			require.Contains(t, err.Error(), test.want)
		})
	}
}

func TestFunctionsOfAllForms(t *testing.T) {
	t.Parallel()
	for _, source := range []string{
		`function (doc) { tell(doc.a) }`,
		`function sync(doc) { tell(doc.a) };`,
		"// a comment\n/* another */\nfunction (doc) { tell(doc.a) } // and one more\n",
		`(doc) => { tell(doc.a) }`,
		`doc => tell(doc.a)`,
		`(function (doc) { tell(doc.a) })`,
		`({a}) => { tell(a) }`,
		"\n\n  function (doc) {\n tell(doc.a) \n}\n;\n\n",
		"function (doc) { tell(doc.a) }\n//# sourceMappingURL=/etc/passwd",
	} {
		told, err := callTell(t, mustCompile(t, source, Options{}), `{"a":"x"}`)
		require.NoError(t, err, source)
		require.Equal(t, []string{"tell x"}, told, source)
	}
}

func TestLanguage(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, body, want string }{
		{"classes", `class A { #x = 1; get x() { return this.#x } static of() { return new A() } }; tell(String(A.of().x))`, "1"},
		{"spread", `const {a, ...rest} = {...doc, z: 1}; tell(JSON.stringify(rest))`, `{"list":[1,2],"z":1}`},
		{"optional chaining", `tell(String(doc?.x?.y ?? "none"))`, "none"},
		{"JSON round trip", `tell(JSON.stringify(JSON.parse('{"b":[1,2,{"c":null}],"a":"\\u00e9\\n","1":true}')))`, `{"1":true,"b":[1,2,{"c":null}],"a":"é\n"}`},
		{"JSON of the document", `tell(JSON.stringify(doc))`, `{"a":"x","list":[1,2]}`},
		{"JSON with indent", `tell(JSON.stringify({a: [1], b: {}, c: []}, null, 2))`, "{\n  \"a\": [\n    1\n  ],\n  \"b\": {},\n  \"c\": []\n}"},
		{"JSON with names", `tell(JSON.stringify({a: 1, b: 2, c: {a: 3, d: 4}}, ["a", "c"]))`, `{"a":1,"c":{"a":3}}`},
		{"JSON with a function", `tell(JSON.stringify({a: 1, b: "x"}, (k, v) => k === "a" ? undefined : v))`, `{"b":"x"}`},
		{"JSON with toJSON", `tell(JSON.stringify({d: new Date(0), u: undefined, f() {}, s: Symbol(), n: NaN, o: Object(1)}))`, `{"d":"1970-01-01T00:00:00.000Z","n":null,"o":1}`},
		{"JSON of nothing", `tell(String(JSON.stringify(undefined)), String(JSON.stringify([undefined])))`, `undefined [null]`},
		{"JSON.parse with a function", `tell(String(JSON.parse('{"a":2}', (k, v) => k === "a" ? v * 2 : v).a))`, "4"},
		{"map and filter of arguments", `(function () { tell(Array.prototype.slice.call(arguments, 1).map(x => x + 1).join("-")) })(1, 2, 3)`, "3-4"},
		{"array functions", `tell([3, 1, 2].sort().concat([4], 5, [[6]]).flat().join(), [..."ab"].join(), Array.from({length: 2}, (_, i) => i).join())`, "1,2,3,4,5,6 a,b 0,1"},
		{"flatMap", `tell([1, 2].flatMap(x => [x, [x]]).length + "")`, "4"},
		{"holes", `tell([1, , 3].concat([, 4]).length + "", String(1 in [1, , 3].concat([])))`, "5 false"},
		{"strings", `tell("a-b".split("-").join("+"), "abc".replace("b", "[$&]"), "aXbX".replaceAll("X", "$$"), "x".padStart(3, "ab"), "ab".repeat(2))`, "a+b a[b]c a$b$ abx abab"},
		{"regular expressions", `tell("a1b22".replace(/[0-9]+/g, m => "<" + m + ">"), "a1b22".match(/[0-9]+/g).join(), /(?<y>\d{4})/.exec("in 2026").groups.y, [..."a1b2".matchAll(/[a-z](\d)/g)].map(m => m[1]).join(), "a, b,c".split(/,\s*/).join("|"), String("xay".search(/a/)))`, "a<1>b<22> 1,22 2026 1,2 a|b|c 1"},
		{"RegExp", `tell(String(new RegExp("a+", "i").test("xAA")), String(RegExp("b") instanceof RegExp), String(/x/.constructor === RegExp), new RegExp(/a/g).flags, RegExp(/a/gi, "m").flags)`, "true true true g m"},
		{"a class of errors", `class E extends Error { constructor(m) { super(m); this.name = "E" } }; try { throw new E("x") } catch (e) { tell(String(e), String(e instanceof E)) }`, "E: x true"},
		{"old classes of errors", `function E(m) { this.message = m }; E.prototype = Object.create(Error.prototype); E.prototype.constructor = E; tell(String(new E("x")))`, "Error: x"},
		{"own toString", `var o = {}; o.toString = function () { return "own" }; o.constructor = 1; tell("" + o)`, "own"},
		{"assigning what a prototype has", `function F() {}; F.prototype.toString = function () { return "F" }; F.prototype.constructor = F; tell("" + new F())`, "F"},
		{"member named like a prototype's", `doc.hasOwnProperty = 1; doc.valueOf = 2; tell(String(doc.hasOwnProperty + doc.valueOf))`, "3"},
		{"Map and Set", `var m = new Map([["a", 1]]); tell(String(m.get("a")), [...new Set([1, 1, 2])].join())`, "1 1,2"},
		{"promises", `(async () => { await null; tell("later") })()`, "later"},
		{"promise that somebody handles", `Promise.reject(1).catch(() => tell("caught"))`, "caught"},
		{"undeclared variable", `for (i = 0; i < 2; i++) {} tell(String(i), String(globalThis.i), String(this.i))`, "2 2 2"},
		{"dates", `tell(new Date("2026-01-02T03:04:05Z").toISOString())`, "2026-01-02T03:04:05.000Z"},
		{"tagged templates", "tell(String.raw`a\\n${1}`)", `a\n1`},
		{"apply", `tell(String(Math.max.apply(null, [1, 3, 2])), String(Reflect.apply(Math.min, null, [2, 1])))`, "3 1"},
		{"subclass of Array", `class L extends Array { sum() { return this.reduce((a, b) => a + b, 0) } }; tell(String(L.from([1, 2]).sum()))`, "3"},
		{"document as an object", `tell(Object.keys(doc).join(), String("a" in doc), String(doc.hasOwnProperty("b")), Object.prototype.toString.call(doc), String(doc instanceof Object))`, "a,list true false [object Object] true"},
		{"changing the document", `delete doc.a; doc.b = 1; doc.a = 2; tell(JSON.stringify(doc))`, `{"list":[1,2],"b":1,"a":2}`},
		{"names of functions", `tell(tell.name, [].map.name, "".repeat.name, String([].map.length))`, "tell map repeat 1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, []string{"tell " + test.want}, tell(t, test.body, `{"a":"x","list":[1,2]}`))
		})
	}
}

func TestExceptionsTellWhatWasThrownAndWhere(t *testing.T) {
	t.Parallel()
	_, err := tellErr(t, "\n  var x = null\n  x.y()")
	var exception *ThrownError
	require.ErrorAs(t, err, &exception)
	require.Contains(t, exception.Message, "TypeError")
	require.Contains(t, err.Error(), "test.js:3:")

	_, err = tellErr(t, `throw({forbidden: "no", code: 7, nested: {}})`)
	require.ErrorAs(t, err, &exception)
	require.Equal(t, map[string]string{"forbidden": "no", "code": "7", "nested": ""}, exception.Members)
	require.Equal(t, "{forbidden: no, code: 7, nested: …}", exception.Message)

	_, err = tellErr(t, `(async () => { await 1; throw {forbidden: "later"} })()`)
	require.ErrorAs(t, err, &exception)
	require.Equal(t, map[string]string{"forbidden": "later"}, exception.Members)

	_, err = tellErr(t, `throw new Error("x".repeat(1e6))`)
	require.ErrorAs(t, err, &exception)
	require.Less(t, len(exception.Message), 2000)
}

func TestHostsErrorsAreThrown(t *testing.T) {
	t.Parallel()
	f := mustCompile(t, `function () { tell() }`, Options{})
	_, err := f.Call(context.Background(), &recorder{fail: &ThrowError{Members: map[string]string{"forbidden": "no"}}})
	var exception *ThrownError
	require.ErrorAs(t, err, &exception)
	require.Equal(t, "no", exception.Members["forbidden"])
	_, err = f.Call(context.Background(), &recorder{fail: errors.New("100% wrong")})
	require.ErrorAs(t, err, &exception)
	require.Equal(t, "TypeError: tell: 100% wrong", exception.Message)
	caught := mustCompile(t, `function () { try { tell() } catch (e) {} }`, Options{})
	_, err = caught.Call(context.Background(), &recorder{fail: errors.New("no")})
	require.NoError(t, err)
}

func TestConsoleIsCollectedAndBounded(t *testing.T) {
	t.Parallel()
	f := mustCompile(t, `function (doc) {
		console.log("a", 1, {b: [1, "x"]}, null, undefined, Symbol("s"))
		console.error(doc)
		var loop = {}; loop.loop = loop
		console.warn(loop, ["x".repeat(5000)])
		for (var i = 0; i < 1000; i++) console.info("line", i)
		throw 1
	}`, Options{})
	result, err := f.Call(context.Background(), &recorder{}, `{"c":true}`)
	require.Error(t, err)
	require.Equal(t, `a 1 {"b":[1,"x"]} null undefined Symbol(s)`, result.Log[0])
	require.Equal(t, `{"c":true}`, result.Log[1])
	require.Contains(t, result.Log[2], `{"loop":…}`)
	require.Less(t, len(result.Log[2]), 1100)
	require.Len(t, result.Log, 101)
	require.Equal(t, "(more lines were dropped)", result.Log[100])
}

func TestResultSaysWhetherTheFunctionReturnedSomethingTrue(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]bool{`() => true`: true, `() => 0`: false, `() => {}`: false, `() => "x"`: true} {
		result, err := mustCompile(t, source, Options{}).Call(context.Background(), &recorder{})
		require.NoError(t, err)
		require.Equal(t, want, result.True, source)
	}
}
