import assert from 'node:assert/strict'
import { test } from 'node:test'
import { acceptedCounter, base32, counterAt, hotp, keyURI } from './totp.mjs'

const ascii = (length) => Buffer.from('1234567890'.repeat(7).slice(0, length))

test('RFC 4226 appendix D: the first ten codes', () => {
  const codes = Array.from({ length: 10 }, (_, counter) => hotp(ascii(20), counter))
  assert.deepEqual(codes, ['755224', '287082', '359152', '969429', '338314', '254676', '287922', '162583', '399871', '520489'])
})

test('RFC 6238 appendix B: every test vector', () => {
  for (const [seconds, sha1, sha256, sha512] of [
    [59, '94287082', '46119246', '90693936'],
    [1111111109, '07081804', '68084774', '25091201'],
    [1111111111, '14050471', '67062674', '99943326'],
    [1234567890, '89005924', '91819424', '93441116'],
    [2000000000, '69279037', '90698825', '38618901'],
    [20000000000, '65353130', '77737706', '47863826'],
  ]) {
    for (const [algorithm, length, code] of [['sha1', 20, sha1], ['sha256', 32, sha256], ['sha512', 64, sha512]]) {
      assert.equal(hotp(ascii(length), counterAt(seconds), { digits: 8, algorithm }), code, `${algorithm} at ${seconds}`)
    }
  }
})

test('a code counts one step before and after its own, no further', () => {
  const secret = ascii(20)
  const now = 1111111111
  for (const off of [-1, 0, 1]) {
    assert.equal(acceptedCounter(secret, hotp(secret, counterAt(now) + off), now), counterAt(now) + off)
  }
  for (const off of [-2, 2]) {
    assert.equal(acceptedCounter(secret, hotp(secret, counterAt(now) + off), now), undefined)
  }
  for (const code of ['', '12345', '1234567', 'abcdef', '+12345', '0x1234', '１２３４５６']) {
    assert.equal(acceptedCounter(secret, code, now), undefined, code)
  }
  assert.equal(acceptedCounter(secret, hotp(secret, 0), 0), 0, 'there is no step before the first')
})

test('a code counts once, and none before it counts after it', () => {
  const secret = ascii(20)
  const now = 1111111111
  const current = counterAt(now)
  assert.equal(acceptedCounter(secret, hotp(secret, current), now, current), undefined)
  assert.equal(acceptedCounter(secret, hotp(secret, current - 1), now, current), undefined)
  assert.equal(acceptedCounter(secret, hotp(secret, current + 1), now, current), current + 1)
})

test('RFC 4648 section 10: base32', () => {
  for (const [text, encoded] of [['', ''], ['f', 'MY'], ['fo', 'MZXQ'], ['foo', 'MZXW6'], ['foob', 'MZXW6YQ'], ['fooba', 'MZXW6YTB'], ['foobar', 'MZXW6YTBOI']]) {
    assert.equal(base32(Buffer.from(text)), encoded)
  }
})

test('the key URI is what authenticator apps read', () => {
  assert.equal(keyURI('alice', Buffer.from('foobar'), 'My Notes'), 'otpauth://totp/My%20Notes:alice?secret=MZXW6YTBOI&issuer=My+Notes')
})
