// The load test's page in a real Chromium, before a real master and worker.
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { stateDir } from "../toolchain/clone.mjs";
import type { ToldSearch } from "../loadtest/told-search.ts";
import { launchChromium } from "./ui/chromium.ts";
import { startLoadTest, type LoadTest } from "./ui/load-test.ts";
import { startTarget, type Target } from "./ui/target.ts";

const artifacts = join(stateDir, "artifacts", "ui");
const axe = readFileSync(
  join(createRequire(import.meta.url).resolve("axe-core"), "..", "axe.min.js"),
  "utf8",
);

let browser: Browser;
let target: Target;
let loadTest: LoadTest;
let page: Page;
/** What any page of these tests complained of, or asked of anybody but its master. */
const complaints: string[] = [];

const desktop = { viewport: { width: 1360, height: 900 }, colorScheme: "light" } as const;
const phone = {
  viewport: { width: 360, height: 740 },
  deviceScaleFactor: 2,
  hasTouch: true,
  isMobile: true,
} as const;

async function open(url: string, options: BrowserContextOptions = desktop): Promise<Page> {
  const context = await browser.newContext(options);
  const opened = await context.newPage();
  opened.setDefaultTimeout(15_000);
  opened.on("pageerror", (error) => complaints.push(error.message));
  opened.on("console", (message) => {
    const text = message.text();
    // Other tests make networks on this machine, and the browser ends what it was loading then.
    if (text.includes("net::ERR_NETWORK_CHANGED")) return;
    if (message.type() === "error" || message.type() === "warning") complaints.push(text);
  });
  opened.on("request", (request) => {
    const asked = request.url();
    if (!asked.startsWith(loadTest.url) && !/^(data|blob|file):/.test(asked))
      complaints.push(asked);
  });
  await opened.goto(url);
  return opened;
}

const shot = (of: Page, name: string): Promise<unknown> =>
  of.screenshot({ path: join(artifacts, `${name}.png`), animations: "disabled" });

/** Names of the accessibility rules that a page breaks, with where. */
async function violations(of: Page): Promise<string[]> {
  // By the debugger, not by the page: its own policy lets no further script in.
  await of.evaluate(axe);
  return of.evaluate(`axe.run().then(({ violations }) => violations.map(
    ({ id, nodes }) => id + ": " + nodes.map(({ html }) => html).join(" ")))`);
}

/** One of the figures at the top, as a number. */
async function figure(name: string, of = page): Promise<number> {
  const text = await of
    .locator(".figure", { has: of.getByText(name, { exact: true }) })
    .locator("dd")
    .innerText();
  return Number(text.replaceAll(",", "").split(/\s/)[0]);
}

/** Names stand before the counts some tabs have. */
const chosenTab = async (of = page): Promise<string> =>
  withoutCount(await of.getByRole("tab", { selected: true }).innerText());
const withoutCount = (text: string): string => text.replace(/\s*\d+$/, "");

/** Chooses a tab, and waits until the page has drawn it. */
async function tab(name: string, of = page): Promise<void> {
  await of.getByRole("tab", { name }).click();
  await eventually(() => chosenTab(of)).toBe(name);
}

const tabNames = async (of: Page): Promise<string[]> =>
  (await of.getByRole("tab").allInnerTexts()).map(withoutCount);

const button = (name: string, of = page) => of.getByRole("button", { name, exact: true });

/** Waits until what is read is as expected: the page draws with the next frame, a busy machine late. */
const eventually = <T>(read: () => T) => expect.poll(read, { timeout: 15_000, interval: 50 });

/** The picture a chart shows now. */
const drawn = (id: string, of = page): Promise<string> =>
  of.evaluate(`document.querySelector("#chart-${id} canvas").toDataURL()`);

/** How many different colours a chart's canvas has: an empty one has one. */
const colours = (id: string, of = page): Promise<number> =>
  of.evaluate(`(() => {
    const { width, height } = document.querySelector("#chart-${id} canvas");
    const data = document.querySelector("#chart-${id} canvas").getContext("2d").getImageData(0, 0, width, height).data;
    return new Set(new Uint32Array(data.buffer)).size;
  })()`);

beforeAll(async () => {
  mkdirSync(artifacts, { recursive: true });
  target = await startTarget();
  [browser, loadTest] = await Promise.all([launchChromium(), startLoadTest(target.port)]);
});

// One step stands on the other: after the first that fails the rest would only wait in vain.
let failed = "";
beforeEach(({ task, onTestFailed }) => {
  if (failed !== "") throw new Error(`"${failed}" failed before this.`);
  onTestFailed(async () => {
    failed = task.name;
    await shot(page, "failed");
  });
});

afterAll(async () => {
  await browser.close();
  await loadTest.stop();
  target.server.closeAllConnections();
  target.server.close();
});

describe("a run from beginning to end", () => {
  test("is started by the form", async () => {
    page = await open(loadTest.url);
    await page.getByLabel("Users", { exact: true }).last().waitFor();
    await page.getByText("ready", { exact: true }).waitFor();
    await page.getByText("Advanced").click();
    expect(await violations(page)).toEqual([]);
    await shot(page, "start");
    await page.getByRole("textbox", { name: "Users" }).fill("20");
    await page.getByLabel("Ramp up").fill("20");
    await page.getByLabel("Seconds", { exact: true }).fill("0.1");
    await page.getByLabel("Thresholds").fill("p95<500ms\nfailures<1%");
    await button("Start").click();
    await page.getByRole("status").filter({ hasText: "Running" }).waitFor({ state: "attached" });
    await eventually(() => figure("Users")).toBe(20);
    await eventually(() => figure("Requests")).toBeGreaterThan(100);
  });

  test("its numbers stand in the table, with the whole run in the last row", async () => {
    const row = page.getByRole("table").first().locator("tfoot tr");
    expect(await row.innerText()).toContain("Aggregated");
    await shot(page, "statistics");
  });

  test("its charts move, the stack's own among them", async () => {
    await tab("Charts");
    for (const id of ["rps", "latency", "users", "cpu", "throttled", "memory"]) {
      await page.locator(`#chart-${id} canvas`).waitFor();
      await eventually(() => colours(id)).toBeGreaterThan(3);
    }
    const before = await drawn("rps");
    await eventually(() => drawn("rps")).not.toBe(before);
    await eventually(() =>
      page.locator("#chart-rps [role=img]").getAttribute("aria-label"),
    ).toMatch(/^Requests per second, .*requests\/s: last \d/);
    await shot(page, "charts");
  });

  test("a value is read under the cursor, at the same moment in every chart", async () => {
    await page.locator("#chart-rps .u-over").hover();
    const moments = page.locator("#chart-rps time, #chart-users time");
    await eventually(() => moments.allInnerTexts()).toEqual([
      expect.stringMatching(/^\d\d:\d\d:\d\d$/),
      expect.stringMatching(/^\d\d:\d\d:\d\d$/),
    ]);
    const [one, other] = await moments.allInnerTexts();
    expect(one).toBe(other);
    await page.mouse.move(0, 0);
  });

  test("its users are changed while it goes on; Escape leaves them and gives the focus back", async () => {
    await button("Edit").click();
    await page.getByRole("dialog").waitFor();
    expect(await violations(page)).toEqual([]);
    await shot(page, "edit");
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "hidden" });
    expect(await page.evaluate("document.activeElement.textContent.trim()")).toBe("Edit");
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").getByLabel("Users").fill("40");
    await page.getByRole("dialog").getByLabel("Ramp up").fill("40");
    await page.keyboard.press("Enter");
    await eventually(() => figure("Users")).toBe(40);
  });

  test("a failure is shown with what the server said", async () => {
    await tab("Failures");
    await page.getByRole("cell", { name: /503/ }).waitFor();
    await shot(page, "failures");
  });

  test("each tab passes the accessibility check", async () => {
    for (const name of await tabNames(page)) {
      await tab(name);
      expect(await violations(page), name).toEqual([]);
    }
    await tab("Workers");
    await shot(page, "workers");
  });

  test("tabs are gone through by arrows", async () => {
    await tab("Statistics");
    await page.keyboard.press("ArrowRight");
    await eventually(chosenTab).toBe("Charts");
    await page.keyboard.press("End");
    await eventually(chosenTab).toBe("Runs");
    expect(await page.evaluate("document.activeElement.id")).toBe("tab-runs");
  });

  test("its numbers begin anew when reset", async () => {
    await eventually(() => figure("Requests")).toBeGreaterThan(500);
    const before = await figure("Requests");
    await button("Reset").click();
    await eventually(() => figure("Requests")).toBeLessThan(before);
  });

  test("a page opened later shows it from its beginning", async () => {
    const late = await open(`${loadTest.url}/#charts`);
    await late.locator("#chart-users canvas").waitFor();
    await eventually(() =>
      late.locator("#chart-users [role=img]").getAttribute("aria-label"),
    ).toMatch(/lowest \d+, highest 40/);
    expect(await late.locator(".facts").innerText()).toBe(await page.locator(".facts").innerText());
    await late.context().close();
  });

  test("is stopped, and says how it ended", async () => {
    await button("Stop").click();
    await page.getByText("Finished: stopped", { exact: true }).waitFor();
    await button("New").waitFor();
    await tab("Statistics");
    await eventually(() => page.getByRole("list", { name: "Thresholds" }).innerText()).toMatch(
      /Held\s+p95<500ms[^]*Crossed\s+failures<1%/,
    );
    await tab("Charts");
    await page.locator("#chart-percentiles canvas").waitFor();
    await eventually(() => colours("percentiles")).toBeGreaterThan(3);
    await shot(page, "finished");
  });
});

describe("data", () => {
  test.each([
    ["Requests (CSV)", /^Type,Name,Request Count,Failure Count,/],
    ["History (CSV)", /^Timestamp,User Count,Type,Name,/],
    ["Failures (CSV)", /^Method,Name,Error,Occurrences,/],
    ["Exceptions (CSV)", /^Count,Message,Traceback,Nodes/],
    ["Statistics (JSON)", /"num_requests"/],
  ])("%s is downloaded", async (name, content) => {
    await tab("Download data");
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("link", { name }).click(),
    ]);
    expect(readFileSync(await download.path(), "utf8")).toMatch(content);
  });

  test("the report opens from a file, without a network, and shows what the page showed", async () => {
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("link", { name: "Report (HTML)" }).click(),
    ]);
    const file = join(artifacts, "report.html");
    await download.saveAs(file);
    const report = await open("about:blank", { ...desktop, offline: true });
    await report.goto(pathToFileURL(file).href);
    await report.getByText("Finished: stopped", { exact: true }).waitFor();
    expect(await figure("Requests", report)).toBe(await figure("Requests"));
    expect(await violations(report)).toEqual([]);
    await tab("Charts", report);
    await eventually(() => colours("rps", report)).toBeGreaterThan(3);
    expect(await report.getByRole("button", { name: "New" }).count()).toBe(0);
    await shot(report, "report");
    await report.context().close();
  });
});

describe("finished runs", () => {
  test("a run ends by itself when its time is over", async () => {
    await button("New").click();
    const form = page.getByRole("dialog");
    // As it was sent the last time.
    expect(await form.getByRole("textbox", { name: "Users" }).inputValue()).toBe("20");
    await form.getByLabel("Run time").fill("4s");
    await form.getByText("Arrival rate").click();
    await form.getByLabel("Requests a second").fill("100");
    expect(await violations(page)).toEqual([]);
    await shot(page, "new");
    await button("Start", page).click();
    await page.getByText("Finished: run time over", { exact: true }).waitFor();
    // What was due by the end was sent, and the end came no sooner.
    expect(await figure("Requests")).toBeGreaterThan(390);
  });

  test("are compared side by side, with the stack they ran on", async () => {
    await tab("Runs");
    const choices = page.getByRole("checkbox");
    await eventually(() => choices.count()).toBe(2);
    await choices.nth(0).check();
    await choices.nth(1).check();
    const comparison = page.getByRole("region", { name: "Comparison" });
    const cells = async (title: string): Promise<string[]> =>
      comparison
        .locator("tr", { has: page.getByRole("rowheader", { name: title, exact: true }) })
        .locator("td")
        .allInnerTexts();
    await eventually(() => cells("cpus")).toEqual(["0.5", "0.5"]);
    expect(await cells("memory")).toEqual(["256 MiB", "256 MiB"]);
    expect(await cells("replicas")).toEqual(["1", "1"]);
    expect(await cells("Model")).toEqual(["iris 3", "iris 3"]);
    expect(await cells("Image")).toEqual(["0f1e2d3c4b5a", "0f1e2d3c4b5a"]);
    expect((await cells("Requests/s"))[1]).toMatch(/[+−±]\d/);
    await page.locator("#chart-compare-rps canvas").waitFor();
    await eventually(() => colours("compare-rps")).toBeGreaterThan(4);
    expect(await violations(page)).toEqual([]);
    await page.setViewportSize({ width: 1360, height: 1500 });
    await shot(page, "compare");
    await page.setViewportSize(desktop.viewport);
  });

  test("open as reports of their own", async () => {
    const [report] = await Promise.all([
      page.context().waitForEvent("page"),
      page
        .getByRole("link", { name: /\d\d:\d\d:\d\d/ })
        .first()
        .click(),
    ]);
    await report.getByRole("heading", { name: "Load test report" }).waitFor();
    await report.close();
  });

  test("are forgotten when told to", async () => {
    page.once("dialog", (dialog) => void dialog.accept());
    await page
      .getByRole("button", { name: /^Forget/ })
      .first()
      .click();
    await eventually(() => page.getByRole("checkbox").count()).toBe(1);
  });
});

test("a capacity search is watched: its trials, what holds, and the answer", async () => {
  const at = (cpus: number, memory: number) => ({ cpus, memory, replicas: 1 });
  const trial = (cpus: number, memory: number, verdict: "pass" | "fail") => ({
    limits: at(cpus, memory),
    purpose: "search",
    verdict,
    said: verdict === "pass" ? "p95 was 104 ms" : "p95 was 2300 ms",
    p95: verdict === "pass" ? 104 : 2300,
    rps: 9250,
    failures: 0,
    seconds: 71,
  });
  const search: ToldSearch = {
    question: "10000 users, p95<500ms,failures=0",
    axes: { cpus: [0.1, 0.2, 0.25], memory: [80, 128], replicas: [1, 2] },
    trials: [trial(0.25, 128, "pass"), trial(0.1, 128, "fail")],
    now: { limits: at(0.2, 80), purpose: "search" },
    best: { limits: at(0.25, 128), proven: false },
    declared: null,
    ended: false,
  };
  await tab("Capacity");
  await page.getByText("No capacity search").waitFor();
  await loadTest.tell(search);
  await page.getByText("The best so far is 0.25 CPU, 128 MiB. Trial 3").waitFor();
  const map = page.getByRole("region", { name: "Trials passed of those made, 1 replica" });
  const row = map.locator("tr", { has: page.getByRole("rowheader", { name: "128 MiB" }) });
  expect(await row.locator("td").allInnerTexts()).toEqual(["failed 0/1", "–", "best held 1/1"]);
  expect(await violations(page)).toEqual([]);
  await shot(page, "capacity");
  const trials = [...search.trials, trial(0.2, 80, "pass")];
  const best = { limits: at(0.2, 80), proven: true };
  await loadTest.tell({ ...search, trials, now: null, best, ended: true });
  await page.getByText("The answer is 0.2 CPU, 80 MiB, and less does not hold.").waitFor();
  expect(
    await page.getByRole("region", { name: "Trials", exact: true }).locator("tbody tr").count(),
  ).toBe(3);
  const refused = await fetch(`${loadTest.url}/api/capacity`, { method: "POST", body: "{}" });
  expect(refused.status).toBe(403);
  // As the tests after this find it.
  await tab("Runs");
});

describe("looks", () => {
  const background = (of: Page): Promise<string> =>
    of.evaluate("getComputedStyle(document.documentElement).backgroundColor");

  test("dark where the system is dark, light when asked, and so again when reopened", async () => {
    const dark = await open(`${loadTest.url}/#charts`, { ...desktop, colorScheme: "dark" });
    await dark.locator("#chart-rps canvas").waitFor();
    expect(await background(dark)).toBe("rgb(14, 18, 23)");
    expect(await violations(dark)).toEqual([]);
    await shot(dark, "dark");
    const before = await drawn("rps", dark);
    await button("Switch to light colours", dark).click();
    await eventually(() => background(dark)).toBe("rgb(246, 247, 249)");
    await eventually(() => drawn("rps", dark)).not.toBe(before);
    await dark.reload();
    await button("Switch to dark colours", dark).waitFor();
    await eventually(() => background(dark)).toBe("rgb(246, 247, 249)");
    await dark.context().close();
  });

  test("a narrow screen shows every tab without scrolling sideways", async () => {
    const narrow = await open(loadTest.url, phone);
    for (const name of await tabNames(narrow)) {
      await tab(name, narrow);
      const wider = await narrow.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth",
      );
      expect(wider, name).toBe(0);
    }
    await tab("Charts", narrow);
    await narrow.locator("#chart-rps canvas").waitFor();
    expect(await violations(narrow)).toEqual([]);
    await shot(narrow, "narrow");
    await button("New", narrow).click();
    await narrow.getByRole("dialog").waitFor();
    await shot(narrow, "narrow-new");
    await narrow.context().close();
  });
});

test("a page whose master went away says so, and shows what the new one has", async () => {
  const known = complaints.length;
  await loadTest.restartMaster(async () => {
    await page.getByText("Connection lost").waitFor();
    await shot(page, "lost");
  });
  await button("Start").waitFor();
  await page.getByText("ready", { exact: true }).waitFor();
  expect(await page.getByText("Connection lost").count()).toBe(0);
  // Runs are kept on disk.
  await eventually(() => page.getByRole("checkbox").count()).toBe(1);
  // The browser itself complains of a server that is not there.
  const others = complaints.splice(known).filter((text) => !text.includes("net::ERR_"));
  expect(others).toEqual([]);
});

describe("a load test that asks for a token", () => {
  test("lets nobody see or do anything without it", async () => {
    const guarded = await startLoadTest(target.port, "open sesame");
    const known = complaints.length;
    const asked = await open(guarded.url);
    const field = asked.getByLabel("Token");
    await field.waitFor();
    expect(await violations(asked)).toEqual([]);
    await shot(asked, "token");
    await asked.keyboard.press("Escape");
    await button("Sign in", asked).click();
    await field.fill("wrong");
    await button("Sign in", asked).click();
    await asked.getByRole("alert").waitFor();
    await field.fill("open sesame");
    await button("Sign in", asked).click();
    await button("Start", asked).waitFor();
    await asked.reload();
    await button("Start", asked).waitFor();
    await asked.context().close();
    await guarded.stop();
    // Being refused is what this is about, and this master is another one.
    complaints.splice(known);
  });
});

test("nothing was asked of anybody else, and no page complained", () => {
  expect(complaints).toEqual([]);
});
