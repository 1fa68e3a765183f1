// Attachments of 0 bytes to 20 MiB, made ones and real files, up and down, compared by
// SHA-256 on every side.
import assert from 'node:assert/strict'
import { createHash, randomFillSync } from 'node:crypto'
import { readFileSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { local, sha256 } from '../lib/pouch.mjs'
import { databaseURL, remoteOf, signedIn } from '../lib/session.mjs'
import { emit, run } from '../lib/talk.mjs'

const require = createRequire(import.meta.url)
const KiB = 1024
const MiB = 1024 * KiB

// Around the sizes where something changes: nothing, one, base64's groups, the chunks of
// a store, the buffers of a server, and large.
const sizes = [0, 1, 2, 3, 64 * KiB - 1, 64 * KiB, 256 * KiB, 256 * KiB + 1, 512 * KiB + 1, MiB, 5 * MiB, 20 * MiB]

function made() {
  return sizes.map((size) => ({
    name: `made ${size}.bin`,
    type: 'application/octet-stream',
    data: randomFillSync(Buffer.alloc(size)),
  }))
}

function real() {
  const countries = dirname(require.resolve('world-countries/package.json'))
  const level = dirname(require.resolve('leveldown/package.json'))
  const binary = readdirSync(join(level, 'prebuilds/linux-x64'))[0]
  return [
    [join(countries, 'data/mex.svg'), 'image/svg+xml'],
    [join(countries, 'data/can.geo.json'), 'application/json'],
    [join(countries, 'countries.json'), 'application/json; charset=utf-8'],
    [join(level, 'prebuilds/linux-x64', binary), 'application/octet-stream'],
  ].map(([path, type]) => ({ name: basename(path), type, data: readFileSync(path) }))
}

// sameIn compares every attachment of a database with the files by SHA-256.
async function sameIn(db, files, where) {
  for (const { id, name, hash, data, type } of files) {
    const got = Buffer.from(await db.getAttachment(id, name))
    assert.equal(got.length, data.length, `${name} ${where}: length`)
    assert.equal(sha256(got), hash, `${name} ${where}: SHA-256`)
    const stub = (await db.get(id))._attachments[name]
    assert.equal(stub.length, data.length)
    assert.equal(stub.content_type, type)
    assert.equal(stub.stub, true)
  }
}

async function push(db, server, files) {
  for (const file of files) {
    await db.put({
      _id: file.id,
      _attachments: { [file.name]: { content_type: file.type, data: file.data } },
    })
  }
  const result = await db.replicate.to(server, { batch_size: 4 })
  assert.equal(result.doc_write_failures, 0)
  assert.equal(result.docs_written, files.length)
}

// An edit beside an attachment sends a stub; the content stays.
async function edit(db, server, file) {
  const doc = await db.get(file.id)
  await db.put({ ...doc, edited: true })
  await db.replicate.to(server)
  const back = await server.get(file.id, { attachments: true })
  assert.equal(back.edited, true)
  assert.equal(sha256(Buffer.from(back._attachments[file.name].data, 'base64')), file.hash)
}

// One attachment written to the server straight, read back in parts.
async function straight(server, credentials) {
  const data = randomFillSync(Buffer.alloc(700 * KiB))
  const { rev } = await server.putAttachment('straight', 'ü x.bin', data, 'application/octet-stream')
  assert.match(rev, /^1-/)
  const url = `${databaseURL()}/straight/${encodeURIComponent('ü x.bin')}`
  const headers = credentials ? { Authorization: `Bearer ${await credentials()}` } : {}
  const whole = await fetch(url, { headers })
  assert.equal(whole.status, 200)
  assert.equal(sha256(Buffer.from(await whole.arrayBuffer())), sha256(data))
  const part = await fetch(url, { headers: { ...headers, Range: 'bytes=300000-300099' } })
  assert.equal(part.status, 206)
  assert.deepEqual(Buffer.from(await part.arrayBuffer()), data.subarray(300000, 300100))
  const tag = whole.headers.get('etag')
  assert.ok(tag)
  assert.equal((await fetch(url, { headers: { ...headers, 'If-None-Match': tag } })).status, 304)

  const doc = await server.get('straight')
  const md5 = createHash('md5').update(data).digest('base64')
  assert.equal(doc._attachments['ü x.bin'].digest, `md5-${md5}`)
  await server.removeAttachment('straight', 'ü x.bin', doc._rev)
  assert.equal((await fetch(url, { headers })).status, 404)
}

await run(async () => {
  const files = [...made(), ...real()].map((f) => ({ ...f, id: `file ${f.name}`, hash: sha256(f.data) }))
  const server = await remoteOf('alice')
  const first = local('first')
  const began = Date.now()
  await push(first, server, files)
  emit('pushed', { files: files.length, bytes: files.reduce((n, f) => n + f.data.length, 0), ms: Date.now() - began })
  await sameIn(server, files, 'on the server')

  const second = local('second')
  await second.replicate.from(server, { batch_size: 4 })
  await sameIn(second, files, 'on the second client')
  emit('pulled', { ms: Date.now() - began })

  await edit(second, server, files.find((f) => f.data.length === MiB))
  await straight(server, await signedIn('alice'))
  for (const db of [first, second]) await db.destroy()
})
