// A Docker engine: the one that answers, else one installed and started here after a yes.
import { spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync, rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

import { agreed, aptInstall, hasApt, isRoot } from "../consent.mjs";
import { SetupError, messageOf } from "../errors.mjs";
import { run, which } from "../process.mjs";

const logFile = "/var/log/inference-stack-dockerd.log";

/** Where dockerd looks for itself and for the containerd it starts, and the commands these run. */
const pidFiles = [
  { file: "/var/run/docker.pid", command: "dockerd" },
  { file: "/var/run/docker/containerd/containerd.pid", command: "containerd" },
];

/**
 * @typedef {{ client: boolean, daemon: boolean, chosen: string | undefined, refusal: string,
 *   root: boolean, apt: boolean }} Situation client and daemon: installed; chosen: the engine a
 *   person pointed at with DOCKER_HOST or a context; refusal: what the client said
 * @typedef {{ do: "start" } | { do: "install" } | { do: "explain", why: string }} Plan
 */

/**
 * What to do when no engine answers.
 *
 * @param {Situation} s
 * @returns {Plan}
 */
export function planEngine(s) {
  if (s.chosen !== undefined) {
    return explain(
      `the Docker engine at ${s.chosen} does not answer: start it, or unset DOCKER_HOST and run "docker context use default"`,
    );
  }
  if (/permission denied/i.test(s.refusal)) {
    return explain(
      "a Docker engine runs here, but this user may not use it: add the user to the group docker and log in again, or run this as root",
    );
  }
  if (!s.root) {
    return s.daemon
      ? explain(
          "Docker is installed but does not run: start it as root (systemctl start docker, or dockerd), or run this as root",
        )
      : explain(
          "no Docker engine answers and only root may install one: have Docker installed and started (Debian, Ubuntu: apt-get install docker.io; elsewhere: https://docs.docker.com/engine/install), or run this as root",
        );
  }
  if (s.daemon && s.client) return { do: "start" };
  if (s.apt) return { do: "install" };
  return explain(
    "no Docker engine answers and this is neither Debian nor Ubuntu, where it could be installed from here: install Docker (https://docs.docker.com/engine/install) and start it",
  );
}

/** @param {string} why @returns {Plan} */
const explain = (why) => ({ do: "explain", why });

/**
 * @param {import("../consent.mjs").Consent} consent
 * @param {(line: string) => void} log
 * @returns {Promise<string>} version of the engine that answers
 * @throws {SetupError} with what to do, when there is none and none may be started
 */
export async function dockerEngine(consent, log) {
  const first = await ask();
  if (first.version) return first.version;
  const plan = planEngine({
    client: which("docker") !== undefined,
    daemon: which("dockerd") !== undefined,
    chosen: await chosenEngine(),
    refusal: first.refusal,
    root: isRoot(),
    apt: hasApt(),
  });
  if (plan.do === "explain") throw new SetupError(plan.why);
  if (plan.do === "install") {
    if (
      !(await agreed("No Docker engine answers. Install Debian's docker.io and start it?", consent))
    ) {
      throw new SetupError(
        "no Docker engine answers: run this with --yes to have docker.io installed and started, or install and start Docker yourself",
      );
    }
    await aptInstall(["docker.io", "iptables"], log);
    if (!which("docker")) await aptInstall(["docker-cli"], log); // a package of its own on newer releases
  }
  return await start(log);
}

/** @returns {Promise<{ version?: string, refusal: string }>} */
async function ask() {
  try {
    const version = await run("docker", ["version", "--format", "{{.Server.Version}}"], {
      timeoutMs: 10_000,
    });
    return { version, refusal: "" };
  } catch (error) {
    return { refusal: messageOf(error) };
  }
}

/** An engine other than this machine's usual one, where somebody chose it. */
async function chosenEngine() {
  if (process.env.DOCKER_HOST) return process.env.DOCKER_HOST;
  const context = await run("docker", ["context", "show"], { timeoutMs: 5000 }).catch(
    () => "default",
  );
  return context === "default" ? undefined : `context ${context}`;
}

/**
 * Removes a PID file unless the process it names runs that command. An engine that was ended hard
 * leaves its files behind; once another process has the number, dockerd takes it for the old
 * containerd and waits for that one's socket in vain.
 *
 * @param {string} file
 * @param {string} command name of the process, as in /proc/PID/comm
 */
export function removeStalePidFile(file, command) {
  if (!existsSync(file)) return;
  const running = `/proc/${readFileSync(file, "utf8").trim()}/comm`;
  if (existsSync(running) && readFileSync(running, "utf8").trim() === command) return;
  rmSync(file, { force: true });
}

/** @param {(line: string) => void} log */
async function start(log) {
  /** @type {() => boolean} */
  let ended = () => false;
  if (existsSync("/run/systemd/system")) {
    log("systemctl start docker");
    await run("systemctl", ["start", "docker"]);
  } else {
    log(`dockerd, with its log at ${logFile}`);
    for (const { file, command } of pidFiles) removeStalePidFile(file, command);
    const sink = openSync(logFile, "a");
    const daemon = spawn("dockerd", [], { detached: true, stdio: ["ignore", sink, sink] });
    closeSync(sink);
    daemon.on("error", () => {}); // told about below, by what is missing
    daemon.unref();
    ended = () => daemon.exitCode !== null;
  }
  for (let waited = 0; waited < 60 && !ended(); waited += 0.5) {
    const { version } = await ask();
    if (version) return version;
    await sleep(500);
  }
  const tail = existsSync(logFile)
    ? readFileSync(logFile, "utf8").trimEnd().split("\n").slice(-5)
    : [];
  throw new SetupError(
    ["the Docker engine was started but does not answer; its log ends with", ...tail].join("\n  "),
  );
}
