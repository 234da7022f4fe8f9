export type EngineRouter = Record<string, unknown>;
