// Package script runs functions in JavaScript, on goja, that the operator wrote and that
// work on what clients send: sync functions, and the functions of design documents. It
// knows neither documents nor users.
//
// # Calls see nothing of one another
//
// A call runs in a sandbox, a prepared runtime of which each Function keeps a few. All
// built-in objects are frozen; the function is made anew for each call, so that variables
// around and members of it begin anew too; what is assigned to an undeclared name lives
// until the call ends. Assigning to a built-in object or one of the host's functions has
// no effect, or throws in strict code. So a call has the same outcome wherever it runs.
//
// # What there is
//
// The language as goja has it (ECMAScript 2015 and much of what came later), with Object,
// Array, String, Number, Boolean, Symbol, Math, JSON, Date, RegExp, Map, Set, WeakMap,
// WeakSet, Promise, Reflect, the errors, console, and the functions of the host. There is
// no require, unless the function is compiled with modules (CommonJS), no import, no timer,
// no network and no file. Date and Math.random work, but what depends on them is not the
// same when it is computed again. eval and new Function are taken away: text that a client
// sends must not become code. So are Proxy, BigInt, ArrayBuffer, typed arrays and
// Symbol.for. The function itself can not be async; promises inside it are worked off before the call ends, and a rejection that nobody handles counts as an
// exception.
//
// Arguments are JSON texts. Numbers that a double can not hold are rounded inside the
// function. Objects in an argument are made member by member when the function looks
// at them; they can be changed, but not frozen, and what is changed is dropped. Of what a
// client sends the function can look at texts of up to 1 MiB and at 250 000 values.
//
// # What a call may use
//
// Time is bounded by an interrupt between two instructions of the interpreter. Built-in
// functions can not be interrupted, so those that take time or memory out of proportion
// to their arguments are bounded by size: arrays of a million elements (sorting: 100 000),
// texts of a million characters (with regular expressions: 65 536), results of 16 million,
// JSON 600 levels deep; beyond that they throw a RangeError. A match of a regular
// expression that backtracks ends 1.25 s after it began at the latest, and its call fails.
// What is left is a function that means harm itself, which the operator would have to
// write: by sums of texts and nested patterns ({a: {...rest}}) it can get a single step
// that takes some seconds.
//
// Memory is bounded in that a call is interrupted when the heap of the whole process has
// grown by more than Options.Memory since the call was first looked at, 5 ms after its
// begin; it is looked at each 2 ms. That is no exact limit: until it is noticed, the
// process can grow by what the interpreter allocates in 7 ms, by one operation on values
// that are near the limit (a sum of two strings doubles), and all that for each of
// Options.Runtimes calls at once. Others' growth counts too, so a call in question is
// repeated before it is refused (see Function.Call).
//
// A sandbox in which a call was interrupted is not used again. Functions that come and go,
// as those of design documents do, share sandboxes by a Pool.
package script
