/** Who may import whom: ARCHITECTURE.md, "Layers". */
const forbid = (name, from, to, comment) => ({ name, severity: 'error', comment, from, to });
const tests = '\\.test\\.tsx?$';

module.exports = {
  forbidden: [
    forbid('no-cycles', {}, { circular: true }, 'A cycle hides which part knows which.'),
    forbid(
      'app-sees-only-the-contract',
      { path: '^app/' },
      { path: '^(electron/(?!contract/)|cluster-node/(?!contract/)|test/)' },
      'The renderer runs in a browser sandbox.',
    ),
    forbid(
      'contract-imports-contract',
      { path: '^electron/contract/', pathNot: tests },
      { path: '^(app|electron|test|cluster-node)/', pathNot: '^(electron|cluster-node)/contract/' },
      'Contracts stand below everything.',
    ),
    forbid(
      'contract-imports-schemas-only',
      { path: '^(electron|cluster-node)/contract/', pathNot: tests },
      { dependencyTypes: ['npm', 'core'], pathNot: 'node_modules/(zod|@orpc/contract|@bufbuild/protobuf)/' },
      'A schema library and nothing else.',
    ),
    forbid(
      'only-desktop-knows-electron',
      { pathNot: '^electron/desktop/' },
      { path: '^(electron$|node_modules/electron/)' },
      'The engine is plain Node.',
    ),
    forbid(
      'engine-knows-no-shell',
      { path: '^electron/engine/', pathNot: tests },
      { path: '^(electron/(desktop|serve|cli)|app|test)/' },
      'Shells stand over the engine.',
    ),
    forbid(
      'engine-sees-node-contract-only',
      { path: '^electron/', pathNot: tests },
      { path: '^cluster-node/(?!contract/)' },
      'The node is shipped, not linked.',
    ),
    forbid(
      'plans-are-pure',
      { path: '^electron/engine/[^/]+/plan/', pathNot: tests },
      { path: ['^electron/engine/(?![^/]+/plan/)', 'node_modules/(?!zod/)'], dependencyTypesNot: ['type-only'] },
      'A plan is computed from what it is given.',
    ),
    forbid(
      'plans-do-no-io',
      { path: '^electron/engine/[^/]+/plan/', pathNot: tests },
      { dependencyTypes: ['core'] },
      'A plan is computed from what it is given.',
    ),
    forbid(
      'core-is-pure',
      { path: '^cluster-node/paxos/', pathNot: tests },
      { path: '.*', pathNot: '^cluster-node/(paxos|contract)/' },
      'No clock, no timer, no randomness, no Node in the core.',
    ),
    forbid(
      'product-knows-no-test-code',
      { path: '^cluster-node/', pathNot: [tests, 'under-test'] },
      { path: 'under-test' },
      'What stands in for the world in tests is not shipped.',
    ),
    forbid(
      'log-does-no-io',
      { path: '^cluster-node/storage/log/', pathNot: tests },
      {
        path: '.*',
        pathNot: ['^cluster-node/(storage/log|contract)/', '^cluster-node/paxos/interface\\.ts$', '^(node:)?zlib$'],
      },
      'The log is planned and recovered without input or output; of Node it uses a checksum.',
    ),
    forbid(
      'runtime-wires-the-rest',
      { path: '^cluster-node/(peer|api|machine|storage|net|metrics)/', pathNot: tests },
      { path: '^cluster-node/(runtime|node\\.ts|start-node\\.ts)' },
      'The parts of a node do not know who puts them together.',
    ),
    forbid(
      'node-knows-nothing-above',
      { path: '^cluster-node/', pathNot: tests },
      { path: '^(app|electron|test)/' },
      'The node runs alone on a host.',
    ),
    forbid(
      'screens-stand-apart',
      { path: '^app/screens/([^/]+)/' },
      { path: '^app/screens/([^/]+)/', pathNot: '^app/screens/$1/' },
      'Screens share by app/ui, app/live and app/charts.',
    ),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|node_modules/\\.)' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.base.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
