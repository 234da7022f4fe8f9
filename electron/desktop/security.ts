/**
 * What the renderer may not do: leave its own files, open windows, ask for permissions, load anything from elsewhere.
 */
import { join, normalize, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { app, net, protocol, session, type WebContents } from 'electron';

export const APP_ORIGIN = 'synod://console';

/** Must run before the app is ready for the scheme to count as secure and standard. */
protocol.registerSchemesAsPrivileged([{ scheme: 'synod', privileges: { standard: true, secure: true } }]);

/** Scripts and styles of the bundle only; the engine is reached by a MessagePort, so nothing is connected to. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'none'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Serves the built renderer below `appDir` as synod://console/. */
export function registerAppProtocol(appDir: string): void {
  protocol.handle('synod', async (request) => {
    const url = new URL(request.url);
    const file = normalize(join(appDir, url.pathname === '/' ? 'index.html' : decodeURIComponent(url.pathname)));
    if (url.host !== 'console' || !file.startsWith(appDir + sep)) return new Response('not found', { status: 404 });
    const found = await net.fetch(pathToFileURL(file).toString());
    const headers = new Headers(found.headers);
    headers.set('content-security-policy', policy);
    headers.set('x-content-type-options', 'nosniff');
    return new Response(found.body, { status: found.status, headers });
  });
}

/** Refuses every permission and every request that is not for our own files. */
export function lockDownSession(): void {
  session.defaultSession.setPermissionRequestHandler((_contents, _permission, answer) => answer(false));
  session.defaultSession.setPermissionCheckHandler(() => false);
  session.defaultSession.setDevicePermissionHandler(() => false);
  session.defaultSession.webRequest.onBeforeRequest((details, answer) => {
    const allowed = details.url.startsWith(`${APP_ORIGIN}/`) || details.url.startsWith('devtools:');
    answer({ cancel: !allowed && !details.url.startsWith('file:') });
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
