// Imported before anything else. Pulumi's runtime keeps the stack of every promise it makes, and writes
// each through a source-map reader, which took a quarter of a program's time; this program has no source
// maps: what Node runs is what is written.
Reflect.set(Error, "prepareStackTrace", undefined);
