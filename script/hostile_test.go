package script

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// attacks are bodies of functions, with the error that must stop each; nil stands for an
// exception that the script is thrown.
var attacks = []struct {
	name, body string
	want       error
}{
	{"endless loop", `for (;;) {}`, ErrTimeout},
	{"endless loop that catches", `for (;;) { try { for (;;) {} } catch (e) {} finally { for (;;) {} } }`, ErrTimeout},
	{"endless loop of promises", `(function again() { Promise.resolve().then(again) })()`, ErrTimeout},
	{"endless iteration by a built-in function", `Array.from({[Symbol.iterator]() { return {next() { return {done: false} }} }})`, errStopped},
	{"array that grows while it is iterated", `var a = [1]; Array.from(a.values(), Array.prototype.push, a)`, errStopped},
	{"endless generator", `function* g() { for (;;) yield 1 } new Set(g()); new Map([...g()])`, errStopped},
	{"sort with a comparator that lies", `var a = []; for (var i = 0; i < 50000; i++) a.push(i); for (;;) a.sort(function () { return Math.random() - 0.5 })`, ErrTimeout},
	{"many objects", `var a = []; for (;;) a.push({a: [1, 2, 3]})`, errStopped},
	{"string that doubles", `var s = "x"; for (;;) s += s`, errStopped},
	{"string that doubles by a template", "var s = 'x'; for (;;) s = `${s}${s}`", ErrMemory},
	{"deep object", `var o = {}; for (;;) o = {o}`, errStopped},
	{"many members", `for (var i = 0; ; i++) doc["m" + i] = i`, errStopped},
	{"large map", `var m = new Map(); for (var i = 0; ; i++) m.set(i, "v" + i)`, errStopped},
	{"recursion", `(function f() { f() })()`, ErrDepth},
	{"recursion through built-in functions", `(function f() { [1].forEach(f) })()`, nil},
	{"recursion through getters", `var o = {get a() { return this.a }}; o.a`, ErrDepth},
	{"recursion through toString", `var o = {toString() { return "" + this }}; "" + o`, ErrDepth},
	{"repeat", `"x".repeat(1 << 30)`, nil},
	{"repeat by call", `String.prototype.repeat.call({toString() { return "xxxxxxxxxxxxxxxx" }}, 1 << 26)`, nil},
	{"padStart", `"x".padStart(1 << 30)`, nil},
	{"padEnd", `"x".padEnd(1 << 30, "ab")`, nil},
	{"concat of strings", `var s = "x".repeat(1e6); s.concat.apply(s, Array(1000).fill(s))`, nil},
	{"large array filled", `Array(1e9).fill(0)`, nil},
	{"large array joined", `Array(1e9).join("x")`, nil},
	{"large array as text", `"" + Array(4e9)`, nil},
	{"large array spread", `[...Array(4e9)]`, nil},
	{"large array as arguments", `Math.max(...Array(4e9))`, nil},
	{"apply", `Math.max.apply(null, Array(4e9))`, nil},
	{"apply with an object", `Math.max.apply(null, {length: 4e9})`, nil},
	{"Reflect.apply", `Reflect.apply(Math.max, null, {length: 4e9})`, nil},
	{"Reflect.construct", `Reflect.construct(Array, {length: 4e9})`, nil},
	{"length by assignment", `var a = []; a.length = 4e9; a.map(String)`, nil},
	{"search in an object of any length", `Array.prototype.includes.call({length: 2 ** 53}, 1)`, nil},
	{"length that changes", `var n = 0; Array.prototype.indexOf.call({get length() { return n++ ? 2 ** 53 : 1 }}, 1); throw 1`, nil},
	{"Array.from", `Array.from({length: 1e9})`, nil},
	{"Array.from with a length that changes", `var n = 0; Array.from({get length() { return n++ ? 1e9 : 1 }}); throw 1`, nil},
	{"array concat", `var s = {length: 1e9, [Symbol.isConcatSpreadable]: true}; [].concat(s); throw 1`, nil},
	{"array concat of large arrays", `[].concat(Array(1e9))`, nil},
	{"flat of large arrays", `[Array(1e9)].flat()`, nil},
	{"flatMap of large arrays", `[1].flatMap(function () { return Array(1e9) })`, nil},
	{"flat of arrays that share", `var a = [1]; for (var i = 0; i < 60; i++) a = [a, a]; a.flat(Infinity)`, errStopped},
	{"text of arrays that share", `var a = [1]; for (var i = 0; i < 60; i++) a = [a, a]; "" + a`, errStopped},
	{"JSON of arrays that share", `var a = [1]; for (var i = 0; i < 60; i++) a = [a, a]; JSON.stringify(a)`, errStopped},
	{"JSON of a large array", `JSON.stringify(Array(4e9))`, nil},
	{"JSON of a deep array", `var a = []; for (var i = 0; i < 20000; i++) a = [a]; JSON.stringify(a)`, nil},
	{"JSON of itself", `var a = []; a.push(a); JSON.stringify(a)`, nil},
	{"JSON of many listed members", `var a = []; for (var i = 0; i < 1e5; i++) a.push("a" + i); JSON.stringify({}, a); throw 1`, nil},
	{"deep JSON", `JSON.parse("[".repeat(1e6))`, nil},
	{"deep JSON that is complete", `JSON.parse("[".repeat(1e5) + "]".repeat(1e5), function (k, v) { return v })`, nil},
	{"text of a deep array", `var a = []; for (var i = 0; i < 20000; i++) a = [a]; "" + a`, nil},
	{"binding again and again", `var f = function () {}; for (var i = 0; i < 1e6; i++) f = f.bind(null, 1); f()`, errStopped},
	{"long chain of prototypes", `var o = {}; for (;;) o = Object.create(o)`, errStopped},
	{"replacement with the rest of the text", "'x'.repeat(1e5).replace(/x/g, '$`')", nil},
	{"replaceAll", `"x".repeat(1e6).replaceAll("x", "y".repeat(1e6))`, nil},
	{"backtracking", `/^(a+)+$(?=x)/.test("a".repeat(40) + "b")`, ErrTimeout},
	{"backtracking again and again", `"a".repeat(60).match(/(?=(a+)+c)|(a|a)+b|a/g); /(?=(a+)+c)/.test("a".repeat(40)); throw 1`, ErrTimeout},
	{"backtracking from an offset", `var r = /(a+)+$/g; r.lastIndex = 1; r.test("a".repeat(40) + "b")`, ErrTimeout},
	{"backtracking by a back-reference", `/^(.*)*\1x$/.test("a".repeat(40))`, ErrTimeout},
	{"backtracking in split", `("a".repeat(40) + "b").split(/(?=(a+)+c)/)`, ErrTimeout},
	{"backtracking in replace", `("a".repeat(40) + "b").replace(/(?=(a+)+c)/g, "")`, ErrTimeout},
	{"regular expression of any size", `new RegExp("(".repeat(1e6))`, nil},
	{"regular expression by match", `"a".match("(".repeat(1e6))`, nil},
	{"large text and regular expression", `/a/.test("a".repeat(1e6))`, nil},
	{"split of a large text", `"a".repeat(2e6).split("")`, nil},
	{"spread of a large text", `[..."a".repeat(2e6)]`, nil},
	{"encoding of a large text", `encodeURIComponent("ä".repeat(2e6))`, nil},
	{"String.raw", `String.raw({raw: {length: 1e9}})`, nil},
	{"copy of a text", `var s = "x".repeat(1e6); ({...s})`, nil},
	{"rest of a text", `var s = "x".repeat(1e6); var {...o} = s`, nil},
	{"rest of a text by assignment", `var s = "x".repeat(1e6), o; ({...o} = s)`, nil},
	{"members of a text", `Object.entries("x".repeat(1e6))`, nil},
	{"members of a text by Reflect", `Reflect.ownKeys(new String("x".repeat(1e6)))`, nil},
	{"code of text", `eval("1")`, nil},
	{"code of text by Function", `Function("return 1")()`, nil},
	{"code of text by a constructor", `(function () {}).constructor("return 1")()`, nil},
	{"code of text by a generator's constructor", `Object.getPrototypeOf(function* () {}).constructor("yield 1")`, nil},
	{"code of text by an async constructor", `Object.getPrototypeOf(async () => {}).constructor("1")`, nil},
	{"BigInt", `BigInt(2)`, nil},
	{"typed array", `new Uint8Array(1e10)`, nil},
	{"buffer", `new ArrayBuffer(1e10)`, nil},
	{"Proxy", `new Proxy({}, {})`, nil},
	{"the host", `require("fs")`, nil},
	{"import", `process.exit(1)`, nil},
	{"timer", `setTimeout(function () {}, 1)`, nil},
	{"console without end", `for (;;) console.log("x".repeat(1e5))`, ErrTimeout},
	{"host function without end", `for (;;) tell("x")`, errStopped},
	{"thrown getter", `throw {get forbidden() { for (;;) {} }}`, ErrTimeout},
	{"thrown toString", `throw {toString() { for (;;) {} }, constructor: 1, get a() { throw 2 }}`, nil},
	{"thrown null", `throw null`, nil},
	{"thrown undefined", `throw undefined`, nil},
	{"thrown symbol", `throw Symbol("x")`, nil},
	{"thrown function", `throw function () {}`, nil},
	{"rejected promise", `(async function () { throw {forbidden: "no"} })()`, nil},
	{"rejected promise, later", `(async function () { await 1; await 2; throw {forbidden: "no"} })()`, nil},
}

// errStopped stands for a time or memory limit, whichever is reached first.
var errStopped = errors.New("stopped")

func TestHostileFunctionsAreStopped(t *testing.T) {
	for _, attack := range attacks {
		t.Run(attack.name, func(t *testing.T) {
			limit := MaxTime // enough for what ends by itself, on a busy machine too
			if attack.want != nil && !errors.Is(attack.want, ErrDepth) {
				limit = 250 * time.Millisecond
			}
			f := mustCompile(t, "function (doc) { if (!doc) { tell('clean', ''.concat([1, [2]].flat()), typeof leaked); return }\n"+attack.body+"\n}",
				Options{Time: limit, Memory: 32 << 20, Runtimes: 1})
			begun := time.Now()
			_, err := f.Call(context.Background(), &recorder{}, `{}`)
			took := time.Since(begun)
			var exception *ThrownError
			switch {
			case errors.Is(attack.want, ErrMemory) && errors.Is(err, ErrTimeout):
				t.Log("stopped by time, which is short on a busy machine; TestMemoryIsBounded has time enough")
			case raceEnabled && errors.Is(err, ErrTimeout):
				t.Log("stopped by time, which is short with the race detector")
			case attack.want == nil:
				require.ErrorAs(t, err, &exception)
			case errors.Is(attack.want, errStopped):
				require.True(t, errors.Is(err, ErrTimeout) || errors.Is(err, ErrMemory), "%v", err)
			default:
				require.ErrorIs(t, err, attack.want)
			}
			require.Less(t, took, 5*time.Second, "%v", err)
			host := &recorder{}
			_, err = f.Call(context.Background(), host, `null`)
			require.NoError(t, err)
			require.Equal(t, []string{"tell clean 1,2 undefined"}, host.told)
			if took > time.Second {
				t.Logf("took %v", took)
			}
		})
	}
}

func TestMemoryIsBounded(t *testing.T) {
	for _, body := range []string{
		`var a = []; for (;;) a.push({a: [1, 2, 3]})`,
		`var s = "x"; for (;;) s += s`,
		`var o = {}; for (;;) o = {o}`,
	} {
		f := mustCompile(t, "function (doc) {"+body+"}", Options{Memory: 32 << 20})
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := f.Call(context.Background(), &recorder{})
		runtime.ReadMemStats(&after)
		require.True(t, errors.Is(err, ErrMemory) || errors.Is(err, ErrTimeout), "%s: %v", body, err)
		require.Less(t, after.HeapSys-min(after.HeapSys, before.HeapSys), uint64(512<<20), body)
	}
}

func TestOthersGoOnWhileFunctionsAreStopped(t *testing.T) {
	hostile := mustCompile(t, `function (doc) { for (;;) { /(a|b)*c/.test("ab".repeat(1000)) } }`, Options{Runtimes: 2})
	friendly := mustCompile(t, `function (doc) { tell(doc.a) }`, Options{})
	var group sync.WaitGroup
	var done atomic.Bool
	defer done.Store(true)
	for range 4 {
		group.Go(func() {
			for !done.Load() {
				_, err := hostile.Call(context.Background(), &recorder{}, `{}`)
				if !errors.Is(err, ErrTimeout) {
					t.Errorf("%v", err)
				}
			}
		})
	}
	for range 20 {
		host := &recorder{}
		_, err := friendly.Call(context.Background(), host, `{"a":"b"}`)
		require.NoError(t, err)
		require.Equal(t, []string{"tell b"}, host.told)
	}
	done.Store(true)
	group.Wait()
}
