/** What is wrong with the operator's SSH configuration. `message` names file and line where they are known. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}
