import { Component, type ReactNode } from 'react';
import { Button } from '../ui/button.tsx';

/** A screen that breaks says so and leaves the rest of the console usable. */
export class ErrorBoundary extends Component<{ children: ReactNode }, { error: Error | null }> {
  override state: { error: Error | null } = { error: null };

  static getDerivedStateFromError(error: unknown): { error: Error } {
    return { error: error instanceof Error ? error : new Error(String(error)) };
  }

  override render(): ReactNode {
    const { error } = this.state;
    if (error === null) return this.props.children;
    return (
      <div role="alert" className="m-6 max-w-2xl rounded-lg border border-bad/50 bg-badwash p-5">
        <h1 className="text-lg font-semibold">This screen broke</h1>
        <p className="mt-1">The engine and the clusters are not touched by that. {error.message}</p>
        <pre className="my-3 max-h-60 overflow-auto rounded-md bg-bg p-3 font-mono text-2xs">{error.stack}</pre>
        <Button onClick={() => this.setState({ error: null })}>Show it again</Button>
      </div>
    );
  }
}
