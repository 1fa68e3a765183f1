// docs/sign-in.md, way 5: a password, which the page's commands gave alice.
import assert from 'node:assert/strict'
import PouchDB from 'pouchdb'

/* the block of the page */

assert.ok((await remote.put({ _id: 'way 5' })).ok)
await remote.close()
