import { ChevronDown } from 'lucide-react';
import type { ClusterView, Link } from '../../../../electron/contract/model.ts';
import { Button } from '../../../ui/button.tsx';
import { Menu, MenuItem } from '../../../ui/menu.tsx';
import { Swatch } from '../../../ui/swatch.tsx';
import { bridge, chain, deafen, halves, isolate, mute, ringOfMajorities } from './generators.ts';

/** Draws a known partition with one click. What would cut nothing on this many nodes cannot be chosen. */
export function GeneratorBar({ cluster, onDraw }: { cluster: ClusterView; onDraw: (links: readonly Link[]) => void }) {
  const slots = cluster.nodes.map((node) => node.memberSlot);
  const leader = cluster.leader?.memberSlot ?? 0;
  const middle = slots[Math.floor(slots.length / 2)] ?? 0;
  const target = leader === 0 ? middle : leader;
  const shapes: readonly (readonly [string, Link[]])[] = [
    ['Isolate leader', leader === 0 ? [] : isolate(slots, leader)],
    ['Halves', halves(slots, leader)],
    ['Bridge', bridge(slots, slots.find((slot) => slot !== target) ?? middle)],
    ['Ring', ringOfMajorities(slots)],
    ['Chain', chain(slots)],
  ];
  return (
    <div className="flex flex-wrap gap-1.5">
      <Menu
        trigger={
          <Button size="sm">
            Isolate <ChevronDown aria-hidden className="size-3.5 text-faint" />
          </Button>
        }
      >
        {cluster.nodes.map((node) => (
          <MenuItem key={node.nodeId} onClick={() => onDraw(isolate(slots, node.memberSlot))}>
            <Swatch memberSlot={node.memberSlot} />
            {node.name}
          </MenuItem>
        ))}
      </Menu>
      <Menu
        trigger={
          <Button size="sm">
            One way <ChevronDown aria-hidden className="size-3.5 text-faint" />
          </Button>
        }
      >
        {cluster.nodes.map((node) => (
          <MenuItem key={`mute ${node.nodeId}`} onClick={() => onDraw(mute(slots, node.memberSlot))}>
            <Swatch memberSlot={node.memberSlot} />
            Nobody hears {node.name}
          </MenuItem>
        ))}
        {cluster.nodes.map((node) => (
          <MenuItem key={`deafen ${node.nodeId}`} onClick={() => onDraw(deafen(slots, node.memberSlot))}>
            <Swatch memberSlot={node.memberSlot} />
            {node.name} hears nobody
          </MenuItem>
        ))}
      </Menu>
      {shapes.map(([name, links]) => (
        <Button key={name} size="sm" disabled={links.length === 0} onClick={() => onDraw(links)}>
          {name}
        </Button>
      ))}
      <Button size="sm" look="ghost" onClick={() => onDraw([])}>
        Clear
      </Button>
    </div>
  );
}
