// What would become of a write, by the sync function or policy of a collection. Nothing is stored.
import { h, put, table, section, field, busy, button } from './dom.js'
import { at, get, post, send } from './api.js'
import { titleOf } from './address.js'
import { keyspaceHere } from './documents.js'
import { words } from './users.js'

export async function dryRun(_, { signal }) {
  const keyspace = keyspaceHere()
  const text = (rows, value) => h('textarea', { rows, spellcheck: 'false', autocapitalize: 'none', class: 'code', value })
  const line = () => h('input', { type: 'text', spellcheck: 'false', autocomplete: 'off', autocapitalize: 'none' })
  const [doc, old, name, roles, channels, id] = [text(8, '{\n  "_id": "example"\n}'), text(4, ''), line(), line(), line(), line()]
  const result = h('div', { 'aria-live': 'polite' }, h('p', { class: 'empty' }, 'Press “Try it”.'))
  const submit = h('button', { type: 'submit', class: 'primary' }, 'Try it')
  const as = h('select', null, h('option', { value: 'admin' }, 'an administrator'), h('option', { value: 'user' }, 'a user'))
  const who = h('div', { class: 'grid', hidden: true }, field('Name', name, 'Empty for a guest.'), field('Roles', roles, 'With commas between them.'), field('Channels', channels, 'With commas between them. Those that a real user of this name has are not taken: write here what counts.'))
  as.addEventListener('change', () => (who.hidden = as.value === 'admin'))
  const attempt = (e) => {
    e.preventDefault()
    busy(submit, async () => {
      const body = { doc: parsed('The document', doc.value) }
      if (old.value.trim()) body.oldDoc = parsed('The revision before', old.value)
      if (as.value === 'user') body.userCtx = { name: name.value, roles: words(roles.value), channels: words(channels.value) }
      put(result, outcome(await post([keyspace, '_sync'], body, signal)))
    })
  }
  const load = button('Load', async () => {
    const stored = await get([keyspace, id.value], undefined, signal)
    doc.value = JSON.stringify(stored, null, 2)
    old.value = doc.value
  })
  return [
    h('h1', null, `Dry run in ${titleOf(keyspace)}`),
    h('p', null, 'What would the sync function make of a write? Nothing is stored.'),
    h('div', { class: 'columns' },
      section('The write',
        h('div', { class: 'search' }, field('Begin with the document', id), load),
        h('form', { onsubmit: attempt }, field('Document', doc), field('The revision before it', old, 'Empty for a new document.'), field('Written by', as), who, h('p', { class: 'buttons' }, submit))),
      h('div', null, section('What becomes of it', result), await source(keyspace, signal))),
  ]
}

function parsed(what, text) {
  if (!text.trim()) throw new Error(`${what} is empty: write a JSON object, such as {"_id":"example"}.`)
  try {
    return JSON.parse(text)
  } catch (err) {
    throw new Error(`${what} is not JSON: ${err.message}`)
  }
}

function outcome(trial) {
  const chips = (list) => (list.length ? h('ul', { class: 'chips' }, list.map((c) => h('li', null, c))) : h('p', { class: 'empty' }, 'none'))
  const given = (all, what) => table(what, [{ name: 'To' }, { name: what }], Object.entries(all).map(([to, list]) => [to, list.join(', ')]), 'none')
  return [
    h('p', null, trial.status ? h('span', { class: 'badge bad' }, `refused with ${trial.status}`) : h('span', { class: 'badge good' }, 'would be stored')),
    trial.exception && h('pre', { tabindex: 0, 'aria-label': 'Why' }, trial.exception),
    trial.explanation && h('p', null, `That is: ${trial.explanation}.`),
    h('h3', null, 'Channels'), chips(trial.channels),
    h('h3', null, 'Channels that it gives'), given(trial.access, 'Channels'),
    h('h3', null, 'Roles that it gives'), given(trial.roles, 'Roles'),
    trial.expiry && h('p', null, `It expires ${trial.expiry}.`),
    trial.log.length > 0 && [h('h3', null, 'Log'), h('pre', { tabindex: 0, 'aria-label': 'Log' }, trial.log.join('\n'))],
  ]
}

// source is the text of the sync function, where there is one.
async function source(keyspace, signal) {
  try {
    const text = await (await send(at([keyspace, '_config', 'sync']), { signal })).text()
    return section('The sync function', h('pre', { tabindex: 0, 'aria-label': 'The sync function' }, text))
  } catch (err) {
    if (err.status !== 404) throw err
    return section('The sync function', h('p', { class: 'empty' }, err.reason))
  }
}
