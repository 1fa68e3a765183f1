function (doc) {
  channel(doc.channels);
}
