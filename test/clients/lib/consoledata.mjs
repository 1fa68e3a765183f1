// What the console is shown: a database as an administrator finds it, and names that try to be markup.
import assert from 'node:assert/strict'
import { crc32, deflateSync } from 'node:zlib'

export const markup = '<img src=x onerror=hacked=1>'

// painted is a PNG of a sunset (RFC 2083): one row of pixels after the other, each with no filter.
function painted(width, height) {
  const rows = Buffer.alloc(height * (1 + 3 * width))
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const sun = Math.hypot(x - width / 2, y - height * 0.6) < height / 5
      rows.set(sun ? [255, 214, 120] : [40 + y, 70 + y / 2, 120 - y / 2], y * (1 + 3 * width) + 1 + 3 * x)
    }
  }
  const chunk = (type, data) => {
    const part = Buffer.concat([Buffer.from(type), data])
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)]
    length.writeUInt32BE(data.length)
    sum.writeUInt32BE(crc32(part))
    return Buffer.concat([length, part, sum])
  }
  const head = Buffer.alloc(13)
  head.writeUInt32BE(width)
  head.writeUInt32BE(height, 4)
  head.set([8, 2], 8)
  return Buffer.concat([Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]), chunk('IHDR', head), chunk('IDAT', deflateSync(rows)), chunk('IEND', Buffer.alloc(0))])
}

// administrator returns a function that asks the administrator's site.
export function administrator(url) {
  return async (method, path, body) => {
    const response = await fetch(url + path, { method, headers: { 'Content-Type': 'application/json' }, body: body && JSON.stringify(body) })
    assert.ok(response.ok, `${method} ${path}: ${response.status} ${response.ok ? '' : await response.text()}`)
    return response.json().catch(() => undefined)
  }
}

// fill makes users, roles and documents, count of them named note-0000001 and so on.
export async function fill(ask, count) {
  await ask('PUT', '/notes/_role/editors', { admin_channels: ['drafts'] })
  await ask('PUT', '/notes/_user/amelie', { email: 'amelie@example.com', admin_channels: ['c7', 'family'], admin_roles: ['editors'], password: 'correct horse' })
  await ask('PUT', '/notes/_user/boris', { admin_channels: ['*'], disabled: true })
  await ask('POST', '/notes/_user/', { name: markup, admin_channels: [markup] })
  for (let n = 0; n < 120; n++) await ask('PUT', `/notes/_user/user${String(n).padStart(3, '0')}`, { admin_channels: [`c${n % 50}`] })
  for (let from = 0; from < count; from += 10_000) {
    const docs = []
    for (let n = from; n < Math.min(count, from + 10_000); n++) docs.push({ _id: `note-${String(n).padStart(7, '0')}`, text: `Note number ${n}`, channels: [`c${n % 50}`] })
    const rows = await ask('POST', '/notes/_bulk_docs', { docs })
    assert.ok(rows.every((row) => row.ok))
  }
  await shopping(ask)
  await ask('PUT', `/notes/${encodeURIComponent(markup)}`, { text: markup, [markup]: markup, channels: [markup], _attachments: { [markup]: { content_type: 'text/plain', data: 'aGk=' } } })
  await ask('PUT', '/notes.shop.orders/order-1', { channels: ['c1'], total: 12 })
}

// shopping is a document with a history: edits, a conflict, a deleted branch, an attachment, and a grant.
export async function shopping(ask) {
  let { rev } = await ask('PUT', '/notes/shopping', {
    title: 'Shopping', channels: ['family', 'drafts'], list: 'family', members: ['amelie'], big: 1, items: ['milk', 'bread', { what: 'apples', amount: 6 }],
    _attachments: { 'photo.png': { content_type: 'image/png', data: painted(240, 140).toString('base64') }, 'recipe.txt': { content_type: 'text/plain', data: Buffer.from('Bake it.').toString('base64') } },
  })
  const digest = (letter) => letter.repeat(32)
  await edit(ask, { channels: ['family', 'old'] })
  await ask('POST', '/notes/_bulk_docs', { new_edits: false, docs: [
    { _id: 'shopping', _rev: `2-${digest('0')}`, _revisions: { start: 2, ids: [digest('0'), rev.slice(2)] }, title: 'Shopping, from another device', channels: ['family'] },
    { _id: 'shopping', _rev: `3-${digest('b')}`, _revisions: { start: 3, ids: [digest('b'), digest('c'), rev.slice(2)] }, _deleted: true },
  ] })
  for (let n = 0; n < 12; n++) await edit(ask, { channels: n < 3 ? ['family', 'old'] : ['family', 'drafts'], edits: n })
}

const edit = async (ask, change) => ask('PUT', '/notes/shopping', { ...(await ask('GET', '/notes/shopping')), ...change })

// session is a user's, as a cookie; made by an administrator.
export async function session(ask, name) {
  const made = await ask('POST', '/notes/_session', { name, ttl: 3600 })
  return `${made.cookie_name}=${made.session_id}`
}
