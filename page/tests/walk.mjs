// The whole walk in headless Chromium: `node walk.mjs CHROMIUM PAGE_URL [SCREENSHOT.png]`. Prints what the page showed, as JSON.

import { chromium } from "playwright-core";

const [executablePath, url, screenshot] = process.argv.slice(2);
const args = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];
const seen = { troubles: [], elsewhere: [] };
const browser = await chromium.launch({ executablePath, headless: true, args });
try {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, reducedMotion: "reduce", colorScheme: "light" });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && seen.troubles.push(message.text()));
  page.on("pageerror", (error) => seen.troubles.push(error.message));
  page.on("request", (request) => new URL(request.url()).origin !== new URL(url).origin && seen.elsewhere.push(request.url()));
  await page.goto(url);
  await page.waitForSelector(":root[data-ready]");
  const text = (selector) => page.innerText(selector);

  // What is no number is said in words, before anything is sent.
  await page.fill("#number", "12");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#number[aria-invalid]");
  seen.invalid = await text("#number-error");

  const lookUp = async (start) => {
    await page.evaluate(() => { document.getElementById("result").dataset.outcome = ""; });
    await start();
    await page.waitForSelector("#result:not([data-outcome=''])");
    return {
      outcome: await page.getAttribute("#result", "data-outcome"), result: await text("#result"),
      relay: await text("#relay-view .body"), gateway: await text("#gateway-view .body"), verified: await text("#verified-view .body"),
      failed: await page.locator(".is-bad").count(),
    };
  };
  await page.fill("#number", "+1 (415) 555-0132");
  seen.before = await lookUp(() => page.keyboard.press("Enter"));

  await page.fill("#mine", "+1 (415) 555-0132");
  await page.focus("#mine");
  await page.keyboard.press("Enter");
  await page.waitForSelector(".bubble");
  seen.message = await text(".bubble");
  const code = /\d{8}/.exec(seen.message)[0];
  await page.fill("#code", code === "00000000" ? "11111111" : "00000000");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#code-error:not(:empty)");
  seen.wrong = await text("#code-error");
  await page.click("#fill");
  await page.keyboard.press("Enter");
  await page.waitForSelector(".held");
  seen.steps = await page.locator("#steps .is-done").count();

  seen.found = await lookUp(() => page.click(".held button:nth-of-type(1)"));
  if (screenshot) {
    await page.evaluate(() => scrollTo({ top: 0, behavior: "instant" }));
    await page.screenshot({ path: screenshot, clip: { x: 0, y: 0, width: 1280, height: 2080 }, fullPage: true });
  }
  await page.click(".held button:nth-of-type(2)");
  await page.waitForSelector(".held.is-withdrawn");
  seen.after = await lookUp(() => page.click(".held button:nth-of-type(1)"));

  // As if others had asked since, so that the relay's recording of this question is gone; then the gateway's too.
  const without = (parties) => page.route("**/api/recordings", async (route) => {
    const response = await route.fetch();
    const none = Object.fromEntries(parties.map((party) => [party, []]));
    await route.fulfill({ response, json: { ...await response.json(), ...none } });
  });
  await without(["relay"]);
  seen.relayGone = await lookUp(() => page.click(".held button:nth-of-type(1)"));
  await page.unroute("**/api/recordings");
  await without(["relay", "gateway"]);
  seen.bothGone = await lookUp(() => page.click(".held button:nth-of-type(1)"));
  await page.unroute("**/api/recordings");

  await page.setViewportSize({ width: 360, height: 740 });
  seen.overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  seen.cookies = (await context.cookies()).length;
} finally {
  await browser.close();
}
console.log(JSON.stringify(seen));
