import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['{app,electron,cluster-node,test}/**/*.test.{ts,tsx}'],
    exclude: ['**/node_modules/**', 'dist/**'],
    reporters: ['default', './test/count-reporter.ts'],
    testTimeout: 20_000,
    hookTimeout: 60_000,
    // Tests start real processes and measure them: more at once than cores makes them slow, not fast.
    maxWorkers: 2,
  },
});
