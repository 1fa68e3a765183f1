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

  // What a channel can be called. An array is none: requireAccess would take any of its
  // elements, and channel all of them.
  const isList = id => typeof id === 'string' && /^list:[^,]*$/.test(id)

  // The member who is no longer one, if that is all that a write changes. by and at say who
  // wrote it, and when.
  const leaver = () => {
    const left = (is.members || []), before = (was.members || [])
    const gone = before.find(name => !left.includes(name))
    const rest = ({ by, at, _rev, _revisions, ...list }, members) => JSON.stringify(Object.entries({ ...list, members }).sort())
    return gone && rest(is, left) === rest(was, before.filter(name => name !== gone)) ? gone : undefined
  }

  switch (is.type) {
    case 'list':
      if (!isList(doc._id)) deny('begin the ID of a list with "list:", and leave out commas')
      if (was && was.owner !== is.owner) deny('the owner of a list never changes')
      if (oldDoc && !was) deny('a deleted list does not come back: choose another ID')
      const member = was && leaver()
      if (member) requireAccess(doc._id)
      requireUser(member ? [is.owner, member] : is.owner)
      channel(doc._id)
      access([is.owner].concat(is.members || []), doc._id) // of a deleted one too: they hear of it
      break
    case 'item':
      if (!doc._deleted && !isList(is.list)) deny('list: write the ID of a list')
      if (was) requireAccess(was.list)
      requireAccess(is.list)
      channel(is.list)
      break
    default:
      deny('type: write "list" or "item"')
  }
}
