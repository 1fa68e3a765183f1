// Lists that their owner shares with members. A list says who they are; an item says in which
// list it is:
//
//   list:shopping   {type: "list", name: "Shopping", owner: "alice", members: ["bob"]}
//   item:milk       {type: "item", list: "list:shopping", text: "Milk"}
//
// A list and its items are in the channel that is called as the list's ID. The owner and the
// members have that channel: they see the list and change its items. The owner alone changes
// the list, but a member may leave it. Who is no longer among the members loses the channel, and
// with it all of the list.
function (doc, oldDoc) {
  const deny = reason => { throw ({ forbidden: reason }) }

  // What was deleted is no revision to go on from, and a deletion says nothing itself.
  const was = oldDoc && !oldDoc._deleted ? oldDoc : null
  const is = doc._deleted ? was : doc
  if (!is) return requireAdmin()
  if (was && was.type !== is.type) deny('the type of a document never changes')
  if (doc._exp) deny('_exp: delete it instead') // which would not be asked about when it comes

  // What a channel and a user can be called. An array is none: requireAccess would take any of its
  // elements, and channel all of them.
  const isList = id => typeof id === 'string' && /^list:[^,]*$/.test(id)
  const isName = name => typeof name === 'string' && /^[^\/:,`\x00-\x1f\x7f-\x9f]{1,239}$/.test(name)
  const members = list => [].concat(list.members || [])

  // The member who is no longer one, if that is all that a write changes. by and at say who
  // wrote it, and when.
  const leaver = () => {
    const left = members(is), before = members(was)
    const gone = before.find(name => !left.includes(name))
    const rest = ({ by, at, _rev, _revisions, ...list }, members) => JSON.stringify(Object.entries({ ...list, members }).sort())
    return gone && rest(is, left) === rest(was, before.filter(name => name !== gone)) ? gone : undefined
  }

  // Or one member's item could not be shown to the others.
  if (!doc._deleted && ['text', 'by', 'at'].some(name => typeof (is[name] || '') !== 'string')) deny('text, by, at: write texts')

  switch (is.type) {
    case 'list':
      if (!isList(doc._id)) deny('begin the ID of a list with "list:", and leave out commas')
      if (was && was.owner !== is.owner) deny('the owner of a list never changes')
      if (oldDoc && !was) deny('a deleted list does not come back: choose another ID')
      const member = was && leaver()
      if (member) requireAccess(doc._id)
      requireUser(member ? [is.owner, member] : is.owner)
      if (!doc._deleted && (![is.owner, ...members(is)].every(isName) || members(is).length > 500)) deny('owner, members: write up to 500 names of users, without / : , and `')
      if (!doc._deleted && (typeof (is.name || '') !== 'string' || !Array.isArray(is.members || []))) deny('name: write a text; members: write an array')
      channel(doc._id)
      access([is.owner].concat(members(is)), doc._id) // of a deleted one too: they hear of it
      break
    case 'item':
      if (!doc._deleted && !isList(is.list)) deny('list: write the ID of a list')
      // In the place of a deleted list it would take the channel from whoever hears of the deletion.
      if (!was && isList(doc._id)) deny('begin the ID of an item with something else than "list:"')
      if (was) requireAccess(was.list)
      requireAccess(is.list)
      channel(is.list)
      break
    default:
      deny('type: write "list" or "item"')
  }
}
