// A store is restored from a backup, which the test makes at the event "back up" and puts back at "restore". A client
// brings back what was written after the backup, by others too, and goes on.
import assert from 'node:assert/strict'
import { local, tree } from '../lib/pouch.mjs'
import { remoteOf } from '../lib/session.mjs'
import { emit, heard, run } from '../lib/talk.mjs'

await run(async () => {
  const [client, second] = [local('client'), local('second')]
  const [server, seconds] = [await remoteOf('alice'), await remoteOf('alice')]
  const edit = async (db, n, ...ids) => {
    for (const _id of ids) await db.put({ ...(await db.get(_id).catch(() => ({ _id }))), n })
  }
  const equal = async () => assert.deepEqual(await tree(client), await tree(server))

  await edit(client, 1, 'as it was', 'edited', 'edited after', 'pending', 'by others', 'deleted', 'in conflict')
  await client.sync(server)
  emit('back up')
  await heard('backed up')

  await edit(client, 2, 'edited', 'edited after', 'new', 'in conflict')
  await client.remove(await client.get('deleted'))
  await client.putAttachment('attached', 'file', Buffer.from('of after the backup'), 'text/plain')
  await edit(server, 2, 'by others')
  await client.sync(server)
  await edit(client, 3, 'pending')
  await equal().then(() => assert.fail('nothing is pending'), () => {})
  emit('restore')
  await heard('restored')

  assert.equal((await server.get('edited')).n, 1, 'the store is not the one of the backup')
  await edit(server, 'after the restore', 'in conflict')
  await edit(client, 4, 'edited after')
  const back = await client.sync(server)
  assert.equal(back.push.doc_write_failures, 0)
  await equal()

  const { rows } = await server.allDocs({ include_docs: true, attachments: true, conflicts: true })
  const has = Object.fromEntries(rows.map(({ id, doc }) => [id, doc.n]))
  assert.deepEqual({ ...has, 'in conflict': 0, attached: 0 }, {
    'as it was': 1, edited: 2, 'edited after': 4, pending: 3, 'by others': 2, new: 2, 'in conflict': 0, attached: 0,
  })
  const doc = (id) => rows.find((row) => row.id === id).doc
  assert.equal(Buffer.from(doc('attached')._attachments.file.data, 'base64').toString(), 'of after the backup')
  assert.equal(doc('in conflict')._conflicts.length, 1, 'both are kept')

  // Who comes now gets everything, and what is written from now on reaches whoever was here before.
  await second.sync(seconds)
  assert.deepEqual(await tree(second), await tree(client))
  await edit(second, 5, 'as it was', 'new', 'later')
  await second.sync(seconds)
  assert.equal((await client.sync(server)).pull.docs_written, 3)
  await equal()
})
