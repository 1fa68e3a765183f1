// A live pull signed in by bearer ends with 401 when its token expires. TOKEN lives for
// a few seconds.
import assert from 'node:assert/strict'
import { local } from '../lib/pouch.mjs'
import { remoteOf } from '../lib/session.mjs'
import { claimsOf } from '../lib/signin.mjs'
import { emit, need, run, until, within } from '../lib/talk.mjs'

await run(async () => {
  const { exp } = claimsOf(need('TOKEN'))
  const client = local('client')
  const server = await remoteOf('alice')
  const pull = client.replicate.from(server, { live: true })
  const failed = new Promise((resolve) => pull.on('error', resolve))
  await server.put({ _id: 'one' })
  await until(3000, 'the live pull', () => client.get('one').catch(() => false))

  const err = await within(15000, 'the end of the live pull', failed)
  const late = Date.now() / 1000 - exp
  emit('ended', { late, status: err.status })
  assert.equal(err.status, 401)
  assert.ok(late > -0.1 && late < 2, `the feed ended ${late} s after the token's exp`)
})
