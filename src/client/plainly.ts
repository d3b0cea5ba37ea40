/**
 * Questions of our own run on connections that carry a session's settings. A planner that was told to avoid sequential scans thinks every plan
 * immensely dear, and compiles it: a question of some milliseconds would take a second. So the settings that matter are put right for as long
 * as the question takes, which is until its Sync: the transaction that these frames begin ends there, also when the question is refused.
 */
import { bind, execute, parse } from '../wire/write.ts';

const SETTINGS = [
  ['jit', 'off'],
  ['enable_seqscan', 'on'],
  ['enable_indexscan', 'on'],
  ['enable_bitmapscan', 'on'],
  ['enable_nestloop', 'on'],
  ['enable_hashjoin', 'on'],
  ['enable_sort', 'on'],
] as const;

const calls = SETTINGS.map(([name, value]) => `pg_catalog.set_config('${name}', '${value}', true) IS NULL`);

/** Goes in front of a question's own frames, without a Sync between. It has no row. */
export const plainly: Buffer = Buffer.concat([parse('', `SELECT WHERE ${calls.join(' OR ')}`, []), bind('', '', [], []), execute('', 0)]);
