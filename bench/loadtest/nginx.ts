// The server that is not the limit: nginx on one core, answering without looking.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Server {
  url: string;
  /** The process that answers. */
  pid: number;
  /** Requests answered so far, by its own count. */
  answered: () => Promise<number>;
  stop: () => Promise<void>;
}

/** Starts nginx on a core of its own. Throws when it does not answer. */
export async function startNginx(core: number): Promise<Server> {
  const dir = mkdtempSync(join(tmpdir(), "bench-nginx-"));
  const port = 30_000 + (process.pid % 2000);
  const temp = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((name) => `${name}_temp_path ${dir}/${name};`)
    .join(" ");
  const config = join(dir, "nginx.conf");
  writeFileSync(
    config,
    `worker_processes 1; daemon off; pid ${dir}/pid; error_log ${dir}/errors;
     worker_rlimit_nofile 20000; events { worker_connections 19000; }
     http { access_log off; keepalive_requests 1000000000; default_type application/json; ${temp}
       server { listen 127.0.0.1:${port} backlog=4096;
         location = /count { stub_status; }
         location / { return 200 '{"prediction":"setosa"}'; } } }`,
  );
  const child = spawn("taskset", ["-c", String(core), "nginx", "-c", config], { stdio: "ignore" });
  const url = `http://127.0.0.1:${port}`;
  for (let i = 0; i < 100; i += 1) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    const ok = await fetch(url).then(
      (reply) => reply.ok,
      () => false,
    );
    if (ok) {
      return {
        url,
        pid: Number(
          readFileSync(`/proc/${child.pid ?? 0}/task/${child.pid ?? 0}/children`, "utf8"),
        ),
        answered: async () => {
          // "accepts handled requests", and below them three numbers.
          const text = await (await fetch(`${url}/count`)).text();
          return Number(/ \d+ \d+ (\d+) /.exec(text)?.[1]);
        },
        stop: async () => {
          child.kill("SIGTERM");
          await once(child, "exit");
        },
      };
    }
  }
  child.kill("SIGKILL");
  throw new Error("nginx did not start.");
}
