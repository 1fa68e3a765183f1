// Sign in by code and PKCE with each algorithm the provider offers, and use the ID
// token: as a bearer, and traded for a session cookie that is then given up.
import assert from 'node:assert/strict'
import { Jar } from '../lib/jar.mjs'
import { databaseURL } from '../lib/session.mjs'
import { headerOf, refresh, signIn } from '../lib/signin.mjs'
import { emit, need, run } from '../lib/talk.mjs'

const database = databaseURL()
const secrets = []

async function bearer(token) {
  const headers = { Authorization: `Bearer ${token}` }
  const info = await fetch(database, { headers })
  assert.equal(info.status, 200, await info.clone().text())
  assert.equal((await info.json()).db_name, 'notes')

  const session = await (await fetch(`${database}/_session`, { headers })).json()
  assert.ok(session.userCtx.name, JSON.stringify(session))
  return session.userCtx.name
}

async function cookie(token, name) {
  const jar = new Jar()
  const made = await jar.fetch(`${database}/_session`, { method: 'POST', headers: { Authorization: `Bearer ${token}` } })
  assert.equal(made.status, 200, await made.clone().text())
  assert.match(made.headers.get('cache-control') ?? '', /no-store/)
  const body = await made.json()
  assert.equal(body.ok, true)
  assert.equal(body.name, name, "CouchDB's shape")
  assert.equal(body.userCtx.name, name, "Sync Gateway's shape")

  const kept = jar.get('SyncGatewaySession')
  assert.ok(kept, 'no session cookie')
  const attributes = kept.attributes.map((a) => a.toLowerCase())
  assert.ok(attributes.includes('httponly') && attributes.includes('samesite=lax'), attributes.join())
  assert.ok(!attributes.includes('secure'), 'Secure over plain http would never come back')
  assert.equal(kept.path, '/')
  secrets.push(kept.value)

  assert.equal((await jar.fetch(database)).status, 200)
  const seen = await (await jar.fetch(`${database}/_session`)).json()
  assert.equal(seen.userCtx.name, name)
  // The other spelling is the same session (DECISIONS 2).
  const root = await (await jar.fetch(new URL('/_session', database).href)).json()
  assert.equal(root.userCtx.name, name)

  const stale = jar.header(database)
  const gone = await jar.fetch(`${database}/_session`, { method: 'DELETE' })
  assert.equal(gone.status, 200)
  assert.equal(jar.get('SyncGatewaySession'), undefined, 'the cookie was not deleted')
  const refused = await fetch(database, { headers: { Cookie: stale } })
  assert.equal(refused.status, 401)
  assert.ok(refused.headers.get('www-authenticate'))
}

await run(async () => {
  for (const entry of need('CLIENTS').split(',')) {
    const [clientID, algorithm] = entry.split(':')
    const scope = process.env.SCOPE ?? 'openid profile email'
    const extra = process.env.CONSENT ? { prompt: 'consent' } : {}
    const tokens = await signIn({ issuer: need('ISSUER'), clientID, user: 'alice', scope, extra })
    secrets.push(tokens.id_token, tokens.code)
    assert.equal(headerOf(tokens.id_token).alg, algorithm)
    assert.equal(tokens.claims.sub, 'alice')
    const name = await bearer(tokens.id_token)
    await cookie(tokens.id_token, name)
    // One's own sign-out does not refuse the token (DECISIONS 4).
    assert.equal(await bearer(tokens.id_token), name)

    if (tokens.refresh_token) {
      const later = await refresh(tokens.provider, clientID, tokens.refresh_token)
      secrets.push(later.id_token, tokens.refresh_token, later.refresh_token)
      assert.equal(await bearer(later.id_token), name, 'a refreshed token is the same user')
    }
    emit('signed-in', { clientID, algorithm, name, refreshed: Boolean(tokens.refresh_token) })
  }
  emit('secrets', { secrets: secrets.filter(Boolean) })
})
