/** Files that the engine ships to hosts or starts on this computer. */
export interface EngineResources {
  /** Names the runtime's folder on hosts, whatever their architecture. */
  readonly runtimeVersion: string;
  /** Node executables for hosts that are at hand, by architecture as Node names it ("x64", "arm64"). */
  readonly runtimes: Readonly<Record<string, string>>;
  /** Which npm packages hold those that are not, by architecture; `integrity` as in package-lock.json. */
  readonly runtimePackages: Readonly<
    Record<string, { readonly name: string; readonly version: string; readonly integrity: string }>
  >;
  /** Where fetched runtimes are kept. */
  readonly runtimeCacheDir: string;
  /** The bundled node, agent and supervisor, and the version that names its folder there. */
  readonly nodeBundlePath: string;
  readonly nodeBundleVersion: string;
  /** Program of the hosts on this computer; null: "Try it on this computer" is not offered. */
  readonly labServerPath: string | null;
  /** The Node executable that runs the lab. */
  readonly nodeExecutable: string;
}
