// How a backup is made: here, where one administers all of the store, or on the server.
import { h, section, button, say } from './dom.js'
import { at, send } from './api.js'

const commands = [
  ['The whole store, while it runs', 'caddy-sync sync backup sync.backup',
    'On the server, from a timer for example. It asks Caddy’s own admin endpoint, and reads back what it has written.'],
  ['Is it whole?', 'caddy-sync sync check sync.backup', 'Reads the file to its end, and says what is damaged or missing.'],
  ['Documents of one database, as lines of JSON', () => `caddy-sync sync export ${new URL('../', document.baseURI)}<database> <file>`,
    'From wherever this site can be reached. Documents with their revisions and attachments, and neither users nor channels.'],
]

export async function backup(_, { readOnly }) {
  return [
    h('h1', null, 'Backup'),
    section('Download', h('p', null, 'A backup is the store as it is at one moment: all databases, users, sessions and keys, with the hashes of passwords. ', h('b', null, 'Keep the file as safe as the store.')),
      readOnly
        ? h('p', { class: 'notice' }, 'This site lets you look, and a backup has more than can be looked at. Make it on the server.')
        : h('p', { class: 'buttons' }, button('Download backup', download, { class: 'primary' }))),
    commands.map(([title, command, what]) => commandOf(title, typeof command === 'string' ? command : command(), what)),
  ]
}

// download asks first: the server says why not, and lets the browser, which sends no token with what it loads into a file, load one.
// The file does not come through the page.
async function download() {
  await send(at(['_backup']), { method: 'POST' })
  h('a', { href: at(['_backup']), download: '' }).click()
  say('The browser loads the backup.')
}

function commandOf(title, command, what) {
  const copy = navigator.clipboard && button('Copy', async () => {
    await navigator.clipboard.writeText(command)
    say('Copied.')
  }, { 'aria-label': `Copy: ${title}` })
  return section(title, h('p', null, what), h('pre', { tabindex: 0, 'aria-label': title }, command), copy && h('p', { class: 'buttons' }, copy))
}
