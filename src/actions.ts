/**
 * What the console may do to the running pooler: pausing, retiring, dropping, explaining. Who may, and in which words, is the console's
 * (`admin/commands.ts`); what can be looked at is `inspect.ts`; reload and shutdown are the worker's.
 */
import { explain, route } from '../routing/index.ts';
import type { AdminRead, AdminView, ShutdownMode } from './admin/view.ts';
import type { Texts } from './client/statements.ts';
import type { Clients } from './clients.ts';
import type { Config } from './config/config.ts';
import { setSetting } from './config/show.ts';
import { busyServers } from './inspect.ts';
import type { Live } from './live.ts';
import type { Pools } from './pool/pools.ts';
import * as errors from './wire/errors.ts';
import { latin1OfUtf8 } from './wire/read.ts';

export interface ActionParts {
  readonly live: Live;
  readonly clients: Clients;
  readonly pools: Pools;
  readonly texts: Texts;
  readonly reload: () => Promise<void>;
  /** Puts a configuration in force. */
  readonly apply: (config: Config) => void;
  readonly shutdown: (mode: ShutdownMode) => void;
}

/** What is in `AdminView` and not in `AdminRead`. */
export type Actions = Omit<AdminView, keyof AdminRead>;

export function createActions(parts: ActionParts): Actions {
  const { live, clients, pools } = parts;
  return {
    findDatabase: (name, register) => {
      if (name === 'pgbouncer' || name === 'shardyard') return { paused: false, disabled: false, admin: true };
      const entry = register ? live.register(name) : live.entry(name);
      return entry && { paused: pools.isPaused(name), disabled: live.disabled.has(name), admin: false };
    },
    reload: parts.reload,
    set: (key, value) => parts.apply(setSetting(live.config, key, value)),
    pause: (database) => pause(parts, database),
    resume: (database) => pools.resume(database),
    suspend: () => suspend(parts),
    reconnect: (database) => pools.retire(database, 'obsolete connection'),
    waitClose: async (database) => void (await until(() => pools.closing(database) === 0)),
    enable: (database) => void live.disabled.delete(database),
    disable: (database) => void live.disabled.add(database),
    kill: (database) => kill(parts, database),
    killClient: (id) => {
      const session = clients.sessions.get(id);
      session?.fail(errors.killedByAdmin);
      return session !== undefined;
    },
    shutdown: parts.shutdown,
    route: (database, sql) => routeLines(parts, database, sql),
  };
}

async function pause({ clients, pools }: ActionParts, database: string | undefined): Promise<boolean> {
  pools.pause(database);
  return await until(
    () => busyServers(clients, database) === 0 && pools.openConnections(database) === 0,
    () => (database === undefined ? !pools.allPaused : !pools.isPaused(database)),
  );
}

async function suspend({ clients, pools }: ActionParts): Promise<boolean> {
  pools.suspend();
  const underWay = (): boolean => [...clients.sessions.values()].some(({ phase }) => phase.at === 'active' || phase.at === 'shared');
  return await until(
    () => !underWay(),
    () => pools.allPaused !== 'suspended',
  );
}

function kill({ clients, pools }: ActionParts, database: string | undefined): void {
  pools.pause(database);
  for (const session of [...clients.sessions.values()])
    if (database === undefined || session.identity.database === database) session.fail(errors.killedByAdmin);
  pools.closeAll(database, 'admin forced disconnect');
}

function routeLines({ live, pools, texts }: ActionParts, name: string, sql: string): readonly string[] {
  const database = live.database(name) ?? (live.register(name) && live.database(name));
  if (database === undefined) throw new Error(`no such database: ${name}`);
  const reading = { encoding: 'UTF8', standardConformingStrings: true, literals: '' };
  const { facts } = texts.textOf(latin1OfUtf8(sql), reading);
  const catalog = pools.catalog(live.speaker(name));
  const view = { inTransaction: false, pinned: false, readOnly: false, clientEncoding: 'UTF8', ...(catalog && { catalog }) };
  return explain(
    route(facts, () => undefined, database, view),
    database,
  );
}

/** Waits, a tick at a time, until something holds: true; or something else does: false. */
async function until(holds: () => boolean, over: () => boolean = () => false): Promise<boolean> {
  for (;;) {
    if (over()) return false;
    if (holds()) return true;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
