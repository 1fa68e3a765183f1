// driver is a device with Couchbase Lite for C. It takes a command a line on standard input, an object of
// JSON with the member "op", and answers each with a line of JSON on standard output. See ../device.go.
#if __has_include("cbl/CBLCollection.h")
#include "cbl/CouchbaseLite.h"

typedef FLString ResolverID;
#else
#define BEFORE_3
#include "before3.h"

typedef const char *ResolverID;
#endif

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern inline FLSlice FLStr(const char *string) FLAPI; // C99: an inline function is defined by whoever needs it

static CBLDatabase *database;
static CBLReplicator *replicator;
static FLDict command;

static FLValue member(const char *name) { return FLDict_Get(command, FLStr(name)); }

static FLString text(const char *name) { return FLValue_AsString(member(name)); }

static void ok(void) { printf("{}\n"); }

static void printString(FLString s) {
  FLEncoder encoder = FLEncoder_NewWithOptions(kFLEncodeJSON, 0, false);
  FLEncoder_WriteString(encoder, s);
  FLSliceResult json = FLEncoder_Finish(encoder, NULL);
  printf("%.*s", (int)json.size, (const char *)json.buf);
  FLSliceResult_Release(json);
  FLEncoder_Free(encoder);
}

static void printError(const CBLError *error) {
  FLSliceResult message = CBLError_Message(error);
  printf("\"error\":{\"domain\":%d,\"code\":%d,\"message\":", error->domain, error->code);
  printString(FLSliceResult_AsSlice(message));
  printf("}");
  FLSliceResult_Release(message);
}

static void failed(const CBLError *error) {
  printf("{");
  printError(error);
  printf("}\n");
}

static CBLCollection *collectionNamed(FLString name) {
  CBLError error = {0};
  FLString scope = FLSTR("_default");
  CBLCollection *collection = name.size == 0 || FLSlice_Equal(name, scope)
                                  ? CBLDatabase_DefaultCollection(database, &error)
                                  : CBLDatabase_CreateCollection(database, name, scope, &error);
  if (!collection) {
    failed(&error);
    exit(1);
  }
  return collection;
}

static CBLCollection *collection(void) { return collectionNamed(text("collection")); }

static void openDatabase(void) {
  CBLError error = {0};
  CBLDatabaseConfiguration config = CBLDatabaseConfiguration_Default();
  config.directory = text("folder");
  database = CBLDatabase_Open(FLSTR("device"), &config, &error);
  if (!database) {
    failed(&error);
    return;
  }
  FLArray names = FLValue_AsArray(member("collections"));
  for (uint32_t i = 0; i < FLArray_Count(names); i++) collectionNamed(FLValue_AsString(FLArray_Get(names, i)));
  ok();
}

// putBlob sets the member "blob" to bytes of a size that a seed gives. The blob is released with the process:
// it has to be there until the document is saved.
static void putBlob(CBLDocument *document, FLDict blob) {
  size_t size = (size_t)FLValue_AsInt(FLDict_Get(blob, FLSTR("size")));
  unsigned state = (unsigned)FLValue_AsInt(FLDict_Get(blob, FLSTR("seed"))) * 2654435761u + 1;
  char *content = malloc(size + 1);
  for (size_t i = 0; i < size; i++) {
    state = state * 1664525u + 1013904223u;
    content[i] = (char)(state >> 24);
  }
  FLSlice bytes = {content, size};
  FLSlot_SetBlob(FLMutableDict_Set(CBLDocument_MutableProperties(document), FLSTR("blob")),
                 CBLBlob_CreateWithData(FLSTR("application/octet-stream"), bytes));
  free(content);
}

static void save(void) {
  CBLError error = {0};
  CBLDocument *document = CBLCollection_GetMutableDocument(collection(), text("id"), &error);
  if (!document) document = CBLDocument_CreateWithID(text("id"));
  FLSliceResult body = FLValue_ToJSON(member("body"));
  bool saved = CBLDocument_SetJSON(document, FLSliceResult_AsSlice(body), &error);
  FLDict blob = FLValue_AsDict(member("blob"));
  if (saved && blob) putBlob(document, blob);
  if (saved) saved = CBLCollection_SaveDocument(collection(), document, &error);
  if (saved) ok(); else failed(&error);
  FLSliceResult_Release(body);
  CBLDocument_Release(document);
}

static void deleteDocument(void) {
  CBLError error = {0};
  const CBLDocument *document = CBLCollection_GetDocument(collection(), text("id"), &error);
  if (document && CBLCollection_DeleteDocument(collection(), document, &error)) ok(); else failed(&error);
  CBLDocument_Release(document);
}

// printDocument prints the document, and the size and a sum of its blob, if it has one: -1 where that is not there.
static void printDocument(const CBLDocument *document) {
  CBLError error = {0};
  FLSliceResult json = CBLDocument_CreateJSON(document);
  printf("{\"body\":%.*s", (int)json.size, (const char *)json.buf);
  FLSliceResult_Release(json);
  FLDict blob = FLValue_AsDict(FLDict_Get(CBLDocument_Properties(document), FLSTR("blob")));
  if (blob && FLDict_IsBlob(blob)) {
    FLSliceResult content = CBLBlob_Content(FLDict_GetBlob(blob), &error);
    unsigned sum = 0;
    for (size_t i = 0; i < content.size; i++) sum = sum * 31 + ((const unsigned char *)content.buf)[i];
    printf(",\"size\":%ld,\"sum\":%u", content.buf ? (long)content.size : -1L, sum);
    FLSliceResult_Release(content);
  }
  printf("}");
}

static void all(void) {
  CBLError error = {0};
  FLString name = text("collection");
  char query[200];
  snprintf(query, sizeof query, "SELECT meta().id FROM _default.%.*s", name.size ? (int)name.size : 8,
           name.size ? (const char *)name.buf : "_default");
  CBLQuery *compiled = CBLDatabase_CreateQuery(database, kCBLN1QLLanguage, FLStr(query), NULL, &error);
  CBLResultSet *rows = compiled ? CBLQuery_Execute(compiled, &error) : NULL;
  if (!rows) {
    failed(&error);
    return;
  }
  const char *separator = "";
  printf("{\"documents\":{");
  while (CBLResultSet_Next(rows)) {
    FLString id = FLValue_AsString(CBLResultSet_ValueAtIndex(rows, 0));
    const CBLDocument *document = CBLCollection_GetDocument(collection(), id, &error);
    if (!document) continue;
    printf("%s", separator);
    printString(id);
    printf(":");
    printDocument(document);
    CBLDocument_Release(document);
    separator = ",";
  }
  printf("}}\n");
  CBLResultSet_Release(rows);
  CBLQuery_Release(compiled);
}

static const CBLDocument *takeRemote(void *context, ResolverID id, const CBLDocument *local, const CBLDocument *remote) { return remote; }

static const CBLDocument *takeLocal(void *context, ResolverID id, const CBLDocument *local, const CBLDocument *remote) { return local; }

// mergeBoth is the server's document with what only this device's has, as a revision of its own.
static const CBLDocument *mergeBoth(void *context, ResolverID id, const CBLDocument *local, const CBLDocument *remote) {
  if (!local || !remote) return local ? local : remote;
  CBLDocument *merged = CBLDocument_MutableCopy(remote);
  FLMutableDict members = CBLDocument_MutableProperties(merged);
  FLDictIterator each;
  FLDictIterator_Begin(CBLDocument_Properties(local), &each);
  for (FLValue value; (value = FLDictIterator_GetValue(&each)); FLDictIterator_Next(&each)) {
    FLString name = FLDictIterator_GetKeyString(&each);
    if (!FLDict_Get(members, name)) FLSlot_SetValue(FLMutableDict_Set(members, name), value);
  }
  FLSlot_SetBool(FLMutableDict_Set(members, FLSTR("merged")), true);
  return merged;
}

static CBLConflictResolver resolver(void) {
  FLString name = text("resolver");
  if (FLSlice_Equal(name, FLSTR("remote"))) return takeRemote;
  if (FLSlice_Equal(name, FLSTR("local"))) return takeLocal;
  if (FLSlice_Equal(name, FLSTR("merge"))) return mergeBoth;
  return NULL; // Couchbase Lite's own
}

static void start(void) {
  CBLError error = {0};
  CBLReplicatorConfiguration config = {0};
#ifdef BEFORE_3
  config.database = database;
  config.conflictResolver = resolver();
#else
  CBLReplicationCollection collections[8] = {{0}};
  FLArray names = FLValue_AsArray(member("collections"));
  config.collections = collections;
  for (uint32_t i = 0; i < FLArray_Count(names) && i < 8; i++) {
    collections[i].collection = collectionNamed(FLValue_AsString(FLArray_Get(names, i)));
    collections[i].conflictResolver = resolver();
    config.collectionCount++;
  }
  config.maxAttemptWaitTime = 1;
#endif
  config.endpoint = CBLEndpoint_CreateWithURL(text("url"), &error);
  config.continuous = FLValue_AsBool(member("continuous"));
  config.replicatorType = FLValue_AsBool(member("push_only")) ? kCBLReplicatorTypePush : kCBLReplicatorTypePushAndPull;
  config.headers = FLValue_AsDict(member("headers"));
  if (replicator) CBLReplicator_Release(replicator);
  replicator = config.endpoint ? CBLReplicator_Create(&config, &error) : NULL;
  if (!replicator) {
    failed(&error);
    return;
  }
  CBLReplicator_Start(replicator, false);
  ok();
}

static void stop(void) {
  if (replicator) CBLReplicator_Stop(replicator);
  ok();
}

static void status(void) {
  static const char *states[] = {"stopped", "offline", "connecting", "idle", "busy"};
  CBLReplicatorStatus now = {0};
  if (replicator) now = CBLReplicator_Status(replicator);
  printf("{\"state\":\"%s\"", states[now.activity]);
  if (now.error.code) {
    printf(",");
    printError(&now.error);
  }
  printf("}\n");
}

// setLogging has nothing logged but into a folder, if the environment names one.
static void setLogging(const char *folder) {
#ifdef BEFORE_3 // it has no log files
  CBLLog_SetConsoleLevel(folder ? CBLLogVerbose : CBLLogNone);
  if (folder) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%d.log", folder, (int)getpid());
    freopen(path, "w", stderr);
  }
#else
  CBLConsoleLogSink quiet = {kCBLLogNone, kCBLLogDomainMaskAll};
  CBLFileLogSink file = {kCBLLogVerbose, FLStr(folder), 10, 100 << 20, true};
  CBLLogSinks_SetConsole(quiet);
  if (folder) CBLLogSinks_SetFile(file);
#endif
}

int main(void) {
  char *line = NULL;
  size_t capacity = 0;
  setLogging(getenv("COUCHBASE_LITE_LOG"));
  for (ssize_t size; (size = getline(&line, &capacity, stdin)) > 0;) {
    FLSlice json = {line, (size_t)size};
    FLDoc parsed = FLDoc_FromJSON(json, NULL); // never released: a replicator points into it
    command = FLValue_AsDict(FLDoc_GetRoot(parsed));
    FLString op = text("op");
    if (FLSlice_Equal(op, FLSTR("open"))) openDatabase();
    else if (FLSlice_Equal(op, FLSTR("save"))) save();
    else if (FLSlice_Equal(op, FLSTR("delete"))) deleteDocument();
    else if (FLSlice_Equal(op, FLSTR("all"))) all();
    else if (FLSlice_Equal(op, FLSTR("start"))) start();
    else if (FLSlice_Equal(op, FLSTR("stop"))) stop();
    else if (FLSlice_Equal(op, FLSTR("status"))) status();
    else return 2;
    fflush(stdout);
  }
  return 0;
}
