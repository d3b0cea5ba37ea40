/** PgBouncer's two meanings of a list of hosts: each new connection to the next one in turn, or all to one as long as it works. */
import type { DatabaseEntry, HostPort } from '../config/config.ts';

export class HostOrder {
  /** Where the next connection of a database begins. */
  readonly #first = new Map<string, number>();

  /** The hosts in the order in which to try them. */
  of({ name, hosts, load_balance_hosts }: DatabaseEntry): readonly HostPort[] {
    if (hosts.length < 2) return hosts;
    const first = this.#first.get(name) ?? 0;
    if (load_balance_hosts !== 'disable') this.#first.set(name, first + 1);
    return hosts.map((_, i) => hosts[(first + i) % hosts.length]!);
  }

  /** It could not be reached: where one host is used as long as it works, the next one is now. */
  failed({ name, hosts, load_balance_hosts }: DatabaseEntry, host: HostPort): void {
    if (load_balance_hosts === 'disable') this.#first.set(name, hosts.indexOf(host) + 1);
  }
}
