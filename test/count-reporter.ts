/** Closes a run with one line that tools can read: `N passed, N failed, N skipped`. */
import type { Reporter, TestCase, TestModule } from 'vitest/node';

export default class CountReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const states = modules.flatMap((module) => [...module.children.allTests()].map(stateOf));
    const count = (state: string) => states.filter((found) => found === state).length;
    // A file that does not load, or a hook that fails, fails without a failed test.
    const brokenFiles = modules.filter((module) => module.state() === 'failed' && !hasFailedTest(module)).length;
    process.stdout.write(
      `\n${count('passed')} passed, ${count('failed') + brokenFiles} failed, ${count('skipped')} skipped\n`,
    );
  }
}

function stateOf(test: TestCase): string {
  return test.result().state;
}

function hasFailedTest(module: TestModule): boolean {
  return [...module.children.allTests('failed')].length > 0;
}
