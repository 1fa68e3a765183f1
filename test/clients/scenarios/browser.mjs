// A browser app that lets the server sign its users in: _oidc, the provider's pages,
// _oidc_callback. What a browser has then is a session cookie, and PouchDB syncs with it.
// PROVIDER names the provider at the server.
import assert from 'node:assert/strict'
import { Browser } from '../lib/browser.mjs'
import { local, PouchDB } from '../lib/pouch.mjs'
import { databaseURL } from '../lib/session.mjs'
import { claimsOf } from '../lib/signin.mjs'
import { emit, need, run } from '../lib/talk.mjs'

const database = databaseURL()
const provider = need('PROVIDER')
const user = process.env.USER_NAME ?? 'alice'
const app = need('APP') // an origin that the server lists
const secrets = []

const login = (more = {}) => `${database}/_oidc?${new URLSearchParams({ provider, ...more })}`
const bearer = (token) => ({ headers: { Authorization: `Bearer ${token}` } })
const text = async (response) => `${response.status} ${await response.text()}`

// signIn walks from _oidc to the callback's answer.
async function signIn(browser) {
  const end = await browser.visit(login({ offline: 'true' }), { user })
  assert.equal(end.response.status, 200, `${end.url.pathname}: ${end.text.slice(0, 500)}`)
  assert.equal(end.url.pathname, `${new URL(database).pathname}/_oidc_callback`)
  assert.match(end.response.headers.get('cache-control') ?? '', /no-store/)

  const authorize = new URL(end.way[1])
  for (const name of ['state', 'nonce', 'code_challenge']) assert.ok(authorize.searchParams.get(name)?.length >= 22, `${name} is missing`)
  assert.equal(authorize.searchParams.get('code_challenge_method'), 'S256')
  assert.equal(authorize.searchParams.get('response_type'), 'code')

  const answer = JSON.parse(end.text)
  assert.deepEqual(Object.keys(answer).sort(), ['id_token', 'name', 'refresh_token', 'session_id'], "Sync Gateway's shape")
  secrets.push(answer.id_token, answer.refresh_token, answer.session_id, authorize.searchParams.get('state'), end.url.searchParams.get('code'))
  assert.equal(browser.jar(database).header(database), `SyncGatewaySession=${answer.session_id}`, 'the session, and no leftover of the login')
  return { ...answer, callback: end.url.href }
}

async function replicates(browser) {
  const server = new PouchDB(database, {
    fetch: (to, options) => {
      options.headers.set('Cookie', browser.jar(to).header(to))
      return PouchDB.fetch(to, options)
    },
  })
  const client = local('browser')
  await client.put({ _id: `${provider}-${user}`, by: user })
  const synced = await client.sync(server)
  assert.ok(synced.push.ok && synced.pull.ok)
  assert.equal((await server.get(`${provider}-${user}`)).by, user)
}

async function refreshes({ id_token, refresh_token, name }) {
  const ask = (token, headers = { 'Content-Type': 'application/x-www-form-urlencoded' }) => {
    const sent = { provider, refresh_token: token }
    const body = headers['Content-Type'] === 'application/json' ? JSON.stringify(sent) : new URLSearchParams(sent)
    return fetch(`${database}/_oidc_refresh`, { method: 'POST', headers, body })
  }
  const renewed = await ask(refresh_token)
  assert.equal(renewed.status, 200, await renewed.clone().text())
  const next = await renewed.json()
  secrets.push(next.id_token, next.refresh_token, next.session_id)
  assert.equal(next.name, name)
  assert.ok(next.refresh_token, 'the rotated refresh token is handed on')
  assert.notEqual(next.refresh_token, refresh_token)
  assert.equal(claimsOf(next.id_token).sub, claimsOf(id_token).sub)
  assert.equal((await fetch(database, bearer(next.id_token))).status, 200)

  const third = await ask(next.refresh_token, { 'Content-Type': 'application/json' })
  assert.equal(third.status, 200, await third.clone().text())
  const { refresh_token: last } = await third.json()
  secrets.push(last)

  // The provider takes it for stolen, which is no failure of this server.
  const again = await ask(refresh_token)
  assert.ok(again.status >= 400 && again.status < 500, `a used refresh token: ${await text(again)}`)

  const inURL = await fetch(`${database}/_oidc_refresh?${new URLSearchParams({ provider, refresh_token: last })}`)
  // 401 and not 400: Couchbase Lite 1 signs in anew then.
  assert.equal(inURL.status, 401, 'a refresh token in a URL is refused')
}

async function returns() {
  const browser = new Browser()
  const end = await browser.visit(login({ return_to: `${app}/notes?tab=1#all` }), { user, until: (to) => to.origin === app })
  assert.equal(end.url.href, `${app}/notes?tab=1#all`, 'the app is called back with nothing added')
  assert.equal((await browser.fetch(database)).status, 200, 'and the browser is signed in')

  for (const to of ['https://evil.example/', `${app}.evil.example/`, '//evil.example/', 'javascript:alert(1)', 'null']) {
    const refused = await fetch(login({ return_to: to }), { redirect: 'manual' })
    assert.equal(refused.status, 400, `return_to ${to}: ${await text(refused)}`)
  }
}

// Two tabs begin to sign in before either is done.
async function inParallel() {
  const browser = new Browser()
  const tabs = []
  for (let tab = 0; tab < 2; tab++) tabs.push((await browser.fetch(login())).headers.get('location'))
  for (const tab of tabs.reverse()) {
    const end = await browser.visit(tab, { user })
    assert.equal(end.response.status, 200, end.text.slice(0, 500))
  }
}

async function replayed({ callback }) {
  // Neither the code nor the state is good for anybody else, or twice.
  const thief = await fetch(callback)
  assert.equal(thief.status, 400, await text(thief))
}

await run(async () => {
  const browser = new Browser()
  const signedIn = await signIn(browser)
  assert.equal((await fetch(database, bearer(signedIn.id_token))).status, 200)
  await replicates(browser)
  await replayed(signedIn)
  await refreshes(signedIn)
  await returns()
  await inParallel()
  emit('signed-in', { name: signedIn.name })
  emit('secrets', { secrets: secrets.filter(Boolean) })
})
