// A live sync signed in by session cookie, as a browser app's is, ends with 401 soon
// after the session is given up elsewhere (another tab).
import assert from 'node:assert/strict'
import { local, PouchDB, remote } from '../lib/pouch.mjs'
import { databaseURL, signedIn } from '../lib/session.mjs'
import { emit, run, until, within } from '../lib/talk.mjs'

await run(async () => {
  const url = databaseURL()
  const token = (await signedIn('alice'))()
  // PouchDB.fetch keeps cookies as a browser does.
  const made = await PouchDB.fetch(`${url}/_session`, { method: 'POST', headers: { Authorization: `Bearer ${token}` } })
  assert.equal(made.status, 200)
  const cookie = made.headers.get('set-cookie').split(';')[0]
  emit('secrets', { secrets: [token, cookie.split('=')[1]] })

  const refused = []
  const seen = ({ url, status }) => status === 401 && refused.push(url.pathname)
  const client = local('client')
  const server = remote(url, undefined, seen)
  await client.put({ _id: 'before', n: 1 })
  assert.ok((await client.sync(server)).push.ok)

  const sync = client.sync(server, { live: true })
  const failed = new Promise((resolve) => sync.on('error', resolve))
  await client.put({ _id: 'during', n: 2 })
  await until(5000, 'the live sync to push', () => server.get('during').catch(() => false))
  // Let the feed be open for longer than the second after which it holds a lease
  // (DECISIONS 38).
  await new Promise((go) => setTimeout(go, 1500))

  const began = Date.now()
  const out = await fetch(`${url}/_session`, { method: 'DELETE', headers: { Cookie: cookie } })
  assert.equal(out.status, 200)
  const err = await within(5000, 'the end of the live sync', failed)
  const took = Date.now() - began
  emit('ended', { ms: took, status: err.status, error: err.name })
  assert.equal(err.status, 401, `the live sync ended with ${err}`)
  assert.ok(took < 2000, `the live sync ended ${took} ms after the sign-out`)
  assert.ok(refused.length > 0)

  // Offline work goes on, and nothing of it reaches the server.
  await client.put({ _id: 'after', n: 3 })
  assert.equal((await fetch(url, { headers: { Cookie: cookie } })).status, 401)

  // Signing in again picks up where it was.
  await PouchDB.fetch(`${url}/_session`, { method: 'POST', headers: { Authorization: `Bearer ${token}` } })
  await client.sync(server)
  assert.equal((await server.get('after')).n, 3)
})
