// One-time codes by time: HOTP (RFC 4226) and TOTP (RFC 6238).
import { createHmac, timingSafeEqual } from 'node:crypto'

const step = 30 // seconds for which a code is shown
const window = 1 // steps by which the user's clock may be off, either way

// hotp is the code of one counter. Authenticator apps know six digits and SHA-1 only;
// the rest is there for the RFC's test vectors.
export function hotp(secret, counter, { digits = 6, algorithm = 'sha1' } = {}) {
  const moving = Buffer.alloc(8)
  moving.writeBigUInt64BE(BigInt(counter))
  const mac = createHmac(algorithm, secret).update(moving).digest()
  const offset = mac.at(-1) & 15
  const number = mac.readUInt32BE(offset) & 0x7fffffff
  return String(number % 10 ** digits).padStart(digits, '0')
}

export const counterAt = (seconds) => Math.floor(seconds / step)

// acceptedCounter is the counter whose code this is, or undefined: within the window, and
// later than the last one used, so that each code counts once (RFC 6238 section 5.2).
export function acceptedCounter(secret, code, seconds, lastUsed = -1) {
  const given = Buffer.from(code)
  let accepted
  for (let counter = counterAt(seconds) - window; counter <= counterAt(seconds) + window; counter++) {
    if (counter < 0) continue
    const wanted = Buffer.from(hotp(secret, counter))
    const same = given.length === wanted.length && timingSafeEqual(given, wanted)
    if (same && counter > lastUsed) accepted ??= counter
  }
  return accepted
}

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

// base32 is how secrets are written for authenticator apps (RFC 4648 section 6, without
// padding).
export function base32(bytes) {
  let text = ''
  let bits = 0
  let held = 0
  for (const byte of bytes) {
    held = (held << 8) | byte
    for (bits += 8; bits >= 5; bits -= 5) text += alphabet[(held >>> (bits - 5)) & 31]
    held &= (1 << bits) - 1
  }
  return bits > 0 ? text + alphabet[(held << (5 - bits)) & 31] : text
}

// keyURI is what goes into the QR code that an authenticator app reads.
export function keyURI(name, secret, app) {
  const query = new URLSearchParams({ secret: base32(secret), issuer: app })
  return `otpauth://totp/${encodeURIComponent(app)}:${encodeURIComponent(name)}?${query}`
}
