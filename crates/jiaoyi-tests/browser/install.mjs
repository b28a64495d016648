// Whether the browser itself would install the portal as an app.

import { chromium } from 'playwright-core';
import { BASE, CHROMIUM } from './browser.mjs';

export async function installable() {
  // A window of its own profile: nothing can be installed from a private one.
  const args = ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'];
  const own = await chromium.launchPersistentContext('', { executablePath: CHROMIUM, headless: true, args });
  const page = await own.newPage();
  await page.goto(`${BASE}/`, { waitUntil: 'load' });
  const session = await own.newCDPSession(page);
  const manifest = await session.send('Page.getAppManifest');
  const { installabilityErrors } = await session.send('Page.getInstallabilityErrors');
  await own.close();
  const problems = [
    ...(manifest.url ? [] : ['no manifest']),
    ...manifest.errors.map((error) => `manifest: ${error.message}`),
    ...installabilityErrors.map((error) => `not installable: ${JSON.stringify(error)}`),
  ];
  return { problems };
}
