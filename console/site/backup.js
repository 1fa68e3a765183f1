// How a backup is made. It is not made here: a backup has every database of the store, with the hashes of passwords and sessions
// and the keys that seal sign-ins, and whoever administers one site may not have all of that.
import { h, section, button, say } from './dom.js'

const commands = [
  ['The whole store, while it runs', 'caddy-sync sync backup sync.backup',
    'On the server. It has everything: all databases, users, sessions and keys. Keep it as safe as the store.'],
  ['Is it whole?', 'caddy-sync sync check sync.backup', 'Reads the file to its end, and says what is damaged or missing.'],
  ['Documents of one database, as lines of JSON', () => `caddy-sync sync export ${new URL('../', document.baseURI)}<database> <file>`,
    'From wherever this site can be reached. Documents with their revisions and attachments, and neither users nor channels.'],
]

export async function backup() {
  return [
    h('h1', null, 'Backup'),
    h('p', null, 'A backup has every database of the store and the secrets in it, hashes of passwords among them. So it is given out at Caddy’s own admin endpoint only, on the machine itself, and not to browsers.'),
    commands.map(([title, command, what]) => commandOf(title, typeof command === 'string' ? command : command(), what)),
  ]
}

function commandOf(title, command, what) {
  const copy = navigator.clipboard && button('Copy', async () => {
    await navigator.clipboard.writeText(command)
    say('Copied.')
  }, { 'aria-label': `Copy: ${title}` })
  return section(title, h('p', null, what), h('pre', { tabindex: 0, 'aria-label': title }, command), copy && h('p', { class: 'buttons' }, copy))
}
