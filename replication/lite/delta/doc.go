// Package delta makes and applies deltas between two bodies of a document, in the form in
// which Couchbase Lite sends them (reference/blip.md section 6). It works on JSON text: a
// number or a string that a delta leaves alone or brings comes out byte for byte.
//
// What a delta says of a value:
//
//	1, "a", true, null   the value is replaced by this scalar
//	[v]                  the value is replaced by v
//	[]                   the value is deleted
//	{"a":d, …}           of an object: d says what becomes of member a
//	{"0":d, "2-":[…]}    of an array: d says what becomes of element 0, and the elements
//	                     from 2 on are replaced by those given
//	["3=2-1+x|",0,2]     of a string: 3 bytes of its UTF-8 stay, 2 go, "x" comes
//	{}                   nothing changes
//	[old,v], [old,0,0]   as [v] and []; old must be what the value is
//
// A delta that does not fit is an error, however near it comes: it was made against
// another body than ours, and the answer to the error is the whole body. So Apply refuses
// to delete or edit a member that is not there, to delete an element of an array (only a
// tail can go), an index behind the end or behind a replaced tail, and an edit that does
// not pass over the whole string or leaves half a character.
package delta
