/** Names, order and types of the console's columns are PgBouncer's, with ours behind them; its values are printed as it prints them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runCommand } from '../../src/admin/commands.ts';
import { encodePieces, encodeReply } from '../../src/admin/reply.ts';
import type { AdminView } from '../../src/admin/view.ts';
import { localTime } from '../../src/log.ts';
import { counters, databaseRow, fakeView, LONG_AGO, poolRow, socketRow } from './fake-view.ts';

interface Table {
  readonly names: string[];
  readonly types: number[];
  readonly rows: readonly Record<string, string | null>[];
}

async function show(what: string, change: Partial<AdminView> = {}): Promise<Table> {
  const { view } = fakeView(change);
  const reply = await runCommand(view, { user: 'stats', admin: false }, `SHOW ${what}`);
  assert.ok(reply.kind === 'rows', JSON.stringify(reply));
  assert.equal(reply.tag, 'SHOW');
  const names = reply.columns.map((column) => column.name);
  const rows = [...reply.rows].map((row) => Object.fromEntries(row.map((value, index) => [names[index] ?? '', value])));
  return { names, types: reply.columns.map((column) => column.typeOid), rows };
}

/** Names, then types in PgBouncer's letters (s text, i int4, q int8, N numeric), then the names of our own columns with their types. */
const SOCKET_NAMES =
  'type user database replication state addr port local_addr local_port connect_time request_time wait wait_us close_needed ptr link remote_pid tls application_name prepared_statements id';
const SOCKET_TYPES = 'ssssssisissiiississii';
const TOTAL =
  'server_assignment_count xact_count query_count received sent xact_time query_time wait_time client_parse_count server_parse_count bind_count client_login_count';
const prefixed = (prefix: string, names: string): string =>
  names
    .split(' ')
    .map((name) => prefix + name)
    .join(' ');
const STATS_TOTALS =
  'server_assignment_count xact_count query_count bytes_received bytes_sent xact_time query_time wait_time client_parse_count server_parse_count bind_count client_login_count';
const STATS_AVERAGES =
  'server_assignment_count xact_count query_count bytes_received bytes_sent xact_time query_time wait_time avg_client_parse_count avg_server_parse_count avg_bind_count avg_client_login_count';

const tables: readonly (readonly [what: string, names: string, types: string, ours?: string, oursTypes?: string])[] = [
  [
    'POOLS',
    'database user cl_active cl_waiting cl_active_cancel_req cl_waiting_cancel_req sv_active sv_active_cancel sv_being_canceled sv_idle sv_used sv_tested sv_login maxwait maxwait_us pool_mode load_balance_hosts',
    'ssiiiiiiiiiiiiiss',
    'host role',
    'ss',
  ],
  [
    'PIPELINE',
    '',
    '',
    'database user host pipeline pipeline_width pipeline_depth servers depth max_depth shared exclusive resent_lost resent_slow resent_canceled resent_stale wasted',
    'ssssiiiiiqqqqqqq',
  ],
  ['CLIENTS', SOCKET_NAMES, SOCKET_TYPES, 'pins role queue', 'ssi'],
  ['SERVERS', SOCKET_NAMES, SOCKET_TYPES, 'pins role queue', 'ssi'],
  [
    'SOCKETS',
    `${SOCKET_NAMES} recv_pos pkt_pos pkt_remain send_pos send_remain pkt_avail send_avail`,
    `${SOCKET_TYPES}iiiiiii`,
    'pins role queue',
    'ssi',
  ],
  [
    'ACTIVE_SOCKETS',
    `${SOCKET_NAMES} recv_pos pkt_pos pkt_remain send_pos send_remain pkt_avail send_avail`,
    `${SOCKET_TYPES}iiiiiii`,
    'pins role queue',
    'ssi',
  ],
  [
    'DATABASES',
    'name host port database force_user pool_size min_pool_size reserve_pool_size server_lifetime pool_mode load_balance_hosts max_connections current_connections max_client_connections current_client_connections paused disabled',
    'ssissiiiissiiiiii',
    'reads shards',
    'ss',
  ],
  [
    'USERS',
    'name pool_size reserve_pool_size pool_mode max_user_connections current_connections max_user_client_connections current_client_connections',
    'ssssiiii',
  ],
  ['STATS', `database ${prefixed('total_', TOTAL)} ${prefixed('avg_', TOTAL.replace('received', 'recv'))}`, `s${'N'.repeat(24)}`],
  ['STATS_TOTALS', `database ${STATS_TOTALS}`, `s${'N'.repeat(12)}`],
  ['STATS_AVERAGES', `database ${STATS_AVERAGES}`, `s${'N'.repeat(12)}`],
  ['TOTALS', 'name value', 'sN'],
  ['LISTS', 'list items', 'si'],
  ['CONFIG', 'key value default changeable', 'ssss'],
  ['STATE', 'key value', 'ss'],
  ['VERSION', 'version', 's'],
  ['MEM', 'name size used free memtotal', 'siiii'],
  ['PEERS', 'peer_id host port pool_size', 'isii'],
  ['PEER_POOLS', 'peer_id cl_active_cancel_req cl_waiting_cancel_req sv_active_cancel sv_login', 'iiiii'],
  ['DNS_HOSTS', 'hostname ttl addrs', 'sqs'],
  ['DNS_ZONES', 'zonename serial count', 'sqi'],
  ['TOPOLOGY', '', '', 'database shard target host port role state reads buckets epoch', 'sississsii'],
  ['PINS', '', '', 'client_id database user server_id target application_name reason detail statement since', 'ississssss'],
  ['STATE_AUDIT', '', '', 'found_by database user kind name after count last', 'ssssssqs'],
  ['LAST_ROUTES', '', '', 'at client_id database target role host why detail statement ms outcome', 'sisssssssNs'],
];

const OIDS: Readonly<Record<string, number>> = { s: 25, i: 23, q: 20, N: 1700 };

for (const [what, names, types, ours = '', oursTypes = ''] of tables) {
  test(`SHOW ${what} has PgBouncer's columns, and ours behind them`, async () => {
    const shown = await show(what);
    assert.equal(shown.names.join(' '), [names, ours].filter((part) => part !== '').join(' '));
    assert.deepEqual(
      shown.types,
      [...types, ...oursTypes].map((letter) => OIDS[letter]),
    );
  });
}

test('waiting times are shown as whole seconds and the microseconds behind them', async () => {
  const [pool] = (await show('pools', { pools: () => [poolRow({ maxwaitMs: 61_234.567 })] })).rows;
  assert.deepEqual([pool?.maxwait, pool?.maxwait_us], ['61', '234567']);
});

test('a connection is shown with its times, pointers and pins', async () => {
  const [client] = (await show('clients', { clients: () => [socketRow({ pins: ['temp', 'listen'], close_needed: true })] })).rows;
  assert.equal(client?.connect_time, localTime(LONG_AGO));
  assert.deepEqual([client?.ptr, client?.link, client?.id], ['0x1f', '0x20', '31']);
  assert.deepEqual([client?.wait, client?.wait_us, client?.close_needed], ['2', '500', '1']);
  assert.deepEqual([client?.pins, client?.replication, client?.role], ['temp, listen', 'none', null]);
});

test('a connection without user, database and link says so', async () => {
  const loginClients = (): [ReturnType<typeof socketRow>] => [
    socketRow({ user: undefined, database: undefined, link: undefined, state: 'login' }),
  ];
  const { rows } = await show('sockets', { clients: () => [], loginClients });
  assert.deepEqual([rows[0]?.user, rows[0]?.database, rows[0]?.link, rows[0]?.state], ['(nouser)', '(nodb)', '', 'cl_login']);
});

test('SHOW SOCKETS names states by their side', async () => {
  const servers = (): ReturnType<typeof socketRow>[] => [socketRow({ type: 'S', state: 'new' }), socketRow({ type: 'S', state: 'idle' })];
  const { rows } = await show('sockets', { clients: () => [socketRow({ state: 'waiting' })], servers });
  assert.deepEqual(
    rows.map((row) => row.state),
    ['cl_waiting', 'sv_login', 'sv_idle'],
  );
});

test('SHOW ACTIVE_SOCKETS leaves out those with nothing buffered', async () => {
  const { rows } = await show('active_sockets', { clients: () => [socketRow({ id: 1 }), socketRow({ id: 2, send_avail: 10 })] });
  assert.deepEqual(
    rows.map((row) => row.id),
    ['2'],
  );
});

test('sizes of users are padded text, or empty when they are not set', async () => {
  const user = {
    name: 'u',
    max_user_connections: 0,
    current_connections: 1,
    max_user_client_connections: 0,
    current_client_connections: 2,
  };
  const { rows } = await show('users', { users: () => [{ ...user, pool_size: 1 }] });
  assert.deepEqual([rows[0]?.pool_size, rows[0]?.reserve_pool_size, rows[0]?.pool_mode], ['        1', '', null]);
});

test('a sharded database lists its shards, and a database without a host has none', async () => {
  const { rows } = await show('databases', {
    databases: () => [databaseRow({ host: undefined, shards: ['shop_0', 'shop_1'], paused: true })],
  });
  assert.deepEqual([rows[0]?.host, rows[0]?.shards, rows[0]?.paused, rows[0]?.server_lifetime], [null, 'shop_0, shop_1', '1', '3600']);
});

test('counters beyond 32 bits are printed whole', async () => {
  const stats = (): [{ database: string; total: ReturnType<typeof counters>; average: ReturnType<typeof counters> }] => [
    { database: 'shop', total: counters({ client_bytes: 5_000_000_000_000 }), average: counters({ query_time: 12 }) },
  ];
  const { rows } = await show('stats', { stats });
  assert.deepEqual([rows[0]?.total_received, rows[0]?.avg_query_time], ['5000000000000', '12']);
});

test('SHOW TOTALS adds up counts and weighs times', async () => {
  const stats = (): { database: string; total: ReturnType<typeof counters>; average: ReturnType<typeof counters> }[] => [
    { database: 'a', total: counters({ query_count: 10 }), average: counters({ query_count: 1, query_time: 100 }) },
    { database: 'b', total: counters({ query_count: 5 }), average: counters({ query_count: 3, query_time: 200 }) },
  ];
  const { rows } = await show('totals', { stats });
  const value = (name: string): string | null | undefined => rows.find((of) => of.name === name)?.value;
  assert.deepEqual([value('total_query_count'), value('avg_query_count'), value('avg_query_time')], ['15', '4', '175']);
  assert.equal(rows.length, 24);
  assert.equal(rows[8]?.name, 'total_ps_client_parse_count');
});

test('SHOW LISTS has a row for each of PgBouncer’s lists', async () => {
  const { rows } = await show('lists');
  const lists =
    'databases users peers pools peer_pools free_clients used_clients login_clients free_servers used_servers dns_names dns_zones dns_queries dns_pending';
  assert.equal(rows.map((row) => row.list).join(' '), lists);
  assert.equal(rows.find((row) => row.list === 'used_servers')?.items, '6');
});

test('SHOW STATE says yes to one state only', async () => {
  const { rows } = await show('state', { state: () => 'paused' });
  assert.deepEqual(
    rows.map((row) => `${row.key}=${row.value}`),
    ['active=no', 'paused=yes', 'suspended=no'],
  );
});

test('SHOW MEM has PgBouncer’s caches and the process behind them', async () => {
  const { rows } = await show('mem');
  assert.equal(rows[0]?.name, 'user_cache');
  assert.ok(Number(rows.find((row) => row.name === 'resident')?.memtotal) > 1_000_000);
});

test('SHOW CONFIG says yes or no to changeable and keeps NULL', async () => {
  const { rows } = await show('config', { config: () => [{ key: 'auth_user', value: null, default: null, changeable: true }] });
  assert.deepEqual(rows, [{ key: 'auth_user', value: null, default: null, changeable: 'yes' }]);
});

test('SHOW VERSION names the product and its version', async () => {
  assert.match((await show('version')).rows[0]?.version ?? '', /^Shardyard \d+\.\d+\.\d+$/);
});

test('SELECT is another word for SHOW', async () => {
  const { view } = fakeView();
  const reply = await runCommand(view, { user: 'stats', admin: false }, 'select Version;');
  assert.ok(reply.kind === 'rows' && reply.columns[0]?.name === 'version');
});

test('parameters that drivers ask for have an answer', async () => {
  const { names, rows } = await show('Client_Encoding');
  assert.deepEqual([names, rows], [['client_encoding'], [{ client_encoding: 'UTF-8' }]]);
});

test('topology and pins are shown', async () => {
  const host = { database: 'shop', shard: 1, target: 'shop_1', host: 'h', port: 5432, role: 'replica', state: 'up', epoch: 3 } as const;
  const { rows } = await show('topology', { topology: () => [host] });
  assert.deepEqual([rows[0]?.shard, rows[0]?.role, rows[0]?.reads, rows[0]?.epoch], ['1', 'replica', null, '3']);
  const pin = {
    client_id: 31,
    database: 'shop',
    user: 'u',
    server_id: 32,
    application_name: 'app',
    reason: 'temp',
    detail: 'ddl t',
    statement: 'create temp table t ()',
    since: LONG_AGO,
  } as const;
  assert.deepEqual((await show('pins', { pins: () => [pin] })).rows[0], {
    client_id: '31',
    database: 'shop',
    user: 'u',
    server_id: '32',
    target: null,
    application_name: 'app',
    reason: 'temp',
    detail: 'ddl t',
    statement: 'create temp table t ()',
    since: localTime(LONG_AGO),
  });
});

test('what audits found is shown with the statement before it', async () => {
  const row = {
    found_by: 'audit',
    database: 'shop',
    user: 'u',
    kind: 'advisory',
    name: '7',
    after: 'select app.lock',
    count: 2,
    last: LONG_AGO,
  } as const;
  const { rows } = await show('state_audit', { stateAudit: () => [row] });
  assert.deepEqual(rows, [{ ...row, count: '2', last: localTime(LONG_AGO) }]);
});

test('the last routes say where each statement went, and that a refused one went nowhere', async () => {
  const common = { at: LONG_AGO, client_id: 31, database: 'shop' } as const;
  const sent = { target: 'shop_1', role: 'replica', host: '10.0.0.4:5432', why: 'key', detail: 'd', statement: 'SELECT 1' } as const;
  const refused = { why: 'cross_shard', detail: 'two', statement: 'SELECT 2', ms: 0, outcome: 'refused' } as const;
  const { rows } = await show('last_routes', {
    lastRoutes: () => [
      { ...common, ...refused },
      { ...common, ...sent, ms: 1.23456, outcome: 'ok' },
    ],
  });
  const shown = { at: localTime(LONG_AGO, true), client_id: '31', database: 'shop' };
  assert.deepEqual(rows, [
    { ...shown, ...refused, target: null, role: null, host: null, ms: '0.000' },
    { ...shown, ...sent, ms: '1.235', outcome: 'ok' },
  ]);
});

test('SHOW HELP names every table and every command', async () => {
  const { view } = fakeView();
  const reply = await runCommand(view, { user: 'stats', admin: false }, 'SHOW HELP');
  assert.ok(reply.kind === 'done' && reply.notice !== undefined);
  assert.equal(reply.notice.message, 'Console usage');
  for (const [what] of tables) assert.match(reply.notice.detail ?? '', new RegExp(`\\b${what}\\b`));
});

test('a table of all clients is written in pieces', async () => {
  const clients = Array.from({ length: 1000 }, (_, id) => socketRow({ id }));
  const { view } = fakeView({ clients: () => clients });
  const reply = await runCommand(view, { user: 'stats', admin: false }, 'SHOW CLIENTS');
  const pieces = [...encodePieces(reply)];
  assert.equal(pieces.length, 5);
  assert.deepEqual(Buffer.concat(pieces), encodeReply(reply));
});
