/**
 * Where passwords and passphrases of hosts are kept between two starts, if the operator wants that. The desktop shell keeps
 * them encrypted by the operating system; without it they live in memory and end with the engine.
 */
export interface SecretStore {
  /** Whether `set` outlives the engine. */
  readonly persistent: boolean;
  get(hostId: string): Promise<string | null>;
  set(hostId: string, secret: string): Promise<void>;
  delete(hostId: string): Promise<void>;
}

export function memorySecretStore(): SecretStore {
  const secrets = new Map<string, string>();
  return {
    persistent: false,
    get: async (hostId) => secrets.get(hostId) ?? null,
    set: async (hostId, secret) => void secrets.set(hostId, secret),
    delete: async (hostId) => void secrets.delete(hostId),
  };
}
