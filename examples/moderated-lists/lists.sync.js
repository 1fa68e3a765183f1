// Who may do what with lists that people share. What never changes stands in the document's
// ID, so that it is known of deletions too, which have no body:
//
//   list:<owner>:<list>            a list: title, owner
//   share:<owner>:<list>:<user>    lets a user into the list
//   item:<owner>:<list>:<item>     a line of it: text, done, by
//   moderator:<user>               makes a user a moderator
//
// Everything of a list is in the channel list:<owner>:<list>, which its owner and those have
// whom a share names, and in the channel moderation, which the administrator gave to the roles
// moderator and admin.
function (doc, oldDoc) {
  const [type, ...names] = doc._id.split(':')
  const [owner, list, last] = names
  const shared = `list:${owner}:${list}`
  // What was deleted begins anew.
  const before = oldDoc && !oldDoc._deleted ? oldDoc : null

  const deny = reason => { throw ({ forbidden: reason }) }

  // One of the requirements has to let the writer pass. Administrators pass all of them.
  const need = (reason, ...requirements) => {
    const passes = requirement => {
      try {
        requirement()
        return true
      } catch (refusal) {
        return false
      }
    }
    if (!requirements.some(passes)) deny(reason)
  }
  const isOwner = () => requireUser(owner)
  const isMember = () => requireAccess(shared)
  const isAuthor = () => requireUser(before.by)
  const isModerator = () => requireRole('moderator')
  const isAdmin = () => requireRole('admin')

  const text = (name, longest) => {
    const value = doc[name]
    if (typeof value !== 'string' || value.trim() === '' || value.length > longest) {
      deny(`${name}: write a text of 1 to ${longest} characters`)
    }
  }
  const id = (...parts) => {
    if (names.length !== parts.length || !names.every(name => /^[\w.@%+|-]+$/.test(name))) {
      deny(`write the ID as ${[type, ...parts].join(':')}, in letters, digits and . _ @ % + | -`)
    }
  }

  // An item but for what whoever has the list may change: attachments, and members that nobody knows here, are of the rest.
  const without = ({ done, _rev, _revisions, ...item }) => JSON.stringify(Object.entries(item).sort())

  const types = {
    list () {
      id('<owner>', '<list>')
      if (!before && !doc._deleted) need('only you can be the owner of a list that you make', isOwner)
      need('only its owner and moderators change a list', isOwner, isModerator)
      if (!doc._deleted) {
        text('title', 100)
        if (doc.owner !== owner) deny('owner: write the name that is in the ID; it never changes')
      }
      // Of a deleted list too, or the owner's other devices would not hear of it.
      access(owner, shared)
    },

    share () {
      id('<owner>', '<list>', '<user>')
      const isGuest = () => requireUser(last)
      if (doc._deleted) need('only the owner, moderators and the user end a share', isOwner, isModerator, isGuest)
      else need('only its owner and moderators share a list', isOwner, isModerator)
      if (!doc._deleted) access(last, shared)
    },

    item () {
      id('<owner>', '<list>', '<item>')
      need('only those who have the list change its items', isOwner, isMember, isModerator)
      if (doc._deleted) {
        if (before) need('only its author, the owner of the list and moderators delete an item', isAuthor, isOwner, isModerator)
        return
      }
      text('text', 500)
      text('by', 100)
      if (typeof doc.done !== 'boolean') deny('done: write true or false')
      if (!before) need('by: write your own name', () => requireUser(doc.by))
      else if (doc.by !== before.by) deny('by: it never changes')
      else if (without(doc) !== without(before)) need('only its author, the owner of the list and moderators change more than done', isAuthor, isOwner, isModerator)
    },

    moderator () {
      id('<user>')
      need('only admins appoint moderators', isAdmin)
      if (!doc._deleted) role(owner, 'role:moderator')
    }
  }

  if (!Object.keys(types).includes(type)) deny('begin the ID with list:, share:, item: or moderator:')
  if (!doc._deleted && doc.type !== type) deny(`type: write "${type}", as in the ID`)
  if (doc._exp) deny('_exp: delete it instead') // nobody is asked who deletes it when it comes
  types[type]()
  if (type !== 'moderator') channel(shared)
  channel('moderation')
}
