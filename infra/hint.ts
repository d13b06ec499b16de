/**
 * Commands as they stand in sentences: what is between the backticks can be pasted into a shell in the
 * project's folder, once what is in capitals is filled in.
 */
export const hint = {
  up: (stack: string) => `\`npx pulumi up -s ${stack}\``,
  destroy: (stack: string) => `\`npx pulumi destroy -s ${stack}\``,
  cancel: (stack: string) => `\`npx pulumi cancel -s ${stack}\``,
  setKey: (stack: string, key: string, value: string | number) =>
    `\`npx pulumi config set ${key} ${value} -s ${stack}\``,
  /** The value is asked for: in the command it would stay in the shell's history. */
  setSecret: (stack: string, key: string) =>
    `\`npx pulumi config set --secret ${key} -s ${stack}\``,
  removeKey: (stack: string, key: string) => `\`npx pulumi config rm ${key} -s ${stack}\``,
  /** Several of these, as one to be pasted. */
  both: (...commands: readonly string[]) =>
    `\`${commands.map((command) => command.replaceAll("`", "")).join(" && ")}\``,
  setup: "`npm run setup`",
};
