package caddysync

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestValidateRefusesPolicies changes the JSON: what a Caddyfile cannot say, or says only
// when it is provisioned.
func TestValidateRefusesPolicies(t *testing.T) {
	config := adapt(t, withGlobal("store memory policies\ndatabase notes {\n guest\n}", "sync notes"))
	for name, test := range map[string]struct{ database, want string }{
		"two policies":          {`"access":"shared","sync_function":"testdata/good.sync.js"`, "database notes: access and sync_function exclude each other"},
		"an unknown word":       {`"access":"open"`, `unknown access "open"`},
		"a file that is not":    {`"sync_function":"testdata/none.sync.js"`, "database notes: sync_function: open testdata/none.sync.js: no such file"},
		"an unset variable":     {`"sync_function":"{env.UNSET_FUNCTIONS}/x.js"`, "sync_function: "},
		"a mistake":             {`"collections":{"items":{"sync_function":"testdata/bad.sync.js"}}`, "database notes._default.items: sync_function: testdata/bad.sync.js:2:11: "},
		"a collection twice":    {`"collections":{"items":null,"_default.items":{}}`, "collection items is defined twice"},
		"a collection's policy": {`"collections":{"items":{"access":"x"}}`, `collection items: unknown access "x"`},
		"a function for itself": {`"sync_function":"testdata/good.sync.js","collections":{"items":null}`, "the database's sync_function is not for its collections"},
		"a scope without name":  {`"collections":{"shop.":{}}`, `collection "shop."`},
		"unreadable":            {`"unreadable":"x"`, `unknown unreadable "x"`},
		"guests elsewhere":      {`"guest":true,"guest_access":{"collections":{"items":["a"]}}`, "guest: there is no collection items"},
		"guests' channel":       {`"access":"channels","guest":true,"guest_access":{"channels":["a,b"]}`, `guest: Illegal channel name "a,b"`},
		"guests who see all":    {`"guest":true,"guest_access":{"channels":["a"]}`, "guests see all documents"},
		"all of a collection":   {`"access":"private","collections":{"items":{"access":"shared"}},"guest":true,"guest_access":{"collections":{"items":["a"]}}`, "guest: collection items: with `access shared`"},
		"access without guest":  {`"guest_access":{"read_only":true}`, "guest_access without guest"},
	} {
		changed := bytes.Replace(config, []byte(`"guest":true`), []byte(test.database), 1)
		require.ErrorContains(t, validate(t, changed), test.want, name)
	}
	changed := bytes.Replace(config, []byte(`"guest":true`), []byte(`"access":"private","collections":{"items":null,"shop.orders":{}}`), 1)
	require.NoError(t, validate(t, changed))
}

func TestWordsOfADatabaseAreItsCollectionsToo(t *testing.T) {
	t.Parallel()
	d := &Database{AccessPolicy: AccessPolicy{Access: accessPrivate}, Collections: map[string]*Collection{
		"items": nil, "own": {AccessPolicy{SyncFunction: "own.js"}}, "shop.open": {AccessPolicy{Access: accessShared}},
	}}
	all, err := d.collections()
	require.NoError(t, err)
	require.Equal(t, map[collectionKey]AccessPolicy{
		{"_default", "items"}: {Access: accessPrivate}, {"_default", "own"}: {SyncFunction: "own.js"}, {"shop", "open"}: {Access: accessShared},
	}, all)
}
