/** A pooler made of plain data for the console's and the metrics' tests: rows are given, verbs are written down. */
import { zeroCounters } from '../../src/admin/stats.ts';
import type { AdminView, Counters, DatabaseRow, PipelineRow, PoolRow, SocketRow } from '../../src/admin/view.ts';

export const LONG_AGO = new Date(2026, 0, 2, 3, 4, 5);

export function poolRow(change: Partial<PoolRow> = {}): PoolRow {
  return {
    database: 'shop',
    user: 'bob',
    cl_active: 1,
    cl_waiting: 2,
    cl_active_cancel_req: 0,
    cl_waiting_cancel_req: 0,
    sv_active: 3,
    sv_active_cancel: 0,
    sv_being_canceled: 0,
    sv_idle: 4,
    sv_used: 5,
    sv_tested: 6,
    sv_login: 7,
    maxwaitMs: 1500.25,
    pool_mode: 'transaction',
    host: '10.0.0.1:5432',
    role: 'primary',
    ...change,
  };
}

export function pipelineRow(change: Partial<PipelineRow> = {}): PipelineRow {
  return {
    database: 'shop',
    user: 'bob',
    host: '10.0.0.1:5432',
    pipeline: 'reads',
    pipeline_width: 4,
    pipeline_depth: 16,
    servers: 2,
    depth: 9,
    max_depth: 12,
    shared: 5_000_000_000,
    exclusive: 70,
    resent_lost: 1,
    resent_slow: 2,
    resent_canceled: 3,
    resent_stale: 4,
    wasted: 5,
    ...change,
  };
}

export function socketRow(change: Partial<SocketRow> = {}): SocketRow {
  return {
    type: 'C',
    user: 'bob',
    database: 'shop',
    state: 'active',
    addr: '127.0.0.1',
    port: 50_000,
    local_addr: '127.0.0.1',
    local_port: 6432,
    connect_time: LONG_AGO,
    request_time: LONG_AGO,
    waitMs: 2000.5,
    close_needed: false,
    id: 31,
    link: 32,
    remote_pid: 0,
    tls: '',
    application_name: 'app',
    prepared_statements: 2,
    pkt_avail: 0,
    send_avail: 0,
    pins: [],
    queue: 1,
    ...change,
  };
}

export function databaseRow(change: Partial<DatabaseRow> = {}): DatabaseRow {
  return {
    name: 'shop',
    host: 'a,b',
    port: 5432,
    database: 'shop_db',
    pool_size: 20,
    min_pool_size: 0,
    reserve_pool_size: 0,
    serverLifetimeMs: 3_600_000,
    max_connections: 0,
    current_connections: 4,
    max_client_connections: 0,
    current_client_connections: 5,
    paused: false,
    disabled: false,
    ...change,
  };
}

export function counters(change: Partial<Counters> = {}): Counters {
  return { ...zeroCounters(), ...change };
}

/** A view whose verbs only write down that they were called. Tests replace what they are about. */
export function fakeView(change: Partial<AdminView> = {}): { view: AdminView; calls: unknown[][] } {
  const calls: unknown[][] = [];
  const note =
    (name: string) =>
    (...args: unknown[]): void => {
      calls.push([name, ...args.filter((arg) => arg !== undefined)]);
    };
  const view: AdminView = {
    pools: () => [poolRow()],
    pipelines: () => [pipelineRow()],
    clients: () => [socketRow()],
    loginClients: () => [],
    servers: () => [],
    databases: () => [databaseRow()],
    users: () => [],
    stats: () => [],
    lists: () => ({ databases: 2, users: 3, peers: 0, pools: 4, used_clients: 5, login_clients: 1, used_servers: 6 }),
    config: () => [],
    peers: () => [],
    topology: () => [],
    pins: () => [],
    stateAudit: () => [],
    lastRoutes: () => [],
    state: () => 'active',
    shuttingDown: () => false,
    findDatabase: (name) => {
      if (name !== 'shop' && name !== 'pgbouncer') return undefined;
      return { paused: false, disabled: false, admin: name === 'pgbouncer' };
    },
    reload: async () => note('reload')(),
    set: note('set'),
    pause: async (database) => {
      note('pause')(database);
      return true;
    },
    resume: note('resume'),
    suspend: async () => {
      note('suspend')();
      return true;
    },
    reconnect: note('reconnect'),
    waitClose: async (database) => note('waitClose')(database),
    enable: note('enable'),
    disable: note('disable'),
    kill: note('kill'),
    killClient: (id) => {
      note('killClient')(id);
      return id === 31;
    },
    shutdown: note('shutdown'),
    route: (database, sql) => [`${database}: ${sql}`, 'because'],
    ...change,
  };
  return { view, calls };
}
