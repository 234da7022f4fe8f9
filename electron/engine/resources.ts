/** Files that the engine ships to hosts or starts on this computer. */
export interface EngineResources {
  /** The Node executable for the hosts, and the version that names its folder there. */
  readonly runtimePath: string;
  readonly runtimeVersion: string;
  /** The bundled node, agent and supervisor, and the version that names its folder there. */
  readonly nodeBundlePath: string;
  readonly nodeBundleVersion: string;
  /** Program of the hosts on this computer; null: "Try it on this computer" is not offered. */
  readonly labServerPath: string | null;
  /** The Node executable that runs the lab. */
  readonly nodeExecutable: string;
}
