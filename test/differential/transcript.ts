/**
 * What a client received, as lines that are the same whenever a client could not tell the difference. Left out is only what differs between
 * two connections to Postgres itself: process ids, numbers of objects made meanwhile, the number of the temporary schema. ParameterStatus
 * frames that follow each other are a set: Postgres sends them in the order of a hash table.
 */
import type { RawFrame } from '../support/raw-client.ts';

/** Objects made by users have numbers from here on (FirstNormalObjectId). */
const FIRST_OWN_OID = 16_384;

/** A matter of the host, not of the session; Shardyard does not report it (docs/exactness.md). */
const NOT_REPORTED = 'in_hot_standby';

const oid = (number: number): number | 'own' => (number >= FIRST_OWN_OID ? 'own' : number);
const sameTempSchema = (line: string): string => line.replace(/pg_(toast_)?temp_\d+/g, 'pg_$1temp_N');

/** Shardyard may know before Postgres that a plan does not fit; it cannot know the line of the source that would say so. */
const isOfPlans = ({ fields }: RawFrame): boolean => fields?.C === '0A000' && fields.R === 'RevalidateCachedQuery';
const OF_SOURCE = ['F', 'L'];

function body(frame: RawFrame, ownPid: number): string {
  switch (frame.type) {
    case 'K':
      return 'key';
    case 'A':
      return `${frame.pid === ownPid ? 'from itself' : 'from another'} ${frame.channel} ${JSON.stringify(frame.payload)}`;
    case 'T':
      return (frame.columns ?? [])
        .map(
          (column) =>
            `${column.name} ${oid(column.table)}.${column.column} ${oid(column.oid)} ${column.size} ${column.modifier} ${column.format}`,
        )
        .join(', ');
    case 't':
      return (frame.oids ?? []).map(oid).join(' ');
    case 'E':
    case 'N':
      return Object.entries(frame.fields ?? {})
        .filter(([code]) => !isOfPlans(frame) || !OF_SOURCE.includes(code))
        .map(([code, value]) => `${code}=${value}`)
        .join(' | ');
    case 'D':
    case 'V':
      return JSON.stringify(frame.values);
    case 'S':
      return `${frame.name}=${frame.value}`;
    case 'Z':
      return frame.status ?? '';
    case 'C':
      return frame.tag ?? '';
    default:
      return JSON.stringify(frame.body.toString('latin1'));
  }
}

/** `ownPid`: of the session's BackendKeyData. */
export function lines(received: readonly RawFrame[], ownPid: number): readonly string[] {
  const found: string[] = [];
  let statuses: string[] = [];
  for (const frame of received) {
    const line = sameTempSchema(`${frame.type} ${body(frame, ownPid)}`);
    if (frame.type === 'S' && frame.name === NOT_REPORTED) continue;
    if (frame.type === 'S') {
      statuses.push(line);
      continue;
    }
    found.push(...statuses.sort(), line);
    statuses = [];
  }
  return [...found, ...statuses.sort()];
}
