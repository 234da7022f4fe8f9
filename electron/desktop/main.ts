/**
 * The Electron shell, as thin as it can be: one window with the renderer, one utility process with the engine, and a port
 * between the two. The shell itself sees no cluster traffic; it lends the engine the operating system's encryption for
 * secrets, and that is all.
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { app, Menu } from 'electron';
import { resolveStateDir } from '../cli/state-dir.ts';
import { EngineProcess } from './engine-link.ts';
import { menuTemplate } from './menu.ts';
import { lockDownSession, registerAppProtocol } from './security.ts';
import { createWindow } from './window.ts';

const here = fileURLToPath(new URL('.', import.meta.url));
const stateDir = resolveStateDir(app.commandLine.getSwitchValue('synod-state') || undefined);

function start(): void {
  const appDir = join(here, '../app');
  registerAppProtocol(appDir);
  lockDownSession(appDir);
  Menu.setApplicationMenu(Menu.buildFromTemplate(menuTemplate(process.platform)));
  const distDir = app.isPackaged ? join(process.resourcesPath, 'synod') : join(here, '..');
  const engine = new EngineProcess({ script: join(here, 'engine.js'), stateDir, distDir });
  const open = () => createWindow({ preload: join(here, 'preload.cjs'), onReady: (window) => engine.connect(window) });
  let window = open();
  app.on('second-instance', () => {
    if (window.isMinimized()) window.restore();
    window.focus();
  });
  app.on('activate', () => {
    if (window.isDestroyed()) window = open();
  });
  app.on('window-all-closed', () => {
    if (process.platform !== 'darwin') app.quit();
  });
  app.on('before-quit', () => engine.stop());
}

if (app.requestSingleInstanceLock({ stateDir })) {
  app.enableSandbox();
  await app.whenReady();
  start();
} else {
  app.quit();
}
