function (doc) {
  channel(;
}
