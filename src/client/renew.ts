/**
 * A prepared statement whose result has changed since it was prepared: Postgres refuses its Bind. Where the client cannot be misled by it, the
 * statement is prepared again under another name on servers and the rest of the request is sent once more; the client never learns of it.
 *
 * That is so when the request is one statement and outside a transaction block (then nothing of it has run, and nothing is left of it), when the
 * client will be told the columns that it gets (or has parsed the text just now, and so cannot know others), and when what it has bound means
 * the same whatever the types of parameters are now. Whoever relies on what an earlier Describe said gets Postgres's error.
 */
import type { ClientExchange } from '../relay/exchange.ts';
import type { Prepared } from '../server/prepared.ts';
import type { Server } from '../server/server.ts';
import * as code from '../wire/codes.ts';
import { boundParameters } from '../wire/read.ts';
import { formOf } from './form.ts';
import type { Output } from './output.ts';
import type { Place } from './place.ts';
import type { Item, Part, Request } from './request.ts';
import type { SessionState } from './state.ts';
import type { Translation } from './translate.ts';

/** The session whose statement it is. */
export interface Renewer {
  readonly identity: { readonly database: string; readonly user: string };
  readonly place: Place;
  readonly state: SessionState;
  readonly request: Request;
  readonly output: Output;
}

/** A definition may change again meanwhile. */
const MOST = 2;

/** What the exchange does when a plan was stale: true when the rest of the request is on its way once more. */
export function renewal(session: Renewer, server: Server, exchange: ClientExchange, translation: Translation): () => boolean {
  let left = MOST;
  return () => {
    const { request, state, place, identity, output } = session;
    const part = request.onlyPart;
    const kept = state.names.inSql.get(part?.items[0]?.name ?? '');
    const at = part === undefined || left === 0 ? undefined : renewableFrom(part, exchange.owed?.refused, kept);
    if (at === undefined) return false;
    left -= 1;
    const { name, prepared } = part!.items[at]!;
    const ours = prepared !== undefined && name !== undefined && state.names.named.get(name) === prepared;
    if (name === undefined || (!ours && (prepared !== undefined || kept === undefined))) return false;
    const changed = (): void => {
      place.definitionsChanged(identity.database);
      place.learnt.codeChanged(identity.database, undefined);
    };
    if (!ours) {
      // On the server that the session holds it has the client's own name.
      changed();
      exchange.again(server);
      translation.prepareAnew(name, kept!);
      translation.send(part!, at);
      return true;
    }
    const fresh = state.names.apart()
      ? place.texts.apart(prepared, prepared.types, prepared.body)
      : place.texts.renewed(prepared, output.reading, state.names.path(), changed);
    state.names.named.set(name, fresh);
    exchange.again(server);
    translation.send(part!, at);
    return true;
  };
}

/**
 * From which item on a request that failed by a stale plan may be sent once more; undefined: it may not. `kept`: what its statement is, where the
 * server knows that by the client's own name.
 */
export function renewableFrom({ items, bytes }: Part, refused: string | undefined, kept?: Prepared): number | undefined {
  const names = items.filter(({ type, target }) => type !== code.EXECUTE && type !== code.SYNC && target !== code.TARGET_PORTAL);
  if (names.some(({ name }) => name === '' || name !== names[0]!.name)) return undefined;
  const form = formOf(items);
  const [, parse, statement, portal] = FORM.exec(form) ?? [];
  if (portal === undefined) return undefined;
  const bind = portal === '' ? undefined : items[form.indexOf('B')]!;
  const others = items.filter(({ type, target }) => type === code.EXECUTE || target === code.TARGET_PORTAL);
  if (others.some((item) => (item.portal ?? item.name) !== bind?.portal)) return undefined;
  const at = refused === 'describe' ? form.indexOf('S') : refused === 'bind' && statement === '' ? form.indexOf('B') : -1;
  if (at < 0) return undefined;
  const told = statement !== '' || portal.includes('P');
  if (parse !== '') return at;
  return told && (bind === undefined || isPlain(bytes, bind, bind.prepared ?? kept)) ? at : undefined;
}

/** Parse, Describe of the statement, Bind, Describe of the portal, Execute, each once at most and in this order, and Sync. */
const FORM = /^(T?)(S?)((?:BP?E?)?)\.$/;

/** Values that mean the same for whatever type, or whose types the client has declared; one format for all columns of the result. */
function isPlain(bytes: Buffer, { rest, end }: Item, prepared: Prepared | undefined): boolean {
  const values = boundParameters(bytes, rest!, end);
  // Of a statement that is not known, of SQL's PREPARE say, nothing is known of its types.
  if (values === undefined || prepared === undefined) return false;
  const declared = values.every((_, i) => (prepared.types[i] ?? 0) !== 0);
  if (!declared && values.some(({ format }) => format !== 0)) return false;
  const formats = bytes.readUInt16BE(rest!);
  const after = values.reduce((sum, value) => sum + 4 + (value.bytes?.length ?? 0), rest! + 4 + 2 * formats);
  return after + 2 <= end && bytes.readUInt16BE(after) <= 1;
}
