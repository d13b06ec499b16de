// The load test's one program: `run` in this process, or `master` and `worker` of a stack.
import { randomUUID } from "node:crypto";
import { EngineHost } from "./engine/host.ts";
import { emptyView, fold } from "./events.ts";
import { parseFlags } from "./flags.ts";
import { finalTables, progressLine } from "./report/table.ts";
import { Run } from "./run.ts";
import { fetchOpenApi, predictions } from "./scenario/default.ts";
import { UserError } from "./units.ts";

const help = `Usage: main.ts run -H URL [-u USERS] [-r PER_SECOND] [-t TIME]

  -u, --users N            users at the peak (1)
  -r, --spawn-rate N       new users a second (1)
  -t, --run-time TIME      such as 90s, 2m, 1h30m; without it, until Ctrl-C
  -H, --host URL           what to load, such as http://127.0.0.1:8000
      --path PATH          where to POST predictions (/predict)
      --think-time SECONDS wait of each user after each reply (1)
      --timeout TIME       give up on a reply after so long (30s)
  -s, --stop-timeout TIME  on stopping, let requests under way end within (10s)
      --insecure           accept any certificate
      --exit-code-on-error CODE  exit status when a request failed (1)
  -h, --help

Exit status: 0 nothing failed; 1 a request failed; 2 bad usage or nothing could be sent.`;

async function run(args: string[]): Promise<number> {
  const { request, help: wanted } = parseFlags(args);
  if (wanted) {
    console.log(help);
    return 0;
  }
  const { host } = request;
  if (host === null) throw new UserError("No host to load; give --host URL.");
  const document = await fetchOpenApi(host);
  const view = emptyView();
  const tell = new Run({
    id: randomUUID(),
    request: { ...request, host },
    scenario: predictions(document, request.path, request.thinkTime, Math.random),
    scenarioName: `POST ${request.path}`,
    stack: null,
    emit: (event) => {
      fold(view, event);
      if (event.type === "tick") console.error(progressLine(view));
    },
  });
  const engine = new EngineHost((report) => {
    tell.reported("local", report);
  });
  tell.start([
    {
      id: "local",
      tell: (command) => {
        engine.do(command);
      },
    },
  ]);
  let interrupts = 0;
  const onInterrupt = (): void => {
    interrupts += 1;
    tell.stop("interrupted", interrupts > 1 ? 0 : undefined);
  };
  process.on("SIGINT", onInterrupt).on("SIGTERM", onInterrupt);
  await tell.done;
  console.log(finalTables(view));
  const total = view.last?.total;
  if (total === undefined || total.requests === 0) return 2;
  return total.failures > 0 ? request.exitCodeOnError : 0;
}

const [command = "", ...args] = process.argv.slice(2);
try {
  if (command === "run") process.exitCode = await run(args);
  else {
    console.log(help);
    process.exitCode = command === "--help" || command === "-h" ? 0 : 2;
  }
} catch (error) {
  if (!(error instanceof UserError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
