import { describe, expect, test } from "vitest";
import { lend, saltOf, settle, withoutSalt, withSalt } from "./salt.mjs";

const config = 'config:\n  inference-stack:cpus: "1"\n';
const [ours, theirs] = ["v1:b3Vycw==:v1:x+y/z==", "v1:dGhlaXJz:v1:a+b/c=="];

describe("a salt in a settings file", () => {
  test.each([
    ["plain", `encryptionsalt: ${theirs}\n${config}`],
    ["below", `${config}encryptionsalt: ${theirs}`],
    ["quoted", `encryptionsalt: "${theirs}"\n${config}`],
    ["its key quoted", `'encryptionsalt' :   '${theirs}'\n${config}`],
    ["explained", `encryptionsalt: ${theirs} # of the team\n${config}`],
    ["with other line ends", `encryptionsalt: ${theirs}\r\n${config.replaceAll("\n", "\r\n")}`],
  ])("%s, is found, replaced in its place and left out", (_, text) => {
    expect(saltOf(text)).toBe(theirs);
    expect(withSalt(text, ours)).toBe(text.replace(theirs, ours));
    expect(saltOf(withoutSalt(text))).toBeUndefined();
    expect(withoutSalt(text)).toContain("inference-stack:cpus");
  });

  test.each([
    ["first", config, `encryptionsalt: ${ours}\n${config}`],
    ["after a byte order mark", `\uFEFF${config}`, `\uFEFFencryptionsalt: ${ours}\n${config}`],
    [
      "after the start of the document",
      `# dev\n---\n${config}`,
      `# dev\n---\nencryptionsalt: ${ours}\n${config}`,
    ],
    ["with the file's line ends", "config: {}\r\n", `encryptionsalt: ${ours}\r\nconfig: {}\r\n`],
    ["not into braces", "# dev\n{config: {}}\n", "# dev\n{config: {}}\n"],
  ])("that is added stands %s", (_, text, expected) => {
    expect(withSalt(text, ours)).toBe(expected);
  });

  test("in a comment or deeper in the file is none", () => {
    expect(saltOf(`# encryptionsalt: ${theirs}\nconfig:\n  encryptionsalt: ${theirs}\n`)).toBe(
      undefined,
    );
  });
});

describe("what the CLI reads", () => {
  const committed = `encryptionsalt: ${theirs} # the team's\n${config}`;
  test.each([
    ["the state's salt", config, ours, true, `encryptionsalt: ${ours}\n${config}`],
    ["it in the place of theirs", committed, ours, true, committed.replace(theirs, ours)],
    ["no salt where the stack is yet to be made", committed, undefined, true, config],
    ["theirs, with a passphrase of theirs", committed, undefined, false, committed],
    ["theirs, where it is the state's", committed, theirs, true, committed],
  ])("%s", (_, text, state, ownPassphrase, expected) => {
    expect(lend(text, state, ownPassphrase)).toBe(expected);
  });
});

describe("what is there after the CLI ran", () => {
  const plain = `# four spaces\r\nconfig:\r\n    inference-stack:cpus: "1"  # one\r\n`;
  const committed = `${plain}encryptionsalt: ${theirs}  # the team's\r\n`;
  const changed = (salt: string) =>
    `encryptionsalt: ${salt}\nconfig:\n  inference-stack:cpus: "2"\n`;
  const rewritten = (salt: string) => `encryptionsalt: ${salt}\n${config}`;
  const held = (before: string) => ({ before, lent: withSalt(before, ours) });

  test.each([
    ["nothing was written", committed, held(committed).lent, committed],
    ["the CLI wrote the same anew", committed, rewritten(ours), committed],
    ["the CLI wrote the same anew, with a new salt", plain, rewritten(ours), plain],
    ["it was cut off while it wrote", committed, "", committed],
    ["it was cut off before it wrote", committed, committed, committed],
    ["a value was set", plain, changed(ours), changed(ours).replace(/^.*\n/, "")],
    ["a value was set beside theirs", committed, changed(ours), changed(theirs)],
    [
      "somebody committed another salt meanwhile",
      committed,
      changed("v1:b:v1:c"),
      changed("v1:b:v1:c"),
    ],
    ["somebody checked theirs out meanwhile", committed, changed(theirs), changed(theirs)],
    ["the CLI took the salt out for a key service", plain, config, config],
  ])("%s", (_, before, now, expected) => {
    expect(settle(held(before), now, ours)).toBe(expected);
  });

  test("a new salt of a new stack is the state's, and theirs is put back", () => {
    const lent = lend(committed, undefined, true);
    expect(settle({ before: committed, lent }, rewritten(ours), ours)).toBe(committed);
    expect(settle({ before: committed, lent }, changed(ours), ours)).toBe(changed(theirs));
    // The stack could not be made.
    expect(settle({ before: committed, lent }, lent, undefined)).toBe(committed);
  });

  test("a file that the CLI made keeps what is no salt", () => {
    expect(settle({ before: "", lent: "" }, `encryptionsalt: ${ours}\n`, ours)).toBe("");
    expect(settle({ before: "", lent: "" }, rewritten(ours), ours)).toBe(config);
    expect(settle({ before: "", lent: "" }, rewritten(theirs), ours)).toBe(rewritten(theirs));
  });
});
