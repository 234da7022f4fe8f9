/**
 * What the renderer may not do: leave its own files, open windows, ask for permissions, load anything from elsewhere.
 */
import { join, normalize, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { app, net, protocol, session, type WebContents } from 'electron';
import { contentSecurityPolicy } from '../contract/content-policy.ts';

export const APP_ORIGIN = 'synod://console';

/** Must run before the app is ready for the scheme to count as secure and standard. */
protocol.registerSchemesAsPrivileged([{ scheme: 'synod', privileges: { standard: true, secure: true } }]);

/** Serves the built renderer below `appDir` as synod://console/. */
export function registerAppProtocol(appDir: string): void {
  protocol.handle('synod', async (request) => {
    const url = new URL(request.url);
    const file = normalize(join(appDir, url.pathname === '/' ? 'index.html' : decodeURIComponent(url.pathname)));
    if (url.host !== 'console' || !file.startsWith(appDir + sep)) return new Response('not found', { status: 404 });
    const found = await net.fetch(pathToFileURL(file).toString());
    const headers = new Headers(found.headers);
    // The engine is reached by a MessagePort, so nothing is connected to.
    headers.set('content-security-policy', contentSecurityPolicy("'none'"));
    headers.set('x-content-type-options', 'nosniff');
    return new Response(found.body, { status: found.status, headers });
  });
}

/** Refuses every permission and every request that is not for our own files. */
export function lockDownSession(appDir: string): void {
  const ownFiles = pathToFileURL(appDir + sep).toString();
  session.defaultSession.setPermissionRequestHandler((_contents, _permission, answer) => answer(false));
  session.defaultSession.setPermissionCheckHandler(() => false);
  session.defaultSession.setDevicePermissionHandler(() => false);
  session.defaultSession.webRequest.onBeforeRequest((details, answer) => {
    // The protocol above reads the renderer's files by this very session.
    const allowed = [`${APP_ORIGIN}/`, 'devtools:', ownFiles].some((start) => details.url.startsWith(start));
    answer({ cancel: !allowed });
  });
  app.on('web-contents-created', (_event, contents) => confine(contents));
}

/** No navigation, no new windows, no webviews. */
function confine(contents: WebContents): void {
  contents.on('will-navigate', (event) => event.preventDefault());
  contents.on('will-redirect', (event) => event.preventDefault());
  contents.on('will-attach-webview', (event) => event.preventDefault());
  contents.setWindowOpenHandler(() => ({ action: 'deny' }));
}
