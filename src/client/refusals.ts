/**
 * Statements that make session state of a kind which the configuration rejects: refused before they are sent. Where nothing is rejected, this
 * costs one look at a flag.
 */
import { type Plan, refuseState, stateRefusal } from '../../routing/index.ts';
import * as code from '../wire/codes.ts';
import * as errors from '../wire/errors.ts';
import { errorResponse } from '../wire/write.ts';
import { listsPrepared } from './listed-names.ts';
import type { Active } from './phase.ts';
import type { Tally } from './place.ts';
import type { Request } from './request.ts';
import { keepNamed } from './sql-names.ts';
import type { SessionState } from './state.ts';
import { PG_TEMP } from './text-look.ts';

type Refusal = Extract<Plan, { kind: 'reject' }>;

/** The refusal of a request, or of what was added to one; undefined: it may go. */
export function refusalOf(request: Request, state: SessionState): Refusal | undefined {
  const { rejects, actions } = state.policy.state;
  if (!rejects) return undefined;
  if (actions.prepared === 'reject' && request.items.some(({ type, name }) => type === code.PARSE && name !== ''))
    return stateRefusal('prepared');
  if (actions.opaque === 'reject' && request.isFunctionCall) return stateRefusal('opaque');
  for (const { facts } of request.asked()) {
    const refusal = refuseState(facts, actions);
    if (refusal !== undefined) return refusal;
    const defines = facts.statements.some(({ effects }) => effects.some(({ kind }) => kind === 'ddl'));
    if (defines && actions.temp === 'reject' && state.maybeTemporary(PG_TEMP.test(request.text ?? ''))) return stateRefusal('temp');
  }
  return undefined;
}

/** The exchange under way, as far as it sends. */
type Sending = Pick<Active, 'server' | 'translation'>;

/** Sends what was gathered on its way to the server of the exchange; a part that is refused becomes an error at its place in the pipeline. */
export function sendPart({ server, translation }: Sending, request: Request, state: SessionState, tally: Tally): void {
  const refusal = refusalOf(request, state);
  if (refusal !== undefined) return translation.refuse(request, errorResponse(errors.refused(refusal)));
  state.sent(request, tally);
  if (listsPrepared(request, true)) translation.hideOthers();
  // What SQL of a further part names is on the server as it is for the first part.
  if (server.status !== code.STATUS_FAILED && !request.isSimple && request.hasEffects)
    keepNamed(request, state, server, (name, prepared, undo) => translation.prepareAs(name, prepared, undo));
  translation.send(request);
}
