package script

import (
	"context"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// traces are ways in which a call may try to leave something behind; check must be false
// for a call that finds nothing.
var traces = []struct{ name, leave, check string }{
	{"undeclared variable", `x = 1`, `typeof x !== "undefined"`},
	{"undeclared variable of a loop", `for (i in doc) {}`, `typeof i !== "undefined"`},
	{"member of this", `this.x = 1`, `this.x !== undefined`},
	{"member of globalThis", `globalThis.x = 1`, `globalThis.x !== undefined`},
	{"global of globals", `Object.getPrototypeOf(globalThis).x = 1`, `typeof x !== "undefined"`},
	{"member of the function", `arguments.callee.x = 1`, `arguments.callee.x !== undefined`},
	{"Object.prototype", `Object.prototype.x = 1`, `({}).x !== undefined`},
	{"Object.prototype by __proto__", `({}).__proto__.x = 1`, `({}).x !== undefined`},
	{"Object.prototype by defineProperty", `try { Object.defineProperty(Object.prototype, "x", {value: 1}) } catch (e) {}`, `({}).x !== undefined`},
	{"prototype of Object.prototype", `try { Object.setPrototypeOf(Object.prototype, {x: 1}) } catch (e) {}`, `({}).x !== undefined`},
	{"toString", `Object.prototype.toString = function () { return "x" }`, `String({}) !== "[object Object]"`},
	{"Array.prototype", `Array.prototype.map = function () { return "x" }`, `[1].map(String)[0] !== "1"`},
	{"iterator of arrays", `Array.prototype[Symbol.iterator] = null`, `[...[1]][0] !== 1`},
	{"prototype of iterators", `Object.getPrototypeOf([].values()).next = null`, `[...[1]][0] !== 1`},
	{"prototype of generators", `Object.getPrototypeOf(Object.getPrototypeOf((function* () {})())).x = 1`, `(function* () {})().x !== undefined`},
	{"prototype of functions", `Function.prototype.x = 1`, `(function () {}).x !== undefined`},
	{"call", `Function.prototype.call = null`, `typeof tell.call !== "function"`},
	{"prototype of async functions", `Object.getPrototypeOf(async function () {}).x = 1`, `(async function () {}).x !== undefined`},
	{"String.prototype", `String.prototype.x = 1`, `"".x !== undefined`},
	{"Symbol.prototype", `Symbol.prototype.x = 1`, `Symbol().x !== undefined`},
	{"RegExp.prototype", `RegExp.prototype.exec = function () { return null }`, `/a/.exec("a") === null`},
	{"Error.prototype", `Error.prototype.message = "x"; Error.prototype.name = "x"`, `String(new Error()) !== "Error"`},
	{"Promise", `Promise.prototype.then = null`, `typeof Promise.prototype.then !== "function"`},
	{"JSON", `JSON.stringify = function () { return "x" }; JSON = {}`, `JSON.stringify(1) !== "1"`},
	{"Math", `Math.max = null; delete Math.min`, `Math.max(1) !== Math.min(1)`},
	{"a built-in function", `"".concat.x = 1; [].push.x = 1`, `"".concat.x || [].push.x`},
	{"console", `console.log = null; console = null; console`, `typeof console.log !== "function"`},
	{"a host function", `tell = null; tell.x = 1; delete globalThis.tell; delete this.tell`, `typeof tell !== "function" || tell.x`},
	{"a getter on a host function", `try { Object.defineProperty(tell, "name", {get() { return 1 }}) } catch (e) {}`, `tell.name !== "tell"`},
	{"a class's static member", `Date.now = null; Number.parseFloat = null`, `typeof Date.now !== "function" || typeof Number.parseFloat !== "function"`},
	{"undefined", `undefined = 1; NaN = 1`, `undefined !== void 0`},
	{"a template's strings", "function tag(s) { try { s.x = 1 } catch (e) {} return s }; tag`a`", "(function tag(s) { return s })`a`.x !== undefined"},
	{"a thrown object", `try { tell.apply(null, {length: 1e9}) } catch (e) { Object.getPrototypeOf(e).x = 1 }`, `new RangeError().x !== undefined`},
	{"lastIndex of a regular expression", `var r = function () { return /a/g }; r().test("aa")`, `(function () { return /a/g })().lastIndex !== 0`},
	{"the document", `doc.x = 1; doc.list.push(1); delete doc.a`, `doc.x !== undefined || doc.list.length !== 1 || doc.a !== 1`},
	{"an accessor's setter", `Object.getOwnPropertyDescriptor(Object.prototype, "toString").set.call(Object.prototype, 1)`, `typeof ({}).toString !== "function"`},
}

func TestCallLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	for _, strict := range []string{"", "'use strict';"} {
		for _, trace := range traces {
			if strict != "" && (trace.name == "undeclared variable" || trace.name == "member of the function") {
				continue
			}
			t.Run(strict+trace.name, func(t *testing.T) {
				t.Parallel()
				check := trace.check
				if strict != "" && trace.name == "member of this" || strict != "" && trace.name == "undeclared variable of a loop" {
					t.Skip("not in strict code")
				}
				body := "if (" + check + ") tell('dirty'); else tell('clean')\n"
				if strict == "" || trace.name != "a host function" && trace.name != "undefined" && trace.name != "console" && trace.name != "JSON" {
					body += "try {\n" + trace.leave + "\n} catch (e) { if (!(e instanceof TypeError)) throw e }"
				}
				f := mustCompile(t, "function (doc) {"+strict+body+"\n}", Options{Runtimes: 1})
				for range 3 {
					told, err := callTell(t, f, `{"a":1,"list":[1]}`)
					require.NoError(t, err)
					require.Equal(t, []string{"tell clean"}, told)
				}
			})
		}
	}
}

func TestCallsRunAtOnceAndSeeOnlyTheirOwn(t *testing.T) {
	t.Parallel()
	f := mustCompile(t, `function (doc) { n = doc.n; for (var i = 0; i < 100; i++) n++; tell(String(n - 100)) }`, Options{Runtimes: 3})
	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			for i := range 20 {
				n := strconv.Itoa(worker*1000 + i)
				host := &recorder{}
				_, err := f.Call(context.Background(), host, `{"n":`+n+`}`)
				if err != nil || len(host.told) != 1 || host.told[0] != "tell "+n {
					t.Errorf("%v %v", host.told, err)
				}
			}
		})
	}
	group.Wait()
}

func TestWaitForARuntimeEndsWithTheContext(t *testing.T) {
	t.Parallel()
	f := mustCompile(t, `function (doc) { tell() }`, Options{Runtimes: 1})
	ctx, cancel := context.WithCancel(context.Background())
	inside := hostFunc(func() {
		cancel()
		_, err := f.Call(ctx, &recorder{}, `null`)
		require.ErrorIs(t, err, context.Canceled)
	})
	_, err := f.Call(context.Background(), inside, `null`)
	require.NoError(t, err)
}

type hostFunc func()

func (hostFunc) Begin()                         {}
func (f hostFunc) Invoke(string, []Value) error { f(); return nil }
