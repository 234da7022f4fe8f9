import { BrowserWindow, nativeTheme } from 'electron';
import { APP_ORIGIN } from './security.ts';

/** One sandboxed window with the renderer; `onReady` is called after each load, a reload included. */
export function createWindow(options: { preload: string; onReady: (window: BrowserWindow) => void }): BrowserWindow {
  const window = new BrowserWindow({
    width: 1440,
    height: 900,
    minWidth: 960,
    minHeight: 600,
    show: false,
    title: 'Synod',
    backgroundColor: nativeTheme.shouldUseDarkColors ? '#0d1014' : '#f5f6f8',
    webPreferences: {
      preload: options.preload,
      sandbox: true,
      contextIsolation: true,
      nodeIntegration: false,
      webSecurity: true,
      spellcheck: false,
    },
  });
  window.once('ready-to-show', () => window.show());
  window.webContents.on('did-finish-load', () => options.onReady(window));
  void window.loadURL(`${APP_ORIGIN}/`);
  return window;
}
