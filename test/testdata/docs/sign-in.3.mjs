// docs/sign-in.md, way 3: a JWT of one's own backend. The key was made for this test.
import assert from 'node:assert/strict'
import { createPrivateKey } from 'node:crypto'

const privateKey = createPrivateKey({
  format: 'jwk',
  key: { kty: 'OKP', crv: 'Ed25519', d: 'n_pKIrBOi8NQbGJFmeaP62wXJrYk0o_WY2kOqYXc3vg', x: 'c9Fv4kle_GoZnGeS5BN0Fxv_OwZhdaTXEdI83CyPsbQ' },
})

/* the block of the page */

const me = await (await fetch(`${process.env.SYNC_URL}/notes/_session`, { headers: { Authorization: `Bearer ${token}` } })).json()
assert.match(me.userCtx?.name ?? '', /alice/, JSON.stringify(me))
