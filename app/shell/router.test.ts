import { expect, it } from 'vitest';
import { clusterTabs, formatRoute, parseRoute } from './router.ts';

it('gives back every route that it formats', () => {
  for (const tab of clusterTabs) {
    const route = { screen: 'cluster', clusterId: 'c-ab12cd34', tab } as const;
    expect(parseRoute(formatRoute(route))).toEqual(route);
  }
  expect(parseRoute(formatRoute({ screen: 'fleet' }))).toEqual({ screen: 'fleet' });
});

it.each(['', '#', '#/', '#/nonsense', '#/cluster', '#/cluster/', '#token=abc'])('takes %s to the fleet', (hash) => {
  expect(parseRoute(hash)).toEqual({ screen: 'fleet' });
});

it('opens the overview where the tab is unknown', () => {
  expect(parseRoute('#/cluster/c-ab12cd34/later')).toEqual({
    screen: 'cluster',
    clusterId: 'c-ab12cd34',
    tab: 'overview',
  });
});
