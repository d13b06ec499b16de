// What somebody typed after `pulumi`, understood as the CLI understands it: which command, which
// stack, which of its flags matter to us. Pure: nothing is read but the arguments and variables.

/**
 * @typedef {object} Invocation
 * @property {string} verb canonical name of the command ("up" for `update`), "" without one
 * @property {string} sub of the commands that have some ("init" for `stack new`), else ""
 * @property {string[]} words what follows them and is no flag
 * @property {string | undefined} stack as the arguments name it, else PULUMI_STACK
 * @property {boolean} help only help or the version is asked for
 * @property {string | undefined} cwd of -C
 * @property {string | undefined} configFile of --config-file
 * @property {boolean} yes nothing is asked before the stack is changed
 * @property {boolean} skipPreview
 * @property {boolean} refresh the state is read anew from the engine first
 */

const set = (/** @type {string} */ words) => new Set(words.split(" "));

/** Flags of every command: until the command itself is known, any other takes the next word. */
const globalSwitches = set(
  "emoji fully-qualify-stack-names help disable-integrity-checking logflow logtostderr non-interactive version",
);

/** Flags that take the next word as their value, of all commands that deal with a stack. */
const valued = set(
  "color config config-file copy-config-from cwd dependency-edge-color dest dot-fragment exclude file from generate-resources import-file import-pending-creates memprofilerate message organization otel-traces out output override-env page page-size parallel parent parent-edge-color policy-pack policy-pack-config profiling project properties provider replace resource save-plan secrets-provider since source stack tag target target-replace teams tracing type verbose",
);

/** Single letters, by what they stand for. */
const letters = /** @type {Record<string, string>} */ ({
  C: "cwd",
  Q: "fully-qualify-stack-names",
  c: "config",
  e: "emoji",
  f: "skip-preview",
  h: "help",
  m: "message",
  o: "out",
  p: "parallel",
  r: "refresh",
  s: "stack",
  t: "target",
  v: "verbose",
  x: "exclude",
  y: "yes",
});

/** The letters that stand for something else in one command. */
const ownLetters = /** @type {Record<string, Record<string, string>>} */ ({
  "stack select": { c: "create" },
  "stack rm": { f: "force" },
  "stack import": { f: "force" },
  "config cp": { d: "dest" },
  import: { f: "file" },
  logs: { f: "follow", r: "resource" },
});

const aliases = /** @type {Record<string, string>} */ ({
  update: "up",
  pre: "preview",
  down: "destroy",
  dn: "destroy",
});

const subAliases = /** @type {Record<string, Record<string, string>>} */ ({
  stack: { new: "init", create: "init", setup: "init", remove: "rm", delete: "rm", list: "ls" },
  config: { copy: "cp", remove: "rm", delete: "rm" },
});

/** Commands whose first word is a command of theirs. */
const families = set("stack config state env plugin policy org project package schema logs");

/** `stack` commands that take the stack's name as a word too. */
const namesByWord = set("init select rm");

/**
 * The bare name of this project's stack that is meant by `dev`, `organization/dev` or
 * `organization/inference-stack/dev`. Local backends know one organization, of that name.
 * @param {string} text
 * @param {string} project
 * @returns {string | undefined} undefined where it is another project's, or what Pulumi refuses
 */
export function stackOfProject(text, project) {
  const [, organization = "organization", of = project, name = ""] =
    /^(?:([^/]+)\/)?(?:([^/]+)\/)?([\w.-]{1,100})$/.exec(text) ?? [];
  return organization === "organization" && of === project && name !== "" ? name : undefined;
}

const truthy = (/** @type {string} */ text) => /^(1|t|true)$/i.test(text);

/**
 * @param {readonly string[]} argv what follows `pulumi`
 * @param {NodeJS.ProcessEnv} env
 * @returns {Invocation}
 */
export function parseInvocation(argv, env = {}) {
  /** @type {string[]} */
  const words = [];
  /** @type {Map<string, string>} the last value of each flag */
  const flags = new Map();
  const rest = [...argv];
  let verb = "";
  let sub = "";

  const takesNext = (/** @type {string} */ flag) =>
    verb === "" ? !globalSwitches.has(flag) : valued.has(flag);
  const note = (/** @type {string} */ flag, /** @type {string | undefined} */ value) => {
    flags.set(flag, value ?? (takesNext(flag) ? (rest.shift() ?? "") : "true"));
  };

  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    if (arg === "--") {
      words.push(...rest.splice(0));
    } else if (arg.startsWith("--")) {
      const [, flag = "", value] = /^--([^=]*)(?:=(.*))?$/s.exec(arg) ?? [];
      note(flag, value);
    } else if (/^-./.test(arg)) {
      // A cluster: switches, then at most one flag that takes what is left, or the next word.
      const own = { ...letters, ...ownLetters[verb], ...ownLetters[`${verb} ${sub}`] };
      for (let at = 1; at < arg.length; at += 1) {
        const letter = arg[at] ?? "";
        const flag = own[letter] ?? letter;
        const left = arg.slice(at + 1);
        if (left.startsWith("=")) note(flag, left.slice(1));
        else if (left !== "" && takesNext(flag)) note(flag, left);
        else {
          note(flag, undefined);
          continue;
        }
        break;
      }
    } else if (verb === "") {
      verb = aliases[arg] ?? arg;
    } else if (sub === "" && words.length === 0 && families.has(verb)) {
      sub = subAliases[verb]?.[arg] ?? arg;
    } else {
      words.push(arg);
    }
  }

  const on = (/** @type {string} */ flag) => truthy(flags.get(flag) ?? "");
  const byWord = verb === "stack" && namesByWord.has(sub) ? words[0] : undefined;
  return {
    verb,
    sub,
    words,
    stack: byWord ?? flags.get("stack") ?? env["PULUMI_STACK"],
    help: on("help") || on("version") || verb === "help" || verb === "version",
    cwd: flags.get("cwd"),
    configFile: flags.get("config-file"),
    yes: on("yes") || on("skip-preview") || truthy(env["PULUMI_SKIP_CONFIRMATIONS"] ?? ""),
    skipPreview: on("skip-preview"),
    refresh: on("refresh"),
  };
}

const works = set("up preview destroy refresh config stack watch logs state cancel import");
const changes = set("up destroy refresh import watch state");
/** `stack` commands that work on no stack that has to be there. */
const listing = set("init ls rm unselect");
/** `stack` commands that lock the stack's state. */
const locking = set("import rename change-secrets-provider");

/**
 * What a command does with its stack: nothing, "names" it (it need not be there), "reads" it, or
 * "changes" its state, for which it takes a lock.
 * @param {Invocation} invocation
 * @returns {"nothing" | "names" | "reads" | "changes"}
 */
export function useOfStack({ verb, sub, help }) {
  if (help || !works.has(verb)) return "nothing";
  if (changes.has(verb)) return "changes";
  if (verb !== "stack") return "reads";
  if (locking.has(sub)) return "changes";
  return listing.has(sub) ? "names" : "reads";
}
