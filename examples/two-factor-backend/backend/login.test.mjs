import assert from 'node:assert/strict'
import { mkdtempSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Login } from './login.mjs'
import { hashPassword, passwordMatches } from './password.mjs'
import { counterAt, hotp } from './totp.mjs'
import { Users } from './users.mjs'

const now = 1_800_000_000
const secret = Buffer.from('12345678901234567890')
const password = 'correct horse battery'
const hash = await hashPassword(password)
const codeAt = (off) => hotp(secret, counterAt(now) + off)

function world() {
  const users = new Users(mkdtempSync(join(tmpdir(), 'users-')))
  users.add('alice', hash, secret)
  const login = new Login(users, async (given) => given === password) // the real one takes its time
  const attempt = (given, address = '192.0.2.1', at = now) => login.check({ name: 'alice', password, code: codeAt(0), ...given }, address, at)
  return { users, login, attempt }
}

const refused = (status, why) => (err) => {
  assert.equal(err.status, status)
  assert.equal(err.why, why)
  return true
}

test('a password is kept as a salted hash', async () => {
  assert.match(hash, /^\$scrypt\$32768\$8\$3\$[\w-]{22}\$[\w-]{43}$/)
  assert.notEqual(await hashPassword(password), hash)
  assert.equal(await passwordMatches(password, hash), true)
  assert.equal(await passwordMatches(password + ' ', hash), false)
  assert.equal(await passwordMatches('cafe\u0301', await hashPassword('caf\u00e9')), true, 'one password, composed or not')
})

test('password and code together sign in; the file is private', async () => {
  const { users, attempt } = world()
  assert.equal(await new Login(users).check({ name: 'alice', password, code: codeAt(-1) }, '192.0.2.1', now), 'alice')
  await assert.rejects(new Login(users).check({ name: 'alice', password: 'wrong', code: codeAt(0) }, '192.0.2.1', now), refused(401, 'password'))
  assert.equal(await attempt({ name: ' Alice', code: codeAt(0).slice(0, 3) + ' ' + codeAt(0).slice(3) }), 'alice')
  assert.equal(statSync(join(users.folder, 'alice.json')).mode & 0o777, 0o600)
})

test('whatever is wrong reads the same', async () => {
  const { attempt } = world()
  const messages = new Set()
  for (const [given, why] of [
    [{ name: 'nobody' }, 'unknown name'],
    [{ name: '../users/alice' }, 'unknown name'],
    [{ password: 'wrong' }, 'password'],
    [{ code: '000000' }, 'code'],
    [{ code: '' }, 'code'],
  ]) {
    await assert.rejects(attempt(given), (err) => messages.add(err.message) && refused(401, why)(err))
  }
  assert.equal(messages.size, 1)
})

test('a code counts once, also when two come at the same time and after a restart', async () => {
  const { users, attempt } = world()
  const [first, second] = await Promise.allSettled([attempt(), attempt()])
  assert.deepEqual([first.status, second.status].sort(), ['fulfilled', 'rejected'])
  await assert.rejects(new Login(users).check({ name: 'alice', password, code: codeAt(0) }, '192.0.2.1', now), refused(401, 'code'))
  await assert.rejects(attempt({ code: codeAt(-1) }), refused(401, 'code'), 'nor does an earlier one')
  assert.equal(await attempt({ code: codeAt(1) }), 'alice')
})

test('a wrong password does not use up the code', async () => {
  const { attempt } = world()
  await assert.rejects(attempt({ password: 'wrong' }), refused(401, 'password'))
  assert.equal(await attempt(), 'alice')
})

test('a name is guessed at five times from one address; others go on', async () => {
  const { attempt } = world()
  const guesses = await Promise.allSettled(Array.from({ length: 7 }, () => attempt({ password: 'wrong' })))
  assert.deepEqual(guesses.map(({ reason }) => reason.status).sort(), [401, 401, 401, 401, 401, 429, 429])
  await assert.rejects(attempt(), (err) => refused(429, 'too many of the name and address')(err) && err.retryAfter === 900)
  assert.equal(await attempt({}, '192.0.2.2'), 'alice')
  assert.equal(await attempt({ code: codeAt(30) }, '192.0.2.1', now + 900), 'alice', 'a quarter of an hour later')
})

test('an address guesses at thirty names', async () => {
  const { attempt } = world()
  for (let i = 0; i < 30; i += 10) {
    await Promise.allSettled(Array.from({ length: 10 }, (_, n) => attempt({ name: `user${i + n}`, password: 'wrong' })))
  }
  await assert.rejects(attempt(), refused(429, 'too many of the address'))
})

test('codes are guessed at five times, from however many addresses, by those who have the password', async () => {
  const { attempt } = world()
  for (let i = 0; i < 5; i++) await assert.rejects(attempt({ code: '000000' }, `192.0.2.${i}`), refused(401, 'code'))
  await assert.rejects(attempt({}, '192.0.2.99'), refused(401, 'too many codes'))
})

test('what is not a login is refused as such', async () => {
  const { attempt } = world()
  for (const given of [{ name: 7 }, { password: ['x'] }, { code: 123456 }, { code: null }, { password: 'x'.repeat(1025) }]) {
    await assert.rejects(attempt(given), (err) => err.status === 400)
  }
})
