// What is shown to whoever the site does not know as an administrator (yet).
import { h, field, section } from './dom.js'
import { hasToken, signInWith } from './api.js'

// signIn asks for a token, or takes the session of this browser. then goes on, with the database's name or "".
export function signIn(err, then) {
  const plain = { spellcheck: 'false', autocomplete: 'off', autocapitalize: 'none' }
  const token = h('textarea', { rows: 4, class: 'code', ...plain })
  const database = h('input', { type: 'text', ...plain })
  const tried = hasToken() || err.status === 403
  const submit = (e) => {
    e.preventDefault()
    signInWith(token.value.trim())
    token.value = ''
    then(database.value.trim())
  }
  return [
    h('h1', null, 'Sign in as an administrator'),
    tried && h('p', { class: 'failure', role: 'alert' }, `${err.reason} (${err.status} ${err.error})`),
    section('Who are you?', h('form', { onsubmit: submit },
      field('Token', token, 'Of a provider of the databases. It stays in the memory of this page, and is gone when you close or reload it. Leave it empty if this browser is signed in to a public site of the same host.'),
      field('Database', database, 'If a role makes you an administrator, or a session does: roles and sessions count in a database. Otherwise leave it empty.'),
      h('p', { class: 'buttons' }, h('button', { type: 'submit', class: 'primary' }, 'Sign in')))),
  ]
}
