package query

// rawTags are the kinds in the order of the collation "raw": that of the terms by which CouchDB
// holds JSON, numbers, false, null, true, objects, arrays, strings by their bytes.
var rawTags = [...]byte{
	kindNumber: sortTag, kindFalse: sortTag + 1, kindNull: sortTag + 2, kindTrue: sortTag + 3, kindObject: sortTag + 4, kindArray: sortTag + 5,
	kindString: sortTag + 6,
}

// AppendRawSortKey is Collation.AppendSortKey for the collation "raw".
func AppendRawSortKey(key, value []byte) []byte { return appendRaw(key, value) }

func appendRaw(key []byte, v value) []byte {
	k := kindOf(v)
	key = append(key, rawTags[k])
	switch k {
	case kindNumber:
		return appendNumber(key, v)
	case kindString:
		return append(appendEscaped(key, v.text()), 0, 1)
	case kindArray:
		for element := range v.elements {
			key = appendRaw(key, element)
		}
		return append(key, 0)
	case kindObject:
		for name, member := range v.members {
			key = appendRaw(appendRaw(key, name), member)
		}
		return append(key, 0)
	default:
		return key
	}
}
