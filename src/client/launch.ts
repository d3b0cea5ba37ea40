/**
 * An exchange begins on a server: everything the server lacks for it comes first, in the same write (settings, what was held back, a
 * statement that SQL names), then the exchange itself takes its place in the queue.
 */
import type { Verb } from '../../routing/index.ts';
import { bring, prepareAs, prepareFirst } from '../relay/bring.ts';
import { ClientExchange, type ExchangeClient } from '../relay/exchange.ts';
import { failTransaction } from '../server/cleaning.ts';
import type { Server } from '../server/server.ts';
import { type Label, withoutIdentity } from '../server/settings.ts';
import { STATUS_FAILED, STATUS_IDLE } from '../wire/codes.ts';
import { query } from '../wire/write.ts';
import { wantsAlone } from './leave-database.ts';
import { listOwnNames, listsPrepared } from './listed-names.ts';
import type { Active } from './phase.ts';
import { type Renewer, renewal } from './renew.ts';
import type { Request } from './request.ts';
import { readsInText } from './sequences.ts';
import { momentOf } from './settled-first.ts';
import { BlockedExchange, processCallOf, type Signal, SignalExchange } from './signals.ts';
import { errorMeant } from './sql-bring.ts';
import { keepNamed, renameInSql } from './sql-names.ts';
import type { SessionState } from './state.ts';
import { Translation } from './translate.ts';

/** What others drew from sequences is not for this session to see. */
const FORGET_SEQUENCES = query('DISCARD SEQUENCES');
const NOTHING: readonly Buffer[] = [];
const FORGET = [FORGET_SEQUENCES];
/** In a failed transaction nothing runs: it is ended first, and the client's own ROLLBACK ends another. */
const FORGET_AFTER_ROLLBACK = [query('ROLLBACK'), FORGET_SEQUENCES, query('BEGIN')];
/** The same where a COMMIT is to find a transaction that has failed. */
const FORGET_BEFORE_FAILURE = [...FORGET_AFTER_ROLLBACK];
const ENDS_FAILURE: ReadonlySet<Verb> = new Set<Verb>(['commit', 'rollback', 'rollback_to']);

/** Effects that set parameters back. */
const RESETS: ReadonlySet<string> = new Set(['reset', 'reset_all', 'discard_all']);

/** Whether a request may set a parameter back to the server's default where the client has asked for another value at start-up. */
function mayRestore(request: Request, { settings }: SessionState): boolean {
  if (!settings.hasStart) return false;
  return request.facts().some(({ statements }) => statements.some(({ effects }) => effects.some(({ kind }) => RESETS.has(kind))));
}

/** The role that the session has at the moment is what counts, unless it has taken another. */
function isOfOurs(signal: Signal, { place, identity, output, state }: ExchangeClient & Renewer): boolean {
  if (withoutIdentity(state.label) !== state.label) return false;
  return place.signal(signal, identity, output.reported.values.get('is_superuser') === 'on');
}

/** What makes the server forget sequences before the request, if it must. */
function forgetFirst(server: Server, { request, state, complete }: Launcher): readonly Buffer[] {
  if (state.policy.state.actions.sequence === 'ignore' || !state.sequences.mustForget(request, complete, server)) return NOTHING;
  if (server.status !== STATUS_FAILED) return FORGET;
  const statements = request.facts().flatMap((facts) => facts.statements);
  const [first] = statements;
  if (first === undefined || !ENDS_FAILURE.has(first.verb)) return NOTHING;
  const chains = first.transaction?.chain === true;
  if (first.verb === 'rollback' && !chains) return FORGET_AFTER_ROLLBACK;
  if (first.verb === 'commit' && !chains) return FORGET_BEFORE_FAILURE;
  // By a savepoint, say: it cannot be told to forget, and so refuses the request.
  return statements.some(readsInText) ? FORGET : NOTHING;
}

/** The session whose request it is. */
export interface Launcher extends ExchangeClient, Renewer {
  readonly identity: Renewer['identity'] & { readonly id: number; readonly pid: number };
  /** Nothing more belongs to the exchange. */
  readonly complete: boolean;
}

export interface Launch {
  /** Settings that the server must carry; undefined where it is held and has what the session did to it. */
  readonly label: Label | undefined;
  /** Query frames that were held back. */
  readonly heldBack: readonly Buffer[];
  readonly nowMs: number;
}

/** The exchange stands in the server's queue; the request itself is still to be sent. */
export function launch(server: Server, client: Launcher, { label, heldBack, nowMs }: Launch): Active {
  const { request, state, complete } = client;
  const { id } = client.identity;
  const { names } = state;
  const { maxPreparedStatements } = state.policy;
  server.used = true;
  const wanted = request.verb === 'ddl' ? wantsAlone(request.text ?? '') : undefined;
  if (wanted !== undefined) client.place.leaveDatabase(wanted);
  client.place.notifiers.begins(request, complete, server, client.identity.pid);
  // In a failed transaction nothing of ours would run, and nothing of the client's needs it.
  const failed = server.status === STATUS_FAILED;
  const call = complete && !failed ? processCallOf(request) : undefined;
  const exchange =
    call?.kind === 'blocked'
      ? new BlockedExchange(client, request.isSimple, nowMs)
      : call !== undefined && isOfOurs(call, client)
        ? new SignalExchange(client, request.isSimple, nowMs, call)
        : new ClientExchange(client, request.isSimple, !complete, nowMs);
  const effects = !complete || request.hasEffects;
  const first = server.sequenceUser === id ? NOTHING : forgetFirst(server, client);
  if (first.length > 0) server.sequenceUser = id;
  if (server.prepared.sql.size > 0) exchange.meaning = (error) => errorMeant(server, error);
  exchange.holdsParameters = effects && mayRestore(request, state);
  bring(server, exchange, label, first.length > 0 ? [...first, ...heldBack] : heldBack);
  if (first === FORGET_BEFORE_FAILURE) failTransaction(server, () => {});
  if (call?.kind === 'blocked') (exchange as BlockedExchange).ask(server, call, (pid) => client.place.processOf(pid, server));
  const lists = !failed && listsPrepared(request, complete);
  if (lists) listOwnNames(server, state, request, heldBack.length > 0 || server.status !== STATUS_IDLE);
  const renamed = failed || !effects || request.simple === undefined ? undefined : renameInSql(request.text ?? '', request.simple, names);
  if (renamed !== undefined) prepareFirst(server, exchange, renamed.prepared);
  if (effects && renamed === undefined)
    keepNamed(request, state, server, (name, prepared, undo) => prepareAs(server, exchange, { name, prepared, undo }));
  const autoPrepare = state.policy.autoPrepare && !lists;
  const plain = complete && renamed === undefined && Translation.isPlain(request, server, names, autoPrepare);
  const translation = new Translation(server, names, {
    limit: maxPreparedStatements,
    autoPrepare,
    owed: plain ? undefined : exchange.accountFor(),
    renamed,
    moment: plain ? undefined : momentOf(client),
  });
  if (complete && !plain && request.usesName) exchange.renewal = renewal(client, server, exchange, translation);
  server.enqueue(exchange);
  return { at: 'active', server, exchange, translation };
}
