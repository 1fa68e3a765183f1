// Package access decides what a write may do and what it grants: the policies of a
// collection. It implements syncstore.Evaluator and knows neither HTTP nor tokens.
//
// # Channels
//
// A document is in channels, users hold channels, and a user sees the documents that are
// in a channel they hold. "!" is held by everybody. "*" is held by those who see
// everything; only administrators and tokens give it. A document that is put into the
// channel "*" is in a channel of that name like any other: those see it who see
// everything, and, if it is in other channels too, those who hold these. (Sync Gateway
// drops the others.) A document in no channel is seen by those who see everything.
//
// # Policies
//
//   - access shared: no Evaluator at all; every signed-in user, and every guest where a
//     database has them, reads and writes everything.
//   - access private (Private): a document belongs to the user who made it. It is in the
//     channel "user:<name>", which its owner is granted; only the owner and administrators
//     change or delete it, others get 403. What an administrator made belongs to nobody.
//     Guests write nothing.
//   - access channels (Channels): a document is in the channels that its member "channels"
//     names. Everybody may write, so whoever can write can also move a document into a
//     channel that others see.
//   - sync_function <file> (SyncFunction): the file's JavaScript decides.
//
// # Sync functions
//
// The file holds one function, called for each revision that is written, deletions and
// losing branches included, but not for _local documents:
//
//	function (doc, oldDoc, meta) {
//	  if (oldDoc) requireUser(oldDoc.owner)
//	  if (!doc._deleted && !doc.owner) throw({forbidden: "a list needs an owner"})
//	  channel("list:" + doc._id)
//	  access(doc.owner, "list:" + doc._id)
//	}
//
// doc is the new revision: its members, _id, _rev, _deleted if it is a deletion, _exp (as in
// RFC 3339) if its writer wants it to expire, and _attachments with stub, content_type, digest,
// length and revpos. oldDoc is the leaf that
// it extends, or the document's winner; null only if there is no revision at all
// (DECISIONS 25). A deletion is an oldDoc like others, with _deleted. meta is
// {xattrs: {}}. Changes of these objects are dropped; numbers over 2^53 are rounded in the
// function and stay what they are in the store.
//
// What the function says:
//
//   - channel(name or array, …) puts the revision into channels. null and undefined are
//     left out, so that channel(doc.channels) is all right; what is no string is left out
//     with a warning in the log.
//   - access(users, channels) gives users, or roles as "role:name", channels, as long as
//     this revision is the document's winner. "*" is left out with a warning.
//   - role(users, roles) gives users roles, written as "role:name", likewise.
//   - requireUser(names), requireRole(names), requireAccess(channels), requireAdmin()
//     throw {forbidden: …} (403) unless the writer is one of the users, has one of the
//     roles, holds one of the channels, or is an administrator. Administrators pass all of
//     them; so does a resync. Who holds "*" passes requireAccess, unlike in Sync Gateway.
//     A guest's name is "".
//   - throw({forbidden: "words"}) and throw({unauthorized: "words"}) refuse the write with
//     403 or 401 and these words.
//   - expiry(time) makes the document a tombstone then: a number of seconds up to 30 days,
//     beyond that a Unix time, or a date as in RFC 3339. What is no time is left out with a
//     warning. The last call counts.
//   - console.log and console.error write into the server's log.
//
// A write that is refused stores nothing. These are mistakes of the function, which the
// writer is answered with 500 and "Exception in JS sync function", while the log has the
// details: any other exception; a channel whose name is empty, longer than 1 024 bytes,
// has a comma, or begins with "role:"; a user or role that can not exist; a role without
// its prefix; more than 1 000 channels or 1 000 grants. Such a mistake refuses the write
// even if the function catches what is thrown. A function that runs too long is answered
// with 500 and "JS sync function timed out".
//
// The function may run several times for one write, and sees nothing of other calls. What
// it may use and what the language has is told by package script; Underscore.js is not
// part of it.
package access
