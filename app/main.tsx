/**
 * The renderer: what an operator sees. `live/` holds the one connection and what came over it, `shell/` the frame, `screens/` the
 * screens, `actions/` the one way in which anything is changed, `charts/` and `ui/` what they are made of. It runs in a browser's
 * sandbox and knows the engine only by its contract.
 */
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { connect } from './live/connection.ts';
import { watchFleet } from './live/fleet.ts';
import { App } from './shell/app.tsx';
import { applyTheme, theme } from './shell/theme.ts';
import './ui/theme.css';

applyTheme(theme.get());
connect();
watchFleet();

const root = document.getElementById('root');
if (root === null) throw new Error('index.html has no #root');
createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
