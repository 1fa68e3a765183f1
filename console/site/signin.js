// What is shown to whoever the site does not know as an administrator (yet).
import { h, field } from './dom.js'
import { hasToken, signInWith } from './api.js'

// signIn asks for a token, or for a database that the session of this browser is for. then
// goes on, with the database's name or "".
export function signIn(err, then) {
  const token = h('textarea', { rows: 4, spellcheck: 'false', autocomplete: 'off', autocapitalize: 'none' })
  const database = h('input', { type: 'text', spellcheck: 'false', autocomplete: 'off', autocapitalize: 'none' })
  const byToken = (e) => {
    e.preventDefault()
    signInWith(token.value.trim())
    token.value = ''
    then('')
  }
  const bySession = (e) => {
    e.preventDefault()
    signInWith('')
    then(database.value.trim())
  }
  return [
    h('h1', null, 'Sign in as an administrator'),
    h('p', { class: 'notice', role: 'alert' }, hasToken() || err.status === 403 ? `${err.reason} (${err.status})` : 'This site wants to know who you are.'),
    h('section', { class: 'card' }, h('h2', null, 'With a token'),
      h('form', { onsubmit: byToken },
        field('Token', token, 'A token of a provider that the site’s admin block allows. It stays in the memory of this page, and is gone when you close or reload it.'),
        h('p', { class: 'buttons' }, h('button', { type: 'submit', class: 'primary' }, 'Sign in')))),
    h('section', { class: 'card' }, h('h2', null, 'With the session of this browser'),
      h('form', { onsubmit: bySession },
        field('Database', database, 'If you are signed in to a public site of this host and have a role that the admin block allows, you may administer that database.'),
        h('p', { class: 'buttons' }, h('button', { type: 'submit' }, 'Open')))),
  ]
}
