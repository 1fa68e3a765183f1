// docs/sign-in.md: a token traded for a session.
import assert from 'node:assert/strict'

const token = process.env.TOKEN

/* the block of the page */

assert.equal(response.status, 200, await response.text())
assert.match(response.headers.get('set-cookie'), /^SyncGatewaySession=.+HttpOnly; SameSite=Lax/)
