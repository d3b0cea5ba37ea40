/**
 * What a database's connect_query has set in a server connection: parameters that every session finds there, whatever others set meanwhile. RESET
 * leads back to them, since a session cannot know that they were not there from the start.
 */
import { ask, type Control } from '../wire/control.ts';
import { latin1OfUtf8 } from '../wire/read.ts';

/** Names and values, as latin1. */
export type Base = ReadonlyMap<string, string>;

export const NO_BASE: Base = new Map();

/** The view leaves out who the session is, and parameters of nobody's; those are looked for by their names. */
const SET_HERE = `SELECT name, setting FROM pg_catalog.pg_settings
 WHERE source OPERATOR(pg_catalog.=) 'session' AND context OPERATOR(pg_catalog.=) ANY ('{user,superuser}') AND NOT name OPERATOR(pg_catalog.~~) 'transaction\\_%'
UNION ALL SELECT 'role', pg_catalog.current_setting('role') WHERE pg_catalog.current_setting('role') OPERATOR(pg_catalog.<>) 'none'
UNION ALL SELECT 'session_authorization', session_user::text WHERE session_user OPERATOR(pg_catalog.<>) $1::pg_catalog.name
UNION ALL SELECT name, pg_catalog.current_setting(name, true) FROM pg_catalog.unnest($2::pg_catalog.text[]) AS own (name)
 WHERE pg_catalog.current_setting(name, true) IS NOT NULL`;

const DOTTED = /\b[a-z_]\w*\.[a-z_]\w*\b/gi;

/** Asks what this connect_query has set, in a connection that `user` has logged in on. */
export async function askBase(control: Control, connectQuery: string, user: string): Promise<Base> {
  const dotted = new Set([...connectQuery.matchAll(DOTTED)].map(([name]) => name.toLowerCase()));
  const { rows } = await ask(control, SET_HERE, [user, `{${[...dotted].join(',')}}`]);
  return new Map(rows.map(([name, value]) => [latin1OfUtf8(name!.toLowerCase()), latin1OfUtf8(value!)]));
}
