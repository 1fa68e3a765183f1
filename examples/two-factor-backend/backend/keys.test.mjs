import assert from 'node:assert/strict'
import { createPublicKey, verify } from 'node:crypto'
import { mkdtempSync, readFileSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Keys, thumbprint } from './keys.mjs'
import { newToken } from './token.mjs'

const now = 1_800_000_000

function world() {
  const folder = mkdtempSync(join(tmpdir(), 'keys-'))
  const keys = new Keys(folder, 300)
  keys.start(now)
  return { folder, keys, published: () => JSON.parse(readFileSync(join(folder, 'jwks.json'))).keys }
}

test('the first start makes a key, the next finds it; the private one is private', () => {
  const { folder, keys, published } = world()
  const kid = keys.current(now).kid
  new Keys(folder, 300).start(now + 10)
  assert.equal(keys.current(now + 10).kid, kid)
  assert.equal(statSync(join(folder, 'private.json')).mode & 0o777, 0o600)
  assert.deepEqual(published().map((k) => Object.keys(k).sort()), [['alg', 'crv', 'kid', 'kty', 'use', 'x']])
})

test('a new key is published before it signs, the old one until its tokens have expired', () => {
  const { keys, published } = world()
  const [old] = published()
  keys.rotate(now + 100)
  const [, fresh] = published()
  assert.equal(keys.current(now + 114).kid, old.kid)
  assert.equal(keys.current(now + 115).kid, fresh.kid)
  keys.rotateIfOlder(3600, now + 414)
  assert.equal(published().length, 2)
  keys.rotateIfOlder(3600, now + 415)
  assert.deepEqual(published(), [fresh])
  keys.rotateIfOlder(3600, now + 115 + 3600)
  assert.equal(published().length, 2)
})

test('a revoked key is gone at once', () => {
  const { keys, published } = world()
  const [old] = published()
  keys.rotate(now, { revoke: true })
  assert.equal(published().length, 1)
  assert.notEqual(keys.current(now).kid, old.kid)
})

test('a token has what the Caddyfile asks for, and its signature is good', () => {
  const { keys, published } = world()
  const token = newToken('alice', { jwk: keys.current(now), issuer: 'https://login.example.com', audience: 'notes', lifetime: 300, now: now + 0.5 })
  const [header, claims, signature] = token.split('.')
  const read = (part) => JSON.parse(Buffer.from(part, 'base64url'))
  assert.deepEqual(read(header), { alg: 'EdDSA', typ: 'JWT', kid: published()[0].kid })
  const { jti, ...rest } = read(claims)
  assert.match(jti, /^[0-9a-f-]{36}$/)
  assert.deepEqual(rest, { iss: 'https://login.example.com', aud: 'notes', sub: 'alice', iat: now, exp: now + 300, amr: ['pwd', 'otp'] })
  const key = createPublicKey({ key: published()[0], format: 'jwk' })
  assert.ok(verify(null, Buffer.from(`${header}.${claims}`), key, Buffer.from(signature, 'base64url')))
})

test('RFC 8037 appendix A.3: a key is named by its thumbprint', () => {
  assert.equal(thumbprint({ crv: 'Ed25519', kty: 'OKP', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' }), 'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k')
})
