// What driver.c takes of the API of Couchbase Lite for C 3, by the API that it had before: Couchbase's betas on
// LiteCore 2.8. There are no collections: the database stands for the default one.
#include "cbl/CouchbaseLite.h"

#define CBLCollection CBLDatabase
#define CBLCollection_DeleteDocument(collection, document, error) CBLDocument_Delete(document, kCBLConcurrencyControlLastWriteWins, error)
#define CBLCollection_GetDocument(collection, id, error) CBLDatabase_GetDocument_s(collection, id)
#define CBLCollection_GetMutableDocument(collection, id, error) CBLDatabase_GetMutableDocument_s(collection, id)
#define CBLDatabaseConfiguration CBLDatabaseConfiguration_s
#define CBLDatabaseConfiguration_Default CBLDatabaseConfiguration_Default_s
#define CBLDatabase_CreateQuery(database, language, query, position, error) CBLQuery_New_s(database, kCBLJSONLanguage, FLSTR("{\"WHAT\": [[\"._id\"]]}"), position, error)
#define CBLDatabase_DefaultCollection(database, error) (database)
#define CBLDatabase_Open CBLDatabase_Open_s
#define CBLDocument_CreateWithID CBLDocument_New_s
#define CBLDocument_SetJSON CBLDocument_SetPropertiesAsJSON_s
#define CBLError_Message CBLError_Message_s
#define CBLBlob_CreateWithData CBLBlob_CreateWithData_s
#define CBLBlob_Content CBLBlob_LoadContent
#define CBLEndpoint_CreateWithURL(url, error) CBLEndpoint_NewWithURL_s(url)
#define CBLReplicator_Create CBLReplicator_New
#define CBLReplicator_Start(replicator, reset) CBLReplicator_Start(replicator)
#define FLDict_GetBlob CBLBlob_Get
#define FLDict_IsBlob CBL_IsBlob
#define CBLDatabase_CreateCollection(database, name, scope, error) NULL

static inline FLSlice FLSliceResult_AsSlice(FLSliceResult result) {
  FLSlice slice = {result.buf, result.size};
  return slice;
}

static inline bool CBLCollection_SaveDocument(CBLDatabase *database, CBLDocument *document, CBLError *error) {
  const CBLDocument *saved = CBLDatabase_SaveDocument(database, document, kCBLConcurrencyControlLastWriteWins, error);
  CBLDocument_Release(saved);
  return saved != NULL;
}

static inline FLSliceResult CBLDocument_CreateJSON(const CBLDocument *document) { return FLValue_ToJSON((FLValue)CBLDocument_Properties(document)); }
