/** `npm run scenarios [-- --rewrite]`: tells which scenarios go otherwise than written, or writes them as they go now. */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { differences, readScenarios, runScenario } from './run-scenario.ts';

const { values } = parseArgs({ options: { rewrite: { type: 'boolean', default: false } } });
const scenarios = readScenarios();
const changed = scenarios
  .map(({ name, path, text }) => ({ name, path, text, now: runScenario(name, text) }))
  .filter(({ text, now }) => now !== text);
for (const { name, path, text, now } of changed) {
  process.stdout.write(`${name}\n${differences(text, now)}\n\n`);
  if (values.rewrite) writeFileSync(path, now);
}
const went = values.rewrite
  ? 'rewritten; read the difference as you would a change of the code'
  : 'go otherwise than written';
process.stdout.write(`${changed.length} of ${scenarios.length} scenarios ${changed.length === 0 ? 'changed' : went}\n`);
if (!values.rewrite && changed.length > 0) process.exitCode = 1;
