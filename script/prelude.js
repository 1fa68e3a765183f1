// What prepares a runtime, before its first call: built-in functions that could run
// without end or take any amount of memory in one step are replaced by ones that can be
// interrupted, what is not needed is taken away, and everything is frozen.
//
// "host" has what is written in Go (guards.go), and the global object's new members.
(function (host) {
  'use strict'

  const { defineProperty, getOwnPropertyDescriptor, getPrototypeOf, hasOwn, freeze } = Object
  const { apply, construct, ownKeys } = Reflect
  const { isArray } = Array
  const { species, iterator } = Symbol
  const { min, trunc } = Math
  const isNaN = Number.isNaN
  const originalArray = Array
  const originalFrom = Array.from

  const define = (object, name, value) =>
    defineProperty(object, name, { value, writable: true, enumerable: false, configurable: true })
  const methods = (object, functions) => {
    for (const name of ownKeys(functions)) define(object, name, functions[name])
  }
  const integer = value => {
    value = trunc(+value)
    return isNaN(value) ? 0 : value
  }
  const add = (array, value) => { defineProperty(array, array.length, { value, writable: true, enumerable: true, configurable: true }) }
  const { checkLength, checkPattern } = host

  // Arrays. These would go through nested or foreign arrays of any length in one step.
  const flatten = (target, source, depth) => {
    const length = checkLength(source.length)
    for (let i = 0; i < length; i++) {
      if (!(i in source)) continue
      const value = source[i]
      if (depth > 0 && isArray(value)) flatten(target, value, depth - 1)
      else add(target, value)
    }
    return target
  }
  methods(Array.prototype, {
    concat (...items) {
      const target = []
      let length = 0
      for (const item of [Object(this), ...items]) {
        if (!isArray(item)) {
          target[length++] = item
          continue
        }
        const count = checkLength(length + item.length) - length
        for (let i = 0; i < count; i++) {
          if (i in item) target[length + i] = item[i]
        }
        length += count
      }
      target.length = length
      return target
    },
    flat (depth = 1) { return flatten([], Object(this), min(integer(depth), 100)) },
    flatMap (callback, thisArg) {
      if (typeof callback !== 'function') throw new TypeError('flatMap needs a function')
      const source = Object(this)
      const length = checkLength(source.length)
      const mapped = []
      for (let i = 0; i < length; i++) {
        if (i in source) add(mapped, apply(callback, thisArg, [source[i], i, source]))
      }
      return flatten([], mapped, 1)
    }
  })
  define(Array, 'from', function from (items, map, thisArg) {
    if (items !== null && typeof items === 'object' && items[iterator] == null) {
      const length = checkLength(integer(items.length))
      const list = []
      for (let i = 0; i < length; i++) add(list, items[i])
      items = list
    }
    return apply(originalFrom, typeof this === 'function' ? this : originalArray, map === undefined ? [items] : [items, map, thisArg])
  })
  define(String, 'raw', function raw (strings, ...values) {
    const parts = strings.raw
    const length = checkLength(integer(parts.length))
    let text = ''
    for (let i = 0; i < length; i++) {
      text += `${parts[i]}`
      if (i + 1 < length && i < values.length) text += `${values[i]}`
    }
    return text
  })

  // Regular expressions: their text is bounded, because it is compiled in one step.
  const OriginalRegExp = RegExp
  const SafeRegExp = function RegExp (pattern, flags) {
    const is = pattern instanceof OriginalRegExp
    if (!is && pattern !== undefined) pattern = checkPattern(`${pattern}`)
    if (is && new.target === undefined && flags === undefined && pattern.constructor === SafeRegExp) return pattern
    return construct(OriginalRegExp, [pattern, flags], new.target === undefined ? SafeRegExp : new.target)
  }
  defineProperty(SafeRegExp, 'prototype', { value: OriginalRegExp.prototype, writable: false })
  defineProperty(SafeRegExp, species, getOwnPropertyDescriptor(OriginalRegExp, species))
  define(OriginalRegExp.prototype, 'constructor', SafeRegExp)
  define(globalThis, 'RegExp', SafeRegExp)

  // No code out of text.
  const SafeFunction = function Function () { throw new TypeError('functions can not be made of text') }
  const originalFunctionPrototype = Function.prototype
  defineProperty(SafeFunction, 'prototype', { value: originalFunctionPrototype, writable: false })
  const hidden = [
    function * () {}, async function () {}, async () => {},
    [][iterator](), new Map()[iterator](), new Set()[iterator](), ''[iterator](), 'a'.matchAll(/a/g)
  ]
  for (const object of hidden.slice(0, 3)) {
    defineProperty(getPrototypeOf(object), 'constructor', { value: SafeFunction, writable: false, configurable: false })
  }
  define(originalFunctionPrototype, 'constructor', SafeFunction)
  define(globalThis, 'Function', SafeFunction)

  // What needs no place in a decision about a document. Proxy and BigInt can do any
  // amount of work in one step; the binary kinds take any amount of memory.
  const keep = new Set(host.keep)
  for (const name of ownKeys(globalThis)) {
    if (!keep.has(name)) delete globalThis[name]
  }
  methods(globalThis, host.globals)
  if (host.couchdb) {
    methods(globalThis, {
      isArray (value) { return isArray(value) },
      toJSON (value) { return JSON.stringify(value) },
      sum (values) {
        let total = 0
        const length = checkLength(values.length)
        for (let i = 0; i < length; i++) total += values[i]
        return total
      },
      log (...values) { host.globals.console.log(...values) }
    })
  }
  const currentGlobal = host.currentGlobal
  defineProperty(globalThis, 'globalThis', { get () { return currentGlobal() }, set: undefined, enumerable: false, configurable: false })

  // A frozen prototype would forbid to assign a member of its name to every object
  // that inherits from it. For the names that are used so, assigning defines instead.
  const assignable = (object, names) => {
    for (const name of names) {
      const descriptor = getOwnPropertyDescriptor(object, name)
      if (!descriptor || !('value' in descriptor)) continue
      const { value } = descriptor
      defineProperty(object, name, {
        get () { return value },
        set (own) {
          if (this === object) throw new TypeError(`${name} can not be replaced`)
          defineProperty(this, name, { value: own, writable: true, enumerable: true, configurable: true })
        },
        enumerable: false,
        configurable: false
      })
    }
  }
  assignable(Object.prototype, ['constructor', 'hasOwnProperty', 'isPrototypeOf', 'propertyIsEnumerable', 'toLocaleString', 'toString', 'valueOf'])
  assignable(originalFunctionPrototype, ['constructor', 'toString', 'apply', 'call', 'bind', 'name'])
  for (const name of ['Error', 'AggregateError', 'TypeError', 'ReferenceError', 'SyntaxError', 'RangeError', 'EvalError', 'URIError']) {
    if (globalThis[name]) assignable(globalThis[name].prototype, ['constructor', 'name', 'message', 'toString'])
  }

  // What calls would share.
  delete Symbol.for
  delete Symbol.keyFor

  // Everything that can be reached. A method has nothing of its own but name and length.
  const seen = new Set()
  const waiting = [globalThis]
  for (const object of hidden) waiting.push(getPrototypeOf(object))
  const reach = value => {
    if (value === null || (typeof value !== 'object' && typeof value !== 'function') || seen.has(value)) return
    seen.add(value)
    if (typeof value === 'function' && !hasOwn(value, 'prototype')) freeze(value)
    else waiting.push(value)
  }
  while (waiting.length > 0) {
    const object = waiting.pop()
    const names = ownKeys(object)
    for (let i = 0; i < names.length; i++) {
      const descriptor = getOwnPropertyDescriptor(object, names[i])
      reach(descriptor.value)
      reach(descriptor.get)
      reach(descriptor.set)
    }
    reach(getPrototypeOf(object))
    freeze(object)
  }
})
