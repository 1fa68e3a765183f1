// docs/sign-in.md: each request says whose it is. PouchDB's fetch keeps the cookie, as a browser does.
import assert from 'node:assert/strict'
import PouchDB from 'pouchdb'

const made = await PouchDB.fetch(`${process.env.SYNC_URL}/notes/_session`, {
  method: 'POST',
  headers: { Authorization: `Bearer ${process.env.TOKEN}` },
})
let user = (await made.json()).userCtx.name

/* the block of the page */

assert.ok((await remote.put({ _id: 'of alice' })).ok)
user = 'another of this browser'
await assert.rejects(remote.put({ _id: 'of another' }), { status: 401, name: 'unauthorized', reason: 'another user has signed in' })
await remote.close()
