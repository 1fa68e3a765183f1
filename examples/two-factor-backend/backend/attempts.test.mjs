import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Attempts } from './attempts.mjs'

test('after the limit it says how long to wait, until the time is over', () => {
  const attempts = new Attempts({ limit: 2, seconds: 60 })
  assert.equal(attempts.take('a', 1000), 0)
  assert.equal(attempts.take('a', 1010), 0)
  assert.equal(attempts.take('a', 1020), 40)
  assert.equal(attempts.take('b', 1020), 0, 'another key')
  assert.equal(attempts.take('a', 1060), 0)
})

test('a good attempt does not count', () => {
  const attempts = new Attempts({ limit: 1, seconds: 60 })
  for (let i = 0; i < 5; i++) {
    assert.equal(attempts.take('a', 0), 0)
    attempts.release('a')
  }
  assert.equal(attempts.take('a', 0), 0)
  assert.equal(attempts.take('a', 0), 60)
  attempts.clear('a')
  assert.equal(attempts.take('a', 0), 0)
})

test('it keeps no more keys than its capacity, and the latest', () => {
  const attempts = new Attempts({ limit: 1, seconds: 60, capacity: 3 })
  for (const key of ['a', 'b', 'c', 'd']) assert.equal(attempts.take(key, 0), 0)
  assert.equal(attempts.take('d', 0), 60)
  assert.equal(attempts.take('a', 0), 0, 'forgotten')
})
