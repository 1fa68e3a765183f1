// The keys that tokens are signed with (Ed25519). The private ones stay in private.json,
// for this program only; jwks.json is the public set that the sync server reads.
import { createHash, generateKeyPairSync } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { readIfThere, replaceFile } from './files.mjs'

// The sync server looks at jwks.json every five seconds: a key is published that long,
// and some more, before it signs.
const lead = 15 // seconds

export class Keys {
  constructor(folder, tokenLifetime) {
    this.folder = folder
    this.tokenLifetime = tokenLifetime
    mkdirSync(folder, { recursive: true, mode: 0o755 })
  }

  // start makes the first key if there is none.
  start(now) {
    const keys = this.#read()
    if (keys.length === 0) keys.push({ from: now, jwk: newKey() })
    this.#write(keys, now)
  }

  // rotate publishes a new key, which signs a little later; the old one stays public until
  // its last token has expired. With revoke the old ones are gone at once, and with them
  // every token that they signed.
  rotate(now, { revoke = false } = {}) {
    const keys = revoke ? [] : this.#read()
    keys.push({ from: keys.length === 0 ? now : now + lead, jwk: newKey() })
    this.#write(keys, now)
  }

  // rotateIfOlder is for a timer.
  rotateIfOlder(seconds, now) {
    const keys = this.#read()
    if (keys.at(-1).from + seconds <= now) this.rotate(now)
    else this.#write(keys, now)
  }

  // current is the private JWK that signs now. It is read anew each time, so that
  // rotate-key.mjs needs no restart.
  current(now) {
    return this.#read().findLast(({ from }) => from <= now).jwk
  }

  #read() {
    return JSON.parse(readIfThere(join(this.folder, 'private.json')) ?? '[]')
  }

  #write(all, now) {
    // A key's last token was signed when its successor took over.
    const keys = all.filter((_, i) => i + 1 === all.length || all[i + 1].from + this.tokenLifetime > now)
    const set = { keys: keys.map(({ jwk: { d, ...open } }) => open) }
    replaceFile(join(this.folder, 'private.json'), JSON.stringify(keys, null, 2), 0o600)
    replaceFile(join(this.folder, 'jwks.json'), JSON.stringify(set, null, 2), 0o644)
  }
}

function newKey() {
  const { kty, crv, x, d } = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' })
  return { kty, crv, x, d, use: 'sig', alg: 'EdDSA', kid: thumbprint({ crv, kty, x }) }
}

// thumbprint names a key by what it is (RFC 7638; RFC 8037 appendix A.3).
export function thumbprint({ crv, kty, x }) {
  return createHash('sha256').update(JSON.stringify({ crv, kty, x })).digest('base64url')
}
