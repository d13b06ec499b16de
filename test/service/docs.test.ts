import { expect, it } from "vitest";
import { launchChromium } from "../ui/chromium.ts";
import { startService } from "./process.ts";

it("the documentation page works in a browser by itself: its example runs and gets a prediction", async () => {
  const service = await startService();
  const browser = await launchChromium();
  try {
    const page = await browser.newPage();
    const elsewhere: string[] = [];
    const errors: string[] = [];
    page.on("request", (request) => {
      if (!request.url().startsWith(service.url) && !request.url().startsWith("data:")) {
        elsewhere.push(request.url());
      }
    });
    page.on("pageerror", (error) => errors.push(error.message));
    page.on("console", (message) => {
      if (message.type() === "error") errors.push(message.text());
    });

    await page.goto(`${service.url}/docs`);
    const predict = page.locator("#operations-Predict-predict");
    await predict.locator(".opblock-summary-control").click();
    await predict.locator(".execute").click();
    const reply = predict.locator(".live-responses-table .response");
    await reply.waitFor();
    expect(await reply.locator(".response-col_status").textContent()).toContain("200");
    expect(await reply.textContent()).toContain("setosa");
    expect(elsewhere).toEqual([]);
    expect(errors).toEqual([]);
  } finally {
    await browser.close();
    await service.stop();
  }
});
