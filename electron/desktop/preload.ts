/** Hands the engine's port to the page, and tells it that it runs in the desktop shell. Nothing else crosses. */
import { contextBridge, ipcRenderer } from 'electron';

contextBridge.exposeInMainWorld('synodDesktop', true);
ipcRenderer.on('synod:port', (event) => window.postMessage('synod:port', window.origin, event.ports));

/** The page's window, as far as the preload uses it: this project is compiled without the DOM library. */
declare const window: {
  readonly origin: string;
  postMessage(message: string, targetOrigin: string, transfer: readonly unknown[]): void;
};
