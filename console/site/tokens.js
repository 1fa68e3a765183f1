// Why does this token not work? The token goes to the server in a request's body, and is kept nowhere.
import { h, put, field, busy, section } from './dom.js'
import { get, post } from './api.js'

export async function tokens(_, { signal }) {
  const token = h('textarea', { rows: 6, class: 'code', spellcheck: 'false', autocomplete: 'off', autocapitalize: 'none', required: true })
  const names = await get(['_all_dbs'], undefined, signal)
  const database = h('select', null, h('option', { value: '' }, 'any'), names.slice(0, 200).map((name) => h('option', { value: name }, name)))
  const result = h('div', { 'aria-live': 'polite' })
  const submit = h('button', { type: 'submit', class: 'primary' }, 'Explain')
  const explain = (e) => {
    e.preventDefault()
    busy(submit, async () => {
      const body = { token: token.value.trim() }
      if (database.value) body.database = database.value
      put(result, checks(await post(['_auth', 'explain'], body, signal)))
    })
  }
  signal.addEventListener('abort', () => (token.value = ''), { once: true })
  return [
    h('h1', null, 'Why does this token not work?'),
    section('The token', h('form', { onsubmit: explain },
      field('Token', token, 'It is sent to this server only, and not kept: neither by this page nor by the server.'),
      field('For the database', database), h('p', { class: 'buttons' }, submit))),
    result,
  ]
}

function checks({ ok, checks }) {
  return section(ok ? 'It would sign in' : 'It would not sign in', h('ol', { class: 'checks' }, checks.map((c) => h('li', { class: c.ok ? 'ok' : 'not' },
    h('span', { class: c.ok ? 'badge good' : 'badge bad' }, c.ok ? 'passed' : 'failed'), h('b', null, c.check), h('span', null, c.detail)))))
}
