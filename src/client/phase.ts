/**
 * The phases of a session, as data: what exists only in one phase is in that phase's shape. Their meaning is told in `session.ts`.
 */

import type { ClientExchange } from '../relay/exchange.ts';
import type { Server } from '../server/server.ts';
import type { Line } from './place.ts';
import type { Stay } from './stay.ts';
import type { Translation } from './translate.ts';

export interface Active {
  readonly at: 'active';
  readonly server: Server;
  readonly exchange: ClientExchange;
  readonly translation: Translation;
}

export interface InLine {
  readonly at: 'waiting';
  readonly line: Line;
  readonly stay?: Stay;
  /** For a text of the client's to be read; no server is at work. */
  readonly reads?: true;
}

export type Phase =
  | { readonly at: 'idle' }
  | { readonly at: 'skipping' }
  | { readonly at: 'closed' }
  | InLine
  | { readonly at: 'shared'; readonly server: Server }
  | Active;

/** A server is asked something on behalf of the session, and the client waits; who leaves meanwhile takes the server along. */
export function whileAsked(server: Server): InLine {
  return { at: 'waiting', line: { leave: () => server.close('client disconnect while server was not ready') } };
}

export const IDLE: Phase = { at: 'idle' };
export const SKIPPING: Phase = { at: 'skipping' };
export const CLOSED: Phase = { at: 'closed' };
