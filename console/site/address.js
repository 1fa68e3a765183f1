// Where a view is: #/db/<keyspace>/<view>/<thing>?<what of it>. Addresses hold names only, no secret.

// link is the address of a view, with a query at its end if the last part is an object.
export function link(...parts) {
  const query = typeof parts.at(-1) === 'object' ? parts.pop() : {}
  const text = new URLSearchParams(Object.entries(query).filter(([, v]) => v)).toString()
  return `#/${parts.map(encodeURIComponent).join('/')}${text && `?${text}`}`
}

// parts are those of the address that the browser shows, with the query beside them.
export function parts() {
  const [path, query = ''] = location.hash.replace(/^#\/?/, '').split(/\?(.*)/s)
  const list = path === '' ? [] : path.split('/').map(decoded)
  list.query = Object.fromEntries(new URLSearchParams(query))
  return list
}

function decoded(part) {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

// A keyspace is db, or db.scope.collection. No name of a database has a dot.
export const databaseOf = (keyspace) => keyspace.split('.')[0]

// keyspaceOf is how the console names a collection "scope.name" of a database.
export const keyspaceOf = (db, collection) => (collection === '_default._default' ? db : `${db}.${collection}`)

// titleOf is a keyspace as people say it.
export function titleOf(keyspace) {
  const [db, scope, name] = keyspace.split('.')
  if (!scope) return db
  return `${db} · ${scope === '_default' ? name : `${scope}.${name ?? ''}`}`
}
