// docs/sign-in.md, way 2: the server signs the browser in.
import assert from 'node:assert/strict'
import PouchDB from 'pouchdb'

globalThis.location = { href: 'https://app.example.com/notes', search: '' }

/* the block of the page */

const to = await fetch(location.href, { redirect: 'manual' })
assert.equal(to.status, 302, await to.text())
assert.match(to.headers.get('location'), /\/idp\/authorize\?/)
const { status } = await fetch(`${server}/notes/_oidc?return_to=https://evil.example`, { redirect: 'manual' })
assert.equal(status, 400, 'it leads back to listed origins only')
await remote.close()
