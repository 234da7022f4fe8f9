/** Dark or light: the system's choice unless the operator made another one. */
import { createStore } from '../live/store.ts';

export const themes = ['system', 'light', 'dark'] as const;
export type Theme = (typeof themes)[number];

const STORED_AS = 'synod.theme';

function stored(): Theme {
  const value = localStorage.getItem(STORED_AS);
  return themes.find((theme) => theme === value) ?? 'system';
}

export const theme = createStore<Theme>(stored());

export function applyTheme(chosen: Theme): void {
  if (chosen === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
  localStorage.setItem(STORED_AS, chosen);
  theme.set(chosen);
}
