// Passwords, kept as scrypt hashes: $scrypt$N$r$p$salt$hash.
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'

const derive = promisify(scrypt)

// 32 MiB and about 0.2 s for each guess (OWASP's Password Storage Cheat Sheet).
const cost = { N: 2 ** 15, r: 8, p: 3 }
const maxmem = 64 * 2 ** 20

export const maxPassword = 1024 // characters

// One password, however a keyboard composes its accents.
const bytesOf = (password) => Buffer.from(password.normalize('NFC'))

export async function hashPassword(password) {
  const salt = randomBytes(16)
  const hash = await derive(bytesOf(password), salt, 32, { ...cost, maxmem })
  return ['', 'scrypt', cost.N, cost.r, cost.p, salt.toString('base64url'), hash.toString('base64url')].join('$')
}

export async function passwordMatches(password, stored) {
  const [, , N, r, p, salt, hash] = stored.split('$')
  const wanted = Buffer.from(hash, 'base64url')
  const given = await derive(bytesOf(password), Buffer.from(salt, 'base64url'), wanted.length, {
    N: Number(N),
    r: Number(r),
    p: Number(p),
    maxmem,
  })
  return timingSafeEqual(given, wanted)
}

// nobodys is the hash of a password that nobody has: unknown names take as long as known
// ones.
export const nobodys = await hashPassword(randomBytes(16).toString('base64url'))
