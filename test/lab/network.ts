/** Faults of the switch between hosts. A port is `f3` or `b3`: host 3 on the front or the back segment. */
import type { Enclosure } from './enclosure.ts';

const TABLE = 'bridge faults';

export class Switch {
  readonly #enclosure: Enclosure;

  constructor(enclosure: Enclosure) {
    this.#enclosure = enclosure;
  }

  async setPort(port: string, state: 'up' | 'down'): Promise<void> {
    await this.#enclosure.run(['ip', 'link', 'set', port, state]);
  }

  /** Frames that come in from one port do not go out of the other. */
  async cut(from: string, to: string): Promise<void> {
    await this.#addRule(`iifname ${from} oifname ${to} counter drop`);
  }

  /** Both ways; adds to the loss that is there. */
  async lose(port: string, ratio: number): Promise<void> {
    const perMillion = Math.round(ratio * 1_000_000);
    for (const side of ['iifname', 'oifname'])
      await this.#addRule(`${side} ${port} numgen random mod 1000000 < ${perMillion} counter drop`);
  }

  /** What goes out of the port, to the host; null takes the limit away. */
  async limitRate(port: string, kbitPerSecond: number | null): Promise<void> {
    if (await this.#isLimited(port)) await this.#enclosure.run(['tc', 'qdisc', 'delete', 'dev', port, 'root']);
    if (kbitPerSecond === null) return;
    const bucket = ['tbf', 'rate', `${kbitPerSecond}kbit`, 'burst', '16kb', 'latency', '1s'];
    await this.#enclosure.run(['tc', 'qdisc', 'add', 'dev', port, 'root', ...bucket]);
  }

  /** Takes back what was cut and lost between hosts. */
  async heal(): Promise<void> {
    await this.#enclosure.run(['nft', `add table ${TABLE}; delete table ${TABLE}`]);
  }

  async #addRule(rule: string): Promise<void> {
    const chain = `add table ${TABLE}; add chain ${TABLE} forward { type filter hook forward priority 0; }`;
    await this.#enclosure.run(['nft', `${chain}; add rule ${TABLE} forward ${rule}`]);
  }

  async #isLimited(port: string): Promise<boolean> {
    return (await this.#enclosure.run(['tc', 'qdisc', 'show', 'dev', port])).includes('tbf');
  }
}
