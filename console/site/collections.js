// What an administrator gives in each collection of a database.
import { h, field } from './dom.js'
import { get } from './api.js'
import { keyspaceOf, titleOf } from './address.js'
import { words } from './words.js'

const default_ = '_default._default'

// collectionsOf are the database's, each as "scope.name". Who is an administrator in a database alone may not ask the site as a whole, and reads
// what the configuration has.
export async function collectionsOf(db, signal) {
  try {
    const { databases } = await get(['_status'], { startkey: db, limit: 1 }, signal)
    return databases[db]?.collections ?? []
  } catch (err) {
    if (err.status !== 401 && err.status !== 403) throw err
    const { collections } = await get([db, '_config'], undefined, signal)
    return Object.keys(collections ?? {}).map((name) => (name.includes('.') ? name : `_default.${name}`))
  }
}

// channelFields are inputs for the channels that an administrator gives: one, or where there are collections with names, one for each of
// these too. given is what the user or the role has now; read returns the members of a body.
export function channelFields(db, collections, given) {
  const named = collections.filter((name) => name !== default_).sort()
  const inputs = [default_, ...named].map((name) => [name, h('input', { type: 'text', value: channelsIn(given, name).join(', '), autocomplete: 'off', spellcheck: 'false', autocapitalize: 'none' })])
  const [[, first], ...others] = inputs
  return {
    fields: [
      field('Channels', first, named.length ? 'Of the default collection, with commas between them.' : 'With commas between them.'),
      others.map(([name, input]) => field(`Channels in ${titleOf(keyspaceOf(db, name)).slice(db.length + 3)}`, input)),
    ],
    read: () => ({ admin_channels: words(first.value), ...(others.length && { collection_access: access(others) }) }),
  }
}

function channelsIn(given, name) {
  const [scope, collection] = name.split('.')
  return (name === default_ ? given?.admin_channels : given?.collection_access?.[scope]?.[collection]?.admin_channels) ?? []
}

function access(inputs) {
  const all = {}
  for (const [name, input] of inputs) {
    const [scope, collection] = name.split('.')
    all[scope] = { ...all[scope], [collection]: { admin_channels: words(input.value) } }
  }
  return all
}
