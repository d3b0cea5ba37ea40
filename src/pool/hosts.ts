/**
 * The hosts of one database entry and what each of them is. Roles are found by asking (pg_is_in_recovery), over one connection to each
 * host that stays open and is asked again every health_check_period; a host that does not answer in time is down until it does.
 * With the same connection the primary's catalog is read, for the router.
 *
 * Who to ask as: the entry's own user, or the first client's; until a client has come nothing is known and nothing is asked.
 */
import type { Catalog, Role } from '../../routing/index.ts';
import type { HostPort } from '../config/config.ts';
import { addressOf } from '../server/connect.ts';
import { type LoginRequest, login } from '../server/login.ts';
import { Channel } from '../wire/channel.ts';
import { ask, type Control, createControl } from '../wire/control.ts';
import { loadCatalog } from './catalog.ts';

export type HostRole = 'primary' | 'replica';

export interface Host {
  readonly at: HostPort;
  /** Undefined: not asked yet, or it does not answer. */
  role: HostRole | undefined;
  state: 'unknown' | 'up' | 'down';
}

export interface HostsParts {
  readonly periodMs: () => number;
  readonly timeoutMs: () => number;
  readonly wantsCatalog: boolean;
  readonly log: (text: string) => void;
  /** Roles or health are different now. */
  readonly changed: () => void;
}

const CATALOG_PERIOD_MS = 30_000;

/** An open connection to a host, to ask over. */
interface Probe {
  readonly channel: Channel;
  readonly control: Control;
}

export class Hosts {
  readonly hosts: readonly Host[];
  readonly #parts: HostsParts;
  readonly #probes = new Map<Host, Probe>();
  #login: LoginRequest | undefined;
  #timer: NodeJS.Timeout | undefined;
  #next = 0;
  #stopped = false;
  #catalogAtMs = Number.NEGATIVE_INFINITY;
  #round: Promise<void> | undefined;
  catalog: Catalog | undefined;

  constructor(hosts: readonly HostPort[], parts: HostsParts) {
    this.hosts = hosts.map((at) => ({ at, role: undefined, state: 'unknown' }));
    this.#parts = parts;
  }

  /** Begins to ask, as this user; later calls change nothing. Resolves when every host has answered once or is down. */
  begin(as: LoginRequest): Promise<void> {
    if (this.#login === undefined && !this.#stopped) {
      this.#login = as;
      this.askNow();
    }
    return this.#round ?? Promise.resolve();
  }

  get begun(): boolean {
    return this.#login !== undefined;
  }

  /** A definition has changed: what the catalog said is not believed until it is read again. */
  definitionsChanged(): void {
    this.catalog = undefined;
    this.#catalogAtMs = Number.NEGATIVE_INFINITY;
    this.askNow();
  }

  /** Asks all hosts without waiting for the period to end. */
  askNow(): void {
    if (this.#stopped || this.#login === undefined) return;
    clearTimeout(this.#timer);
    if (this.#round !== undefined) {
      this.#again = true;
      return;
    }
    this.#round = this.#askAll().finally(() => {
      this.#round = undefined;
      if (this.#stopped) return;
      this.#timer = setTimeout(() => this.askNow(), this.#again ? 0 : this.#parts.periodMs());
      this.#timer.unref();
      this.#again = false;
    });
  }
  #again = false;

  async #askAll(): Promise<void> {
    const before = JSON.stringify(this.hosts);
    await Promise.all(this.hosts.map((host) => this.#askHost(host)));
    const primaries = this.hosts.filter((host) => host.role === 'primary');
    if (primaries.length > 1) this.#parts.log(`more than one primary: ${primaries.map(nameOf).join(', ')}; the first is used`);
    await this.#readCatalog();
    if (JSON.stringify(this.hosts) !== before) this.#parts.changed();
  }

  async #askHost(host: Host): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error('no answer in time')), this.#parts.timeoutMs());
    });
    try {
      await Promise.race([this.#askRole(host), timeout]);
    } catch (error) {
      this.#probes.get(host)?.channel.destroy();
      this.#probes.delete(host);
      const why = error instanceof Error ? error.message : String(error);
      if (host.state !== 'down') this.#parts.log(`host ${nameOf(host)} is down: ${why}`);
      host.state = 'down';
      host.role = undefined;
    } finally {
      clearTimeout(timer);
    }
  }

  async #askRole(host: Host): Promise<void> {
    const { control } = this.#probes.get(host) ?? (await this.#open(host));
    const answer = await ask(control, 'SELECT pg_catalog.pg_is_in_recovery()');
    const role: HostRole = answer.rows[0]?.[0] === 't' ? 'replica' : 'primary';
    if (host.state !== 'up' || host.role !== role) this.#parts.log(`host ${nameOf(host)} is up: ${role}`);
    host.state = 'up';
    host.role = role;
  }

  async #open(host: Host): Promise<Probe> {
    let control: Control | undefined;
    let channel: Channel | undefined;
    const opened = new Promise<void>((resolve, reject) => {
      const owner = {
        onChunk: (chunk: Buffer) => control?.feed(chunk),
        onDrain: () => {},
        onClose: (error: Error | undefined) => {
          reject(error ?? new Error('connection closed'));
          control?.end(error);
          this.#probes.delete(host);
        },
      };
      channel = Channel.connect(addressOf(host.at), owner, resolve);
    });
    const probe: Probe = { channel: channel!, control: createControl((bytes) => channel!.write(Buffer.from(bytes))) };
    control = probe.control;
    this.#probes.set(host, probe);
    await opened;
    await login(control, this.#login!);
    return probe;
  }

  async #readCatalog(): Promise<void> {
    const now = performance.now();
    const primary = this.hosts.find((host) => host.role === 'primary');
    const probe = primary === undefined ? undefined : this.#probes.get(primary);
    if (!this.#parts.wantsCatalog || probe === undefined || now - this.#catalogAtMs < CATALOG_PERIOD_MS) return;
    this.#catalogAtMs = now;
    try {
      this.catalog = await loadCatalog(probe.control);
    } catch (error) {
      this.catalog = undefined;
      this.#catalogAtMs = Number.NEGATIVE_INFINITY;
      this.#parts.log(`catalog could not be read: ${error instanceof Error ? error.message : error}`);
    }
  }

  /** The host for a role, in turn where several will do; undefined when none is up. A replica is wanted but none is up: the primary. */
  pick(role: Role): Host | undefined {
    const primary = this.hosts.find((host) => host.role === 'primary');
    if (role === 'primary') return primary;
    const able = this.hosts.filter((host) => host.state === 'up' && (role === 'any' || host.role === 'replica'));
    if (able.length === 0) return primary;
    this.#next += 1;
    return able[this.#next % able.length];
  }

  /** No host answers. */
  get allDown(): boolean {
    return this.hosts.every((host) => host.state === 'down');
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    for (const probe of this.#probes.values()) probe.channel.destroy();
    this.#probes.clear();
  }
}

const nameOf = (host: Host): string => `${host.at.host}:${host.at.port}`;
