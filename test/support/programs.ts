// Programs of this machine that tests drive. A bare machine has none of them: they are installed.
import { aptInstall, hasApt, isRoot } from "../../toolchain/consent.mjs";
import { run, which } from "../../toolchain/process.mjs";

/** Which of Debian's packages has a program. */
const packages = {
  chromium: "chromium",
  curl: "curl",
  ip: "iproute2",
  openssl: "openssl",
  python3: "python3",
} as const;

export type Program = keyof typeof packages;

async function install(what: string, name: string): Promise<void> {
  if (!hasApt() || !isRoot()) {
    throw new Error(
      `the tests need ${what}, which is not here: install it (Debian, Ubuntu: apt-get install ${name})`,
    );
  }
  await aptInstall([name], console.log);
}

/** Where a program is; Debian's package of it is installed where it is missing. */
export async function needProgram(program: Program): Promise<string> {
  if (which(program) === undefined) await install(program, packages[program]);
  const path = which(program);
  if (path === undefined)
    throw new Error(`${packages[program]} is installed, and ${program} is not on PATH`);
  return path;
}

/** A python3 that makes virtual environments, which Debian has as a package of its own. */
export async function needPython(): Promise<string> {
  const python = await needProgram("python3");
  const complete = await run(python, ["-c", "import venv, ensurepip"]).then(
    () => true,
    () => false,
  );
  if (!complete) await install("python3 with venv", "python3-venv");
  return python;
}
