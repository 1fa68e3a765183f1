// One document: its revisions, who sees it and why, its attachments, and all that is kept of it.
import { h, put, table, section, button, busy } from './dom.js'
import { at, get, send, hasToken } from './api.js'
import { link, titleOf } from './address.js'
import { keyspaceHere, short } from './documents.js'
import { bytes, indented, number } from './words.js'
import { drawTree } from './tree.js'
import { grantWords } from './grants.js'

// shown is how much of a body is shown unasked, previewed how large an image, in bytes.
const shown = 256 * 1024
const previewed = 8 * 1024 * 1024

export async function document_([, id], { signal }) {
  const keyspace = keyspaceHere()
  const raw = await get([keyspace, '_raw', id], { include_doc: false }, signal)
  const { _sync: kept, _vv: vector } = raw._xattrs
  const body = h('div')
  const rev = h('code', { class: 'rev' })
  const pick = (revision) => {
    put(rev, revision)
    return showBody(body, keyspace, id, revision, signal)
  }
  const picked = pick(kept.rev)
  const tree = h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Revisions' }, drawTree(kept, pick))
  const seen = section('Who sees it')
  const view = [
    h('p', { class: 'path' }, h('a', { href: link('db', keyspace, 'docs') }, titleOf(keyspace))),
    h('h1', { class: 'id' }, id),
    h('p', { class: 'facts' },
      kept.deleted && h('span', { class: 'badge bad' }, 'deleted'),
      kept.leaves.filter((l) => !l.deleted).length > 1 && h('span', { class: 'badge bad' }, `${kept.leaves.filter((l) => !l.deleted).length - 1} in conflict`),
      h('span', null, 'Sequence ', h('b', null, number(kept.sequence))),
      h('span', null, 'First at ', h('b', null, number(kept.created_sequence))),
      kept.creator && h('span', null, 'Made by ', h('b', null, kept.creator))),
    h('div', { class: 'columns' },
      h('div', null,
        section('Content', h('p', { class: 'facts' }, 'Revision ', rev), body),
        attachments(keyspace, id, kept, signal)),
      h('div', null,
        section('Revisions', tree, h('p', { class: 'empty' }, 'The winner has a thick frame, deletions are grey, and what is dashed has no content any more. Press one to read it.')),
        channels(kept), seen, grants(kept))),
    section('Metadata', metadata(kept, vector)),
  ]
  await Promise.all([picked, readers(seen, keyspace, id, '', signal)])
  return view
}

// showBody shows what a revision holds; if that is much, only when asked.
async function showBody(into, keyspace, id, rev, signal, all = false) {
  put(into, h('p', { class: 'empty' }, 'Loading …'))
  into.dataset.rev = rev // another one may be picked before this one is here
  const stop = new AbortController()
  signal.addEventListener('abort', () => stop.abort(), { once: true })
  let response
  try {
    response = await send(at([keyspace, id], { rev }), { signal: stop.signal })
  } catch (err) {
    if (err.name === 'AbortError' || into.dataset.rev !== rev) return
    put(into, h('p', { class: 'empty' }, `${err.reason} (${err.status})`))
    return
  }
  if (into.dataset.rev !== rev) return stop.abort()
  const length = Number(response.headers.get('Content-Length'))
  if (!all && length > shown) {
    stop.abort()
    put(into, h('p', null, `It has ${bytes(length)}. `, button('Show it', () => showBody(into, keyspace, id, rev, signal, true))))
    return
  }
  const text = await response.text()
  if (into.dataset.rev === rev) put(into, h('pre', { tabindex: 0, 'aria-label': 'Content' }, indented(text)))
}

function channels(kept) {
  const now = kept.channel_set.filter((c) => !c.end)
  const past = kept.channel_set.filter((c) => c.end)
  return section('Channels',
    now.length === 0 && kept.channels.length === 0 ? h('p', { class: 'empty' }, 'It is in no channel.') : null,
    h('ul', { class: 'chips' }, kept.channels.map((c) => h('li', { title: since(now, c) }, c))),
    past.length > 0 && h('details', null, h('summary', null, `Earlier (${past.length})`),
      table('Earlier channels', [{ name: 'Channel' }, { name: 'From', number: true }, { name: 'To', number: true }], past.map((c) => [c.name, number(c.start), number(c.end)]))))
}

function since(spans, channel) {
  const span = spans.find((s) => s.name === channel)
  return span && `since sequence ${number(span.start)}`
}

// grants are what the document itself gives.
function grants(kept) {
  const given = kept.leaves[0].access
  if (given.length === 0) return null
  return section('What it grants', table('Grants', [{ name: 'To' }, { name: 'Channel' }], given.map((g) => [g.principal, g.channel])))
}

const everybody = {
  shared: 'Everybody who may come in: access to this collection is shared.',
  channel: 'Everybody who may come in: it is in the channel “!”.',
}

// readers shows some of those who see the document, from a user on.
async function readers(into, keyspace, id, startkey, signal) {
  const answer = await get([keyspace, '_readers', id], { limit: 20, startkey }, signal)
  const db = keyspace.split('.')[0]
  if (answer.everybody) {
    into.append(h('p', null, everybody[answer.everybody]))
    return
  }
  into.append(
    h('ul', { class: 'readers' }, answer.users.map((u) => h('li', null,
      u.name === 'GUEST' ? 'guests' : h('a', { class: 'name', href: link('db', db, 'user', u.name) }, u.name), u.disabled && h('span', { class: 'badge bad' }, 'disabled'),
      h('ul', null, u.by.map((g) => h('li', null, 'channel ', h('b', null, g.channel), ', ', grantWords(g))))))),
  )
  if (answer.users.length === 0 && !startkey) into.append(h('p', { class: 'empty' }, answer.next ? 'None of the first users.' : 'No user. Administrators do.'))
  if (!answer.next) return
  const more = button('Look further', async () => {
    await readers(into, keyspace, id, answer.next, signal)
    more.remove()
  })
  into.append(more)
}

function attachments(keyspace, id, kept, signal) {
  const names = Object.keys(kept.attachments ?? {}).sort()
  if (names.length === 0) return null
  return section('Attachments', h('ul', { class: 'attachments' }, names.map((name) => attachment(at([keyspace, id, name], { rev: kept.rev }), name, kept.attachments[name], signal))))
}

function attachment(url, name, about, signal) {
  const preview = h('div', { class: 'preview' })
  const image = /^image\/(png|jpeg|gif|webp|avif)$/.test(about.content_type) && about.length <= previewed
  return h('li', null,
    h('b', { class: 'id' }, name), h('small', null, `${about.content_type || 'no type'}, ${bytes(about.length)}`),
    h('span', { class: 'buttons' },
      image && button('Preview', () => showImage(preview, url, name, signal), { 'aria-label': `Preview ${name}` }),
      hasToken() ? button('Download', () => download(url, name, signal), { 'aria-label': `Download ${name}` })
        : h('a', { class: 'button', href: url, download: name, 'aria-label': `Download ${name}` }, 'Download')),
    preview)
}

async function showImage(into, url, name, signal) {
  const shown = URL.createObjectURL(await (await send(url, { signal })).blob())
  signal.addEventListener('abort', () => URL.revokeObjectURL(shown), { once: true })
  put(into, h('img', { src: shown, alt: name }))
}

// download is for those who are signed in by a token, which a link does not send.
async function download(url, name, signal) {
  const held = URL.createObjectURL(await (await send(url, { signal })).blob())
  h('a', { href: held, download: name }).click()
  URL.revokeObjectURL(held)
}

function metadata(kept, vector) {
  const leaf = (l) => [h('code', { class: 'rev', title: l.rev }, short(l.rev)), l.deleted ? 'deleted' : 'live', l.author ?? '', number(l.sequence), l.exp ?? '']
  const text = h('pre', { tabindex: 0, 'aria-label': 'All metadata' })
  const all = h('details', { ontoggle: () => all.open && busy(text, async () => put(text, JSON.stringify({ _sync: kept, _vv: vector }, null, 2))) },
    h('summary', null, 'All of it, as JSON'), text)
  return [
    table('Leaves', [{ name: 'Leaf' }, { name: 'State' }, { name: 'Author' }, { name: 'Sequence', number: true }, { name: 'Expires', wide: true }], kept.leaves.map(leaf)),
    h('p', { class: 'facts' }, 'Version ', h('code', { class: 'rev' }, vector.cv || 'none')),
    all,
  ]
}
