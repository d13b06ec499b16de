import { expect, test } from "vitest";
import { typedIn, withOwn } from "./readme.ts";

const readme = `# a project

## Two commands

\`\`\`console
$ npm run demo      # all of it
\`\`\`

## Your model

Words.

\`\`\`console
$ npx pulumi config set model iris -s dev && npx pulumi up -s dev   # ends with its name
it answers
$ npm run model -- publish a.pkl --sample rows.csv # any
\`\`\`

\`\`\`json
$ no command
\`\`\`

\`\`\`console
$ npm run down
\`\`\`

## Commands

\`\`\`console
$ npm test
\`\`\`
`;

test("what a section has people type is read block by block, without comments and replies", () => {
  expect(typedIn(readme, "Your model")).toEqual([
    [
      "npx pulumi config set model iris -s dev && npx pulumi up -s dev",
      "npm run model -- publish a.pkl --sample rows.csv",
    ],
    ["npm run down"],
  ]);
  expect(() => typedIn(readme, "Their model")).toThrow('no section "Their model"');
});

test("values of one's own take the place of the README's, by key", () => {
  const line =
    "npx pulumi config set model iris -s dev && npx pulumi config set --secret s3SecretKey k -s dev";
  expect(withOwn(line, { s3SecretKey: "mine", iris: "no" })).toBe(
    "npx pulumi config set model iris -s dev && npx pulumi config set --secret s3SecretKey mine -s dev",
  );
});
