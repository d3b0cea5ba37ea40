/** What SHOW HELP says: each command of `commands.ts` and each table of `show.ts`, once, as PgBouncer's notice lays them out. */
import type { MessageFields } from '../wire/errors.ts';

const USAGE = [
  'SHOW HELP|CONFIG|DATABASES|POOLS|CLIENTS|SERVERS|USERS|VERSION',
  'SHOW PEERS|PEER_POOLS',
  'SHOW SOCKETS|ACTIVE_SOCKETS|LISTS|MEM|STATE',
  'SHOW DNS_HOSTS|DNS_ZONES',
  'SHOW STATS|STATS_TOTALS|STATS_AVERAGES|TOTALS',
  'SHOW TOPOLOGY|PIPELINE|PINS|STATE_AUDIT|LAST_ROUTES',
  "SHOW ROUTE <db> '<sql>'",
  'SET key = arg',
  'RELOAD',
  'PAUSE [<db>]',
  'RESUME [<db>]',
  'DISABLE <db>',
  'ENABLE <db>',
  'RECONNECT [<db>]',
  'KILL [<db>]',
  'KILL_CLIENT <client_id>',
  'SUSPEND',
  'SHUTDOWN',
  'SHUTDOWN WAIT_FOR_SERVERS|WAIT_FOR_CLIENTS',
  'WAIT_CLOSE [<db>]',
];

/** The answer of SHOW HELP, a notice. */
export const help: MessageFields = {
  severity: 'NOTICE',
  sqlstate: '00000',
  message: 'Console usage',
  detail: `\n${USAGE.map((line) => `\t${line}`).join('\n')}`,
};
